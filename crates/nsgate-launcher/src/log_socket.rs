//! Step 3, the system log: connected before the drop, so that no path is needed for the first line.
//!
//! A log is never a reason not to start: what is missing or cannot be trusted becomes a warning.

use crate::{file_kind::kind, pinned::Pinned, reach, trust::Trust};
use nix::{fcntl::readlinkat, sys::stat::SFlag};
use nsgate_config::{AbsolutePath, AuditTo, Log, Process};
use nsgate_sandbox::{RootWindow, small_root};
use std::{
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
};

/// The system log as the gate gets it.
#[derive(Debug, Default)]
pub struct LogSocket {
    /// Non-blocking, if a log was asked for. It is there without a log as well: others see by it that no log listens.
    pub socket: Option<UnixDatagram>,
    /// Whether a log listened.
    pub connected: bool,
    /// Where to find it again, as the gate sees it; nothing if its directory is not shown.
    pub reconnect: Option<PathBuf>,
}

/// systemd makes the socket in this directory and holds it as long as the host runs: a restarted journald gets the same
/// one, and a connection to it lasts.
const HELD_BY_SYSTEMD: &str = "/run/systemd/journal";

/// Holds more than a log socket. A root that a service manager gave has another one.
const DEVICES: &str = "/dev";

/// `/dev/log` is a link on many hosts, and may lead to another.
const MOST_LINKS: usize = 8;

/// The system log that a process needs: its log's, or its audit's alone, and then where every host has it.
fn wanted(process: &Process) -> Option<AbsolutePath> {
    let audits = process.audit.as_ref().is_some_and(|audit| audit.to == AuditTo::Syslog);
    process.log.clone().or_else(|| audits.then(|| Log::usual(""))).map(|log| log.socket)
}

/// Where the log's socket is, or why it cannot be pinned.
pub(crate) struct LogPlace {
    path: AbsolutePath,
    found: Result<Pinned, String>,
    /// What keeps the process's user from connecting, for people.
    shut: Option<String>,
}

/// What became of it.
#[derive(Default)]
pub(crate) struct OpenedLog {
    pub(crate) socket: LogSocket,
    /// What the gate is to see, so that it finds the log when it comes, or comes again.
    pub(crate) directory: Option<Pinned>,
    /// The view of it, where the gate makes its own root.
    pub(crate) window: Option<RootWindow>,
    pub(crate) warnings: Vec<String>,
}

impl LogPlace {
    /// Pins the directory of the log that `process` needs.
    pub(crate) fn pin(process: &Process, trust: &Trust) -> Option<Self> {
        let path = wanted(process)?;
        let found = find(&path, trust, MOST_LINKS).map(|place| place.linked_from(&path));
        let kept_out = |place: &Pinned| reach::kept_out(place, trust.ids()).map(|shut| shut.to_string());
        let shut = found.as_ref().ok().and_then(kept_out);
        Some(Self { path, found, shut })
    }

    /// Connects to the log, and takes its directory as the window `name`. A root that a service manager gave
    /// (`unprivileged`) shows what the manager has put there.
    pub(crate) fn open(self, unprivileged: bool, name: &'static str) -> OpenedLog {
        let Self { path, found, shut } = self;
        let nowhere = || LogSocket { socket: unconnected().ok(), connected: false, reconnect: None };
        let later = "it is found at the next start";
        let place = match found {
            Ok(place) => place,
            Err(reason) => {
                let warnings = vec![format!("no system log: {reason}; if it comes, {later}")];
                return OpenedLog { socket: nowhere(), warnings, ..OpenedLog::default() };
            }
        };
        let socket = match connect(&place) {
            Ok(socket) => LogSocket { socket: Some(socket), connected: true, reconnect: None },
            Err(_) => nowhere(),
        };
        let held = place.above() == Path::new(HELD_BY_SYSTEMD);
        if held && (unprivileged || socket.connected) || unprivileged && place.above() == Path::new(DEVICES) {
            let missing = match shut {
                Some(shut) => format!("no system log: {shut}"),
                None => format!("the system log {path} is not there; if it comes, {later}"),
            };
            let warnings = if socket.connected { Vec::new() } else { vec![missing] };
            return OpenedLog { socket, warnings, ..OpenedLog::default() };
        }
        let window = if unprivileged { Ok(None) } else { small_root::take(name, place.directory()).map(Some) };
        let mounts = "in a user namespace no directory is shown in which there are mounts (mount_namespaces(7))";
        let warning = match (socket.connected, &window) {
            // Root has connected, or could have: not the user that finds it again.
            (true, _) if shut.is_some() => {
                shut.map(|shut| format!("the system log {path} is found once, and if it goes away, {later}: {shut}"))
            }
            (false, _) if shut.is_some() => {
                shut.map(|shut| format!("no system log: {shut}; lines are lost until it may"))
            }
            (true, Ok(_)) => None,
            (true, Err(error)) => {
                Some(format!("the system log {path} is found once, and if it goes away, {later}: {error}; {mounts}"))
            }
            (false, Ok(_)) => Some(format!(
                "the system log {path} is not there; it is found when it comes, and lines are lost until then"
            )),
            (false, Err(error)) => {
                Some(format!("the system log {path} is not there; if it comes, {later}: {error}; {mounts}"))
            }
        };
        let directory = window.is_ok().then_some(place);
        OpenedLog { socket, directory, window: window.ok().flatten(), warnings: warning.into_iter().collect() }
    }

    /// What [`LogPlace::open`] would say, without connecting.
    pub(crate) fn missing(&self) -> Option<String> {
        match &self.found {
            // Connected to before the drop, and for good.
            Ok(place) if place.above() == Path::new(HELD_BY_SYSTEMD) && is_there(place) => None,
            Ok(place) if is_there(place) => self
                .shut
                .as_ref()
                .map(|shut| format!("the system log {} is not found again if it goes away: {shut}", self.path)),
            Ok(_) => Some(format!("the system log {} is not there", self.path)),
            Err(reason) => Some(format!("no system log: {reason}")),
        }
    }
}

fn is_there(place: &Pinned) -> bool {
    place.found().is_ok_and(|found| found.is_some())
}

/// Follows links, each of which is in a directory that only root and the gate's user may write.
fn find(path: &AbsolutePath, trust: &Trust, links: usize) -> Result<Pinned, String> {
    let place = Pinned::walk(path, trust, "log").map_err(|error| error.to_string())?;
    match place.found().map_err(|error| error.to_string())? {
        Some(status) if kind(status.st_mode) == SFlag::S_IFLNK && links > 0 => {
            let target = readlinkat(place.directory(), place.name()).map_err(|error| format!("{path}: {error}"))?;
            let target = place.above().join(target);
            let plain: PathBuf = target.components().collect();
            find(&AbsolutePath::new(&plain.to_string_lossy())?, trust, links - 1)
        }
        Some(status) if kind(status.st_mode) != SFlag::S_IFSOCK => Err(format!("{path} is not a socket")),
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
    // By way of the descriptor: what has taken the name in the meantime is not connected to.
    let found = place.socket()?;
    socket.connect(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
    Ok(socket)
}
