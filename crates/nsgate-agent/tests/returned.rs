//! A door that a service manager has kept while the agent was restarted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nsgate_agent::binding::{Binders, BoundConnection, Brought, Door, HeldDoor, NotReturned, Taken, name};
use nsgate_config::Identity;
use std::{
    io::{ErrorKind, Read},
    os::fd::{AsRawFd, OwnedFd},
    os::unix::net::UnixStream as StdStream,
    time::Duration,
};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
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

/// Attends a door.
async fn attended(held: HeldDoor, most: usize, hand: UnboundedSender<BoundConnection>) {
    let take = |brought| match brought {
        Brought::Connection(connection) => hand.send(connection).unwrap(),
        Brought::Door(door) => panic!("{door:?}"),
    };
    let _ = held.attend(most, take).await;
}

/// A connection whose holder's end has a name, as root's has, and the agent's end of it.
fn named() -> (StdStream, OwnedFd) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let flags = SockFlag::SOCK_CLOEXEC;
    let gate = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
    let unique = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    let name = UnixAddr::new_abstract(name(&identity(), unique).as_bytes()).unwrap();
    nix::sys::socket::bind(gate.as_raw_fd(), &name).unwrap();
    connect(gate.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    let agent = listener.accept().unwrap().0;
    agent.set_nonblocking(true).unwrap();
    (gate.into(), agent.into())
}

/// What comes by a door until nothing does.
async fn all(door: &Door) -> usize {
    let mut came = 0;
    for _ in 0..60 {
        match door.take() {
            Ok(Taken::Connection(_)) => came += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    came
}

#[tokio::test]
async fn a_door_that_comes_back_is_asked_anew_for_what_had_not_come() {
    let (gate, kept) = named();
    let door = Door::bound(OwnedFd::from(gate));
    let mut before = StdStream::from(kept.try_clone().unwrap());
    // The process that was asked first has read one of three bytes, and brought nothing.
    (0..3).for_each(|_| door.ask().unwrap());
    assert_eq!(before.read(&mut [0]).unwrap(), 1);
    let held = HeldDoor::returned(kept, &own()).unwrap();
    assert_eq!(held.identity(), identity());
    let (hand, mut handed) = unbounded_channel();
    tokio::spawn(attended(held, 64, hand));
    assert_eq!(all(&door).await, 3);
    door.ask().unwrap();
    assert_eq!(all(&door).await, 1);
    for _ in 0..4 {
        assert_eq!(handed.recv().await.unwrap().identity, identity());
    }
}

#[tokio::test]
async fn two_restarts_before_the_gate_has_heard_of_one_bring_nothing_twice() {
    let (gate, kept) = named();
    let door = Door::bound(OwnedFd::from(gate));
    (0..2).for_each(|_| door.ask().unwrap());
    let copy = kept.try_clone().unwrap();
    let (hand, _handed) = unbounded_channel();
    let first = tokio::spawn(attended(HeldDoor::returned(copy, &own()).unwrap(), 64, hand));
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (hand, mut handed) = unbounded_channel();
    tokio::spawn(attended(HeldDoor::returned(kept, &own()).unwrap(), 64, hand));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(all(&door).await, 2);
    for _ in 0..2 {
        handed.recv().await.unwrap();
    }
    assert!(handed.try_recv().is_err());
}

#[tokio::test]
async fn a_door_that_comes_back_and_another_cannot_have_made_is_none() {
    let (gate, kept) = named();
    let stranger = HeldDoor::returned(kept.try_clone().unwrap(), &Binders::new(vec![u32::MAX - 1]));
    assert!(matches!(stranger, Err(NotReturned::Stranger(user)) if user == nix::unistd::getuid().as_raw()));
    // A connection that this process has made without a name, at both ends.
    let (one, two) = StdStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    assert!(matches!(HeldDoor::returned(one.into(), &own()), Err(NotReturned::Name(_))));
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(matches!(HeldDoor::returned(file.into(), &own()), Err(NotReturned::NoConnection(_))));
    drop((gate, two));
    // Its holder has gone meanwhile: it is one, and ends.
    let gone = HeldDoor::returned(kept, &own()).unwrap();
    timeout(LONG, gone.attend(1, |brought| panic!("{brought:?}"))).await.unwrap().unwrap();
}
