//! A forwarder that serves on loopback, with an agent of the test's own behind it.

use nsgate_config::native;
use nsgate_forwarder::{AccessRecord, Forwarder, Observer, Stop, TokenKey, UnixConnector};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

pub(crate) const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[derive(Clone, Default)]
pub(crate) struct Records(pub(crate) Arc<Mutex<Vec<AccessRecord>>>);

impl Observer for Records {
    fn request(&self, record: &AccessRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// A forwarder that serves, with the agent it was given.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) stop: watch::Sender<Option<Stop>>,
    pub(crate) task: JoinHandle<()>,
    seen: Arc<Mutex<Vec<String>>>,
    pub(crate) records: Records,
    _directory: tempfile::TempDir,
}

impl Served {
    /// The agent reads what comes, writes `answer` and closes.
    pub(crate) async fn with(settings: &str, answer: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 65536];
                let length = stream.read(&mut request).await.unwrap();
                recorded.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).into_owned());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self::at(settings, socket, seen, directory).await
    }

    pub(crate) async fn at(
        settings: &str,
        socket: PathBuf,
        seen: Arc<Mutex<Vec<String>>>,
        directory: tempfile::TempDir,
    ) -> Self {
        let text = format!(
            "network_id = \"{NETWORK}\"\nlisten = [\"127.0.0.1:80\"]\nbackend = \"/agent\"\nuser = \"nobody\"\n{settings}"
        );
        let gate = native::parse("test", &text).unwrap().config.gate;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(None);
        let records = Records::default();
        let forwarder = Forwarder::new(gate, UnixConnector::new(socket, None), records.clone());
        let forwarder = forwarder.keyed(Some(TokenKey::new(&[7; 64])));
        let task = tokio::spawn(forwarder.serve(vec![listener], stopped));
        Self { address, stop, task, seen, records, _directory: directory }
    }

    pub(crate) async fn guest(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of its own and reads until the gate closes it.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut guest = self.guest().await;
        guest.write_all(request.as_bytes()).await.unwrap();
        rest(&mut guest).await
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) async fn rest(guest: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after an answer that was cut is an end like any other here.
    let _ = timeout(Duration::from_secs(20), guest.read_to_end(&mut answer)).await.expect("the gate closes");
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n")
}

/// One answer that says how long it is, and nothing of what follows.
pub(crate) async fn one(guest: &mut TcpStream) -> String {
    let read = async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(guest.read_u8().await.expect("the head of an answer"));
        }
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head.split("\r\ncontent-length: ").nth(1).expect("a length").split("\r\n").next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        guest.read_exact(&mut body).await.expect("the body of an answer");
        answer.extend(body);
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(Duration::from_secs(20), read).await.expect("an answer")
}

/// An agent at `socket` whose answer to `/big` has ten million bytes, and to everything else five.
pub(crate) fn agent_with_a_long_answer(socket: &std::path::Path) {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut agent, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                let length = agent.read(&mut bytes).await.unwrap_or(0);
                let big = bytes[..length].starts_with(b"GET /big");
                let body = vec![b'x'; if big { 10_000_000 } else { 5 }];
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = agent.write_all(head.as_bytes()).await;
                let _ = agent.write_all(&body).await;
            });
        }
    });
}
