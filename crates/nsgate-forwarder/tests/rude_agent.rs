//! The agent is not a polite server (neutron/common/metadata.py): the guest gets the truth, or a 502, 503 or 504, and a
//! part of an answer never looks like the whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use served::{HELLO, Served, get, rest};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    time::{sleep, timeout},
};

/// The status a guest gets, and the body if it came whole.
async fn told(answer: &'static str) -> (u16, Option<String>) {
    told_with("", answer).await
}

async fn told_with(settings: &str, answer: &'static str) -> (u16, Option<String>) {
    let served = Served::with(settings, answer).await;
    let text = served.ask(&get("/")).await;
    let status = text.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let whole = match (field("content-length: "), field("transfer-encoding: ")) {
        (Some(length), _) => length.parse() == Ok(body.len()),
        (None, Some(_)) => body.ends_with("0\r\n\r\n"),
        (None, None) => true,
    };
    (status, whole.then(|| body.to_owned()))
}

fn yes(status: u16, body: &str) -> (u16, Option<String>) {
    (status, Some(body.to_owned()))
}

#[tokio::test]
async fn a_head_of_bare_line_feeds() {
    assert_eq!(told("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Type: text/plain\n\nhello").await, yes(200, "hello"));
}

#[tokio::test]
async fn no_blank_line_after_an_empty_body() {
    assert_eq!(told("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n").await, yes(404, ""));
    assert_eq!(told("HTTP/1.1 404 Not Found\nContent-Length: 0\n").await, yes(404, ""));
}

#[tokio::test]
async fn it_closes_without_a_byte() {
    assert_eq!(told("").await.0, 502);
}

#[tokio::test]
async fn garbage() {
    for garbage in ["\r\n\r\n", "hello\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 99999 No\r\n\r\n", "\0\0\0\0"] {
        assert_eq!(told(garbage).await.0, 502, "{garbage:?}");
    }
}

#[tokio::test]
async fn half_a_head() {
    assert_eq!(told("HTTP/1.1 200 OK\r\nContent-Len").await.0, 502);
    assert_eq!(told("HTTP/1.1 200").await.0, 502);
}

#[tokio::test]
async fn a_body_shorter_than_it_said_is_cut_and_not_completed() {
    let (status, body) = told("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    assert!(matches!(status, 0 | 200) && body.is_none_or(|body| body.is_empty()), "{status}");
}

#[tokio::test]
async fn a_body_longer_than_it_said_is_what_it_said() {
    assert_eq!(told("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more").await, yes(200, "hello"));
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    let (status, body) = told("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello").await;
    assert!(status == 200 && body.is_some_and(|body| body.contains("hello")));
}

#[tokio::test]
async fn lengths_that_contradict_each_other() {
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!";
    assert_eq!(told(two).await.0, 502);
    for length in ["-1", "5, 6", "0x5", "99999999999999999999"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello");
        assert_eq!(told(answer.leak()).await.0, 502, "{length}");
    }
}

#[tokio::test]
async fn interim_answers_are_not_the_answer() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(told(answer).await, yes(200, "hello"));
    assert_eq!(told("HTTP/1.1 101 Switching Protocols\r\n\r\nhello").await.0, 502);
}

#[tokio::test]
async fn header_values_beyond_ascii_pass_and_split_nothing() {
    let served = Served::with("", "HTTP/1.1 200 OK\r\nX-Name: caf\u{e9}\r\nContent-Length: 5\r\n\r\nhello").await;
    let text = served.ask(&get("/")).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("hello"), "{text}");
}

#[tokio::test]
async fn an_endless_head_ends() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("endless");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let (mut agent, _) = listener.accept().await.unwrap();
        let _ = agent.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while agent.write_all(b"X-More: and more\r\n").await.is_ok() {}
    });
    let served = Served::at("", socket, Arc::default(), directory).await;
    assert!(served.ask(&get("/")).await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn no_length_and_no_close_is_cut_after_the_server_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("open");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let (mut agent, _) = listener.accept().await.unwrap();
        let _ = agent.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await;
        sleep(Duration::from_secs(60)).await;
    });
    let served = Served::at("[timeouts]\nserver = \"200ms\"\n", socket, Arc::default(), directory).await;
    let text = served.ask(&get("/")).await;
    assert!(!text.ends_with("0\r\n\r\n"), "cut, and not ended in order: {text}");
}

/// An agent that serves one request at a time and says how many were open at once.
fn one_at_a_time(listener: UnixListener, pause: Duration) -> Arc<AtomicUsize> {
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    tokio::spawn(async move {
        while let Ok((mut agent, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            let _ = agent.read(&mut bytes).await;
            sleep(pause).await;
            if agent.write_all(HELLO.as_bytes()).await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    served
}

#[tokio::test]
async fn one_request_at_a_time_serves_everybody_in_turn() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("slow");
    one_at_a_time(UnixListener::bind(&socket).unwrap(), Duration::from_millis(2));
    let served = Arc::new(Served::at("", socket, Arc::default(), directory).await);
    let asking: Vec<_> = (0..150)
        .map(|n| {
            let served = served.clone();
            tokio::spawn(async move { served.ask(&get(&format!("/{n}"))).await })
        })
        .collect();
    for one in asking {
        assert!(one.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_request_whose_guest_has_gone_leaves_the_queue() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("slow");
    let answered = one_at_a_time(UnixListener::bind(&socket).unwrap(), Duration::from_millis(50));
    let served = Served::at("[limits]\nbackend_requests = 1\n", socket, Arc::default(), directory).await;
    let mut gone = Vec::new();
    for _ in 0..40 {
        let mut guest = served.guest().await;
        guest.write_all(get("/gone").as_bytes()).await.unwrap();
        gone.push(guest);
    }
    sleep(Duration::from_millis(60)).await;
    drop(gone);
    let began = std::time::Instant::now();
    assert!(served.ask(&get("/stays")).await.starts_with("HTTP/1.1 200 "));
    // The forty requests before it would have taken two seconds. The gate asked only for those whose guest still waited.
    assert!(began.elapsed() < Duration::from_millis(1000), "{:?}", began.elapsed());
    assert!(answered.load(Ordering::Relaxed) < 20);
}

#[tokio::test]
async fn it_disappears_and_comes_back_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("restarted");
    let path = socket.clone();
    tokio::spawn(async move {
        for _ in 0..5 {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            let until = tokio::time::Instant::now() + Duration::from_millis(150);
            while let Ok(Ok((mut agent, _))) = tokio::time::timeout_at(until, listener.accept()).await {
                let mut bytes = [0; 4096];
                let _ = agent.read(&mut bytes).await;
                let _ = agent.write_all(HELLO.as_bytes()).await;
            }
            // A connection that is in the queue now is dropped with it, unread.
            drop(listener);
            sleep(Duration::from_millis(20)).await;
        }
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        while let Ok((mut agent, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            let _ = agent.read(&mut bytes).await;
            let _ = agent.write_all(HELLO.as_bytes()).await;
        }
    });
    let served = Served::at("", socket, Arc::default(), directory).await;
    let (mut good, mut bad) = (0, Vec::new());
    let until = std::time::Instant::now() + Duration::from_millis(1500);
    while std::time::Instant::now() < until {
        let text = served.ask(&get("/")).await;
        if text.starts_with("HTTP/1.1 200 ") { good += 1 } else { bad.push(text.chars().take(12).collect::<String>()) }
    }
    assert!(good > 50, "{good} {bad:?}");
    // Nothing is lost but what was in the queue of a listener that closed.
    assert!(bad.len() <= 5 && bad.iter().all(|line| line == "HTTP/1.1 502"), "{bad:?}");
}

#[tokio::test]
async fn a_silent_agent_is_let_go_when_its_guest_resets() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("silent");
    let listener = UnixListener::bind(&socket).unwrap();
    let served = Served::at("", socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    let (mut agent, _) = listener.accept().await.unwrap();
    let mut bytes = vec![0; 4096];
    assert!(agent.read(&mut bytes).await.unwrap() > 0);
    guest.set_zero_linger().unwrap();
    drop(guest);
    let end = timeout(Duration::from_secs(5), agent.read(&mut bytes)).await.expect("the gate lets go of the agent");
    assert!(matches!(end, Ok(0) | Err(_)));
    let mut other = served.guest().await;
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(rest(&mut other).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_guest_that_closed_its_side_after_the_request_gets_its_answer() {
    let served = Served::with("", HELLO).await;
    let mut guest = served.guest().await;
    guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    guest.shutdown().await.unwrap();
    assert!(rest(&mut guest).await.ends_with("hello"));
}
