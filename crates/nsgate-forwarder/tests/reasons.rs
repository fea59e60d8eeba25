//! Each request that was not simply carried and answered has its reason in the record, beside the status and letters
//! that haproxy's format knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nsgate_forwarder::{PathClass, Reason, Verdict};
use served::{HELLO, Served, get};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    time::{sleep, timeout},
};

/// Status, letters and reason of the one request that `served` has seen so far, when it is over.
async fn told(served: &Served) -> (u16, String, Option<Reason>) {
    let wait = async {
        loop {
            if let Some(record) = served.records.0.lock().unwrap().pop() {
                return (record.status, record.termination.letters().to_owned(), record.reason);
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.expect("a record")
}

fn yes(status: u16, letters: &str, reason: impl Into<Option<Reason>>) -> (u16, String, Option<Reason>) {
    (status, letters.to_owned(), reason.into())
}

#[tokio::test]
async fn of_what_the_gate_refuses() {
    let settings = "[limits]\nhead_bytes = 1024\ntarget_bytes = 512\nbackend_request_bytes = 1000\n\
        [timeouts]\nrequest = \"200ms\"\nbody = \"200ms\"\n";
    let served = Served::with(settings, HELLO).await;
    let two = "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";
    let large = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(1100));
    let body = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{}",
            "b".repeat(length)
        )
    };
    let chunk = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;=\r\n";
    for (request, expected) in [
        (two, yes(400, "PR", Reason::TwoLengths)),
        ("GET / HTTP/1.1\n", yes(400, "PR", Reason::BareLf)),
        (chunk, yes(400, "PR", Reason::ChunkExtension)),
        (&large, yes(431, "PR", Reason::HeadTooLarge)),
        (&get(&format!("/{}", "a".repeat(600))), yes(414, "PR", Reason::TargetTooLong)),
        (&body(5000), yes(413, "PR", Reason::BodyTooLarge)),
        (&body(900), yes(413, "PR", Reason::DoesNotFit)),
        ("GET / HTTP/1.1\r\nHost", yes(408, "cR", Reason::SlowHead)),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab", yes(408, "cD", Reason::SlowBody)),
        (&get("/"), yes(200, "--", None)),
    ] {
        served.ask(request).await;
        assert_eq!(told(&served).await, expected, "{request:.60?}");
    }
    let served = Served::with("rate_limits = [{ requests = 1, window = \"10s\" }]\n", HELLO).await;
    served.ask(&get("/")).await;
    assert_eq!(told(&served).await, yes(200, "--", None));
    served.ask(&get("/")).await;
    assert_eq!(told(&served).await, yes(429, "PR", Reason::Rate));
}

#[tokio::test]
async fn of_what_the_agent_answers() {
    for (answer, expected) in [
        ("", yes(502, "SH", Reason::AgentClosed)),
        ("\0\0 what\r\n\r\n", yes(502, "SH", Reason::AnswerMalformed)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", yes(502, "SH", Reason::AnswerCut)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this", yes(200, "SD", Reason::AnswerCut)),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", yes(404, "--", None)),
    ] {
        let served = Served::with("", answer).await;
        served.ask(&get("/")).await;
        assert_eq!(told(&served).await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn of_an_agent_that_is_away_or_silent() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let served =
        Served::at("[timeouts]\nconnect = \"200ms\"\nserver = \"200ms\"\n", socket.clone(), Arc::default(), directory)
            .await;
    served.ask(&get("/")).await;
    assert_eq!(told(&served).await, yes(503, "SC", Reason::AgentAway));
    let _silent = UnixListener::bind(&socket).unwrap();
    served.ask(&get("/")).await;
    assert_eq!(told(&served).await, yes(504, "sH", Reason::AgentSilent));
}

#[tokio::test]
async fn of_a_guest_that_goes_away() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("slow");
    let listener = UnixListener::bind(&socket).unwrap();
    let served = Served::at("", socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    let (mut agent, _) = listener.accept().await.unwrap();
    assert!(agent.read(&mut [0; 4096]).await.unwrap() > 0);
    guest.set_zero_linger().unwrap();
    drop(guest);
    assert_eq!(told(&served).await, yes(0, "CH", Reason::GuestLeft));
    assert_eq!(Reason::GuestLeft.verdict(), Verdict::Failed);

    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    let _held = listener.accept().await.unwrap();
    served.stop.send(Some(nsgate_forwarder::Stop::Now)).unwrap();
    assert_eq!(told(&served).await, yes(0, "CH", Reason::GateStopped));
}

#[test]
fn the_documentation_has_every_reason_and_every_class() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.md")).unwrap();
    for reason in Reason::ALL {
        let row = format!("| `{}` | {} | {} |", reason.name(), reason.verdict().name(), reason.meaning());
        assert!(page.contains(&row), "docs/audit.md lacks {row}");
    }
    for class in PathClass::ALL {
        assert!(page.contains(&format!("\n| `{}` | ", class.name())), "docs/audit.md lacks the class {}", class.name());
    }
}
