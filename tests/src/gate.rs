//! Starting a gate as Neutron's agent does, and ending it by its pid file, never by name.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::config::Config;
use crate::lab::{Lab, text, wait_until};
use crate::network::Namespace;
use crate::sys;

/// How a starter ended, as the agent sees it after `communicate()`.
#[derive(Debug)]
pub struct Started {
    /// The exit status; `None` if the starter was still there after the limit (it was killed then).
    pub status: Option<ExitStatus>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Whether every process closed both streams within the limit.
    pub closed: bool,
    /// From the start to exit and closed streams.
    pub took: Duration,
}

impl Started {
    /// Whether it exited with 0 and left no copy of its streams open.
    pub fn ok(&self) -> bool {
        self.closed && self.status.is_some_and(|status| status.success())
    }

    /// The exit code, if it exited.
    pub fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// Everything it said.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a command to its end as Neutron does: waits for its exit and for both streams to be closed by every process.
pub fn communicate(mut command: Command, limit: Duration) -> Started {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (send, receive) = mpsc::channel();
    let out: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("a pipe"));
    let err: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("a pipe"));
    for (index, mut stream) in [out, err].into_iter().enumerate() {
        let send = send.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let _ = send.send((index, String::from_utf8_lossy(&bytes).into_owned()));
        });
    }
    let mut said = [None, None];
    while said.iter().any(Option::is_none) {
        let left = limit.saturating_sub(start.elapsed());
        match receive.recv_timeout(left) {
            Ok((index, text)) => said[index] = Some(text),
            Err(_) => break,
        }
    }
    let closed = said.iter().all(Option::is_some);
    let mut status = None;
    wait_until(limit.saturating_sub(start.elapsed()).as_secs_f64().max(0.1), || {
        status = child.try_wait().expect("waiting for the starter");
        status.is_some()
    });
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let [stdout, stderr] = said.map(Option::unwrap_or_default);
    Started { status, stdout, stderr, closed, took: start.elapsed() }
}

/// The command of Neutron's agent: `ip netns exec NS env PROCESS_TAG=… haproxy ARGUMENTS`, the program under test first in PATH.
pub fn agent_command<S: AsRef<OsStr>>(lab: &Lab, namespace: &Namespace, tag: &str, arguments: &[S]) -> Command {
    let mut command = namespace.command("env");
    command.arg(format!("PROCESS_TAG=haproxy-{tag}")).arg("haproxy").args(arguments);
    command.env("PATH", lab.program.search_path()).current_dir("/");
    command
}

/// The operator's command `nsgate` in a namespace, run to its end; skips the test if the program is not there.
pub fn nsgate(lab: &Lab, namespace: &Namespace, arguments: &[&str]) -> Started {
    let program = lab.program.nsgate();
    if !program.exists() {
        lab.skip(&format!("no program at {}", program.display()));
    }
    let mut command = namespace.command(&program.to_string_lossy());
    command.args(arguments);
    communicate(command, Duration::from_secs(10))
}

/// The flags of `nsgate run` for a daemon on the laboratory's usual paths, and `more` behind them.
pub fn run_flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = [
        "run",
        "--listen=169.254.169.254:80",
        "--backend=/run/lab/neutron/metadata_proxy",
        "--daemon",
        "--pid-file=/run/lab/neutron/external/pids/native.pid",
    ];
    usual.into_iter().chain(more.iter().copied()).collect()
}

/// Writes the configuration where Neutron would: `…/ns-metadata-proxy/UUID.conf`.
pub fn write_config(lab: &Lab, config: &Config) -> PathBuf {
    let path = lab.state().join("ns-metadata-proxy").join(format!("{}.conf", config.id));
    // As Neutron makes it, with any umask (`replace_file` with mode 0644).
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o644).open(&path);
    file.and_then(|mut file| file.write_all(config.text().as_bytes())).expect("the configuration");
    path
}

/// A running gate. Dropped, it is stopped (SIGTERM, then SIGKILL after two seconds).
#[derive(Debug)]
pub struct Gate {
    /// The pid in the pid file.
    pub pid: i32,
    /// How the starter ended.
    pub started: Started,
    /// The file it was started with.
    pub file: PathBuf,
    /// The pid file.
    pub pid_file: PathBuf,
    pidfd: OwnedFd,
    foreground: Option<Child>,
}

impl Gate {
    /// Starts a gate and panics with its own words if it does not come up.
    pub fn start(lab: &Lab, namespace: &Namespace, config: &Config) -> Gate {
        Gate::try_start(lab, namespace, config).unwrap_or_else(|s| panic!("the gate did not start: {s:#?}"))
    }

    /// Starts a gate; `Err` is how its starter ended.
    ///
    /// # Errors
    /// When the starter failed, hung, or left a stream open.
    pub fn try_start(lab: &Lab, namespace: &Namespace, config: &Config) -> Result<Gate, Started> {
        let file = write_config(lab, config);
        Gate::with_arguments(lab, namespace, config, &[OsStr::new("-f"), file.as_os_str()])
    }

    /// Starts a gate with arguments of the test's own; the pid is read from the configuration's pid file.
    ///
    /// # Errors
    /// As [`Gate::try_start`].
    pub fn with_arguments<S: AsRef<OsStr>>(
        lab: &Lab,
        namespace: &Namespace,
        config: &Config,
        arguments: &[S],
    ) -> Result<Gate, Started> {
        Gate::with_command(lab, config, agent_command(lab, namespace, &config.id, arguments))
    }

    /// Starts a gate with a command of the test's own, [`agent_command`] with more in its environment for instance.
    ///
    /// # Errors
    /// As [`Gate::try_start`].
    pub fn with_command(lab: &Lab, config: &Config, command: Command) -> Result<Gate, Started> {
        let file = write_config(lab, config);
        let started = communicate(command, Duration::from_secs(10));
        if !started.ok() {
            return Err(started);
        }
        Gate::adopt(file, config.pid_file.clone(), started)
    }

    /// Starts a gate that stays in the foreground and waits (five seconds) until something listens in the namespace.
    ///
    /// # Errors
    /// How it ended, if it ended at once or did not listen.
    pub fn foreground<S: AsRef<OsStr>>(
        lab: &Lab,
        namespace: &Namespace,
        config: &Config,
        arguments: &[S],
    ) -> Result<Gate, Started> {
        let file = write_config(lab, config);
        let _ = fs::remove_file(&config.pid_file);
        let start = Instant::now();
        let log = lab.state().join("foreground.log");
        let output = fs::File::create(&log).expect("a log");
        let mut child = agent_command(lab, namespace, &config.id, arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a copy"))
            .stderr(output)
            .spawn()
            .expect("the starter");
        let mut ended = None;
        let serving = wait_until(5.0, || {
            ended = child.try_wait().expect("waiting");
            ended.is_some() || !namespace.listening().is_empty()
        });
        let started =
            Started { status: ended, stdout: String::new(), stderr: text(&log), closed: true, took: start.elapsed() };
        if ended.is_some() || !serving {
            let _ = child.kill();
            let _ = child.wait();
            return Err(started);
        }
        // `ip netns exec` and `env` replace themselves, so the child is the program under test.
        let pid = i32::try_from(child.id()).expect("a pid");
        let pidfd = sys::pidfd(pid).expect("the foreground process");
        Ok(Gate { pid, started, file, pid_file: config.pid_file.clone(), pidfd, foreground: Some(child) })
    }

    /// The gate whose pid is in `pid_file`, after its starter ended well; `file` is what it was started with.
    ///
    /// # Errors
    /// There is no such process.
    pub fn adopt(file: PathBuf, pid_file: PathBuf, started: Started) -> Result<Gate, Started> {
        let word = text(&pid_file);
        let Ok(pid) = word.trim().parse::<i32>() else {
            panic!("{pid_file:?} should hold a pid but holds {word:?}; the starter said: {started:#?}");
        };
        match sys::pidfd(pid) {
            Ok(pidfd) => Ok(Gate { pid, started, file, pid_file, pidfd, foreground: None }),
            Err(error) => panic!("no process {pid} ({pid_file:?}): {error}"),
        }
    }

    /// `/proc/PID`.
    pub fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        sys::signal(self.pidfd.as_fd(), signal).unwrap_or_else(|e| panic!("{signal} to {}: {e}", self.pid));
    }

    /// Whether the process is there (a zombie is not).
    pub fn alive(&self) -> bool {
        !self.ended_within(Duration::ZERO)
    }

    /// Waits until the process has ended.
    pub fn ended_within(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        poll(&mut fds, limit).expect("poll") == 1
    }

    /// SIGTERM, and how long the process took to end; `None` if it was still there after `limit`.
    pub fn terminate(&self, limit: Duration) -> Option<Duration> {
        let start = Instant::now();
        self.signal(Signal::SIGTERM);
        self.ended_within(limit).then(|| start.elapsed())
    }

    /// Waits for the foreground process and returns its status.
    pub fn wait_foreground(&mut self) -> Option<ExitStatus> {
        self.foreground.as_mut().and_then(|child| child.wait().ok())
    }

    /// What a foreground gate wrote to its terminal so far.
    pub fn foreground_output(&self, lab: &Lab) -> String {
        text(lab.state().join("foreground.log"))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.alive() {
            let _ = sys::signal(self.pidfd.as_fd(), Signal::SIGTERM);
            if !self.ended_within(Duration::from_secs(2)) {
                let _ = sys::signal(self.pidfd.as_fd(), Signal::SIGKILL);
            }
        }
        if let Some(child) = &mut self.foreground {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
