//! A pool's worker, and a client that hands networks over without nsgate's own code: the protocol as its documentation
//! has it.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recvmsg, sendmsg, socket,
};
use nix::unistd::Pid;

use crate::config::Config;
use crate::cut::Way;
use crate::gate::{Gate, Started, agent_command, communicate, write_config};
use crate::lab::{Lab, text, wait_until};
use crate::network::{Namespace, Network};
use crate::{Answer, Guest, RecordingAgent};

/// A worker in the foreground. Dropped, it is killed.
#[derive(Debug)]
pub struct Pool {
    /// Its socket.
    pub socket: PathBuf,
    /// What it writes.
    pub log: PathBuf,
    child: Child,
}

/// Words of `nsgate pool` for the laboratory.
pub fn words(lab: &Lab, more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|word| (*word).to_owned());
    words_at(lab, &socket_path(lab), &metrics_path(lab)).into_iter().chain(more).collect()
}

fn words_at(lab: &Lab, socket: &Path, metrics: &Path) -> Vec<String> {
    vec![
        "pool".to_owned(),
        format!("--socket={}", socket.display()),
        format!("--backend={}", lab.socket().display()),
        "--user=neutron".to_owned(),
        "--handover-group=neutron".to_owned(),
        format!("--metrics={}", metrics.display()),
    ]
}

/// Where the laboratory's pool is.
pub fn socket_path(lab: &Lab) -> PathBuf {
    lab.directory("pool", 0o755).join("pool.sock")
}

/// Where it tells its metrics.
pub fn metrics_path(lab: &Lab) -> PathBuf {
    lab.directory("pool", 0o755).join("metrics.sock")
}

impl Pool {
    /// Starts a worker and waits until it takes handovers.
    pub fn start(lab: &Lab) -> Pool {
        Pool::start_with(lab, &[])
    }

    /// The same with more words.
    pub fn start_with(lab: &Lab, more: &[&str]) -> Pool {
        Pool::spawn(lab, more).ready()
    }

    /// Starts a worker beside others, with sockets of this name.
    pub fn start_beside(lab: &Lab, name: &str) -> Pool {
        let directory = lab.directory("pool", 0o755);
        let socket = directory.join(format!("{name}.sock"));
        let mut command = Command::new(lab.program.nsgate());
        command.args(words_at(lab, &socket, &directory.join(format!("{name}-metrics.sock"))));
        Pool::spawn_at(lab, socket, command).ready()
    }

    fn ready(self) -> Pool {
        assert!(wait_until(10.0, || self.said("Handovers are taken")), "{}", text(&self.log));
        // It says so before its socket takes the place.
        assert!(wait_until(10.0, || channel(&self.socket).is_ok()), "{}", text(&self.log));
        if Way::Pool.is_cut() {
            fs::rename(&self.socket, Way::Pool.path(&self.socket)).expect("the socket moved away");
        }
        self
    }

    /// Starts a worker and does not wait.
    pub fn spawn(lab: &Lab, more: &[&str]) -> Pool {
        let mut command = Command::new(lab.program.nsgate());
        command.args(words(lab, more));
        Pool::spawn_as(lab, command)
    }

    /// The same with a command of the caller's.
    pub fn spawn_as(lab: &Lab, command: Command) -> Pool {
        Pool::spawn_at(lab, socket_path(lab), command)
    }

    fn spawn_at(lab: &Lab, socket: PathBuf, mut command: Command) -> Pool {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = lab.state().join(format!("pool-{count}.log"));
        let output = fs::OpenOptions::new().append(true).create(true).open(&log).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn().expect("nsgate pool");
        Pool { socket, log, child }
    }

    /// Runs `nsgate pool` to its end, for starts that fail.
    pub fn refused(lab: &Lab, more: &[&str]) -> Started {
        let mut command = Command::new(lab.program.nsgate());
        command.args(words(lab, more));
        communicate(command, Duration::from_secs(10))
    }

    /// Whether its log holds this.
    pub fn said(&self, word: &str) -> bool {
        text(&self.log).contains(word)
    }

    /// The process that was started, which waits for the worker's end.
    pub fn supervisor(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// The worker itself: the supervisor's child.
    pub fn worker(&self) -> i32 {
        let pid = self.child.id();
        let children = text(format!("/proc/{pid}/task/{pid}/children"));
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0)
    }

    /// Of a pool with several workers: its dispatcher, and its workers from the first to the last. A process that took
    /// another one's place is the last.
    pub fn crew(&self) -> Vec<i32> {
        let zygote = self.worker();
        let children = text(format!("/proc/{zygote}/task/{zygote}/children"));
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Sends a signal to the supervisor, which passes it on.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("a signal to the pool");
    }

    /// Kills the worker, as a crash would.
    pub fn crash(&mut self) {
        kill(Pid::from_raw(self.worker()), Signal::SIGKILL).expect("the worker");
        assert!(self.ended_within(10.0), "the supervisor ends with its worker");
    }

    /// Whether it ended within so many seconds.
    pub fn ended_within(&mut self, seconds: f64) -> bool {
        wait_until(seconds, || self.child.try_wait().expect("waiting").is_some())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let worker = self.worker();
            if worker > 0 {
                let _ = kill(Pid::from_raw(worker), Signal::SIGKILL);
                // The supervisor ends when all of the worker has: its sockets last longer than its memory.
                self.ended_within(10.0);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A keeper, started as Neutron starts haproxy, with `NSGATE_POOL` in its environment.
pub fn keeper(lab: &Lab, namespace: &Namespace, config: &Config) -> Gate {
    try_keeper(lab, namespace, config).unwrap_or_else(|started| panic!("the keeper did not start: {started:#?}"))
}

/// The same; `Err` is how its starter ended.
///
/// # Errors
/// When the starter failed, hung, or left a stream open.
pub fn try_keeper(lab: &Lab, namespace: &Namespace, config: &Config) -> Result<Gate, Started> {
    let file = write_config(lab, config);
    let mut command = agent_command(lab, namespace, &config.id, &[Path::new("-f"), &file]);
    command.env("NSGATE_POOL", socket_path(lab));
    Gate::with_command(lab, config, command)
}

/// A connection to the worker.
///
/// # Errors
/// As connect(2).
pub fn channel(path: &Path) -> io::Result<OwnedFd> {
    let channel = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(channel.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(channel)
}

/// A process that answers at the worker's socket and is of another release: `answer` to each message, and what was asked.
/// Dropped, it is gone.
#[derive(Debug)]
pub struct Stranger {
    path: PathBuf,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Stranger {
    /// Takes the place of the worker's socket.
    pub fn start(lab: &Lab, answer: &'static str) -> Stranger {
        use nix::sys::socket::{Backlog, accept, bind, listen};
        let path = socket_path(lab);
        let _ = fs::remove_file(&path);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).expect("a socket");
        bind(listener.as_raw_fd(), &UnixAddr::new(&path).expect("a path")).expect("bind");
        listen(&listener, Backlog::new(100).expect("a queue")).expect("listen");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("its mode");
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                let Ok(number) = accept(listener.as_raw_fd()) else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let channel = crate::sys::received(number);
                if let Some(message) = receive(&channel) {
                    asked.push(message);
                    let _ = send(&channel, answer.as_bytes(), &[]);
                }
            }
            asked
        });
        Stranger { path, stop, thread: Some(thread) }
    }

    /// Ends it, and returns what it was asked.
    pub fn end(mut self) -> Vec<String> {
        self.finish()
    }

    fn finish(&mut self) -> Vec<String> {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let asked = self.thread.take().map(|thread| thread.join().expect("its thread")).unwrap_or_default();
        let _ = fs::remove_file(&self.path);
        asked
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.finish();
        }
    }
}

/// Sends one message with descriptors.
///
/// # Errors
/// As sendmsg(2).
pub fn send(channel: &OwnedFd, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[][..] } else { &rights };
    sendmsg::<UnixAddr>(channel.as_raw_fd(), &[IoSlice::new(message)], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// One message; `None` if the worker has closed the connection, or says nothing for ten seconds.
pub fn receive(channel: &OwnedFd) -> Option<String> {
    let mut ready = [PollFd::new(std::os::fd::AsFd::as_fd(channel), PollFlags::POLLIN)];
    if poll(&mut ready, PollTimeout::from(10_000u16)) != Ok(1) {
        return None;
    }
    let mut bytes = [0; 20_000];
    let mut pieces = [IoSliceMut::new(&mut bytes)];
    let length = recvmsg::<UnixAddr>(channel.as_raw_fd(), &mut pieces, None, MsgFlags::empty()).ok()?.bytes;
    (length > 0).then(|| String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// A gate as it is handed over.
pub fn gate(lab: &Lab, id: &str, listen: &str) -> String {
    format!(
        "nsgate-pool 1 serve\nnetwork_id = \"{id}\"\nlisten = [\"{listen}\"]\nbackend = \"{}\"\nuser = \"neutron\"\n",
        lab.socket().display()
    )
}

/// A second network's id, beside [`NETWORK`](crate::config::NETWORK).
pub const OTHER: &str = "0b5e6d1c-3f0a-4f44-8f0e-1c2d3e4f5a6b";

/// One network and an agent that says hello; the pool is the test's own.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub network: Network,
    /// Its agent.
    pub agent: RecordingAgent,
}

/// Makes both. It takes root: keeper, worker and agent are different users.
pub fn world(lab: &Lab) -> World {
    lab.needs_root("keeper, worker and agents are different users");
    World { network: lab.network(), agent: RecordingAgent::start(&lab.socket(), Answer::ok("hello")) }
}

/// Runs a command of `nsgate` on the laboratory's pool.
pub fn nsgate(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    let pool = format!("--pool={}", socket_path(lab).display());
    command.args(&words[..1]).arg(pool).args(&words[1..]);
    communicate(command, Duration::from_secs(10))
}

/// What `nsgate status` says of each network.
pub fn listed(lab: &Lab) -> Vec<serde_json::Value> {
    let started = nsgate(lab, &["status", "--json"]);
    assert!(started.ok(), "{started:#?}");
    serde_json::from_str(&started.stdout).expect("JSON")
}

/// Waits until the worker itself says that it serves so many networks: a keeper whose worker is away answers as well.
pub fn in_the_pool(lab: &Lab, networks: usize) {
    let count = || {
        let started = nsgate(lab, &["status", "--json"]);
        started.ok().then(|| serde_json::from_str::<Vec<serde_json::Value>>(&started.stdout).map_or(0, |all| all.len()))
    };
    assert!(wait_until(5.0, || count() == Some(networks)), "the worker serves {:?} networks", count());
}

/// Whether the guest gets an answer.
pub fn served(guest: &Guest) -> bool {
    guest.get("/").is_ok_and(|answer| answer.status == 200)
}
