//! `nsgate agent` in the foreground, with a directory in a file and a small Nova on loopback.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::NETWORK;
use crate::gate::{Started, communicate};
use crate::lab::{Lab, text, wait_until};
use crate::procfs::Process;

/// The instance of the guest at 10.0.0.11.
pub const INSTANCE: &str = "d3f1c2a0-5b7e-4c7a-8a57-6a8d1b9a4e11";
/// Its project.
pub const PROJECT: &str = "5f1f2e7a9c3b4d6e8f0a1b2c3d4e5f60";
/// What the agent and Nova share.
pub const SECRET: &str = "swordfish";

/// The files of an agent, before it is started.
#[derive(Clone, Debug)]
pub struct SecondHopFiles {
    /// Its configuration.
    pub config: PathBuf,
    /// The directory of instances.
    pub instances: PathBuf,
    /// The secret.
    pub secret: PathBuf,
    /// Its socket: the laboratory's agent's, so that a gate of any test asks there.
    pub socket: PathBuf,
}

impl SecondHopFiles {
    /// An agent that serves plain connections, asks `hosts`, and knows the laboratory's guest. `more` stands at the end of `[nova]`.
    pub fn write(lab: &Lab, hosts: &[String], more: &str) -> Self {
        let directory = lab.directory("agent", 0o755);
        let [config, instances, secret] = ["agent.toml", "instances.toml", "secret"].map(|name| directory.join(name));
        let socket = lab.socket();
        let hosts: Vec<String> = hosts.iter().map(|host| format!("\"http://{host}\"")).collect();
        let content = format!(
            "[agent]\nsocket = \"{}\"\nsocket_group = \"neutron\"\nuser = \"neutron\"\nplain = true\n\
             [nova]\nhosts = [{}]\nsecret_file = \"{}\"\n{more}\n[directory]\nkind = \"file\"\npath = \"{}\"\n",
            socket.display(),
            hosts.join(", "),
            secret.display(),
            instances.display()
        );
        put(&config, &content, 0o644);
        put(&instances, &instance("10.0.0.11", INSTANCE), 0o644);
        put(&secret, &format!("{SECRET}\n"), 0o600);
        Self { config, instances, secret, socket }
    }

    /// The same agent with another table `[directory]`: its lines.
    pub fn with_directory(self, lines: &str) -> Self {
        let said = text(&self.config);
        let (before, _) = said.split_once("[directory]\n").expect("a directory");
        put(&self.config, &format!("{before}[directory]\n{lines}\n"), 0o644);
        self
    }

    /// Replaces a text by another one, by rename.
    pub fn replace(&self, file: &Path, content: &str) {
        let new = file.with_extension("new");
        put(&new, content, 0o644);
        fs::rename(&new, file).expect("a rename");
    }

    /// Starts it, and waits until gates may connect.
    pub fn start(self, lab: &Lab) -> SecondHop {
        let command = self.command(lab);
        self.start_as(lab, command)
    }

    /// The same by this command, as a service manager has it.
    pub fn start_as(self, lab: &Lab, mut command: Command) -> SecondHop {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = lab.state().join(format!("second-hop-{count}.log"));
        let output = fs::OpenOptions::new().append(true).create(true).open(&log).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn();
        let hop = SecondHop { files: self, log, child: child.expect("nsgate agent") };
        let serves = || std::os::unix::net::UnixStream::connect(&hop.files.socket).is_ok();
        assert!(wait_until(10.0, || hop.said("Serving gates") && serves()), "{}", text(&hop.log));
        hop
    }

    /// Runs it to its end: for what is wrong.
    pub fn refused(&self, lab: &Lab) -> Started {
        communicate(self.command(lab), Duration::from_secs(10))
    }

    /// The words of its command line.
    pub fn words(&self) -> Vec<String> {
        vec!["agent".to_owned(), "--foreground".to_owned(), format!("--config={}", self.config.display())]
    }

    fn command(&self, lab: &Lab) -> Command {
        let mut command = Command::new(lab.program.nsgate());
        command.args(self.words());
        command
    }
}

/// A table of a directory in a file, for an instance of the tests' network.
pub fn instance(address: &str, id: &str) -> String {
    format!(
        "[[instance]]\nnetwork = \"{NETWORK}\"\naddress = \"{address}\"\ninstance = \"{id}\"\nproject = \"{PROJECT}\"\n"
    )
}

fn put(path: &Path, content: &str, mode: u32) {
    fs::write(path, content).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

/// An agent that serves. Dropped, it is killed.
#[derive(Debug)]
pub struct SecondHop {
    /// Its files.
    pub files: SecondHopFiles,
    /// What it writes.
    pub log: PathBuf,
    child: Child,
}

impl SecondHop {
    /// Whether its log holds this.
    pub fn said(&self, word: &str) -> bool {
        text(&self.log).contains(word)
    }

    /// The process that serves: the supervisor's child.
    pub fn pid(&self) -> i32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        text(children).split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("the process that serves")
    }

    /// The process beside it that has the secret.
    pub fn signer(&self) -> Process {
        let beside = Process::new(self.pid()).children();
        beside.into_iter().find(|process| process.name() == "nsgate-signer").expect("a signer")
    }

    /// The process that was started, which waits for the other's end.
    pub fn supervisor(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// SIGTERM to the one that was started.
    pub fn terminate(&self) {
        kill(Pid::from_raw(self.supervisor()), Signal::SIGTERM).expect("SIGTERM");
    }

    /// Its status, once it has ended.
    pub fn ended_within(&mut self, seconds: f64) -> Option<ExitStatus> {
        let mut status = None;
        wait_until(seconds, || {
            status = self.child.try_wait().expect("waiting");
            status.is_some()
        });
        status
    }
}

impl Drop for SecondHop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The kernel ends the process that serves a moment after its supervisor.
        wait_until(5.0, || std::os::unix::net::UnixStream::connect(&self.files.socket).is_err());
    }
}
