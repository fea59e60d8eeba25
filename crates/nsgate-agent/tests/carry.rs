//! What reaches Nova and what reaches the gate, byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use nsgate_forwarder::Stop;
use std::{
    io::{Read, Write},
    time::Duration,
};
use support::{Agent, INSTANCE, OTHER_INSTANCE, SmallNova, good, request, status, until};

/// HMAC-SHA256 of the first instance's id with `swordfish`, from Python's `hmac`.
const SIGNED: &str = "b314aef20a64584db058431f085ffc250f7dd196369d8aea5ce9b647f62b602c";

#[test]
fn nova_gets_the_request_with_the_instance_and_its_proof() {
    let nova = SmallNova::start(good("hello"));
    let agent = Agent::start(&[nova.address]);
    let forged = "x-instance-id: evil\r\nx-instance-id-signature: evil\r\nx-tenant-id: evil\r\nx-forwarded-host: evil\r\n\
                  x-real-ip: evil\r\nforwarded: evil\r\nconnection: x-evil\r\nx-evil: evil\r\naccept: application/json\r\n\
                  content-type: text/plain\r\nuser-agent: curl\r\n";
    let answer = agent.asks("GET /openstack//latest/../meta_data.json?a=%20b&c", "10.0.0.2", forged);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    let [seen] = &nova.seen()[..] else { panic!("one request") };
    assert!(seen.head.starts_with("GET /openstack//latest/../meta_data.json?a=%20b&c HTTP/1.1\r\n"), "{}", seen.head);
    assert!(!seen.head.contains("evil") && !seen.head.contains("ovn-network"), "{}", seen.head);
    for (name, value) in [
        ("host", nova.address.to_string().as_str()),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-instance-id", INSTANCE),
        ("x-tenant-id", "tenant"),
        ("x-instance-id-signature", SIGNED),
        ("accept", "application/json"),
        ("content-type", "text/plain"),
        ("user-agent", "curl"),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
    assert_eq!(seen.head.lines().filter(|line| line.contains(": ")).count(), 8, "{}", seen.head);
}

#[test]
fn a_body_reaches_nova_as_it_is() {
    let nova = SmallNova::start(good(""));
    let agent = Agent::start(&[nova.address]);
    let body: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let more = format!("content-type: x/y\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    let whole = [request("POST /openstack/2013-10-17/password", "10.0.0.3", &more).as_bytes(), &body].concat();
    let answer = agent.says(&whole);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    let [seen] = &nova.seen()[..] else { panic!("one request") };
    assert!(seen.head.starts_with("POST "), "{}", seen.head);
    assert_eq!((seen.field("x-instance-id"), seen.body == body), (Some(OTHER_INSTANCE), true));
}

#[test]
fn bytes_and_headers_of_an_answer_pass_untouched() {
    const BINARY: &[u8] = b"\x1f\x8b\x08\0\r\n\xff\xfe\0binary\n\n";
    let nova = SmallNova::start(|seen, stream| {
        let head = format!(
            "HTTP/1.1 418 I'm odd\r\nContent-Type: application/octet-stream\r\nContent-Encoding: gzip\r\nETag: \"a\"\r\n\
             X-Own: one\r\nX-Own: two\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
             Content-Length: {}\r\n\r\n",
            BINARY.len()
        );
        let body = if seen.head.starts_with("HEAD") { &[][..] } else { BINARY };
        stream.write_all(&[head.as_bytes(), body].concat()).is_ok()
    });
    let agent = Agent::start(&[nova.address]);
    let answer = agent.says(request("GET /latest/user-data", "10.0.0.2", "connection: close\r\n").as_bytes());
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    assert_eq!(&answer[split + 4..], BINARY);
    let head = String::from_utf8_lossy(&answer[..split]).to_lowercase();
    for field in
        ["content-type: application/octet-stream", "content-encoding: gzip", "etag: \"a\"", "x-own: one", "x-own: two"]
    {
        assert!(head.contains(field), "{field} in {head}");
    }
    assert!(head.starts_with("http/1.1 418 ") && !head.contains("x-hop") && !head.contains("keep-alive"), "{head}");
    let head = agent.asks("HEAD /latest/user-data", "10.0.0.2", "").to_lowercase();
    let length = format!("content-length: {}\r\n", BINARY.len());
    assert!(head.starts_with("http/1.1 418 ") && head.contains(&length) && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn answers_of_every_form_reach_the_gate_whole() {
    for (form, whole) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\n\r\nhello", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", false),
        ("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n", false),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", true),
    ] {
        let nova = SmallNova::start(move |_, stream| stream.write_all(form.as_bytes()).is_err());
        let answer = Agent::start(&[nova.address]).asks("GET /", "10.0.0.2", "");
        let expected = if form.starts_with("HTTP/1.1 100") { 200 } else { status(form) };
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(answer.contains("hello"), whole, "{answer}");
    }
}

#[test]
fn requests_one_after_another_share_a_connection_on_both_sides() {
    let nova = SmallNova::start(good("hello"));
    let agent = Agent::start(&[nova.address]);
    let mut stream = agent.connect();
    for _ in 0..5 {
        stream.write_all(request("GET /", "10.0.0.2", "").as_bytes()).expect("to send");
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            let mut piece = [0; 512];
            let count = stream.read(&mut piece).expect("an answer");
            assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..count]);
        }
    }
    for line in ["HEAD /", "GET /"] {
        assert_eq!(status(&agent.asks(line, "10.0.0.2", "")), 200);
    }
    let connections: Vec<usize> = nova.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0; 7]);
}

#[test]
fn a_long_answer_streams_and_a_slow_guest_holds_it_back() {
    const LENGTH: usize = 64 << 20;
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = sent.clone();
    let nova = SmallNova::start(move |_, stream| {
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n").as_bytes());
        let piece = [7; 64 * 1024];
        (0..LENGTH / piece.len()).all(|_| {
            counted.fetch_add(piece.len(), std::sync::atomic::Ordering::SeqCst);
            stream.write_all(&piece).is_ok()
        })
    });
    let agent = Agent::start(&[nova.address]);
    let mut stream = agent.connect();
    stream.write_all(request("GET /", "10.0.0.2", "connection: close\r\n").as_bytes()).expect("to send");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("the beginning");
    std::thread::sleep(Duration::from_millis(300));
    let held = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(held < LENGTH / 2, "{held} bytes were taken from Nova for a guest that reads nothing");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the rest");
    assert!(rest.len() > LENGTH && rest.ends_with(&[7; 1000]), "{}", rest.len());
}

#[test]
fn a_request_whose_gate_has_gone_is_given_up() {
    let nova = SmallNova::start(|_, stream| stream.read(&mut [0]).is_err());
    let agent = Agent::start(&[nova.address]);
    let mut stream = agent.connect();
    stream.write_all(request("GET /", "10.0.0.2", "").as_bytes()).expect("to send");
    until("the request", || nova.seen().len() == 1);
    assert_eq!(nova.ended(), 0);
    drop(stream);
    until("the end of Nova's connection", || nova.ended() == 1);
}

#[test]
fn an_agent_that_is_stopped_finishes_what_is_under_way() {
    let nova = SmallNova::start(|seen, stream| {
        std::thread::sleep(Duration::from_millis(300));
        good("hello")(seen, stream)
    });
    // A connection that has said nothing may go on so for longer than this test may last.
    let agent = Agent::with(&[nova.address], |gates, _| gates.head = Duration::from_secs(3600));
    let mut stream = agent.connect();
    let idle = agent.connect();
    stream.write_all(request("GET /", "10.0.0.2", "").as_bytes()).expect("to send");
    until("the request", || nova.seen().len() == 1);
    agent.stop(Stop::Drain);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("hello"), "{answer}");
    drop(idle);
}
