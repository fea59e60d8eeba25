//! What a gate is answered when there is no instance, or no answer of Nova's, and what a fault costs others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Mutex,
    time::{Duration, Instant},
};
use support::{Agent, NETWORK, SmallNova, good, request, status, until};

/// An address at which no process listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address")
}

#[test]
fn a_request_without_one_instance_does_not_reach_nova() {
    let nova = SmallNova::start(good("hello"));
    let agent = Agent::start(&[nova.address]);
    let plain = |fields: &str| {
        let text = format!("GET / HTTP/1.1\r\nhost: x\r\n{fields}connection: close\r\n\r\n");
        String::from_utf8_lossy(&agent.says(text.as_bytes())).into_owned()
    };
    for (answer, expected, said) in [
        (agent.asks("GET /", "10.0.0.9", ""), 404, "no port of the network has the address"),
        (agent.asks("GET /", "10.0.0.4", ""), 404, "2 ports of the network have the address"),
        (
            agent.asks("GET /", "10.0.0.2", "x-neutron-router-id: 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\r\n"),
            400,
            "more than one",
        ),
        (plain(&format!("x-ovn-network-id: {NETWORK}\r\n")), 400, "no X-Forwarded-For"),
        (plain("x-forwarded-for: 10.0.0.2\r\n"), 400, "neither a network nor a router"),
        (plain("x-forwarded-for: 10.0.0.2\r\nx-ovn-network-id: 7a1c4d2e\r\n"), 400, "not a UUID"),
        (
            plain("x-forwarded-for: 10.0.0.2\r\nx-ovn-network-id: 00000000-0000-4000-8000-000000000000\r\n"),
            404,
            "no port of the network",
        ),
    ] {
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(answer.contains(said), "{said}: {answer}");
    }
    assert!(nova.seen().is_empty());
}

#[test]
fn a_connection_that_names_its_network_is_refused_unless_it_may() {
    let nova = SmallNova::start(good("hello"));
    let agent = Agent::with(&[nova.address], |gates, _| gates.plain = false);
    let answer = agent.asks("GET /", "10.0.0.2", "");
    assert!(status(&answer) == 403 && answer.contains("`plain = true`"), "{answer}");
    assert!(nova.seen().is_empty());
}

#[test]
fn a_nova_that_is_away_is_503_and_one_that_talks_nonsense_502() {
    let away = Agent::start(&[nowhere()]);
    let answer = away.asks("GET /", "10.0.0.2", "");
    assert!(status(&answer) == 503 && answer.contains("cannot be reached"), "{answer}");
    for nonsense in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        "",
    ] {
        let nova = SmallNova::start(move |_, stream| stream.write_all(nonsense.as_bytes()).is_err());
        for method in ["GET", "POST"] {
            let answer = Agent::start(&[nova.address]).asks(&format!("{method} /"), "10.0.0.2", "");
            assert!(status(&answer) == 502, "{nonsense:?}: {answer}");
        }
    }
}

#[test]
fn half_an_answer_never_looks_like_the_whole() {
    for half in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    ] {
        let nova = SmallNova::start(move |_, stream| stream.write_all(half.as_bytes()).is_err());
        let mut stream = Agent::start(&[nova.address]).connect();
        stream.write_all(request("GET /", "10.0.0.2", "").as_bytes()).expect("to send");
        let mut answer = Vec::new();
        // The agent closes the connection although it is kept alive, before the end that the head announces.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        let whole =
            answer.ends_with("\r\n0\r\n\r\n") || (answer.contains("content-length: 5\r\n") && status(&answer) == 200);
        assert!(!whole, "{half:?}: {answer}");
    }
}

#[test]
fn a_silent_nova_is_504_after_the_deadline() {
    let nova = SmallNova::start(|_, stream| stream.read(&mut [0]).is_err());
    let agent = Agent::with(&[nova.address], |_, nova| nova.answer = Duration::from_millis(300));
    let begun = Instant::now();
    let answer = agent.asks("GET /", "10.0.0.2", "");
    assert_eq!(status(&answer), 504, "{answer}");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    until("the end of Nova's connection", || nova.ended() == 1);
}

#[test]
fn a_host_that_is_away_costs_no_request_and_is_asked_again_when_it_is_back() {
    let good_nova = SmallNova::start(good("hello"));
    let away = nowhere();
    let agent = Agent::start(&[away, good_nova.address]);
    for _ in 0..6 {
        assert_eq!(status(&agent.asks("GET /", "10.0.0.2", "")), 200);
    }
    assert_eq!(good_nova.seen().len(), 6);
    let back = SmallNova::at(away, good("back"));
    until("the return of the first host", || {
        assert_eq!(status(&agent.asks("GET /", "10.0.0.2", "")), 200);
        !back.seen().is_empty()
    });
}

#[test]
fn a_kept_connection_that_nova_closes_costs_no_request() {
    // Answers the first request of a connection, and closes it when the second one has come.
    let first = Mutex::new(HashSet::new());
    let nova = SmallNova::start(move |seen, stream| {
        first.lock().expect("connections").insert(seen.connection) && good("hello")(seen, stream)
    });
    let agent = Agent::start(&[nova.address]);
    let mut answered = 0;
    for _ in 0..5 {
        assert_eq!(status(&agent.asks("GET /", "10.0.0.2", "")), 200);
        let answer = agent.asks("POST /openstack/latest/password", "10.0.0.2", "content-length: 0\r\n");
        assert_eq!(status(&answer), 200, "it has a connection of its own");
        answered += 1;
    }
    let posted = nova.seen().iter().filter(|seen| seen.head.starts_with("POST")).count();
    assert_eq!(posted, answered, "and is sent once");
}

#[test]
fn a_request_that_changes_something_is_sent_once() {
    let nova = SmallNova::start(|_, _| false);
    let second = SmallNova::start(good("hello"));
    let agent = Agent::start(&[nova.address, second.address]);
    let posted: Vec<u16> = (0..4).map(|_| status(&agent.asks("POST /", "10.0.0.2", "content-length: 0\r\n"))).collect();
    assert_eq!(nova.seen().len() + second.seen().len(), 4, "{posted:?}");
    assert!(posted.contains(&502) && posted.contains(&200), "{posted:?}");
    // One that changes nothing finds the host that answers.
    assert_eq!(status(&agent.asks("GET /", "10.0.0.2", "")), 200);
}

#[test]
fn a_greedy_instance_keeps_no_other_from_nova() {
    let nova = SmallNova::start(|seen, stream| {
        if seen.head.contains("10.0.0.2") {
            return stream.read(&mut [0]).is_err();
        }
        good("hello")(seen, stream)
    });
    let agent = Agent::with(&[nova.address], |_, nova| (nova.share, nova.requests) = (2, 3));
    let greedy: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = agent.connect();
            stream.write_all(request("GET /", "10.0.0.2", "").as_bytes()).expect("to send");
            stream
        })
        .collect();
    until("the greedy instance's share", || nova.seen().len() == 2);
    for _ in 0..5 {
        assert_eq!(status(&agent.asks("GET /", "10.0.0.3", "")), 200);
    }
    assert_eq!(nova.seen().len(), 7, "no more than its share of the greedy instance's requests");
    drop(greedy);
    until("the end of the greedy requests", || nova.ended() >= 2);
}

#[test]
fn a_gate_that_says_nothing_is_let_go() {
    let nova = SmallNova::start(good("hello"));
    let agent =
        Agent::with(&[nova.address], |gates, _| (gates.head, gates.connections) = (Duration::from_millis(200), 1));
    for begun in ["", "NSGATE", "GET / HTTP/1.1\r\n"] {
        let mut silent = agent.connect();
        silent.write_all(begun.as_bytes()).expect("to send");
        assert_eq!(status(&agent.asks("GET /", "10.0.0.2", "")), 200, "the next one has its place");
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).expect("the end");
    }
}
