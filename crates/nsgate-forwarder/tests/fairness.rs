//! One source that takes all it can get leaves room for its neighbour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use served::{Served, get};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

async fn from(address: &str, gate: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(gate).await.unwrap()
}

#[tokio::test]
async fn answers_that_are_never_read_do_not_take_every_turn() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    served::agent_with_a_long_answer(&socket);
    let served = Served::at("", socket, Arc::default(), directory).await;
    let mut greedy = Vec::new();
    for _ in 0..150 {
        let mut guest = from("127.0.0.1", served.address).await;
        guest.write_all(get("/big").as_bytes()).await.unwrap();
        greedy.push(guest);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut neighbour = from("127.0.0.2", served.address).await;
    neighbour.write_all(get("/small").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(5), neighbour.read_to_end(&mut answer)).await.expect("it is its turn").unwrap();
    assert!(answer.ends_with(b"xxxxx"), "{}", String::from_utf8_lossy(&answer));
}
