//! Step 3, the system log: connected before the drop, so that no path is needed for the first line.
//!
//! A log is never a reason not to start: what is missing or cannot be trusted becomes a warning.

use crate::pinned::{Pinned, kind};
use nix::{fcntl::readlinkat, sys::stat::SFlag};
use nsgate_config::{AbsolutePath, AuditTo, Log, Process};
use nsgate_sandbox::Ids;
use std::{
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
};

/// The system log as the gate gets it.
#[derive(Debug, Default)]
pub struct LogSocket {
    /// Connected and non-blocking, if there was something to connect to.
    pub socket: Option<UnixDatagram>,
    /// Where to find it again, as the gate sees it; nothing if its directory is not shown.
    pub reconnect: Option<PathBuf>,
}

/// systemd makes the socket in this directory and holds it as long as the host runs: a restarted journald gets the same
/// one, and a connection to it lasts.
const HELD_BY_SYSTEMD: &str = "/run/systemd/journal";

/// Holds more than a log socket: it is not shown to a gate, which then cannot find the socket again.
const DEVICES: &str = "/dev";

/// `/dev/log` is a link on many hosts, and may lead to another.
const MOST_LINKS: usize = 8;

/// The system log that a process needs: its log's, or its audit's alone, and then where every host has it.
pub(crate) fn wanted(process: &Process) -> Option<Log> {
    let audits = process.audit.as_ref().is_some_and(|audit| audit.to == AuditTo::Syslog);
    process.log.clone().or_else(|| audits.then(|| Log::usual("")))
}

pub(crate) fn open(log: Option<&Log>, ids: &Ids) -> (LogSocket, Option<Pinned>, Vec<String>) {
    let Some(log) = log else { return (LogSocket::default(), None, Vec::new()) };
    let place = match find(&log.socket, ids, MOST_LINKS) {
        Ok(place) => place,
        Err(reason) => return (LogSocket::default(), None, vec![format!("no system log: {reason}")]),
    };
    let mut warnings = Vec::new();
    let socket = match connect(&place) {
        Ok(socket) => Some(socket),
        Err(error) => {
            warnings.push(format!("the system log {} is not there: {error}", log.socket));
            None
        }
    };
    if [HELD_BY_SYSTEMD, DEVICES].map(Path::new).contains(&place.path().parent().unwrap_or(Path::new("/"))) {
        return (LogSocket { socket, reconnect: None }, None, warnings);
    }
    // Where the gate finds it again is known when its root is put together.
    (LogSocket { socket, reconnect: None }, Some(place), warnings)
}

/// Follows links, each of which is in a directory that only root and the gate's user may write.
fn find(path: &AbsolutePath, ids: &Ids, links: usize) -> Result<Pinned, String> {
    let place = Pinned::walk(path, ids, "log").map_err(|error| error.to_string())?;
    match place.found().map_err(|error| error.to_string())? {
        Some(status) if kind(&status) == SFlag::S_IFLNK && links > 0 => {
            let target = readlinkat(place.directory(), place.name()).map_err(|error| format!("{path}: {error}"))?;
            let target = place.path().parent().unwrap_or(Path::new("/")).join(target);
            let plain: PathBuf = target.components().collect();
            find(&AbsolutePath::new(&plain.to_string_lossy())?, ids, links - 1)
        }
        Some(status) if kind(&status) != SFlag::S_IFSOCK => Err(format!("{path} is not a socket")),
        _ => Ok(place),
    }
}

pub(crate) fn connect(place: &Pinned) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    // By way of the descriptor: nobody can have changed the path in the meantime.
    socket.connect(format!("/proc/self/fd/{}/{}", place.directory().as_raw_fd(), place.name()))?;
    Ok(socket)
}
