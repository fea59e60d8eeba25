//! A small Nova on loopback, and the agent in a thread, for tests that speak to both over real sockets.

#![allow(dead_code, reason = "each suite uses a part")]

use nsgate_agent::{
    directory::FileDirectory,
    gates::{GateSettings, Gates},
    nova::{Nova, NovaHost, NovaSettings},
    signature::Secret,
    signer::LocalSigner,
};
use nsgate_forwarder::Stop;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::watch;

pub(crate) const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
pub(crate) const INSTANCE: &str = "d3f1c2a0-5b7e-4c7a-8a57-6a8d1b9a4e11";
pub(crate) const OTHER_INSTANCE: &str = "0e8b5b9e-3c52-4a53-8e0e-2f9b0c6a7d22";
pub(crate) const SECRET: &str = "swordfish";

/// A request as Nova got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Number of the connection that it came over, from 0.
    pub(crate) connection: usize,
    /// Request line and header fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What Nova does with a request. `false` closes the connection.
pub(crate) type Answer = Arc<dyn Fn(&Seen, &mut TcpStream) -> bool + Send + Sync>;

pub(crate) struct SmallNova {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicUsize>,
}

impl SmallNova {
    pub(crate) fn start(answer: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), answer)
    }

    pub(crate) fn at(
        address: SocketAddr,
        answer: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let (seen, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (answer, all, over): (Answer, _, _) = (Arc::new(answer), seen.clone(), ended.clone());
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (answer, all, over) = (answer.clone(), all.clone(), over.clone());
                thread::spawn(move || {
                    let mut stream = stream.expect("a connection");
                    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
                    while let Some(seen) = read_request(connection, &mut reader) {
                        all.lock().expect("seen").push(seen.clone());
                        if !answer(&seen, &mut stream) {
                            break;
                        }
                    }
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                    over.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen, ended }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("seen").clone()
    }

    /// Connections that have ended.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }
}

fn read_request(connection: usize, reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut seen = Seen { connection, head, body: Vec::new() };
    if let Some(length) = seen.field("content-length").map(|value| value.parse().expect("a length")) {
        seen.body.resize(length, 0);
        reader.read_exact(&mut seen.body).ok()?;
    }
    Some(seen)
}

/// A Nova that answers 200 with `body`, over a connection that stays.
pub(crate) fn good(body: &'static str) -> impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync {
    move |seen, stream| {
        let body_sent = if seen.head.starts_with("HEAD") { "" } else { body };
        let text =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body_sent}", body.len());
        stream.write_all(text.as_bytes()).is_ok()
    }
}

pub(crate) struct Agent {
    pub(crate) socket: PathBuf,
    _directory: TempDir,
    stop: watch::Sender<Option<Stop>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// An agent that serves plain connections and knows two instances, at 10.0.0.2 and 10.0.0.3; two ports have 10.0.0.4.
    pub(crate) fn start(hosts: &[SocketAddr]) -> Self {
        Self::with(hosts, |_, _| {})
    }

    pub(crate) fn with(hosts: &[SocketAddr], adjust: impl FnOnce(&mut GateSettings, &mut NovaSettings)) -> Self {
        let directory = TempDir::new().expect("a directory");
        let socket = directory.path().join("agent.sock");
        let hosts =
            hosts.iter().map(|address| NovaHost { authority: address.to_string(), address: *address }).collect();
        let (mut gates, mut nova) = (GateSettings::default(), NovaSettings::new(hosts));
        gates.plain = true;
        adjust(&mut gates, &mut nova);
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        listener.set_nonblocking(true).expect("non-blocking");
        let (stop, stopped) = watch::channel(None);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::UnixListener::from_std(listener).expect("a listener");
                let known = FileDirectory::new("instances.toml", &instances()).expect("a directory");
                let signer = LocalSigner::new(known, Secret::new(SECRET.into()).expect("a secret"));
                Gates::new(gates, signer, Nova::new(nova)).serve(listener, stopped).await;
            });
        });
        Self { socket, _directory: directory, stop, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("the agent's socket");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
        stream
    }

    /// Sends bytes over a connection of its own, and reads until the agent closes it.
    pub(crate) fn says(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(request).expect("to send");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        answer
    }

    /// The same for a guest at `address`, with further header fields.
    pub(crate) fn asks(&self, line: &str, address: &str, more: &str) -> String {
        String::from_utf8_lossy(&self.says(request(line, address, &format!("{more}connection: close\r\n")).as_bytes()))
            .into_owned()
    }

    pub(crate) fn stop(mut self, how: Stop) {
        self.stop.send_replace(Some(how));
        let thread = self.thread.take().expect("a thread");
        until("the end of the agent", || thread.is_finished());
        thread.join().expect("no panic");
    }
}

/// A gate's request.
pub(crate) fn request(line: &str, address: &str, more: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: 169.254.169.254\r\nx-ovn-network-id: {NETWORK}\r\nx-forwarded-for: {address}\r\n{more}\r\n"
    )
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

fn instances() -> String {
    let one = |address: &str, instance: &str| {
        format!(
            "[[instance]]\nnetwork = \"{NETWORK}\"\naddress = \"{address}\"\ninstance = \"{instance}\"\nproject = \"tenant\"\n"
        )
    };
    one("10.0.0.2", INSTANCE)
        + &one("10.0.0.3", OTHER_INSTANCE)
        + &one("10.0.0.4", INSTANCE)
        + &one("10.0.0.4", OTHER_INSTANCE)
}

/// Waits until `done`, for 10 s at most.
pub(crate) fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what} does not happen");
        thread::sleep(Duration::from_millis(5));
    }
}
