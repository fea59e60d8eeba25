//! A machine: a clean Debian root with systemd as its first process, in a world. Packages are installed on it, services
//! run on it, and it ends with the test.
//!
//! It shares the world's network, its `/run/lab` and its `/run/netns`, so that guests and agents of the laboratory are
//! where they always are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup;
use crate::gate::{Started, communicate};
use crate::lab::{Lab, text, wait_until};

/// How long a command on a machine may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running machine. Dropped, it is killed with everything on it.
#[derive(Debug)]
pub struct Machine {
    unshare: Child,
    first: i32,
    group: PathBuf,
}

impl Machine {
    /// Boots the root that is at `root` and is only read; the directories `shown` are there under the same names.
    /// Skips the test where systemd cannot be the first process of a namespace.
    pub fn boot(lab: &Lab, root: &Path, shown: &[&Path]) -> Machine {
        lab.needs_root("a machine has many users");
        let group = cgroup::make().unwrap_or_else(|why| lab.skip(&why));
        let place = lab.directory("machine", 0o755);
        let script = lab.state().join("boot.sh");
        fs::write(&script, include_str!("boot.sh")).expect("the script");
        let log = lab.state().join("machine.log");
        let output = fs::File::create(&log).expect("a log");
        // The group first: its cgroup namespace begins where the process is.
        let enter = "echo $$ > \"$0/cgroup.procs\" && exec unshare --mount --pid --uts --ipc --cgroup --fork sh \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", enter]).arg(&group).arg(&script).arg(root).arg(&place).args(shown);
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a copy")).stderr(output);
        let unshare = command.spawn().expect("sh");
        let mut machine = Machine { unshare, first: 0, group };
        assert!(wait_until(20.0, || machine.find_first()), "no machine: {}", text(&log));
        // Its clock does not start with it, nor does its network: `degraded` would be as good.
        let up = wait_until(60.0, || machine.is_up());
        assert!(up, "systemd is not up: {} {}", text(&log), machine.ask(&["systemctl", "list-jobs"]).said());
        machine
    }

    fn find_first(&mut self) -> bool {
        let pid = self.unshare.id();
        let children = text(format!("/proc/{pid}/task/{pid}/children"));
        self.first = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
        self.first > 0 && text(format!("/proc/{}/comm", self.first)).trim() == "systemd"
    }

    fn is_up(&self) -> bool {
        let state = self.ask(&["systemctl", "is-system-running"]).stdout;
        ["running", "degraded"].contains(&state.trim())
    }

    /// A command on the machine.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.first));
        command.args(["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--", "env", "-i", "--chdir=/"]);
        command.args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]);
        command.args(["DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER="]).args(words);
        command
    }

    /// Runs a command to its end.
    pub fn ask<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> Started {
        communicate(self.command(words), PATIENCE)
    }

    /// Runs a command that must end well, and returns what it printed.
    #[track_caller]
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> String {
        let started = self.ask(words);
        let line: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        assert!(started.ok(), "{}: {started:#?}", line.join(" "));
        started.stdout
    }

    /// Runs a script of sh that must end well.
    #[track_caller]
    pub fn script(&self, script: &str) -> String {
        self.run(&["sh", "-ec", script])
    }

    /// A property of a unit, as `systemctl show` prints it.
    #[track_caller]
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.run(&["systemctl", "show", "--value", "--property", name, unit]).trim().to_owned()
    }

    /// The journal of a unit, for messages.
    pub fn journal(&self, unit: &str) -> String {
        self.ask(&["journalctl", "--no-pager", "--output=cat", "--unit", unit]).stdout
    }

    /// Every file of the machine's own file systems below these directories: names, modes and owners.
    #[track_caller]
    pub fn files(&self, below: &[&str]) -> Vec<String> {
        let mut words = vec!["find"];
        words.extend(below);
        words.extend(["-xdev", "-printf", "%M %u %g %p %l\\n"]);
        let mut lines: Vec<String> = self.run(&words).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.first > 0 {
            let _ = kill(Pid::from_raw(self.first), Signal::SIGKILL);
        }
        let _ = self.unshare.wait();
        wait_until(5.0, || cgroup::remove(&self.group));
    }
}
