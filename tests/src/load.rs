//! Guests that ask without a pause, while something happens to the process that answers.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use crate::guest::Guest;
use crate::http::Response;

/// A load of fresh and kept connections. Counts what failed.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins: every other guest keeps its connection for as long as the answers allow it.
    pub fn start(guests: impl IntoIterator<Item = Guest>) -> Load {
        let (stop, asked, failed) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut threads = Vec::new();
        for (number, guest) in guests.into_iter().enumerate() {
            let (stop, asked, failed) = (stop.clone(), asked.clone(), failed.clone());
            let kept = number % 2 == 0;
            threads.push(spawn(move || {
                let mut stream: Option<TcpStream> = None;
                while !stop.load(Ordering::Relaxed) {
                    let outcome = if kept { ask_kept(&guest, &mut stream) } else { guest.get("/fresh") };
                    asked.fetch_add(1, Ordering::Relaxed);
                    if !outcome.as_ref().is_ok_and(|answer| answer.status == 200) {
                        println!("failed: {outcome:?}");
                        failed.fetch_add(1, Ordering::Relaxed);
                        stream = None;
                    }
                    sleep(Duration::from_millis(2));
                }
            }));
        }
        Load { stop, asked, failed, threads }
    }

    /// Requests that failed so far.
    pub fn failed(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }

    /// Requests asked so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends it: requests asked and failed.
    pub fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a guest"));
        (self.asked.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

/// A request on a connection that is kept as long as the answers allow it.
fn ask_kept(guest: &Guest, stream: &mut Option<TcpStream>) -> io::Result<Response> {
    let mut open = match stream.take() {
        Some(open) => open,
        None => guest.connect()?,
    };
    open.write_all(b"GET /kept HTTP/1.1\r\nHost: h\r\n\r\n")?;
    let answer = Response::read(&mut open)?;
    if answer.header("connection") != Some("close") {
        *stream = Some(open);
    }
    Ok(answer)
}
