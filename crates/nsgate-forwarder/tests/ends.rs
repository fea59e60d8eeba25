//! How a forwarder ends: by a word, by the end of the sender that could say one, and with the future that serves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nsgate_forwarder::{Stop, stopped_by};
use served::{HELLO, Served, get, one, rest};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UnixListener, UnixStream},
    time::{sleep, timeout},
};

/// A forwarder whose agent answers after half a second, and a guest that has asked.
async fn under_way() -> (Served, TcpStream) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    let asked = Arc::new(tokio::sync::Notify::new());
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut agent, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                agent.readable().await.unwrap();
                seen.notify_one();
                sleep(Duration::from_millis(500)).await;
                let _ = agent.write_all(HELLO.as_bytes()).await;
            });
        }
    });
    let served = Served::at("", socket, Arc::default(), directory).await;
    let mut guest = served.guest().await;
    guest.write_all(get("/").as_bytes()).await.unwrap();
    timeout(Duration::from_secs(10), asked.notified()).await.expect("the agent is asked");
    (served, guest)
}

#[tokio::test]
async fn what_serves_takes_every_connection_with_it() {
    let (served, mut busy) = under_way().await;
    let mut idle = served.guest().await;
    sleep(Duration::from_millis(50)).await;
    // The future is dropped; the sender that could say a word is still there.
    served.task.abort();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut busy).await, "");
    assert!(TcpStream::connect(served.address).await.is_err(), "the listener is closed");
    assert!(served.stop.borrow().is_none());
}

#[tokio::test]
async fn the_sender_of_a_drain_may_go() {
    let (served, mut guest) = under_way().await;
    served.stop.send(Some(Stop::Drain)).unwrap();
    drop(served.stop);
    let answer = rest(&mut guest).await;
    assert!(answer.ends_with("hello"), "{answer:?}");
    timeout(Duration::from_secs(10), served.task).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn a_sender_that_goes_without_a_word_ends_all_at_once() {
    let (served, mut guest) = under_way().await;
    drop(served.stop);
    assert_eq!(rest(&mut guest).await, "");
    timeout(Duration::from_secs(10), served.task).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn a_descriptor_says_how_it_ends() {
    let (mut teller, told) = UnixStream::pair().unwrap();
    let told = told.into_std().unwrap();
    let next = |told: &std::os::unix::net::UnixStream| {
        let mut byte = [0];
        let mut told = told;
        matches!(std::io::Read::read(&mut told, &mut byte), Ok(1)).then_some(byte[0])
    };
    let mut stop = stopped_by(told, next, |byte| (byte == b'd').then_some(Stop::Drain)).unwrap();
    teller.write_all(b"xy").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(*stop.borrow(), None, "neither means anything");
    teller.write_all(b"d").await.unwrap();
    let said = timeout(Duration::from_secs(10), stop.wait_for(Option::is_some)).await.expect("a word").unwrap();
    assert_eq!(*said, Some(Stop::Drain));
}

#[tokio::test]
async fn a_connection_that_is_kept_open_ends_with_what_serves() {
    let served = Served::with("", HELLO).await;
    let mut guest = served.guest().await;
    guest.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(one(&mut guest).await.ends_with("hello"));
    served.task.abort();
    assert_eq!(rest(&mut guest).await, "");
}
