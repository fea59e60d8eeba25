//! A reader of syslog datagrams at a path of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cut::Way;

/// A datagram socket that collects what a gate logs.
#[derive(Debug)]
pub struct SyslogReader {
    path: PathBuf,
    socket: UnixDatagram,
}

impl SyslogReader {
    /// Binds at `path` (mode 0666), replacing what is there.
    pub fn bind(path: &Path) -> SyslogReader {
        let path = &Way::Log.path(path);
        let _ = fs::remove_file(path);
        let socket = UnixDatagram::bind(path).unwrap_or_else(|e| panic!("the log socket {path:?}: {e}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("the log socket's mode");
        SyslogReader { path: path.to_owned(), socket }
    }

    /// Binds where systemd does, with `/dev/log` as its link to it: the usual host.
    pub fn held_by_systemd() -> SyslogReader {
        let place = Path::new("/run/systemd/journal/dev-log");
        fs::create_dir_all("/run/systemd/journal").expect("the journal's directory");
        let _ = fs::remove_file("/dev/log");
        std::os::unix::fs::symlink(place, "/dev/log").expect("the link");
        SyslogReader::bind(place)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next message within `seconds`, as raw text with its priority.
    pub fn next(&self, seconds: f64) -> Option<String> {
        self.socket.set_read_timeout(Some(Duration::from_secs_f64(seconds.max(0.001)))).expect("a timeout");
        let mut buffer = [0; 8192];
        let size = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..size]).into_owned())
    }

    /// The next message that contains `text`, within `seconds`.
    pub fn find(&self, text: &str, seconds: f64) -> Option<String> {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        loop {
            let left = end.checked_duration_since(Instant::now())?;
            let message = self.next(left.as_secs_f64())?;
            if message.contains(text) {
                return Some(message);
            }
        }
    }

    /// Everything that came within `seconds`.
    pub fn all(&self, seconds: f64) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let mut all = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.next(left.as_secs_f64()) {
                Some(message) => all.push(message),
                None => break,
            }
        }
        all
    }
}

impl Drop for SyslogReader {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
