//! One run of the forwarder under a counter, with its guests and its agent here, in another process. The
//! difference between a long run and a short run is the cost of requests: start and end are in both.
// Kept: iai-callgrind (0.16.1 tried) counts a function of a bench program, or a program from its start to its end. Here it is the
// difference of two runs with guests and an agent outside, and system calls besides; its runner must be installed in its version.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nsgate_tests::program::target;

use super::Cost;

/// How guests connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// All requests on one connection.
    Kept,
    /// Each on its own.
    Own,
}

/// Requests in the short run and in the long one.
pub(super) const SHORT: usize = 100;
pub(super) const LONG: usize = 800;

/// The metadata agent's answer.
pub(crate) const ANSWER: usize = 440;

/// How long the agent takes. The forwarder does not wait for an answer that is there at once, and that depends on the speed
/// of both. With this delay it waits for nearly every answer.
pub(super) const PAUSE: Duration = Duration::from_micros(500);

/// What one request costs, with a body of so many bytes.
pub(crate) fn cost(load: Load, body: usize) -> Result<Cost, String> {
    let request = request(load, 0, body);
    let each = |counter: Counter| -> Result<f64, String> {
        let run = |count: usize| Run::start(counter, &[])?.ask(load, &request, count);
        Ok((run(LONG)? - run(SHORT)?) / (LONG - SHORT) as f64)
    };
    Cost::each(each)
}

/// What one request costs without guards and with all of them, both with the headers that guards want.
pub(crate) fn guards(load: Load) -> Result<[Cost; 2], String> {
    let cost = |words: &'static [&'static str]| -> Result<Cost, String> {
        let each = |counter: Counter| -> Result<f64, String> {
            let run = |count: usize| {
                let run = Run::start(counter, words)?;
                // Without guards it goes to the agent, whose answer has no token in it; both runs ask.
                let said = put(run.port()).map_err(|error| format!("a token: {error}"))?;
                let token = if words.is_empty() { "0".repeat(82) } else { said };
                run.ask(load, &showing(load, &token), count)
            };
            Ok((run(LONG)? - run(SHORT)?) / (LONG - SHORT) as f64)
        };
        Cost::each(each)
    };
    Ok([cost(&[])?, cost(&["-", "guards"])?])
}

/// A request that all guards let pass.
fn showing(load: Load, token: &str) -> Vec<u8> {
    let plain = String::from_utf8_lossy(&request(load, 0, 0)).into_owned();
    let fields = format!("Metadata-Flavor: Google\r\nX-aws-ec2-metadata-token: {token}\r\n\r\n");
    plain.replacen("\r\n\r\n", &format!("\r\n{fields}"), 1).into_bytes()
}

/// Asks for a token.
fn put(port: u16) -> std::io::Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(
        b"PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata-Flavor: Google\r\n\
          X-aws-ec2-metadata-token-ttl-seconds: 21600\r\nConnection: close\r\n\r\n",
    )?;
    Ok(nsgate_tests::Response::read(&mut stream)?.text())
}

/// A request with so many more headers, and a body of so many bytes.
pub(crate) fn request(load: Load, headers: usize, body: usize) -> Vec<u8> {
    let method = if body > 0 { "POST" } else { "GET" };
    let mut text =
        format!("{method} /latest/meta-data/ HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: curl/7.88.1\r\n");
    text.push_str("Accept: */*\r\n");
    (0..headers).for_each(|n| text.push_str(&format!("X-More-{n:03}: a value of some length\r\n")));
    if load == Load::Own {
        text.push_str("Connection: close\r\n");
    }
    if body > 0 {
        text.push_str(&format!("Content-Length: {body}\r\n"));
    }
    text.push_str("\r\n");
    text.extend(std::iter::repeat_n('x', body));
    text.into_bytes()
}

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    /// callgrind (valgrind(1)).
    Instructions,
    /// memcheck's account of the heap.
    Allocations,
    /// strace(1), without calls that wait and calls that found nothing: their number depends on the speed of both sides.
    Calls,
}

impl Counter {
    /// The counter's command; append the program that is counted. The counter writes into `directory`.
    pub(crate) fn command(self, directory: &Path) -> Command {
        match self {
            Counter::Instructions => valgrind(&["--tool=callgrind", "--callgrind-out-file=/dev/null"]),
            Counter::Allocations => valgrind(&["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"]),
            Counter::Calls => {
                let mut command = Command::new("strace");
                command.args(["-f", "-qq", "-o"]).arg(directory.join("trace"));
                command
            }
        }
    }

    /// The count, from the last output of the counter.
    pub(crate) fn total(self, said: &str, directory: &Path) -> Option<f64> {
        match self {
            Counter::Instructions => after(said, "Collected :"),
            Counter::Allocations => after(said, "total heap usage:"),
            Counter::Calls => Some(calls(&fs::read_to_string(directory.join("trace")).unwrap_or_default())),
        }
    }
}

/// The count of a whole run of an example.
pub(super) fn once(counter: Counter, example: &str, words: &[&str]) -> Result<f64, String> {
    let directory = std::env::temp_dir().join(format!("nsgate-{example}-{}-{counter:?}", std::process::id()));
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut command = counter.command(&directory);
    command.arg(target().join("release/examples").join(example)).args(words);
    let out = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let total = counter.total(&said, &directory).filter(|_| out.status.success());
    let _ = fs::remove_dir_all(&directory);
    total.ok_or_else(|| format!("{command:?}: {said}"))
}

/// A forwarder that is counted, and its agent.
pub(crate) struct Run {
    counter: Counter,
    child: Child,
    port: u16,
    directory: PathBuf,
    agent: Agent,
}

impl Run {
    /// Starts the forwarder; `more` are further words of the example.
    pub(crate) fn start(counter: Counter, more: &[&str]) -> Result<Run, String> {
        let port = free_port()?;
        let number = port.to_string();
        let words: Vec<&str> = std::iter::once(number.as_str()).chain(more.iter().copied()).collect();
        Run::spawn(counter, "measured", port, |directory| vec![directory.join("agent")], &words)
    }

    /// Starts a pool's worker, which listens nowhere yet.
    pub(crate) fn worker(counter: Counter) -> Result<Run, String> {
        Run::spawn(counter, "worker", 0, |directory| vec![directory.join("pool"), directory.join("agent")], &[])
    }

    /// The agent's socket.
    pub(crate) fn agent(&self) -> PathBuf {
        self.directory.join("agent")
    }

    /// The socket at which a worker takes handovers.
    pub(crate) fn pool(&self) -> PathBuf {
        self.directory.join("pool")
    }

    fn spawn(
        counter: Counter,
        example: &str,
        port: u16,
        paths: impl Fn(&Path) -> Vec<PathBuf>,
        more: &[&str],
    ) -> Result<Run, String> {
        let directory = std::env::temp_dir().join(format!("nsgate-counts-{}-{counter:?}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let agent = Agent::start(&directory.join("agent"))?;
        let mut command = counter.command(&directory);
        command.arg(target().join("release/examples").join(example)).args(paths(&directory));
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut line = String::new();
        let ready = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        if !matches!(ready, Some(Ok(_))) || line.trim() != "ready" {
            let _ = child.kill();
            return Err(format!("the forwarder did not start under {counter:?}: {line}"));
        }
        Ok(Run { counter, child, port, directory, agent })
    }

    /// Where the forwarder listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks so many times, ends the forwarder, and returns the count.
    pub(crate) fn ask(self, load: Load, request: &[u8], count: usize) -> Result<f64, String> {
        let asked = ask(self.port, load, request, count);
        let total = self.end()?;
        asked.map(|()| total).map_err(|error| format!("a request failed: {error}"))
    }

    /// Ends the forwarder, and returns the count.
    pub(crate) fn end(mut self) -> Result<f64, String> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut said).map_err(|error| error.to_string())?;
        }
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let total = self.counter.total(&said, &self.directory);
        drop(self.agent);
        let _ = fs::remove_dir_all(&self.directory);
        if !status.success() {
            return Err(format!("the forwarder ended with {status}: {said}"));
        }
        total.ok_or_else(|| format!("no count in what was said: {said}"))
    }
}

fn valgrind(words: &[&str]) -> Command {
    let mut command = Command::new("valgrind");
    command.args(words);
    command
}

/// The number after these words.
fn after(text: &str, words: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.split_once(words))?.1;
    rest.split_whitespace().next()?.replace(',', "").parse().ok()
}

/// System calls in a trace, but for those that wait or found nothing.
fn calls(trace: &str) -> f64 {
    let call = |line: &&str| {
        let rest = line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
        let name = rest.split('(').next().unwrap_or_default();
        rest.contains('(') && !name.starts_with("epoll_") | (name == "epoll_ctl") && !rest.contains("= -1 EAGAIN")
    };
    trace.lines().filter(call).count() as f64
}

/// A port of the loopback that no socket is bound to at the moment.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| error.to_string())
}

/// Asks `count` times, one after the other.
pub(crate) fn ask(port: u16, load: Load, request: &[u8], count: usize) -> std::io::Result<()> {
    let mut kept = None;
    for _ in 0..count {
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => connect(port)?,
        };
        stream.write_all(request)?;
        let answer = nsgate_tests::Response::read(&mut stream)?;
        if answer.status != 200 || answer.body.len() != ANSWER {
            return Err(std::io::Error::other(format!("{answer:?}")));
        }
        match load {
            Load::Kept => kept = Some(stream),
            // The next one begins when this one is over.
            Load::Own => drop(stream.read(&mut [0])?),
        }
    }
    Ok(())
}

/// A guest's connection.
pub(crate) fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// The metadata agent: reads a request and answers it. Ends when dropped.
struct Agent {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    fn start(path: &Path) -> Result<Agent, String> {
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let body = "x".repeat(ANSWER);
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {ANSWER}\r\n\r\n{body}");
        let thread = std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if whole(&mut stream) {
                    std::thread::sleep(PAUSE);
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        Ok(Agent { path: path.to_owned(), stop, thread: Some(thread) })
    }
}

/// Reads a request with its body.
fn whole(stream: &mut UnixStream) -> bool {
    let mut bytes = Vec::new();
    let mut part = [0; 64 * 1024];
    loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return false,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
        }
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let body = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if bytes.len() >= head + 4 + body.unwrap_or(0usize) {
            return true;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The agent's thread waits for a connection. This one wakes it.
        let _ = UnixStream::connect(&self.path);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
