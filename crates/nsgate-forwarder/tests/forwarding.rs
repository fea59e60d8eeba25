//! A whole forwarder on loopback, between raw guests and raw agents: needs no namespace and no root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nsgate_forwarder::{Stop, Termination};
use served::{HELLO, NETWORK, Served, get, rest};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener},
    time::timeout,
};

#[tokio::test]
async fn the_agent_learns_who_asks_and_nothing_forged() {
    let served = Served::with("", HELLO).await;
    let forged = "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\nX-Neutron-Network-ID: evil\r\n\
        X-Neutron-Router-ID: evil\r\nX-Instance-ID: evil\r\nConnection: close, host\r\n\r\n";
    let answer = served.ask(forged).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    let seen = served.seen();
    assert_eq!(seen.len(), 1);
    let expected = format!("GET /a HTTP/1.1\r\nx-neutron-network-id: {NETWORK}\r\nx-forwarded-for: 127.0.0.1\r\n");
    assert!(seen[0].starts_with(&expected), "{}", seen[0]);
    assert!(!seen[0].contains("evil") && !seen[0].contains("9.9.9.9"), "{}", seen[0]);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let served = Served::with("", HELLO).await;
    let kept = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = served.ask(&format!("{}{}{}", kept("/1"), kept("/2"), get("/3"))).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    let paths: Vec<_> = served.seen().iter().map(|seen| seen.split(" HTTP").next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["GET /1", "GET /2", "GET /3"]);
}

/// The last answer is held back for the connection's end. Unread bytes of the guest must not make the kernel discard it.
#[tokio::test]
async fn the_last_answer_arrives_whole_whatever_was_sent_behind_its_request() {
    let served = Served::with("", HELLO).await;
    for behind in ["", "\r\n", &get("/2"), &"x".repeat(100_000)] {
        let answer = served.ask(&format!("{}{behind}", get("/1"))).await;
        assert!(answer.ends_with("\r\n\r\nhello"), "{} bytes behind: {answer}", behind.len());
    }
}

#[tokio::test]
async fn a_chunked_post_reaches_the_agent_whole() {
    let served = Served::with("", HELLO).await;
    let post = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
        3\r\nsec\r\n3\r\nret\r\n0\r\n\r\n";
    assert!(served.ask(post).await.contains("200 OK"));
    assert!(served.seen()[0].ends_with("content-length: 6\r\nconnection: close\r\n\r\nsecret"));
}

#[tokio::test]
async fn what_two_parsers_read_differently_is_refused_and_never_forwarded() {
    let served = Served::with("", HELLO).await;
    let both = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for bad in [both, "GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"] {
        let answer = served.ask(bad).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer}");
    }
    assert!(served.seen().is_empty());
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_503() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("absent");
    let served = Served::at("[timeouts]\nconnect = \"200ms\"\n", socket, Arc::default(), directory).await;
    assert!(served.ask(&get("/")).await.starts_with("HTTP/1.1 503 "));
    let record = served.records.0.lock().unwrap()[0].clone();
    assert_eq!((record.status, record.termination.letters()), (503, "SC"));
}

#[tokio::test]
async fn garbage_from_the_agent_is_502() {
    let served = Served::with("", "\0\0\0 what is this\r\n\r\n").await;
    assert!(served.ask(&get("/")).await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn a_silent_agent_is_504() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("silent");
    let _listener = UnixListener::bind(&socket).unwrap();
    let served = Served::at("[timeouts]\nserver = \"200ms\"\n", socket, Arc::default(), directory).await;
    assert!(served.ask(&get("/")).await.starts_with("HTTP/1.1 504 "));
}

#[tokio::test]
async fn an_answer_that_was_cut_never_looks_whole() {
    let served = Served::with("", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this").await;
    let answer = served.ask(&get("/")).await;
    // The reset may overtake what was sent before it.
    assert!(answer.is_empty() || answer.contains("content-length: 50") && !answer.contains("\r\n0\r\n"), "{answer}");
    let letters = served.records.0.lock().unwrap()[0].termination;
    assert_eq!(letters.letters(), "SD");
}

#[tokio::test]
async fn a_slow_head_is_408() {
    let served = Served::with("[timeouts]\nrequest = \"200ms\"\n", HELLO).await;
    assert!(served.ask("GET / HTTP/1.1\r\nHost: ").await.starts_with("HTTP/1.1 408 "));
    assert!(served.seen().is_empty());
}

#[tokio::test]
async fn the_rate_limit_answers_429_and_when_to_come_again() {
    let served = Served::with("rate_limits = [{ requests = 2, window = \"10s\" }]\n", HELLO).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(served.ask(&get("/")).await);
    }
    assert!(answers[0].contains("200 OK") && answers[1].contains("200 OK"), "{answers:?}");
    assert!(answers[2].starts_with("HTTP/1.1 429 ") && answers[2].contains("retry-after: "), "{}", answers[2]);
    assert_eq!(served.seen().len(), 2);
}

#[tokio::test]
async fn drained_it_finishes_what_it_holds_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("slow");
    let listener = UnixListener::bind(&socket).unwrap();
    let served = Served::at("", socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let (mut agent, _) = listener.accept().await.unwrap();
    served.stop.send(Some(Stop::Drain)).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(served.address).await.is_err(), "the listener is closed at once");
    agent.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(rest(&mut guest).await.contains("200 OK"));
    timeout(Duration::from_secs(5), served.task).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn stopped_it_ends_whoever_is_connected() {
    let served = Served::with("", HELLO).await;
    let mut idle = served.guest().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.stop.send(Some(Stop::Now)).unwrap();
    timeout(Duration::from_secs(5), served.task).await.expect("it ends").unwrap();
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn a_target_beyond_its_bound_is_414() {
    let served = Served::with("[limits]\ntarget_bytes = 64\n", HELLO).await;
    assert!(served.ask(&get(&format!("/{}", "a".repeat(63)))).await.starts_with("HTTP/1.1 200 "));
    assert!(served.ask(&get(&format!("/{}", "a".repeat(64)))).await.starts_with("HTTP/1.1 414 "));
}

#[tokio::test]
async fn a_body_that_trickles_is_408_however_lively() {
    let served = Served::with("[timeouts]\nbody = \"300ms\"\n", HELLO).await;
    let mut guest = served.guest().await;
    guest.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
    let (mut reader, mut writer) = guest.split();
    let trickle = async {
        // Each byte is progress, and would be enough for a timeout that counts from the last one.
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), reader.read_to_end(&mut answer));
    tokio::select! { _ = read => {}, () = trickle => {} }
    assert!(answer.starts_with(b"HTTP/1.1 408 ") || answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    assert!(served.seen().is_empty());
    assert_eq!(served.records.0.lock().unwrap()[0].status, 408);
}

#[tokio::test]
async fn a_connection_is_closed_at_its_age_between_two_requests() {
    let served = Served::with("[timeouts]\nconnection = \"300ms\"\n", HELLO).await;
    let mut guest = served.guest().await;
    let mut answers = 0;
    let mut bytes = [0; 1024];
    for _ in 0..100 {
        if guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.is_err() {
            break;
        }
        match guest.read(&mut bytes).await {
            Ok(0) | Err(_) => break,
            Ok(_) => answers += 1,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((5..50).contains(&answers), "{answers}");
    // Every request that was taken was answered whole.
    assert!(served.records.0.lock().unwrap().iter().all(|record| record.termination == Termination::NORMAL));
}

#[tokio::test]
async fn a_guest_that_does_not_read_is_cut_at_twice_its_age() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("endless");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let (mut agent, _) = listener.accept().await.unwrap();
        agent.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await.unwrap();
        while agent.write_all(&[b'x'; 65536]).await.is_ok() {}
    });
    let served = Served::at("[timeouts]\nconnection = \"300ms\"\n", socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    let (mut bytes, began) = ([0; 4096], std::time::Instant::now());
    // A byte now and then is progress, and would hold the connection for ever.
    while guest.read(&mut bytes).await.is_ok_and(|length| length > 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(10), "it is never cut");
    }
    assert_eq!(served.records.0.lock().unwrap()[0].status, 200);
}

#[tokio::test]
async fn unfinished_heads_wait_for_their_turn_and_whole_ones_do_not() {
    let served = Served::with("[limits]\nunfinished_heads_per_source = 2\n", HELLO).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut guest = served.guest().await;
        guest.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        slow.push(guest);
    }
    assert!(served.ask(&get("/whole")).await.contains("200 OK"), "a head in one piece does not wait");
    let mut bytes = [0; 1024];
    slow[2].write_all(b"\r\n").await.unwrap();
    let early = timeout(Duration::from_millis(200), slow[2].read(&mut bytes)).await;
    assert!(early.is_err(), "the third unfinished head is not read on");
    slow[0].write_all(b"\r\n").await.unwrap();
    for index in [0, 2] {
        let length = timeout(Duration::from_secs(5), slow[index].read(&mut bytes)).await.unwrap().unwrap();
        assert!(bytes[..length].starts_with(b"HTTP/1.1 200 "), "{index}");
    }
}

#[tokio::test]
async fn a_guests_trace_context_is_dropped_and_the_gates_own_is_in_the_record() {
    let forged = "GET / HTTP/1.1\r\nHost: h\r\nTraceparent: 00-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-eeeeeeeeeeeeeeee-01\r\n\
        tracestate: e=1\r\nBaggage: e=1\r\nConnection: close\r\n\r\n";
    let served = Served::with("", HELLO).await;
    served.ask(forged).await;
    let seen = served.seen().remove(0).to_lowercase();
    assert!(!seen.contains("trace") && !seen.contains("baggage"), "{seen}");
    assert_eq!(served.records.0.lock().unwrap()[0].trace, None);

    let served = Served::with("[trace]\nsampled = false\n", HELLO).await;
    served.ask(forged).await;
    let seen = served.seen().remove(0).to_lowercase();
    let id = served.records.0.lock().unwrap()[0].trace.expect("a trace").to_string();
    assert_eq!(seen.matches("trace").count(), 1, "{seen}");
    assert!(seen.contains(&format!("\r\ntraceparent: 00-{id}-")) && !seen.contains("eeee"), "{seen}");
}
