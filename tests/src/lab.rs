//! What a test gets: a fresh world, a directory with short paths, and whether it is root's.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::network::Network;
use crate::procfs::Process;
use crate::program::Program;

/// The exit status by which a test says it was skipped.
pub const SKIPPED: i32 = 77;

/// The laboratory a test runs in.
#[derive(Debug)]
pub struct Lab {
    /// The program under test.
    pub program: Program,
    root: bool,
}

impl Lab {
    /// Must be called inside a [`crate::world`].
    pub fn enter(program: Program) -> Lab {
        let lab = Lab { program, root: nix::unistd::geteuid().is_root() };
        for dir in ["/run/lab/neutron", "/run/lab/neutron/ns-metadata-proxy", "/run/lab/neutron/external/pids"] {
            fs::create_dir_all(dir).expect("the laboratory's directories");
        }
        lab
    }

    /// Whether the world was made by root (and has more than one user).
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Skips the test, with a reason, unless the world has several users.
    pub fn needs_root(&self, why: &str) {
        if !self.root {
            self.skip(&format!("needs root: {why}"));
        }
    }

    /// Skips the test if a program is not there; `install` names the package that has it.
    pub fn needs(&self, program: &str, install: &str) {
        if !Path::new(program).exists() {
            self.skip(&format!("no {program}: {install}"));
        }
    }

    /// Ends the test as skipped.
    pub fn skip(&self, why: &str) -> ! {
        println!("skipped: {why}");
        crate::sys::exit_now(SKIPPED)
    }

    /// Room for the guests' side of 1,100 connections, of which an ordinary user's soft limit may allow 1,024.
    pub fn allow_descriptors(&self) {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
        if hard < 1500 {
            self.skip(&format!("RLIMIT_NOFILE allows {hard} descriptors, 1,500 are needed: ulimit -Hn 1500"));
        }
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(4096), hard).expect("setrlimit");
    }

    /// The open descriptors of a process; skips the test where the kernel does not show them.
    pub fn descriptors(&self, process: &Process) -> BTreeMap<i32, String> {
        process.descriptors().unwrap_or_else(|| self.skip("only root sees the descriptors of an undumpable process"))
    }

    /// Neutron's state directory in this world (`state_path`).
    pub fn state(&self) -> PathBuf {
        PathBuf::from("/run/lab/neutron")
    }

    /// Where the agent's socket is.
    pub fn socket(&self) -> PathBuf {
        self.state().join("metadata_proxy")
    }

    /// A directory of the test's own under `/run/lab`, with this mode.
    pub fn directory(&self, name: &str, mode: u32) -> PathBuf {
        let path = Path::new("/run/lab").join(name);
        fs::create_dir_all(&path).expect("a directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path
    }

    /// The usual network: a gate's namespace and a guest's.
    pub fn network(&self) -> Network {
        Network::create()
    }

    /// Settings of the site's own in this world: `/etc/nsgate/nsgate.toml`.
    pub fn site(&self, text: &str) {
        fs::create_dir_all("/etc/nsgate").expect("/etc/nsgate");
        fs::write("/etc/nsgate/nsgate.toml", text).expect("the site's settings");
    }

    /// A link that the gate's user could change. Root's own links are followed.
    pub fn link(&self, target: impl AsRef<Path>, link: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, &link).expect("a link");
        if self.root {
            let neutron = Some(crate::world::NEUTRON_ID);
            std::os::unix::fs::lchown(link, neutron, neutron).expect("lchown");
        }
    }

    /// Gives `path` to a user of the world (only as root; `uid` as in [`crate::world`]).
    pub fn give(&self, path: &Path, uid: u32) {
        std::os::unix::fs::chown(path, Some(uid), Some(uid)).expect("chown");
    }
}

/// Waits until `ready` answers true, looking every 5 ms; false after `seconds`.
pub fn wait_until(seconds: f64, mut ready: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + std::time::Duration::from_secs_f64(seconds);
    loop {
        if ready() {
            return true;
        }
        if std::time::Instant::now() > end {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Reads a file as text; an empty text if it cannot be read.
pub fn text(path: impl AsRef<Path>) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Whether reading ended because the other side said nothing for the socket's timeout.
pub fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
