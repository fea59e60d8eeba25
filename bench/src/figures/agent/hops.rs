//! The two that are measured: Neutron's agent, and `nsgate agent`, each at a cloud's database.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nsgate_tests::Lab;
use nsgate_tests::lab::text;
use nsgate_tests::program::{neutron_python, workspace};

use super::cloud::{CHASSIS, Cloud, address};
use super::load::{bound_once, door, plain};

/// What Nova and the agents share.
const SECRET: &str = "swordfish";
/// A start that takes longer has failed.
const LONGEST_START: Duration = Duration::from_secs(180);

/// One of the two, serving.
pub(super) struct SecondHopPeer {
    child: Child,
    pub(super) socket: PathBuf,
    /// From the start to the first answer.
    pub(super) started: Duration,
    log: PathBuf,
}

impl SecondHopPeer {
    /// Starts Neutron's agent (`tests/neutron/ovn_metadata_agent.py`) and waits for its first answer.
    pub(super) fn neutron(lab: &Lab, cloud: &Cloud, nova: SocketAddr, document: &str) -> SecondHopPeer {
        let state = lab.directory(&format!("neutrons-{}", cloud.bindings), 0o755);
        let (socket, log) = (state.join("metadata_proxy"), state.join("output"));
        let mut command = Command::new(neutron_python());
        command.arg(workspace().join("tests/neutron/ovn_metadata_agent.py"));
        command.args([&cloud.server.remote(), CHASSIS]).arg(&socket).arg(nova.port().to_string());
        command.arg(SECRET).arg(&state).env("HOME", &state).env("PYTHONDONTWRITEBYTECODE", "1");
        let answers = || plain(socket.clone(), address(0), document)();
        let mut peer = SecondHopPeer::start(command, log, socket.clone(), answers);
        // haproxy and gates ask as another user.
        fs::set_permissions(&peer.socket, fs::Permissions::from_mode(0o666)).expect("the socket's mode");
        peer.log = state.join("agent.log");
        peer
    }

    /// Starts `nsgate agent` and waits for its first answer.
    pub(super) fn nsgate(lab: &Lab, cloud: &Cloud, nova: SocketAddr, document: &str) -> SecondHopPeer {
        let directory = format!("kind = \"ovn\"\nremotes = [\"{}\"]\nchassis = \"{CHASSIS}\"\n", cloud.server.remote());
        SecondHopPeer::nsgate_at(lab, &cloud.bindings.to_string(), &directory, nova, document, "")
    }

    /// The same with this directory, and `more` at the end of `[nova]`; `name` tells several apart.
    pub(super) fn nsgate_at(
        lab: &Lab,
        name: &str,
        directory: &str,
        nova: SocketAddr,
        document: &str,
        more: &str,
    ) -> SecondHopPeer {
        let place = lab.directory(&format!("hop-{name}"), 0o755);
        let (config, secret) = (place.join("agent.toml"), place.join("secret"));
        let (socket, log) = (place.join("agent.sock"), place.join("output"));
        let content = format!(
            "[agent]\nsocket = \"{}\"\nuser = \"neutron\"\n[nova]\nhosts = [\"http://{nova}\"]\nsecret_file = \"{}\"\n{more}\n\
             [directory]\n{directory}",
            socket.display(),
            secret.display()
        );
        fs::write(&config, content).expect("a configuration");
        fs::write(&secret, SECRET).expect("a secret");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("its mode");
        let mut command = Command::new(lab.program.nsgate());
        command.args(["agent", "--foreground", "--config"]).arg(&config);
        let answers = || bound_once(&door(&socket)?, address(0), document);
        SecondHopPeer::start(command, log, socket.clone(), answers)
    }

    fn start(
        mut command: Command,
        log: PathBuf,
        socket: PathBuf,
        answers: impl Fn() -> io::Result<()>,
    ) -> SecondHopPeer {
        let output = fs::File::create(&log).expect("a log");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a copy")).stderr(output);
        let begun = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut peer = SecondHopPeer { child, socket, started: Duration::ZERO, log };
        loop {
            let outcome = answers();
            peer.started = begun.elapsed();
            match outcome {
                Ok(()) => return peer,
                Err(_) if peer.started < LONGEST_START && matches!(peer.child.try_wait(), Ok(None)) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{command:?} does not answer: {error}\n{}", peer.said()),
            }
        }
    }

    /// What it has written.
    pub(super) fn said(&self) -> String {
        text(&self.log)
    }

    /// All its processes.
    pub(super) fn pids(&self) -> Vec<i32> {
        let mut pids = vec![i32::try_from(self.child.id()).expect("a pid")];
        let mut at = 0;
        while let Some(pid) = pids.get(at).copied() {
            let children = text(format!("/proc/{pid}/task/{pid}/children"));
            pids.extend(children.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
            at += 1;
        }
        pids
    }

    /// Private memory of all its processes in KiB, written and not.
    pub(super) fn private(&self) -> f64 {
        self.pids().iter().map(|pid| private(*pid)).sum()
    }

    /// The commands and private KiB of its processes.
    pub(super) fn processes(&self) -> Vec<(String, f64)> {
        let one = |pid: &i32| (text(format!("/proc/{pid}/comm")).trim().to_owned(), private(*pid));
        self.pids().iter().map(one).collect()
    }
}

fn private(pid: i32) -> f64 {
    let rollup = text(format!("/proc/{pid}/smaps_rollup"));
    let lines = rollup.lines().filter(|line| line.starts_with("Private_Dirty:") || line.starts_with("Private_Clean:"));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum()
}

impl Drop for SecondHopPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
