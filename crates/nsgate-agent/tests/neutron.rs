//! The directory that asks Neutron, when Neutron or Keystone does not answer as it should. A small server stands in their place: a
//! real one does not fail on demand. tests/tests/agent_neutron.rs asks the real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)]

use nsgate_agent::directory::{
    Caller, Directory, NoOccupant, Question,
    neutron::{NeutronDirectory, NeutronOptions, NeutronUser, RestPlace, UserPassword},
};
use nsgate_config::{Identity, Uuid};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
const PORT: &str = "00000000-0000-4000-8000-000000000001";

/// What a server does with a request.
enum Reply {
    /// These bytes, and the connection stays.
    Bytes(Vec<u8>),
    /// These bytes, and it closes.
    Last(Vec<u8>),
    /// Nothing, for ever.
    Silence,
}

/// A server of this test. It keeps what it was sent.
struct Small {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Small {
    /// `replies` is given the number of the request, from zero, and its text.
    async fn start(replies: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Small {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let small =
            Small { address: listener.local_addr().unwrap(), heard: Arc::default(), connections: Arc::default() };
        let (heard, connections) = (small.heard.clone(), small.connections.clone());
        let replies = Arc::new(replies);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(socket, heard.clone(), replies.clone()));
            }
        });
        small
    }

    fn place(&self) -> RestPlace {
        RestPlace {
            authority: self.address.to_string(),
            prefix: String::new(),
            addresses: vec![self.address],
            tls: None,
        }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    mut socket: TcpStream,
    heard: Arc<Mutex<Vec<String>>>,
    replies: Arc<impl Fn(usize, &str) -> Reply>,
) -> Option<()> {
    let mut text = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = whole(&text) {
                break end;
            }
            if socket.read_buf(&mut text).await.ok()? == 0 {
                return None;
            }
        };
        let request = String::from_utf8(text.drain(..end).collect()).unwrap();
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.push(request.clone());
            heard.len() - 1
        };
        match replies(number, &request) {
            Reply::Bytes(bytes) => socket.write_all(&bytes).await.ok()?,
            Reply::Last(bytes) => {
                socket.write_all(&bytes).await.ok()?;
                return None;
            }
            Reply::Silence => std::future::pending().await,
        }
    }
}

/// Where a request ends, if all of it is there.
fn whole(text: &[u8]) -> Option<usize> {
    let head = text.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let said = String::from_utf8_lossy(&text[..head]).to_ascii_lowercase();
    let length = said.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    (text.len() >= head + length).then_some(head + length)
}

fn answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len()).into_bytes()
}

fn port(id: &str, address: &str, instance: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"network_id\":\"{NETWORK}\",\"device_id\":\"{instance}\",\"project_id\":\"project\",\
         \"fixed_ips\":[{{\"subnet_id\":\"s\",\"ip_address\":\"{address}\"}}],\"new\":{{\"a\":[1.5,null]}}}}"
    )
}

fn ports(ports: &[String]) -> Reply {
    Reply::Bytes(answer("200 OK", "", &format!("{{\"ports\":[{}]}}", ports.join(","))))
}

fn one() -> Reply {
    ports(&[port(PORT, "10.0.0.2", "one")])
}

fn options(place: RestPlace) -> NeutronOptions {
    let mut options = NeutronOptions::new(place);
    options.patience = Duration::from_millis(400);
    options.connect = Duration::from_millis(200);
    options.longest_answer = 4096;
    options
}

fn user() -> NeutronUser {
    let text = |text: &str| text.to_owned();
    NeutronUser {
        name: text("nsgate"),
        domain: text("Default"),
        project: text("service"),
        project_domain: text("Default"),
        password: UserPassword::new("swordfish\n".into()).unwrap(),
    }
}

async fn asks(directory: &NeutronDirectory, address: &str) -> Result<String, NoOccupant> {
    let place = Identity::Network(NETWORK.parse::<Uuid>().unwrap());
    let question = Question { place, caller: Caller::of(address.parse().unwrap()) };
    directory.who(&question).await.map(|occupant| occupant.instance().to_owned())
}

/// Why the directory is away.
async fn away(directory: &NeutronDirectory) -> String {
    match asks(directory, "10.0.0.2").await {
        Err(NoOccupant::Away(why)) => why,
        other => panic!("{other:?}"),
    }
}

async fn says(reply: impl Fn() -> Reply + Send + Sync + 'static) -> String {
    let small = Small::start(move |_, _| reply()).await;
    let why = away(&NeutronDirectory::new(options(small.place()), None)).await;
    assert!(why.starts_with(&format!("Neutron at {}", small.address)) && !why.contains('\n'), "{why}");
    why
}

#[tokio::test]
async fn why_neutron_gives_no_answer_is_said_by_its_cause() {
    for (status, what) in [
        ("401 Unauthorized", "answers 401: it wants a token; write auth_url"),
        ("403 Forbidden", "answers 403: its policy"),
        ("404 Not Found", "answers 404: is this its address?"),
        ("302 Found", "answers 302: is this its address?"),
        ("500 Internal Server Error", "answers 500: its log has the reason"),
        ("503 Service Unavailable", "answers 503: the service behind it is away"),
        ("204 No Content", "answers 204"),
    ] {
        let why = says(move || Reply::Bytes(answer(status, "", ""))).await;
        assert!(why.contains(what), "{status}: {why}");
    }
    for (body, what) in [
        ("", "the answer is not the service's"),
        ("<html>\nhello</html>", "the answer is not the service's"),
        ("{\"versions\":[]}", "missing field `ports`"),
        ("{\"ports\":[{\"id\":7}]}", "the answer is not the service's"),
        ("{\"ports\":[{\"id\":\"x\",\"network_id\":\"y\"}]}", "a port that was not asked for"),
    ] {
        let why = says(move || Reply::Bytes(answer("200 OK", "", body))).await;
        assert!(why.contains(what), "{body}: {why}");
    }
    let why = says(|| Reply::Bytes(answer("200 OK", "", &"[".repeat(5000)))).await;
    assert!(why.contains("longer than 4096 bytes"), "{why}");
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2000\r\n".to_vec();
    let why = says(move || Reply::Bytes([&endless[..], &[b'['; 5000]].concat())).await;
    assert!(why.contains("longer than 4096 bytes"), "{why}");
    for half in ["", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"ports\":[", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let why = says(move || Reply::Last(half.into())).await;
        assert!(why.contains("no whole answer"), "{half}: {why}");
    }
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_costs_no_more_than_the_deadline() {
    let began = Instant::now();
    assert!(says(|| Reply::Silence).await.contains("no answer in time"));
    let half = answer("200 OK", "", "{\"ports\":[]}");
    assert!(says(move || Reply::Bytes(half[..half.len() - 1].to_vec())).await.contains("no answer in time"));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let place =
        RestPlace { authority: "neutron:9696".to_owned(), prefix: String::new(), addresses: vec![nobody], tls: None };
    let directory = NeutronDirectory::new(options(place), None);
    let why = away(&directory).await;
    assert!(why.starts_with("Neutron at neutron:9696: cannot be reached: ") && why.contains("refused"), "{why}");
    let status = directory.status();
    assert!(status.failed == 1 && status.trouble.is_some_and(|(said, _)| said == why));
}

#[tokio::test]
async fn a_failure_is_not_kept_and_the_next_question_may_be_answered() {
    let small = Small::start(|number, _| match number {
        0 => Reply::Bytes(answer("500 Internal Server Error", "", "")),
        _ => one(),
    })
    .await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    away(&directory).await;
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
    assert_eq!(directory.status().trouble, None);
}

#[tokio::test]
async fn a_connection_is_kept_and_one_that_was_closed_is_made_anew() {
    let small = Small::start(|number, text| {
        let address = text.split("ip_address%3D").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let Reply::Bytes(bytes) = ports(&[port(PORT, &address, &number.to_string())]) else { unreachable!() };
        if number == 4 { Reply::Last(bytes) } else { Reply::Bytes(bytes) }
    })
    .await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    for number in 0..10 {
        let address = format!("10.0.0.{}", number + 2);
        assert_eq!(asks(&directory, &address).await, Ok(number.to_string()));
    }
    assert_eq!(small.connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_port_that_was_not_asked_for_is_nobodys() {
    // A server that knows no filter, and has one port.
    let small = Small::start(|_, _| ports(&[port(PORT, "10.0.0.3", "another")])).await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    assert!(away(&directory).await.contains("a port that was not asked for"));
    assert_eq!(asks(&directory, "10.0.0.3").await.as_deref(), Ok("another"));
}

#[tokio::test]
async fn two_ports_on_two_pages_are_two() {
    let second = "00000000-0000-4000-8000-000000000002";
    let small = Small::start(move |_, text| {
        let (id, links) = match text.contains(&format!("&marker={PORT} ")) {
            true => (second, "[{\"rel\":\"previous\",\"href\":\"x\"}]"),
            false => (PORT, "[{\"rel\":\"next\",\"href\":\"http://192.0.2.1/\"}]"),
        };
        let port = port(id, "10.0.0.2", "one");
        Reply::Bytes(answer("200 OK", "", &format!("{{\"ports\":[{port}],\"ports_links\":{links}}}")))
    })
    .await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    assert_eq!(asks(&directory, "10.0.0.2").await, Err(NoOccupant::SeveralPorts(2)));
    let small = Small::start(move |_, _| {
        let port = port(PORT, "10.0.0.2", "one");
        Reply::Bytes(answer("200 OK", "", &format!("{{\"ports\":[{port}],\"ports_links\":[{{\"rel\":\"next\"}}]}}")))
    })
    .await;
    let why = away(&NeutronDirectory::new(options(small.place()), None)).await;
    assert!(why.contains("more than 64 pages"), "{why}");
}

#[tokio::test]
async fn no_more_questions_than_the_bound_are_under_way_and_one_network_leaves_room_for_others() {
    let small = Small::start(|_, text| if text.contains(NETWORK) { Reply::Silence } else { ports(&[]) }).await;
    let mut options = options(small.place());
    (options.questions, options.questions_per_network) = (3, 2);
    let directory = NeutronDirectory::new(options, None);
    let many: Vec<_> = (2..12)
        .map(|number| {
            let directory = directory.clone();
            tokio::spawn(async move { asks(&directory, &format!("10.0.0.{number}")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(small.heard().len(), 2);
    let place = Identity::Network("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b11".parse().unwrap());
    let question = Question { place, caller: Caller::of("10.0.0.2".parse().unwrap()) };
    let began = Instant::now();
    assert_eq!(directory.who(&question).await, Err(NoOccupant::NoPort));
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    for one in many {
        assert!(matches!(one.await.unwrap(), Err(NoOccupant::Away(_))));
    }
}

/// Keystone: each token has the number of its request. `lasts` is in seconds.
async fn keystone(lasts: u32, status: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Small {
    Small::start(move |number, _| {
        let body = format!(
            "{{\"token\":{{\"issued_at\":\"2026-12-01T05:00:00.000000Z\",\"expires_at\":\"2026-12-01T05:{:02}:{:02}.000000Z\",\
             \"methods\":[\"password\"],\"roles\":[{{\"id\":\"r\",\"name\":\"service\"}}]}}}}",
            lasts / 60,
            lasts % 60
        );
        Reply::Bytes(answer(status(number), &format!("X-Subject-Token: token-{number}\r\n"), &body))
    })
    .await
}

fn with_keystone(neutron: &Small, keystone: &Small) -> NeutronDirectory {
    let mut place = keystone.place();
    place.prefix = "/identity/v3".to_owned();
    let mut options = options(neutron.place());
    options.kept_for = Duration::ZERO;
    NeutronDirectory::new(options, Some((place, user())))
}

#[tokio::test]
async fn a_token_is_asked_for_once_shown_to_neutron_alone_and_renewed_before_its_end() {
    let keystone = keystone(1, |_| "201 Created").await;
    let neutron = Small::start(|_, _| one()).await;
    let directory = with_keystone(&neutron, &keystone);
    let (first, second) = tokio::join!(asks(&directory, "10.0.0.2"), asks(&directory, "10.0.0.2"));
    assert!(first.is_ok() && second.is_ok());
    let request = keystone.heard().remove(0);
    assert!(request.starts_with("POST /identity/v3/auth/tokens?nocatalog HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\"password\":\"swordfish\"") && request.contains("\"project\":{"), "{request}");
    tokio::time::sleep(Duration::from_millis(950)).await;
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
    assert_eq!((keystone.heard().len(), directory.status().tokens), (2, 2));
    let shown: Vec<String> = neutron.heard();
    assert!(shown.first().is_some_and(|request| request.contains("\r\nx-auth-token: token-0\r\n")), "{shown:?}");
    assert!(shown.last().is_some_and(|request| request.contains("\r\nx-auth-token: token-1\r\n")), "{shown:?}");
    assert!(shown.iter().all(|request| !request.contains("swordfish")));
    assert!(!format!("{directory:?}").contains("swordfish") && !format!("{directory:?}").contains("token-1"));
}

#[tokio::test]
async fn a_token_that_neutron_refuses_is_renewed_once_and_its_question_is_asked_again() {
    let keystone = keystone(3000, |_| "201 Created").await;
    let neutron = Small::start(|_, text| match text.contains("token-0") || text.contains("10.0.0.9") {
        true => Reply::Bytes(answer("401 Unauthorized", "", "")),
        false => one(),
    })
    .await;
    let directory = with_keystone(&neutron, &keystone);
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
    assert_eq!((keystone.heard().len(), neutron.heard().len()), (2, 2));
    for _ in 0..3 {
        let Err(NoOccupant::Away(why)) = asks(&directory, "10.0.0.9").await else { panic!("away") };
        assert!(why.contains("401") && why.contains("does it ask the same Keystone"), "{why}");
    }
    assert_eq!(keystone.heard().len(), 2, "a token that is taken nowhere costs no new one for each question");
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
}

#[tokio::test]
async fn a_password_that_keystone_refuses_is_not_shown_for_each_question() {
    let keystone = keystone(3000, |_| "401 Unauthorized").await;
    let neutron = Small::start(|_, _| one()).await;
    let directory = with_keystone(&neutron, &keystone);
    for _ in 0..5 {
        let why = away(&directory).await;
        assert!(why.contains("refuses user `nsgate` (401)") && why.contains("password_file"), "{why}");
        assert!(!why.contains("swordfish"), "{why}");
    }
    assert_eq!((keystone.heard().len(), neutron.heard().len()), (1, 0));
}

#[tokio::test]
async fn why_keystone_gives_no_token_is_said_by_its_cause() {
    let neutron = Small::start(|_, _| one()).await;
    for (bytes, what) in [
        (answer("503 Service Unavailable", "", ""), "answers 503: the service behind it is away"),
        (answer("404 Not Found", "", ""), "answers 404: is this its address?"),
        (answer("201 Created", "", "{\"token\":{}}"), "no X-Subject-Token"),
        (answer("201 Created", "X-Subject-Token: t\r\n", "\"swordfish\""), "describes no token"),
    ] {
        let keystone = Small::start(move |_, _| Reply::Bytes(bytes.clone())).await;
        let why = away(&with_keystone(&neutron, &keystone)).await;
        assert!(why.starts_with(&format!("Keystone at {}: ", keystone.address)) && why.contains(what), "{why}");
        assert!(!why.contains("swordfish"), "{why}");
    }
    assert!(neutron.heard().is_empty());
}
