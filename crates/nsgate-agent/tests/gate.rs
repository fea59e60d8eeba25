//! A gate's forwarder over a real door: what the agent sees on which connection, and what a guest gets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_agent::binding::{self, BoundConnection, Brought, HeldDoor, Taken};
use nsgate_config::{Gate, Identity, native};
use nsgate_forwarder::{ConnectionSource, Connector, DoorConnector, DoorEnd, Forwarder, Stop};
use std::{
    io::Result,
    net::SocketAddr,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream as StdStream,
    },
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
const LONG: Duration = Duration::from_secs(20);
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// The door as a gate's connector wants it.
struct GateDoor(binding::Door);

impl AsRawFd for GateDoor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl ConnectionSource for GateDoor {
    fn ask(&self) -> Result<()> {
        self.0.ask()
    }

    fn take(&self) -> Result<Option<StdStream>> {
        self.0.take().map(|taken| match taken {
            Taken::Connection(stream) => Some(stream),
            Taken::Full => None,
            Taken::Door(_) => panic!("a door that was not asked for"),
        })
    }
}

/// What the agent does with a request: bytes to say, and whether to close behind them.
type Say = fn(connection: usize, request: &str) -> (String, bool);

/// Requests that the agent has seen: on which connection, and the text.
type Seen = Arc<Mutex<Vec<(usize, String)>>>;

struct World {
    at: SocketAddr,
    seen: Seen,
    end: DoorEnd,
    agent: JoinHandle<Result<()>>,
    stop: watch::Sender<Option<Stop>>,
}

fn gate() -> Gate {
    let text = format!(
        "ovn_network_id = \"{ID}\"\nlisten = [\"127.0.0.1:80\"]\nbackend = \"/b\"\nuser = \"u\"\nretries = 0\n"
    );
    native::parse("x", &text).unwrap().config.gate
}

/// A gate with a door of `most` connections, behind which `say` answers.
async fn world(most: usize, say: Say) -> World {
    let (own, other) = StdStream::pair().unwrap();
    own.set_nonblocking(true).unwrap();
    let identity = Identity::OvnNetwork(ID.parse().unwrap());
    let held = HeldDoor::kept(OwnedFd::from(other), identity).unwrap();
    let seen = Seen::default();
    let (all, mut number) = (seen.clone(), 0);
    let agent = tokio::spawn(held.attend(most, move |brought| {
        let Brought::Connection(connection) = brought else { panic!("{brought:?}") };
        number += 1;
        tokio::spawn(attend(connection, number, all.clone(), say));
    }));
    let connector = DoorConnector::new(GateDoor(binding::Door::bound(own.into()))).unwrap();
    let end = connector.end();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(None);
    tokio::spawn(Forwarder::new(gate(), connector, ()).serve(vec![listener], stopped));
    World { at, seen, end, agent, stop }
}

async fn attend(mut connection: BoundConnection, number: usize, seen: Seen, say: Say) {
    let mut text = Vec::new();
    loop {
        let whole = |text: &[u8]| {
            let text = String::from_utf8_lossy(text).into_owned();
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length =
                head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            (body.len() >= length).then_some(text)
        };
        while whole(&text).is_none() {
            if !matches!(connection.stream.read_buf(&mut text).await, Ok(count) if count > 0) {
                return;
            }
        }
        let request = whole(&std::mem::take(&mut text)).unwrap();
        seen.lock().unwrap().push((number, request.clone()));
        let (bytes, closes) = say(number, &request);
        for piece in bytes.split('|') {
            connection.stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        if closes {
            return;
        }
    }
}

impl World {
    /// The status line and the body of an answer. Nothing where the connection ended before the answer did.
    async fn ask(&self, request: &str) -> Option<(String, String)> {
        let ask = async {
            let mut guest = TcpStream::connect(self.at).await.unwrap();
            guest.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            guest.read_to_string(&mut answer).await.ok()?;
            let (head, body) = answer.split_once("\r\n\r\n")?;
            Some((head.lines().next().unwrap().to_owned(), body.to_owned()))
        };
        timeout(LONG, ask).await.unwrap()
    }

    async fn get(&self, path: &str) -> Option<(String, String)> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await
    }

    async fn post(&self) -> Option<(String, String)> {
        self.ask("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nword").await
    }

    /// On which connection the agent has seen which request.
    fn seen(&self) -> Vec<(usize, String)> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(number, text)| (*number, text.split(' ').nth(1).unwrap().to_owned())).collect()
    }

    fn connections(&self) -> Vec<usize> {
        self.seen().into_iter().map(|(number, _)| number).collect()
    }
}

fn ok(body: &str) -> Option<(String, String)> {
    Some(("HTTP/1.1 200 OK".into(), body.into()))
}

#[tokio::test]
async fn one_request_after_another_takes_one_connection_and_says_nothing_of_its_end() {
    let world = world(64, |_, _| (ANSWER.into(), false)).await;
    for _ in 0..5 {
        assert_eq!(world.get("/a").await, ok("hello"));
    }
    assert_eq!(world.connections(), [1; 5]);
    let seen = world.seen.lock().unwrap();
    let (_, text) = &seen[0];
    assert!(!text.contains("connection:") && text.contains(&format!("x-ovn-network-id: {ID}\r\n")), "{text}");
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each_and_those_are_kept() {
    let world = world(64, |_, _| (format!("|{ANSWER}"), false)).await;
    for _ in 0..2 {
        let (a, b, c) = tokio::join!(world.get("/a"), world.get("/b"), world.get("/c"));
        assert_eq!([a, b, c], [ok("hello"), ok("hello"), ok("hello")]);
    }
    let mut used = world.connections();
    used.sort_unstable();
    assert_eq!(used, [1, 1, 2, 2, 3, 3]);
}

#[tokio::test]
async fn a_connection_is_used_again_when_its_answer_has_ended_in_pieces_or_chunks() {
    let world = world(64, |_, request| {
        let bytes = match request.split(' ').nth(1).unwrap() {
            "/pieces" => "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n|abc|def",
            "/chunks" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n|3\r\ndef\r\n0\r\n\r\n",
            "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => ANSWER,
        };
        (bytes.into(), false)
    })
    .await;
    assert_eq!(world.get("/pieces").await, ok("abcdef"));
    assert!(world.get("/chunks").await.unwrap().1.contains("def"));
    assert_eq!(world.get("/none").await.unwrap().0, "HTTP/1.1 204 No Content");
    let head = world.ask("HEAD /head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(head.1, "");
    // What stands behind the answer to a HEAD belongs to no request.
    assert_eq!(world.get("/last").await, ok("hello"));
    assert_eq!(world.connections(), [1, 1, 1, 1, 2]);
}

#[tokio::test]
async fn an_answer_without_an_end_of_its_own_or_with_more_behind_it_is_the_last_of_its_connection() {
    let world = world(64, |_, request| match request.split(' ').nth(1).unwrap() {
        "/close" => ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi".into(), false),
        "/end" => ("HTTP/1.1 200 OK\r\n\r\nhi".into(), true),
        "/old" => ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi".into(), false),
        "/more" => (format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi{ANSWER}"), false),
        "/later" => (format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi|{ANSWER}"), false),
        _ => (ANSWER.into(), false),
    })
    .await;
    for path in ["/close", "/end", "/old", "/more", "/later"] {
        // An answer that ends with its connection goes to the guest in chunks.
        assert!(world.get(path).await.is_some_and(|(_, body)| body.contains("hi")), "{path}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.get("/a").await, ok("hello"));
    assert_eq!(world.connections(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn an_answer_that_ends_early_ends_both_connections() {
    let world = world(64, |_, request| match request.contains("/half") {
        true => ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n|half".into(), true),
        false => (ANSWER.into(), false),
    })
    .await;
    assert_eq!(world.get("/half").await, None);
    assert_eq!(world.get("/a").await, ok("hello"));
    assert_eq!(world.seen(), [(1, "/half".into()), (2, "/a".into())], "part of an answer: it is not asked again");
}

#[tokio::test]
async fn a_request_that_meets_a_closed_connection_goes_over_another_if_it_changes_nothing() {
    let world = world(64, |connection, request| match (connection, request.contains("/b")) {
        (1, true) => (String::new(), true),
        _ => (ANSWER.into(), false),
    })
    .await;
    assert_eq!(world.get("/a").await, ok("hello"));
    assert_eq!(world.get("/b").await, ok("hello"));
    assert_eq!(world.seen(), [(1, "/a".into()), (1, "/b".into()), (2, "/b".into())]);
}

#[tokio::test]
async fn a_request_that_no_byte_answers_is_sent_twice_at_most() {
    let world = world(64, |_, _| (String::new(), true)).await;
    assert_eq!(world.get("/a").await.unwrap().0, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(world.connections(), [1, 2]);
}

#[tokio::test]
async fn content_is_never_sent_twice_and_never_over_a_connection_that_was_kept() {
    let world = world(64, |_, request| {
        (if request.starts_with("POST") { "" } else { ANSWER }.into(), request.starts_with("POST"))
    })
    .await;
    assert_eq!(world.get("/a").await, ok("hello"));
    assert_eq!(world.post().await.unwrap().0, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(world.seen(), [(1, "/a".into()), (2, "/p".into())]);
}

#[tokio::test]
async fn a_connection_that_the_agent_closed_meanwhile_costs_no_request() {
    let world = world(64, |_, _| (ANSWER.into(), true)).await;
    for _ in 0..3 {
        assert_eq!(world.get("/a").await, ok("hello"));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(world.post().await, ok("hello"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.connections(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_request_that_finds_the_door_full_waits_for_a_connection() {
    let world = world(1, |_, _| (format!("|||{ANSWER}"), false)).await;
    let (a, b) = tokio::join!(world.get("/a"), world.get("/b"));
    assert_eq!([a, b], [ok("hello"), ok("hello")]);
    assert_eq!(world.connections(), [1, 1]);
}

#[tokio::test]
async fn a_guest_that_leaves_while_the_door_is_asked_costs_the_next_one_nothing() {
    let (own, other) = StdStream::pair().unwrap();
    own.set_nonblocking(true).unwrap();
    let connector = DoorConnector::new(GateDoor(binding::Door::bound(own.into()))).unwrap();
    let left = timeout(Duration::from_millis(50), connector.connect()).await;
    assert!(left.is_err(), "nothing attends the door yet");
    let identity = Identity::OvnNetwork(ID.parse().unwrap());
    let held = HeldDoor::kept(OwnedFd::from(other), identity).unwrap();
    let brought = Arc::new(Mutex::new(Vec::new()));
    let all = brought.clone();
    tokio::spawn(held.attend(2, move |brought| all.lock().unwrap().push(brought)));
    timeout(LONG, connector.connect()).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(brought.lock().unwrap().len(), 1, "it was asked once, and took what the first had asked for");
}

#[tokio::test]
async fn the_end_of_the_door_is_told_and_every_request_is_answered_503() {
    let world = world(64, |_, _| (ANSWER.into(), false)).await;
    assert_eq!(world.get("/a").await, ok("hello"));
    let early = timeout(Duration::from_millis(50), world.end.clone().wait()).await;
    assert!(early.is_err(), "the door is open");
    world.agent.abort();
    let why = timeout(LONG, world.end.clone().wait()).await.unwrap();
    assert_eq!(why, "the agent has closed the door");
    assert_eq!(world.post().await.unwrap().0, "HTTP/1.1 503 Service Unavailable");
    world.stop.send_replace(Some(Stop::Now));
}
