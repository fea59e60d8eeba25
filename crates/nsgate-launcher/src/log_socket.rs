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
    /// Non-blocking, if a log was asked for. It is there without a log as well: others see by it that nobody listens.
    pub socket: Option<UnixDatagram>,
    /// Whether somebody listened.
    pub connected: bool,
    /// Where to find it again, as the gate sees it; nothing if its directory is not shown.
    pub reconnect: Option<PathBuf>,
}

/// systemd makes the socket in this directory and holds it as long as the host runs: a restarted journald gets the same
/// one, and a connection to it lasts.
const HELD_BY_SYSTEMD: &str = "/run/systemd/journal";

/// Holds more than a log socket: it is not shown to a gate, which then cannot find the socket again.
const DEVICES: &str = "/dev";

/// What is said where the socket cannot be found again.
const OWN_DIRECTORY: &str = "give the log a directory of its own, with a link to it in the old place";

/// `/dev/log` is a link on many hosts, and may lead to another.
const MOST_LINKS: usize = 8;

/// The system log that a process needs: its log's, or its audit's alone, and then where every host has it.
pub(crate) fn wanted(process: &Process) -> Option<Log> {
    let audits = process.audit.as_ref().is_some_and(|audit| audit.to == AuditTo::Syslog);
    process.log.clone().or_else(|| audits.then(|| Log::usual("")))
}

/// Connects to the log. The directory is what the gate is to see, so that it finds the log again.
pub(crate) fn open(log: Option<&Log>, ids: &Ids) -> (LogSocket, Option<Pinned>, Vec<String>) {
    let Some(log) = log else { return (LogSocket::default(), None, Vec::new()) };
    let nowhere = || LogSocket { socket: unconnected().ok(), connected: false, reconnect: None };
    let place = match find(&log.socket, ids, MOST_LINKS) {
        Ok(place) => place,
        Err(reason) => {
            let warning = format!("no system log: {reason}; if it comes, it is found at the next start of the gate");
            return (nowhere(), None, vec![warning]);
        }
    };
    let socket = match connect(&place) {
        Ok(socket) => LogSocket { socket: Some(socket), connected: true, reconnect: None },
        Err(_) => nowhere(),
    };
    let held = place.above() == Path::new(HELD_BY_SYSTEMD);
    let hidden = held || place.above() == Path::new(DEVICES);
    let warning = match (socket.connected, hidden) {
        (true, true) if held => None,
        (true, true) => Some(format!(
            "the system log {} is found once: {DEVICES} holds more than a log, and a gate does not see it. When the log's \
             daemon makes its socket anew, lines are lost until the gate is started again; {OWN_DIRECTORY}",
            place.path().display()
        )),
        (true, false) => None,
        (false, true) => Some(format!(
            "the system log {} is not there, and is not found when it comes: {} holds more than a log, and a gate does not \
             see it. Start the gate again then, or {OWN_DIRECTORY}",
            log.socket,
            place.above().display()
        )),
        (false, false) => Some(format!(
            "the system log {} is not there; it is found when it comes, and lines are lost until then",
            log.socket
        )),
    };
    // Where the gate finds it again is known when its root is put together.
    (socket, (!hidden).then_some(place), warning.into_iter().collect())
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

fn unconnected() -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

pub(crate) fn connect(place: &Pinned) -> std::io::Result<UnixDatagram> {
    let socket = unconnected()?;
    // By way of the descriptor: nobody can have changed the path in the meantime.
    socket.connect(format!("/proc/self/fd/{}/{}", place.directory().as_raw_fd(), place.name()))?;
    Ok(socket)
}
