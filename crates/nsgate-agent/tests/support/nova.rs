//! A small Nova: it records what it is asked, and answers as a test says.

#![allow(unreachable_pub, dead_code, missing_docs, reason = "two suites and the laboratory use a part each")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A request as Nova got it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Number of the connection that it came over, from 0.
    pub connection: usize,
    /// Request line and header fields.
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What Nova does with a request. `false` closes the connection.
pub type Answer = Arc<dyn Fn(&Seen, &mut TcpStream) -> bool + Send + Sync>;

pub struct SmallNova {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicUsize>,
}

impl SmallNova {
    pub fn start(answer: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), answer)
    }

    pub fn at(address: SocketAddr, answer: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
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
                    let _ = stream.shutdown(Shutdown::Both);
                    over.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen, ended }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("seen").clone()
    }

    /// Connections that have ended.
    pub fn ended(&self) -> usize {
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
pub fn good(body: &'static str) -> impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync {
    move |seen, stream| {
        let body_sent = if seen.head.starts_with("HEAD") { "" } else { body };
        let text =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body_sent}", body.len());
        stream.write_all(text.as_bytes()).is_ok()
    }
}
