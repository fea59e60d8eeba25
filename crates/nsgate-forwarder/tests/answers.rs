//! One request, one answer: what a refusal looks like on the wire, when the connection lives on behind it, and for whom
//! each phase of an exchange waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nsgate_forwarder::{AccessRecord, Reason};
use served::{HELLO, Served, get, one, rest};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener},
    time::{Instant, sleep, timeout},
};

/// Guards that refuse without looking at a body, one reason each.
const GUARDS: &str = "[guards]\nrefuse_forwarded = true\nhosts = [\"h\"]\ntokens = \"optional\"\n\
    methods = [\"GET\", \"HEAD\", \"POST\"]\npaths = [\"/latest/\"]\n";
/// Line, header and status of a request that a guard refuses.
const REFUSED: [(&str, &str, &str); 5] = [
    ("POST /latest/", "Host: h\r\nX-aws-ec2-metadata-token: x\r\n", "401"),
    ("POST /latest/", "Host: h\r\nX-Forwarded-For: 10.0.0.1\r\n", "403"),
    ("POST /openstack/", "Host: h\r\n", "403"),
    ("DELETE /latest/", "Host: h\r\n", "405"),
    ("POST /latest/", "Host: x\r\n", "421"),
];

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// The records so far, waited for until there are as many.
async fn records(served: &Served, count: usize) -> Vec<AccessRecord> {
    let wait = async {
        while served.records.0.lock().unwrap().len() < count {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("{count} records"));
    served.records.0.lock().unwrap().clone()
}

#[tokio::test]
async fn a_refused_head_has_no_body() {
    let served = Served::with(&format!("{GUARDS}[timeouts]\nrequest = \"200ms\"\n"), HELLO).await;
    for (request, expected) in [
        ("HEAD /latest/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", "400"),
        ("HEAD /latest/ HTTP/2.0\r\n", "400"),
        ("HEAD /latest/ HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", "417"),
        ("HEAD /latest/ HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\n", "413"),
        ("HEAD /latest/ HTTP/1.1\r\nHost", "408"),
        ("HEAD /latest/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", "400"),
        ("HEAD /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "403"),
        ("HEAD /latest/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "421"),
    ] {
        let answer = served.ask(request).await;
        assert_eq!(status(&answer), expected, "{request:?}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{request:?} has a body: {answer}");
        // Its length is what a GET would have had (RFC 9110, section 9.3.2).
        let length = answer.to_ascii_lowercase().contains("\r\ncontent-length: ");
        assert!(length, "{request:?}: {answer}");
    }
    // A method that only begins like it has one.
    let answer = served.ask("HEADER /x HTTP/2.0\r\n").await;
    assert!(answer.ends_with("</html>\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_turns_bad_behind_an_early_refusal_gets_no_second_answer() {
    let served = Served::with(GUARDS, HELLO).await;
    for (count, (line, fields, expected)) in REFUSED.iter().enumerate() {
        for pause in [None, Some(50)] {
            let mut guest = served.guest().await;
            let head = format!("{line} HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
            let bad = "5\r\nhello\r\nno size\r\n\r\n";
            match pause {
                None => guest.write_all((head + bad).as_bytes()).await.unwrap(),
                Some(millis) => {
                    guest.write_all(head.as_bytes()).await.unwrap();
                    sleep(Duration::from_millis(millis)).await;
                    let _ = guest.write_all(bad.as_bytes()).await;
                }
            }
            let answer = rest(&mut guest).await;
            assert_eq!((status(&answer), answer.matches("HTTP/1.1 ").count()), (*expected, 1), "{line}: {answer}");
            assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{line}: {answer}");
        }
        let records = records(&served, 2 * count + 2).await;
        assert_eq!(records.len(), 2 * count + 2, "one line for each request");
        assert_eq!(records.last().unwrap().status.to_string(), *expected, "{line}");
    }
    assert!(served.seen().is_empty());
}

/// A guest that goes on sending hears the refusal all the same: a reset, which bytes unread at a close lead to, may take it
/// away before it is read (RFC 9112, section 9.6).
#[tokio::test]
async fn a_guest_that_goes_on_with_its_body_hears_the_early_refusal() {
    let served = Served::with(GUARDS, HELLO).await;
    for (line, fields, expected) in REFUSED {
        let mut guest = served.guest().await;
        let head = format!("{line} HTTP/1.1\r\n{fields}Content-Length: 4000\r\n\r\n");
        guest.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..10 {
            sleep(Duration::from_millis(10)).await;
            guest.write_all(&[b'x'; 400]).await.unwrap_or_else(|error| panic!("{line}: a reset: {error}"));
        }
        let mut answer = String::new();
        let read = timeout(Duration::from_secs(10), guest.read_to_string(&mut answer)).await.expect("the gate closes");
        assert!(read.is_ok(), "{line}: {read:?}");
        assert_eq!((status(&answer), answer.matches("HTTP/1.1 ").count()), (expected, 1), "{line}: {answer}");
        assert!(answer.ends_with("</html>\n"), "{line}: cut: {answer}");
    }
}

#[tokio::test]
async fn a_refusal_with_nothing_left_unread_keeps_the_connection() {
    let served = Served::with(GUARDS, HELLO).await;
    let mut guest = served.guest().await;
    for body in ["", "hello"] {
        for (line, fields, expected) in REFUSED {
            let length = body.len();
            let request = format!("{line} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
            guest.write_all(request.as_bytes()).await.unwrap();
            let answer = one(&mut guest).await;
            assert_eq!(status(&answer), expected, "{line}: {answer}");
            assert!(!answer.to_ascii_lowercase().contains("connection: close"), "{line}: {answer}");
        }
    }
    guest.write_all(b"GET /latest/ HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(one(&mut guest).await.ends_with("hello"));
    assert_eq!(served.seen().len(), 1);
    // One that wants to close is closed.
    guest.write_all(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = rest(&mut guest).await;
    assert!(status(&answer) == "403" && answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(records(&served, 12).await.len(), 12);
}

#[tokio::test]
async fn a_client_that_is_to_come_again_keeps_its_connection() {
    let served = Served::with("rate_limits = [{ requests = 2, window = \"1s\" }]\n", HELLO).await;
    let mut guest = served.guest().await;
    for expected in ["200", "200", "429", "429"] {
        guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        assert_eq!(status(&one(&mut guest).await), expected);
    }
    sleep(Duration::from_millis(2200)).await;
    guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert_eq!(status(&one(&mut guest).await), "200", "on the same connection");

    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let settings = "[timeouts]\nconnect = \"200ms\"\nserver = \"200ms\"\n";
    let served = Served::at(settings, socket.clone(), Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab").await.unwrap();
    let answer = one(&mut guest).await;
    assert!(status(&answer) == "503" && answer.contains("\r\nretry-after: "), "{answer}");
    let listener = UnixListener::bind(&socket).unwrap();
    guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert_eq!(status(&one(&mut guest).await), "504");
    guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let (_silent, _) = listener.accept().await.unwrap();
    let (mut agent, _) = listener.accept().await.unwrap();
    agent.write_all(HELLO.as_bytes()).await.unwrap();
    assert_eq!(status(&one(&mut guest).await), "200", "on the same connection");
}

/// A body that the guest was told to send (100) and does not is answered like any other.
#[tokio::test]
async fn a_body_that_was_asked_for_and_does_not_come_is_408() {
    let served = Served::with("[timeouts]\nbody = \"300ms\"\n", HELLO).await;
    let answer = served.ask("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 "), "{answer}");
    assert_eq!(records(&served, 1).await[0].status, 408);
}

/// An agent that says `first`, waits for `pause` and says `second`, behind a gate with these settings.
async fn pausing(settings: &str, pause: Duration) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut agent, _)) = listener.accept().await {
            let _ = agent.read(&mut [0; 4096]).await;
            let _ = agent.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
            sleep(pause).await;
            let _ = agent.write_all(b"world").await;
        }
    });
    Served::at(settings, socket, Arc::default(), directory).await
}

#[tokio::test]
async fn an_agent_that_pauses_within_its_body_has_the_servers_time_and_not_the_clients() {
    let settings = "[timeouts]\nclient = \"300ms\"\nserver = \"20s\"\n";
    let served = pausing(settings, Duration::from_millis(1200)).await;
    let answer = served.ask(&get("/")).await;
    assert!(answer.ends_with("\r\n\r\nhelloworld"), "{answer}");
    let record = records(&served, 1).await.remove(0);
    assert_eq!((record.termination.letters(), record.reason), ("--", None));
}

#[tokio::test]
async fn an_agent_that_stays_silent_within_its_body_is_the_one_that_is_named() {
    let served = pausing("[timeouts]\nserver = \"300ms\"\nclient = \"20s\"\n", Duration::from_secs(20)).await;
    let began = Instant::now();
    let answer = served.ask(&get("/")).await;
    assert!(!answer.contains("world") && began.elapsed() < Duration::from_secs(5), "{answer}");
    let record = records(&served, 1).await.remove(0);
    assert_eq!((record.termination.letters(), record.reason), ("sD", Some(Reason::AgentSilent)));
}

#[tokio::test]
async fn a_guest_that_takes_nothing_has_the_clients_time_and_not_the_servers() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let (mut agent, _) = listener.accept().await.unwrap();
        let _ = agent.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
        while agent.write_all(&[b'x'; 65536]).await.is_ok() {}
    });
    let settings = "[timeouts]\nclient = \"300ms\"\nserver = \"20s\"\n";
    let served = Served::at(settings, socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    let began = Instant::now();
    let record = records(&served, 1).await.remove(0);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((record.termination.letters(), record.reason), ("cD", Some(Reason::SlowGuest)));
}

/// The agent is slow and the guest does not read: who keeps the other from going on is who is waited for.
#[tokio::test]
async fn a_guest_that_takes_nothing_is_named_also_while_the_agent_pauses() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let (mut agent, _) = listener.accept().await.unwrap();
        let _ = agent.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
        // More than the guest's socket takes; then silence for longer than the guest has.
        let _ =
            timeout(Duration::from_millis(300), async { while agent.write_all(&[b'x'; 65536]).await.is_ok() {} }).await;
        sleep(Duration::from_secs(60)).await;
    });
    let settings = "[timeouts]\nclient = \"600ms\"\nserver = \"20s\"\n";
    let served = Served::at(settings, socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    let record = records(&served, 1).await.remove(0);
    assert_eq!((record.termination.letters(), record.reason), ("cD", Some(Reason::SlowGuest)));
}

/// A kept connection has the time `keep_alive` alone; a head has `request`; the agent's first byte has `server`.
#[tokio::test]
async fn each_phase_has_its_own_time() {
    let all = |own: &str| {
        let keys = ["request", "client", "keep_alive", "server"];
        let lines = keys.map(|key| format!("{key} = \"{}\"\n", if key == own { "300ms" } else { "20s" }));
        format!("[timeouts]\n{}", lines.concat())
    };
    async fn ends(guest: &mut TcpStream) -> String {
        let began = Instant::now();
        let answer = rest(guest).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{answer}");
        answer
    }
    let served = Served::with(&all("request"), HELLO).await;
    let mut guest = served.guest().await;
    guest.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
    assert_eq!(status(&ends(&mut guest).await), "408");

    let served = Served::with(&all("keep_alive"), HELLO).await;
    let mut guest = served.guest().await;
    guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(one(&mut guest).await.ends_with("hello"));
    assert_eq!(ends(&mut guest).await, "");

    let served = Served::with(&all("client"), HELLO).await;
    let mut guest = served.guest().await;
    guest.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab").await.unwrap();
    assert_eq!(status(&ends(&mut guest).await), "408");

    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let _silent = UnixListener::bind(&socket).unwrap();
    let served = Served::at(&all("server"), socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    assert_eq!(status(&ends(&mut guest).await), "504");
}
