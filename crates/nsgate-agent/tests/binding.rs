//! Both ends of a door, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nsgate_agent::binding::{Binders, BoundConnection, Brought, Door, HeldDoor, NotBound, Taken, bind, line};
use nsgate_config::Identity;
use std::{
    io::{ErrorKind, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    os::unix::net::UnixStream as StdStream,
    pin::Pin,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

const LONG: Duration = Duration::from_secs(10);

fn identity() -> Identity {
    Identity::OvnNetwork("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse().unwrap())
}

/// The user of this process.
fn own() -> Binders {
    Binders::new(vec![nix::unistd::getuid().as_raw()])
}

/// A connection to a listening socket, so that the kernel attests who made it, and the other end of it.
async fn connected() -> (StdStream, UnixStream) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let gate = StdStream::connect(&path).unwrap();
    gate.set_nonblocking(true).unwrap();
    (gate, listener.accept().await.unwrap().0)
}

/// What is said to a peer that has said `said`, and what became of its connection.
async fn answer(said: &[u8], binders: &Binders) -> (String, Result<HeldDoor, NotBound>) {
    let (mut gate, agent) = connected().await;
    gate.write_all(said).unwrap();
    let outcome = timeout(LONG, bind(agent, b"", binders)).await.unwrap();
    let mut told = String::new();
    if let Err(error) = gate.read_to_string(&mut told) {
        assert!(outcome.is_ok() || error.kind() != ErrorKind::WouldBlock, "it was not closed");
    }
    (told, outcome)
}

/// A door with room for so many connections, and the agent's ends of those that it brings.
async fn door(most: usize) -> (Door, UnboundedReceiver<BoundConnection>) {
    let (mut gate, agent) = connected().await;
    gate.write_all(line(&identity()).as_bytes()).unwrap();
    let held = bind(agent, b"", &own()).await.unwrap();
    let mut told = [0; 6];
    gate.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"bound\n");
    let (hand, handed) = unbounded_channel();
    tokio::spawn(attended(held, most, hand));
    (Door::bound(OwnedFd::from(gate)), handed)
}

/// Attends a door and those that it brings.
fn attended(
    held: HeldDoor,
    most: usize,
    hand: UnboundedSender<BoundConnection>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let take = |brought| match brought {
            Brought::Connection(connection) => hand.send(connection).unwrap(),
            Brought::Door(door) => _ = tokio::spawn(attended(door, most, hand.clone())),
        };
        let _ = held.attend(most, take).await;
    })
}

async fn take(door: &Door) -> std::io::Result<Taken> {
    for _ in 0..1000 {
        match door.take() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(Duration::from_millis(5)).await,
            outcome => return outcome,
        }
    }
    panic!("nothing comes");
}

async fn connection(door: &Door) -> StdStream {
    door.ask().unwrap();
    match take(door).await.unwrap() {
        Taken::Connection(stream) => stream,
        other => panic!("{other:?}"),
    }
}

async fn another(door: &Door) -> Door {
    door.ask_door().unwrap();
    match take(door).await.unwrap() {
        Taken::Door(door) => door,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_of_a_door_speaks_for_its_network() {
    let (door, mut handed) = door(2).await;
    let mut gate = connection(&door).await;
    let mut agent = handed.recv().await.unwrap();
    assert_eq!(agent.identity, identity());
    gate.write_all(b"GET").unwrap();
    let mut heard = [0; 3];
    agent.stream.read_exact(&mut heard).await.unwrap();
    agent.stream.write_all(b"200").await.unwrap();
    gate.set_nonblocking(false).unwrap();
    gate.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"200");
}

#[tokio::test]
async fn who_is_not_a_binder_gets_no_door() {
    let other = nix::unistd::getuid().as_raw() + 1;
    let (told, outcome) = answer(line(&identity()).as_bytes(), &Binders::new(vec![other])).await;
    assert!(told.starts_with("refused ") && told.contains("binders") && told.ends_with('\n'), "{told}");
    assert!(matches!(outcome, Err(NotBound::Stranger(user)) if user + 1 == other), "{outcome:?}");
    assert_eq!(Binders::default(), Binders::new(vec![0]), "without words root alone");
}

#[tokio::test]
async fn an_odd_line_is_refused_with_its_reason() {
    let id = identity().uuid();
    let long = "a".repeat(200);
    for (said, word) in [
        (format!("NSGATE-BIND 2 x-ovn-network-id {id}\n"), "version `2`"),
        (format!("NSGATE-BIND 1 x-tenant-id {id}\n"), "x-tenant-id"),
        ("NSGATE-BIND 1 x-ovn-network-id me\n".to_owned(), "not a UUID"),
        (format!("NSGATE-BIND 1 x-ovn-network-id {id} now\n"), "HEADER UUID"),
        (format!("NSGATE-BIND 1 {long}"), "no end"),
        (format!("NSGATE-BIND 1 x-ovn-network-id {id}\n+"), "behind"),
    ] {
        let (told, outcome) = answer(said.as_bytes(), &own()).await;
        assert!(told.starts_with("refused ") && told.contains(word), "{said}: {told}");
        assert!(matches!(outcome, Err(NotBound::Line(_))), "{said}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_door_has_as_many_connections_as_it_may_and_one_more_when_one_has_ended() {
    let (door, mut handed) = door(2).await;
    let (_one, two) = (connection(&door).await, connection(&door).await);
    door.ask().unwrap();
    assert!(matches!(take(&door).await, Ok(Taken::Full)));
    let (_first, second) = (handed.recv().await.unwrap(), handed.recv().await.unwrap());
    drop(two);
    drop(second);
    connection(&door).await;
}

#[tokio::test]
async fn the_end_of_a_door_unbinds_its_network() {
    let (door, mut handed) = door(2).await;
    let _connection = connection(&door).await;
    let mut held = handed.recv().await.unwrap();
    let early = timeout(Duration::from_millis(50), held.unbound.wait()).await;
    assert!(early.is_err(), "the door is open");
    drop(door);
    timeout(LONG, held.unbound.wait()).await.unwrap();
    assert!(handed.recv().await.is_none(), "nothing attends the door any more");
}

#[tokio::test]
async fn a_door_that_another_has_brought_speaks_for_the_same_network_and_ends_with_it() {
    let (first, mut handed) = door(3).await;
    let second = another(&first).await;
    let _connection = connection(&second).await;
    let mut held = handed.recv().await.unwrap();
    assert_eq!(held.identity, identity());
    // What one asks for comes to it alone, and both have no more than one may have.
    first.ask().unwrap();
    second.ask().unwrap();
    assert!(matches!(take(&first).await, Ok(Taken::Connection(_))));
    assert!(matches!(take(&second).await, Ok(Taken::Connection(_))));
    let _held = (handed.recv().await.unwrap(), handed.recv().await.unwrap());
    first.ask().unwrap();
    assert!(matches!(take(&first).await, Ok(Taken::Full)), "three connections, whichever door brought them");
    drop(first);
    timeout(LONG, held.unbound.wait()).await.unwrap();
    assert_eq!(take(&second).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn the_end_of_a_door_that_another_has_brought_unbinds_its_own_connections_alone() {
    let (first, mut handed) = door(3).await;
    let second = another(&first).await;
    let (_own, _others) = (connection(&first).await, connection(&second).await);
    let (mut of_first, mut of_second) = (handed.recv().await.unwrap(), handed.recv().await.unwrap());
    drop(second);
    timeout(LONG, of_second.unbound.wait()).await.unwrap();
    assert!(timeout(Duration::from_millis(50), of_first.unbound.wait()).await.is_err(), "the first is open");
    connection(&first).await;
}

#[tokio::test]
async fn a_door_brings_a_bounded_number_of_doors_and_they_bring_none() {
    let (first, _handed) = door(1).await;
    let mut doors = Vec::new();
    loop {
        first.ask_door().unwrap();
        match take(&first).await.unwrap() {
            Taken::Door(door) => doors.push(door),
            Taken::Full => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(doors.len(), 8);
    doors[0].ask_door().unwrap();
    assert!(matches!(take(&doors[0]).await, Ok(Taken::Full)));
    drop(doors);
    assert!(timeout(LONG, async { while !has_another(&first).await {} }).await.is_ok(), "when they have ended");
}

async fn has_another(door: &Door) -> bool {
    door.ask_door().unwrap();
    matches!(take(door).await, Ok(Taken::Door(_)))
}

#[tokio::test]
async fn a_holder_learns_that_the_agent_has_gone() {
    let (gate, agent) = connected().await;
    let door = Door::bound(OwnedFd::from(gate));
    drop(agent);
    assert_eq!(take(&door).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(door.ask().unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn what_a_door_brings_is_closed_at_exec_and_never_waits() {
    let (door, mut handed) = door(1).await;
    let gate = connection(&door).await;
    let agent = handed.recv().await.unwrap();
    for number in [gate.as_raw_fd(), agent.stream.as_raw_fd()] {
        // SAFETY: both are open.
        #[allow(unsafe_code)]
        let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        let flags = FdFlag::from_bits_truncate(fcntl(borrowed, FcntlArg::F_GETFD).unwrap());
        assert!(flags.contains(FdFlag::FD_CLOEXEC));
    }
    assert_eq!((&gate).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_peer_that_never_takes_what_it_asks_for_hangs_no_other() {
    let (greedy, mut hoard) = door(64).await;
    for _ in 0..64 {
        greedy.ask().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut waiting = Vec::new();
    while let Ok(connection) = hoard.try_recv() {
        waiting.push(connection);
    }
    assert!(waiting.len() < 16, "so many wait to be taken: {}", waiting.len());
    let (door, _handed) = door(1).await;
    timeout(LONG, connection(&door)).await.unwrap();
    // And it may still take what it asked for.
    for _ in 0..64 {
        assert!(matches!(take(&greedy).await, Ok(Taken::Connection(_))));
    }
}

#[tokio::test]
async fn a_byte_that_is_not_of_the_protocol_closes_the_door() {
    let (mut gate, agent) = connected().await;
    gate.write_all(line(&identity()).as_bytes()).unwrap();
    let held = bind(agent, b"", &own()).await.unwrap();
    gate.write_all(b"GET").unwrap();
    let error = timeout(LONG, held.attend(1, |_| ())).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("0x47"), "{error}");
    gate.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(gate.read(&mut [0]).unwrap(), 0, "it is closed");
}

#[tokio::test]
async fn a_line_may_come_in_pieces_and_a_kept_door_needs_none() {
    let (mut gate, mut agent) = connected().await;
    let line = line(&identity());
    let (begin, rest) = line.split_at(20);
    gate.write_all(begin.as_bytes()).unwrap();
    let mut first = vec![0; begin.len()];
    agent.read_exact(&mut first).await.unwrap();
    gate.write_all(rest.as_bytes()).unwrap();
    let held = bind(agent, &first, &own()).await.unwrap();
    assert_eq!(held.identity(), identity());
    gate.read_exact(&mut [0; 6]).unwrap();
    // As a service manager keeps it: the descriptor, and whom it is for.
    let copy = std::os::fd::AsFd::as_fd(&held).try_clone_to_owned().unwrap();
    drop(held);
    let kept = HeldDoor::kept(copy, identity()).unwrap();
    let (hand, mut handed) = unbounded_channel();
    tokio::spawn(attended(kept, 1, hand));
    let door = Door::bound(OwnedFd::from(gate));
    connection(&door).await;
    assert_eq!(handed.recv().await.unwrap().identity, identity());
}
