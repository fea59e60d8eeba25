//! A small server in the place of Neutron or Keystone, and a directory that asks it: a real one does not fail on demand.
#![allow(dead_code, reason = "each test uses a part")]

use nsgate_agent::directory::{
    Caller, Directory, NoOccupant, Question,
    neutron::{NeutronDirectory, NeutronOptions, RestPlace},
};
use nsgate_config::{Identity, Uuid};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
pub(crate) const PORT: &str = "00000000-0000-4000-8000-000000000001";

/// What a server does with a request.
pub(crate) enum Reply {
    /// These bytes, and the connection stays.
    Bytes(Vec<u8>),
    /// These bytes, and it closes.
    Last(Vec<u8>),
    /// Nothing, for ever.
    Silence,
}

/// A server of this test. It keeps what it was sent.
pub(crate) struct Small {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Small {
    /// `replies` is given the number of the request, from zero, and its text.
    pub(crate) async fn start(replies: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Small {
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

    pub(crate) fn place(&self) -> RestPlace {
        RestPlace {
            authority: self.address.to_string(),
            prefix: String::new(),
            addresses: vec![self.address],
            tls: None,
        }
    }

    pub(crate) fn heard(&self) -> Vec<String> {
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

pub(crate) fn answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn port(id: &str, address: &str, instance: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"network_id\":\"{NETWORK}\",\"device_id\":\"{instance}\",\"project_id\":\"project\",\
         \"fixed_ips\":[{{\"subnet_id\":\"s\",\"ip_address\":\"{address}\"}}],\"new\":{{\"a\":[1.5,null]}}}}"
    )
}

pub(crate) fn ports(ports: &[String]) -> Reply {
    Reply::Bytes(answer("200 OK", "", &format!("{{\"ports\":[{}]}}", ports.join(","))))
}

pub(crate) fn one() -> Reply {
    ports(&[port(PORT, "10.0.0.2", "one")])
}

pub(crate) fn options(place: RestPlace) -> NeutronOptions {
    let mut options = NeutronOptions::new(place);
    options.patience = Duration::from_millis(400);
    options.connect = Duration::from_millis(200);
    options.longest_answer = 4096;
    options
}

pub(crate) async fn asks(directory: &NeutronDirectory, address: &str) -> Result<String, NoOccupant> {
    let place = Identity::Network(NETWORK.parse::<Uuid>().unwrap());
    let question = Question { place, caller: Caller::of(address.parse().unwrap()) };
    directory.who(&question).await.map(|occupant| occupant.instance().to_owned())
}

/// Why the directory is away.
pub(crate) async fn away(directory: &NeutronDirectory) -> String {
    match asks(directory, "10.0.0.2").await {
        Err(NoOccupant::Away(why)) => why,
        other => panic!("{other:?}"),
    }
}
