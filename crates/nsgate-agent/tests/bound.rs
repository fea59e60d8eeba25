//! A connection that is bound to a network speaks for that network: no message over it changes that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use nix::unistd::getuid;
use nsgate_agent::binding::{Binders, Door, Taken, line};
use nsgate_config::Identity;
use std::{
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
    time::Duration,
};
use support::{Agent, INSTANCE, NETWORK, SmallNova, good, status};

const OTHER_NETWORK: &str = "00000000-9f7b-4b59-9a55-0d3c1f6e2b10";

fn agent(nova: &SmallNova, binders: Vec<u32>) -> Agent {
    Agent::with(&[nova.address], |gates, _| {
        (gates.plain, gates.binders, gates.door_connections) = (false, Binders::new(binders), 2);
    })
}

/// Asks for a door, and reads the answer's line.
fn bind(agent: &Agent) -> (UnixStream, String) {
    let mut stream = agent.connect();
    stream.write_all(line(&Identity::OvnNetwork(NETWORK.parse().expect("a UUID"))).as_bytes()).expect("to send");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("an answer"), 1, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&byte);
    }
    (stream, String::from_utf8(answer).expect("text"))
}

fn connection(door: &Door) -> Option<UnixStream> {
    door.ask().expect("to ask");
    loop {
        match door.take() {
            Ok(Taken::Connection(stream)) => {
                stream.set_nonblocking(false).expect("blocking");
                stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
                return Some(stream);
            }
            Ok(Taken::Full) => return None,
            Ok(Taken::Door(_)) => panic!("a door that was not asked for"),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// One request over a connection that stays open.
fn asks(stream: &mut UnixStream, fields: &str) -> String {
    let text = format!("GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 10.0.0.2\r\n{fields}\r\n");
    stream.write_all(text.as_bytes()).expect("to send");
    let mut answer = String::new();
    loop {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).expect("an answer");
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
        let whole = answer.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            body.len() == length.parse::<usize>().expect("a number")
        });
        if whole || count == 0 {
            return answer;
        }
    }
}

#[test]
fn a_bound_connection_asks_in_its_network_and_in_no_other() {
    let nova = SmallNova::start(good("hello"));
    let agent = agent(&nova, vec![getuid().as_raw()]);
    let (stream, answer) = bind(&agent);
    assert_eq!(answer, "bound\n");
    let door = Door::bound(OwnedFd::from(stream));
    let mut first = connection(&door).expect("a connection");
    for fields in ["", &format!("x-ovn-network-id: {NETWORK}\r\n")] {
        let answer = asks(&mut first, fields);
        assert!(status(&answer) == 200 && answer.ends_with("hello"), "{answer}");
    }
    for (header, id) in
        [("x-ovn-network-id", OTHER_NETWORK), ("x-neutron-network-id", NETWORK), ("x-neutron-router-id", NETWORK)]
    {
        assert_eq!(status(&asks(&mut first, &format!("{header}: {id}\r\n"))), 403, "{header} {id}");
    }
    let seen = nova.seen();
    assert!(seen.len() == 2 && seen.iter().all(|seen| seen.field("x-instance-id") == Some(INSTANCE)), "{seen:?}");
    // Its share of connections, and the place of one that has ended.
    let second = connection(&door).expect("a second connection");
    assert!(connection(&door).is_none(), "two at once");
    drop(second);
    support::until("a place", || connection(&door).is_some());
    // The network is unbound.
    drop(door);
    assert_eq!(first.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn a_door_that_another_has_brought_asks_in_its_network_and_ends_with_it() {
    let nova = SmallNova::start(good("hello"));
    let agent = agent(&nova, vec![getuid().as_raw()]);
    let root = Door::bound(OwnedFd::from(bind(&agent).0));
    let workers = brought(&root);
    let mut own = connection(&workers).expect("a connection");
    assert_eq!(status(&asks(&mut own, "")), 200);
    assert_eq!(status(&asks(&mut own, &format!("x-ovn-network-id: {OTHER_NETWORK}\r\n"))), 403);
    assert_eq!(nova.seen().len(), 1);
    workers.ask_door().expect("to ask");
    assert!(matches!(taken(&workers), Ok(Taken::Full)), "it brings no door");
    drop(root);
    assert_eq!(own.read(&mut [0]).expect("the end"), 0);
    assert_eq!(taken(&workers).expect_err("the end").kind(), std::io::ErrorKind::UnexpectedEof);
}

fn brought(door: &Door) -> Door {
    door.ask_door().expect("to ask");
    match taken(door) {
        Ok(Taken::Door(door)) => door,
        other => panic!("{other:?}"),
    }
}

/// What comes by a door, once it is there.
fn taken(door: &Door) -> std::io::Result<Taken> {
    loop {
        match door.take() {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
            taken => return taken,
        }
    }
}

#[test]
fn a_process_that_is_not_root_binds_nothing() {
    let nova = SmallNova::start(good("hello"));
    let agent = agent(&nova, vec![getuid().as_raw() + 1]);
    let (mut stream, answer) = bind(&agent);
    assert!(answer.starts_with("refused ") && answer.contains("`binders`"), "{answer}");
    // The end, or a reset: not all that was sent was read.
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "it carries nothing");
}
