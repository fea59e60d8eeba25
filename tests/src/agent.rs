//! Agents at the other end of the UNIX socket: one that records every byte.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::cut::Way;

/// What the agent does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Waits, then sends these bytes and closes.
    Slow(Duration, Vec<u8>),
    /// Closes without a byte.
    Nothing,
    /// Keeps the connection open and says nothing.
    Silence,
}

impl Answer {
    /// A plain answer with a length.
    pub fn ok(body: &str) -> Answer {
        Answer::with("200 OK", body)
    }

    /// The same with another status.
    pub fn with(status: &str, body: &str) -> Answer {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        Answer::Bytes((head + body).into_bytes())
    }
}

/// One request as it came over the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Every byte read before the answer was sent.
    pub bytes: Vec<u8>,
    /// What the first read returned: all that Neutron's agents since 2025.1 look at (at most 4,096 bytes).
    pub first_read: usize,
}

impl Seen {
    /// The bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The values of every header that a WSGI server would fold into `name` (case, `-` and `_`).
    pub fn header(&self, name: &str) -> Vec<String> {
        let fold = |name: &str| name.trim().to_ascii_lowercase().replace('_', "-");
        let text = self.text();
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        head.split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| fold(key) == fold(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }

    /// The body, after the head.
    pub fn body(&self) -> Vec<u8> {
        let end = self.bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(self.bytes.len(), |at| at + 4);
        self.bytes[end..].to_vec()
    }
}

#[derive(Debug, Default)]
struct Record {
    seen: Mutex<Vec<Seen>>,
    more: Condvar,
    open: Mutex<(usize, usize)>,
    stop: AtomicBool,
}

/// An agent on a UNIX socket that records what it is sent and answers as told. Removed when dropped.
#[derive(Debug)]
pub struct RecordingAgent {
    path: PathBuf,
    record: Arc<Record>,
}

impl RecordingAgent {
    /// Listens at `path` (mode 0666) and gives every request the same answer.
    pub fn start(path: &Path, answer: Answer) -> RecordingAgent {
        RecordingAgent::answering(path, move |_| answer.clone())
    }

    /// Listens at `path` and asks `answer` for what to do with each request.
    pub fn answering(path: &Path, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> RecordingAgent {
        let path = &Way::Agent.path(path);
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap_or_else(|e| panic!("the agent's socket {path:?}: {e}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("the socket's mode");
        let record = Arc::new(Record::default());
        let (shared, answer) = (record.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stop.load(Ordering::SeqCst) {
                    break;
                }
                let (shared, answer) = (shared.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &shared, answer.as_ref()));
            }
        });
        RecordingAgent { path: path.to_owned(), record }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.record.seen.lock().expect("the record").clone()
    }

    /// Waits for the `count`-th request (up to five seconds) and returns it.
    pub fn nth(&self, count: usize) -> Option<Seen> {
        let end = Instant::now() + Duration::from_secs(5);
        let mut seen = self.record.seen.lock().expect("the record");
        while seen.len() < count {
            let left = end.checked_duration_since(Instant::now())?;
            seen = self.record.more.wait_timeout(seen, left).expect("the record").0;
        }
        seen.get(count - 1).cloned()
    }

    /// The only request seen; panics if there was none or more than one.
    pub fn only(&self) -> Seen {
        let first = self.nth(1).expect("the agent saw a request");
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "one request was expected: {seen:?}");
        first
    }

    /// Forgets what was seen.
    pub fn forget(&self) {
        self.record.seen.lock().expect("the record").clear();
    }

    /// The largest number of connections that were open at once.
    pub fn most_at_once(&self) -> usize {
        self.record.open.lock().expect("the record").1
    }
}

impl Drop for RecordingAgent {
    fn drop(&mut self) {
        self.record.stop.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
    }
}

fn serve(mut stream: UnixStream, record: &Record, answer: &(dyn Fn(&Seen) -> Answer + Send + Sync)) {
    {
        let mut open = record.open.lock().expect("the record");
        open.0 += 1;
        open.1 = open.1.max(open.0);
    }
    if let Ok(Some(seen)) = read_request(&mut stream) {
        record.seen.lock().expect("the record").push(seen.clone());
        record.more.notify_all();
        match answer(&seen) {
            Answer::Bytes(bytes) => drop(stream.write_all(&bytes)),
            Answer::Slow(pause, bytes) => {
                std::thread::sleep(pause);
                let _ = stream.write_all(&bytes);
            }
            Answer::Nothing => {}
            Answer::Silence => drop(io::copy(&mut stream, &mut io::sink())),
        }
    }
    record.open.lock().expect("the record").0 -= 1;
}

/// Reads a head and, if it names a length, that much of a body. `None` for a connection without a byte.
fn read_request(stream: &mut UnixStream) -> io::Result<Option<Seen>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut first = vec![0; 4096];
    let first_read = stream.read(&mut first)?;
    if first_read == 0 {
        return Ok(None);
    }
    let mut bytes = first[..first_read].to_vec();
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    while !complete(&bytes) {
        match stream.read(&mut first) {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&first[..n]),
        }
    }
    stream.set_read_timeout(None)?;
    Ok(Some(Seen { bytes, first_read }))
}

fn complete(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding:") {
        return bytes.ends_with(b"0\r\n\r\n");
    }
    let length = head.split("\r\ncontent-length:").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    bytes.len() >= end + 4 + length
}
