//! A gate without room for more: who gives way to whom, and who keeps what it has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nsgate_config::native;
use nsgate_forwarder::{Forwarder, Reason, Sharing, Stop, UnixConnector};
use served::{HELLO, NETWORK, Served, get};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UnixListener},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

const SOON: Duration = Duration::from_secs(3);

async fn from(host: u8, gate: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("127.0.0.{host}:0").parse().unwrap()).unwrap();
    socket.connect(gate).await.unwrap()
}

/// Asks and keeps the connection; what came back.
async fn ask(guest: &mut TcpStream) -> String {
    guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut piece = [0; 1024];
        match guest.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
        }
    }
    String::from_utf8(answer).unwrap()
}

async fn soon(guest: &mut TcpStream) -> String {
    timeout(SOON, ask(guest)).await.expect("an answer soon")
}

/// Whether the gate has closed it.
async fn closed(guest: &mut TcpStream) -> bool {
    !matches!(timeout(Duration::from_millis(50), guest.read(&mut [0; 64])).await, Ok(Ok(1..)) | Err(_))
}

async fn count_closed(guests: &mut [TcpStream]) -> Vec<usize> {
    let mut found = Vec::new();
    for (index, guest) in guests.iter_mut().enumerate() {
        if closed(guest).await {
            found.push(index);
        }
    }
    found
}

#[tokio::test]
async fn a_newcomer_displaces_the_oldest_idle_connection_of_the_holder_of_most() {
    let served = Served::with("[limits]\nconnections = 8\nconnections_per_source = 8\n", HELLO).await;
    let mut few = [from(3, served.address).await, from(3, served.address).await];
    for guest in &mut few {
        assert!(soon(guest).await.ends_with("hello"));
    }
    let mut most = Vec::new();
    for _ in 0..6 {
        most.push(from(2, served.address).await);
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_millis(50)).await;
    for (host, gone) in [(4, vec![0]), (5, vec![0, 1])] {
        let mut newcomer = from(host, served.address).await;
        assert!(soon(&mut newcomer).await.ends_with("hello"));
        assert_eq!(count_closed(&mut most).await, gone, "the oldest of the holder of most, and no other");
        std::mem::forget(newcomer);
    }
    for guest in &mut few {
        assert!(soon(guest).await.ends_with("hello"), "who holds less keeps what it has");
    }
}

#[tokio::test]
async fn a_request_under_way_is_not_cut_and_its_connection_ends_with_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let agent = UnixListener::bind(&socket).unwrap();
    let settings = "[limits]\nconnections = 2\nconnections_per_source = 2\n";
    let served = Served::at(settings, socket, Arc::default(), directory).await;
    let mut busy = [from(2, served.address).await, from(2, served.address).await];
    let mut held = Vec::new();
    for guest in &mut busy {
        guest.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        held.push(agent.accept().await.unwrap().0);
    }
    let mut newcomer = from(3, served.address).await;
    newcomer.write_all(get("/new").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert!(count_closed(&mut busy).await.is_empty());
    let mut answers = String::new();
    for (stream, guest) in held.iter_mut().zip(&mut busy) {
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = guest.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200") && answer.ends_with("hello"), "whole: {answer}");
        answers.push_str(&answer);
    }
    assert!(answers.contains("connection: close"), "{answers}");
    let (mut stream, _) = timeout(SOON, agent.accept()).await.expect("its turn").unwrap();
    let mut request = [0; 512];
    let count = stream.read(&mut request).await.unwrap();
    assert!(request[..count].starts_with(b"GET /new "));
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(served::rest(&mut newcomer).await.ends_with("hello"));
}

#[tokio::test]
async fn a_head_on_its_way_is_not_cut_by_a_newcomer() {
    let served = Served::with("[limits]\nconnections = 1\n", HELLO).await;
    let mut first = from(2, served.address).await;
    first.write_all(b"GET /first HTTP/1.1\r\n").await.unwrap();
    sleep(Duration::from_millis(5)).await;
    let mut newcomer = from(3, served.address).await;
    newcomer.write_all(get("/second").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    first.write_all(b"Host: h\r\n\r\n").await.unwrap();
    let mut answer = [0; 1024];
    let count = timeout(SOON, first.read(&mut answer)).await.expect("an answer").unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..count]));
    assert!(served::rest(&mut newcomer).await.ends_with("hello"));
    // The same between two requests of a connection that is kept: the second one is on its way.
    drop(first);
    let mut kept = from(4, served.address).await;
    assert!(soon(&mut kept).await.ends_with("hello"));
    kept.write_all(b"GET /again HTTP/1.1\r\n").await.unwrap();
    let mut newcomer = from(5, served.address).await;
    newcomer.write_all(get("/third").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    kept.write_all(b"Host: h\r\n\r\n").await.unwrap();
    let count = timeout(SOON, kept.read(&mut answer)).await.expect("an answer").unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..count]));
    assert!(served::rest(&mut newcomer).await.ends_with("hello"));
}

#[tokio::test]
async fn a_guest_that_has_just_come_is_heard_before_it_gives_way() {
    let served = Served::with("[limits]\nconnections = 16\nconnections_per_source = 1\n", HELLO).await;
    let mut held = Vec::new();
    // Each address displaces another: none that speaks at once loses its request.
    for host in 2..250 {
        let mut guest = from(host, served.address).await;
        if host % 5 == 0 {
            assert!(soon(&mut guest).await.ends_with("hello"), "{host}");
        }
        held.push(guest);
    }
}

#[tokio::test]
async fn unfinished_heads_of_many_addresses_give_way_to_one_that_goes_on() {
    let limits = "[limits]\nunfinished_heads = 4\nunfinished_heads_per_source = 1\n";
    let served = Served::with(limits, HELLO).await;
    let mut slow = Vec::new();
    for host in 2..12 {
        let mut guest = from(host, served.address).await;
        guest.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n").await.unwrap();
        slow.push(guest);
    }
    sleep(Duration::from_millis(100)).await;
    let mut neighbour = from(99, served.address).await;
    neighbour.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    neighbour.write_all(b"Host: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = timeout(SOON * 2, served::rest(&mut neighbour)).await.expect("its turn");
    assert!(answer.contains("200 OK"), "{answer}");
    let told = served.records.0.lock().unwrap().iter().map(|record| (record.status, record.reason)).collect::<Vec<_>>();
    assert!(told.contains(&(408, Some(Reason::Displaced))), "{told:?}");
}

#[tokio::test]
async fn answers_that_are_never_read_by_many_addresses_give_way() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    served::agent_with_a_long_answer(&socket);
    let served = Served::at("[limits]\nbackend_requests = 8\n", socket, Arc::default(), directory).await;
    let mut greedy = Vec::new();
    for host in 2..22 {
        let mut guest = from(host, served.address).await;
        guest.write_all(get("/big").as_bytes()).await.unwrap();
        greedy.push(guest);
    }
    sleep(Duration::from_millis(200)).await;
    let mut neighbour = from(99, served.address).await;
    neighbour.write_all(get("/small").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(8), neighbour.read_to_end(&mut answer)).await.expect("it is its turn").unwrap();
    assert!(answer.ends_with(b"xxxxx"), "{}", String::from_utf8_lossy(&answer));
}

/// Forwarders with one agent, and their listeners.
struct Gates {
    addresses: Vec<SocketAddr>,
    _stop: watch::Sender<Option<Stop>>,
    _directory: tempfile::TempDir,
}

/// `gates` of them with `listeners` each.
async fn gates(settings: &str, gates: usize, listeners: usize, sharing: Option<Sharing>) -> Gates {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let agent = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = agent.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(HELLO.as_bytes()).await;
        }
    });
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"127.0.0.1:80\"]\nbackend = \"/agent\"\nuser = \"nobody\"\n{settings}"
    );
    let (stop, stopped) = watch::channel(None);
    let mut addresses = Vec::new();
    for _ in 0..gates {
        let gate = native::parse("test", &text).unwrap().config.gate;
        let mut bound = Vec::new();
        for _ in 0..listeners {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            bound.push(listener);
        }
        let mut forwarder = Forwarder::new(gate, UnixConnector::new(socket.clone(), None), ());
        if let Some(sharing) = &sharing {
            forwarder = forwarder.sharing(sharing.clone());
        }
        tokio::spawn(forwarder.serve(bound, stopped.clone()));
    }
    Gates { addresses, _stop: stop, _directory: directory }
}

#[tokio::test]
async fn two_listeners_with_one_place_are_served_in_turn() {
    let gates = gates("[limits]\nconnections = 1\n", 1, 2, None).await;
    for round in 0..20 {
        for (index, address) in gates.addresses.iter().enumerate() {
            let mut guest = from(2, *address).await;
            assert!(soon(&mut guest).await.ends_with("hello"), "listener {index}, round {round}");
            // Kept and idle: it takes no other connection's place.
            std::mem::forget(guest);
        }
    }
}

#[tokio::test]
async fn twenty_networks_with_sixteen_places_and_nothing_open_are_all_served() {
    let sharing = Sharing { places: Arc::new(Semaphore::new(16)), reserved: 1 };
    let gates = gates("", 20, 1, Some(sharing.clone())).await;
    // A burst at each, over its reserve, and then nothing: what was shared goes back.
    for address in &gates.addresses {
        let mut burst = Vec::new();
        for _ in 0..8 {
            burst.push(from(2, *address).await);
        }
        for guest in &mut burst {
            assert!(soon(guest).await.ends_with("hello"));
        }
        drop(burst);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(sharing.places.available_permits(), 16, "nothing is open, and nothing is taken");
    for address in &gates.addresses {
        assert!(soon(&mut from(2, *address).await).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn each_network_has_its_reserve_while_the_others_hold_all_they_can() {
    let sharing = Sharing { places: Arc::new(Semaphore::new(16)), reserved: 3 };
    let gates = gates("", 4, 1, Some(sharing.clone())).await;
    let (last, others) = gates.addresses.split_last().unwrap();
    let mut hoard = Vec::new();
    for address in others {
        for _ in 0..12 {
            hoard.push(from(2, *address).await);
        }
    }
    sleep(Duration::from_millis(200)).await;
    assert_eq!(sharing.places.available_permits(), 0, "the others are at their worst");
    for round in 0..3 {
        let mut held = Vec::new();
        for host in 0..3 {
            let mut guest = from(10 + host, *last).await;
            assert!(soon(&mut guest).await.ends_with("hello"), "round {round}, place {host}");
            held.push(guest);
        }
        // All three at once, and none had to give way.
        for guest in &mut held {
            assert!(soon(guest).await.ends_with("hello"), "round {round}");
        }
        // A burst beyond its reserve is not answered at the cost of the others, and takes nothing along when it is over.
        let mut burst = Vec::new();
        for _ in 0..6 {
            burst.push(from(20, *last).await);
        }
        sleep(Duration::from_millis(100)).await;
    }
}
