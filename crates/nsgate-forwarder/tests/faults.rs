//! The host runs out of something: the forwarder waits, and goes on when there is more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use served::{HELLO, Served, get};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// Counts the lines of the log.
struct Lines;

static SAID: AtomicUsize = AtomicUsize::new(0);

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("nsgate_forwarder")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        SAID.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// The only test of this program: the limit is the process's.
#[tokio::test]
async fn without_descriptors_it_waits_and_recovers() {
    tracing::subscriber::set_global_default(Lines).unwrap();
    let served = Served::with("", HELLO).await;
    assert!(served.ask(&get("/")).await.contains("200 OK"));
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    // Room for the guests' own ends, and for no more than ten of the gate's.
    setrlimit(Resource::RLIMIT_NOFILE, open + 40, hard).unwrap();
    let mut guests = Vec::new();
    for _ in 0..30 {
        // The kernel makes the connection; the forwarder may be out of descriptors to accept it with.
        guests.push(tokio::net::TcpStream::connect(served.address).await);
    }
    sleep(Duration::from_millis(2300)).await;
    let said = SAID.load(Ordering::Relaxed);
    assert!((2..=3).contains(&said), "{said} lines in two seconds, and not one for each attempt");
    let held = std::fs::read_dir("/proc/self/fd");
    assert!(held.is_err(), "the limit is reached: accept4(2) answers EMFILE");
    drop(guests);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let answer = timeout(Duration::from_secs(5), served.ask(&get("/after"))).await.expect("it goes on");
    assert!(answer.contains("200 OK"), "{answer}");
}
