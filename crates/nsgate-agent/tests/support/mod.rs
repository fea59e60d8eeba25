//! A small Nova on loopback, and the agent in a thread, for tests that speak to both over real sockets.

#![allow(dead_code, unused_imports, reason = "each suite uses a part")]

mod nova;

pub(crate) use nova::{Seen, SmallNova, good};

use nsgate_agent::{
    directory::FileDirectory,
    gates::{GateSettings, Gates},
    nova::{Nova, NovaHost, NovaSettings},
    signature::Secret,
    signer::LocalSigner,
};
use nsgate_forwarder::Stop;
use std::{
    io::{Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::PathBuf,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::watch;

pub(crate) const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
pub(crate) const INSTANCE: &str = "d3f1c2a0-5b7e-4c7a-8a57-6a8d1b9a4e11";
pub(crate) const OTHER_INSTANCE: &str = "0e8b5b9e-3c52-4a53-8e0e-2f9b0c6a7d22";
pub(crate) const SECRET: &str = "swordfish";

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
        let hosts = hosts
            .iter()
            .map(|address| NovaHost { authority: address.to_string(), address: *address, tls: None })
            .collect();
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
