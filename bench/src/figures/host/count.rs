//! Instructions for one request, as instances become many: of nsgate's forwarder as `cargo xtask counts` counts it, and
//! of a whole haproxy by the same counter.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::Program;
use nsgate_tests::lab::wait_until;

use crate::counts::measure::{ANSWER, Counter, Load, Run, ask, free_port, request};

/// Requests in the short run, and how many more the long one has.
const SHORT: usize = 50;
const MORE: usize = 400;

/// Instances in the rows.
const SIZES: [u32; 4] = [1, 100, 1_000, 10_000];
/// With more, haproxy takes minutes to read its file under the counter.
const MOST_OF_HAPROXY: u32 = 1_000;

/// Instructions of a request of the last instance in the text.
pub(super) struct Counted {
    pub(super) instances: u32,
    pub(super) ours: f64,
    pub(super) theirs: Option<f64>,
}

pub(super) fn all() -> Result<Vec<Counted>, String> {
    let haproxy = Program::real_haproxy().ok_or("there is no haproxy")?;
    let each = |run: &dyn Fn(usize) -> Result<f64, String>| -> Result<f64, String> {
        Ok((run(SHORT + MORE)? - run(SHORT)?) / MORE as f64)
    };
    let count = |instances: u32| {
        println!("{instances} instances: instructions …");
        let few = instances <= MOST_OF_HAPROXY;
        Ok(Counted {
            instances,
            ours: each(&|count| ours(instances, count))?,
            theirs: few.then(|| each(&|count| theirs(&haproxy, instances, count))).transpose()?,
        })
    };
    SIZES.into_iter().map(count).collect()
}

/// A directory of this process's own.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Place, String> {
        let path = std::env::temp_dir().join(format!("nsgate-bench-host-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Place(path))
    }

    fn write(&self, text: &str) -> Result<String, String> {
        let path = self.0.join("host.conf");
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path.display().to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ours(instances: u32, count: usize) -> Result<f64, String> {
    let place = Place::new()?;
    let file = place.write(&super::text(instances, Ipv4Addr::LOCALHOST))?;
    Run::start(Counter::Instructions, &["-", &file])?.ask(Load::Kept, &request(Load::Kept, 0, 0), count)
}

fn theirs(haproxy: &Program, instances: u32, count: usize) -> Result<f64, String> {
    let place = Place::new()?;
    let nova = Nova::start().map_err(|error| format!("a Nova: {error}"))?;
    let port = free_port()?;
    // Its `user` and `log` need a world of its own, and a second thread only waits.
    let kept = |line: &&str| !["user", "group", "daemon", "log", "log-tag"].contains(&first(line));
    let text = super::text(instances, Ipv4Addr::LOCALHOST);
    let text: String = text.lines().filter(kept).map(|line| format!("{line}\n")).collect();
    let text =
        text.replace("*:80 ", &format!("127.0.0.1:{port} ")).replace("127.0.0.1:8775", &nova.address.to_string());
    let file = place.write(&text.replacen("global\n", "global\n    nbthread 1\n", 1))?;
    let mut command = Counter::Instructions.command(&place.0);
    command.arg(haproxy.path()).args(["-db", "-f", &file]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let said = hear(&mut child);
    let up = wait_until(120.0, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let asked = if up {
        ask(port, Load::Kept, &request(Load::Kept, 0, 0), count).map_err(|error| format!("a request failed: {error}"))
    } else {
        Err("it did not come up".to_owned())
    };
    let _ = i32::try_from(child.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
    let _ = child.wait();
    let said = said.join().unwrap_or_default();
    asked.map_err(|error| format!("haproxy under callgrind: {error}: {said}"))?;
    Counter::Instructions.total(&said, &place.0).ok_or_else(|| format!("haproxy under callgrind: {said}"))
}

fn first(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

/// Its standard error to the end.
fn hear(child: &mut Child) -> JoinHandle<String> {
    let stream = child.stderr.take();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Answers as the agent of `cargo xtask counts` does, on a port of its own. Ends when dropped: a world is made by a
/// process with one thread.
struct Nova {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Nova {
    fn start() -> std::io::Result<Nova> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let body = "x".repeat(ANSWER);
            let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {ANSWER}\r\n\r\n{body}");
            for mut stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let _ = stream.read(&mut [0; 4096]);
                std::thread::sleep(Duration::from_micros(500));
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Ok(Nova { address, stop, thread: Some(thread) })
    }
}

impl Drop for Nova {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The agent's thread waits for a connection. This one wakes it.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
