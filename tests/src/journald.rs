//! A real systemd-journald of the test's own: it keeps its journal in the world's `/run` and ends with the world.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::lab::{Lab, text, wait_until};

/// The daemon, where Debian has it.
const DAEMON: &str = "/lib/systemd/systemd-journald";
/// Where it listens for its own protocol.
const SOCKET: &str = "/run/systemd/journal/socket";

/// A running journald.
#[derive(Debug)]
pub struct Journald(Child);

impl Journald {
    /// Starts it; skips the test where there is none.
    pub fn start(lab: &Lab) -> Journald {
        lab.needs_root("journald belongs to root");
        lab.needs(DAEMON, "apt-get install --no-install-recommends systemd");
        if !Path::new("/etc/machine-id").exists() {
            fs::write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n").expect("a machine id");
        }
        for directory in ["/run/systemd/journal", "/run/log/journal"] {
            fs::create_dir_all(directory).expect("journald's directories");
        }
        let said = lab.state().join("journald.log");
        let output = fs::File::create(&said).expect("a log");
        let child = Command::new(DAEMON).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn();
        let journald = Journald(child.expect("journald"));
        let ready = || fs::metadata(SOCKET).is_ok_and(|found| found.file_type().is_socket());
        assert!(wait_until(10.0, ready), "journald does not listen: {}", text(&said));
        journald
    }

    /// The entries that `journalctl` finds for these matches, each as a JSON object, once there are `count`.
    pub fn entries(&self, matches: &[&str], count: usize) -> Vec<String> {
        let mut found = Vec::new();
        wait_until(10.0, || {
            found = self.now(matches);
            found.len() >= count
        });
        found
    }

    /// The entries that `journalctl` finds now.
    pub fn now(&self, matches: &[&str]) -> Vec<String> {
        let mut command = Command::new("journalctl");
        command.args(["--directory=/run/log/journal", "--output=json", "--no-pager", "--quiet"]).args(matches);
        let output = command.output().expect("journalctl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
