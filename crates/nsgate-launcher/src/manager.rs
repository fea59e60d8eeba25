//! What a service manager gives: descriptors it has passed (sd_listen_fds(3)), a way to have it keep some, and a watchdog
//! that notices when the service is stopped or in a loop.
//!
//! A socket that it has bound in the place of the pool's is looked at before it is used: kind, place, and that it listens.
//! What else it has kept goes to the worker, which judges it when it can do no more harm.

use crate::{endpoint::Purpose, sys};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::socket::{ControlMessage, MsgFlags, UnixAddr, getsockname, getsockopt, send, sendmsg, sockopt},
};
use nsgate_config::AbsolutePath;
use std::{
    env,
    io::{self, IoSlice},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

/// Where the manager hears, and how much it keeps.
#[derive(Debug)]
#[non_exhaustive]
pub struct Keeping {
    /// A connected datagram socket that never waits.
    pub socket: OwnedFd,
    /// Descriptors that it keeps at most.
    pub most: usize,
}

impl Keeping {
    /// Says this to the manager, with descriptors. Does not wait.
    pub(crate) fn say(&self, words: &str, descriptors: &[OwnedFd]) -> Result<(), Errno> {
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        sendmsg::<UnixAddr>(self.socket.as_raw_fd(), &[IoSlice::new(words.as_bytes())], control, flags, None).map(drop)
    }
}

/// The manager's watchdog (`WatchdogSec=`, sd_watchdog_enabled(3)): it ends a service that says nothing for too long.
#[derive(Debug)]
#[non_exhaustive]
pub struct Watchdog {
    socket: OwnedFd,
    /// How often to say something: half of what the manager waits for.
    pub every: Duration,
}

impl Watchdog {
    /// Its descriptor.
    pub(crate) fn number(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Says that the process is alive. A manager that reads nothing finds out by itself.
    pub fn pat(&self) {
        // MSG_NOSIGNAL and nothing else: what a worker's filter lets pass. The socket never waits.
        let _ = send(self.socket.as_raw_fd(), b"WATCHDOG=1", MsgFlags::MSG_NOSIGNAL);
    }
}

/// What the manager offers; read before the environment is cleared.
#[derive(Clone, Copy, Default)]
pub(crate) struct ManagerOffer {
    /// Descriptors that it keeps (`FDSTORE`, set by systemd since version 254 and by a unit before it).
    pub(crate) most: usize,
    /// How often it wants to hear that the service is alive.
    every: Option<Duration>,
}

pub(crate) fn offered() -> ManagerOffer {
    let number = |name: &str| env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    // The variables of another process's watchdog are passed on to its children.
    let own = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let every = number("WATCHDOG_USEC").filter(|micros| own && *micros > 0);
    ManagerOffer {
        most: number("FDSTORE").and_then(|most| most.try_into().ok()).unwrap_or(0),
        every: every.map(|micros| Duration::from_micros(micros / 2)),
    }
}

/// Connects to the manager, if it keeps anything or wants to hear of the service. One that cannot be reached is a
/// warning: a worker serves without.
pub(crate) fn connect(offered: ManagerOffer, warnings: &mut Vec<String>) -> (Option<Keeping>, Option<Watchdog>) {
    let keeping = connected(offered.most, warnings);
    let watchdog = offered.every.and_then(|every| Some(Watchdog { socket: connected(1, warnings)?.socket, every }));
    (keeping, watchdog)
}

/// A connection to a manager that keeps so many descriptors.
pub(crate) fn connected(most: usize, warnings: &mut Vec<String>) -> Option<Keeping> {
    let place = place().filter(|_| most > 0)?;
    let connected = reach(&place).and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    match connected {
        Ok(socket) => Some(Keeping { socket: socket.into(), most }),
        Err(error) => {
            warnings.push(format!("the service manager at {place} hears and keeps nothing: {error}"));
            None
        }
    }
}

/// How long a manager that is busy may take for a word: at the start of a host it hears many.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the service manager, if there is one (`NOTIFY_SOCKET`, sd_notify(3)), and waits no longer than five seconds for it.
///
/// # Errors
/// What the socket said; `EAGAIN` where the manager made no room in time.
pub fn tell_manager(word: &str) -> io::Result<()> {
    let Some(place) = place() else { return Ok(()) };
    let socket = reach(&place)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send(word.as_bytes()).map(drop)
}

fn place() -> Option<String> {
    env::var("NOTIFY_SOCKET").ok()
}

fn reach(place: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match place.strip_prefix('@') {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(place)?,
    }
    Ok(socket)
}

/// Takes what was passed, which is this process's now and is not passed on.
pub(crate) fn take(passed: &[(RawFd, String)]) -> Vec<(String, OwnedFd)> {
    passed.iter().filter_map(|(number, name)| Some((name.clone(), sys::inherited_descriptor(*number)?))).collect()
}

/// The socket for this purpose among those that were passed; what has its name and is something else is closed, with a
/// warning.
pub(crate) fn bound(
    passed: &mut Vec<(String, OwnedFd)>,
    path: &AbsolutePath,
    purpose: Purpose,
    warnings: &mut Vec<String>,
) -> Option<OwnedFd> {
    let (_, wanted) = purpose.words();
    let mut found = None;
    for (name, descriptor) in std::mem::take(passed) {
        if name != wanted {
            passed.push((name, descriptor));
            continue;
        }
        match check_listening_socket(&descriptor, path, purpose) {
            Ok(()) if found.is_none() => found = Some(descriptor),
            Ok(()) => warnings.push(format!("two sockets were passed as `{wanted}`; one is used")),
            Err(reason) => warnings.push(format!("the descriptor passed as `{wanted}` is {reason}; it is closed")),
        }
    }
    found
}

/// Sockets that no configuration asks for are closed, with a warning: nothing but what is kept goes on to the worker.
pub(crate) fn close_unused(passed: &mut Vec<(String, OwnedFd)>, warnings: &mut Vec<String>) {
    let names = [Purpose::Handover, Purpose::Metrics, Purpose::Gates].map(|purpose| purpose.words().1);
    passed.retain(|(name, _)| {
        let unused = names.contains(&name.as_str());
        if unused {
            warnings
                .push(format!("a socket was passed as `{name}`, and the configuration has no `{name}`; it is closed"));
        }
        !unused
    });
}

/// Has none of these wait for the other end. What that is not possible for is of no use, and is found out later.
pub(crate) fn never_wait(passed: &[(String, OwnedFd)]) {
    for (_, descriptor) in passed {
        let _ = never_waits(descriptor);
    }
}

fn never_waits(descriptor: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

/// What is left is closed, with a warning: a gate has no use for it.
pub(crate) fn close_all(passed: &mut Vec<(String, OwnedFd)>, warnings: &mut Vec<String>) {
    for (name, _) in passed.drain(..) {
        warnings.push(format!(
            "a descriptor was passed as `{}`, which means nothing here; it is closed",
            name.escape_debug()
        ));
    }
}

/// Whether this is a socket that listens at `path`; it will not wait from now on.
fn check_listening_socket(descriptor: &OwnedFd, path: &AbsolutePath, purpose: Purpose) -> Result<(), String> {
    let kind = getsockopt(descriptor, sockopt::SockType).map_err(|error| format!("not a socket: {error}"))?;
    let name = getsockname::<UnixAddr>(descriptor.as_raw_fd()).map_err(|_| "not a UNIX socket".to_owned())?;
    if name.path() != Some(path.as_path()) {
        let place = name.path().map_or("nowhere".to_owned(), |place| format!("at {}", place.display()));
        return Err(format!("bound {place}, not at {path}"));
    }
    let (word, _) = purpose.words();
    if kind != purpose.kind() {
        return Err(format!("of another kind: a unit has it with `{word}`"));
    }
    if !getsockopt(descriptor, sockopt::AcceptConn).unwrap_or(false) {
        return Err("a socket that does not listen: a unit has it with `Accept=no`".to_owned());
    }
    never_waits(descriptor).map_err(|error| format!("in blocking mode: fcntl: {error}"))
}
