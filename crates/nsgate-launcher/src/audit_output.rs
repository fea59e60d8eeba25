//! Step 3, the audit's way out: opened or judged while the process may still do that.
//!
//! An audit that was asked for and cannot be written is a reason not to start; a log is none. What the starter gives as
//! a descriptor is taken on purpose and only then: a pipe, a connected UNIX socket, or a file that can be appended to
//! and nothing else. The gate can write to it, never read from it, and never waits for it.

use crate::{
    LaunchError, Mode, Output,
    file_kind::{kind, kind_name},
    log_socket,
    output::{Reopened, reopen},
    pinned::Pinned,
    trust::Trust,
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::{
        socket::{AddressFamily, Shutdown, SockaddrLike, SockaddrStorage, getpeername, getsockname, shutdown},
        stat::{SFlag, fstat},
    },
};
use nsgate_config::{AbsolutePath, Audit, AuditTo};
use std::os::{
    fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    unix::net::UnixDatagram,
};

/// Where events go.
#[derive(Debug)]
pub enum AuditOutput {
    /// The system log's socket, which the process has for its log as well.
    Syslog,
    /// Connected to systemd's journal, and non-blocking.
    Journald(UnixDatagram),
    /// What the starter gave.
    Descriptor(Output<OwnedFd>),
}

impl AuditOutput {
    /// The descriptor, if it has one of its own.
    pub(crate) fn number(&self) -> Option<RawFd> {
        match self {
            Self::Syslog => None,
            Self::Journald(socket) => Some(socket.as_raw_fd()),
            Self::Descriptor(output) => Some(output.number()),
        }
    }
}

/// Where journald listens for its own protocol (systemd-journald.service(8)).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The descriptor that has to outlive the others.
pub(crate) fn wanted(audit: Option<&Audit>) -> Option<u16> {
    match audit?.to {
        AuditTo::Descriptor(number) => Some(number),
        AuditTo::Syslog | AuditTo::Journald => None,
    }
}

/// Where events are to go: pinned, if that is a path.
pub(crate) enum AuditPlace {
    Syslog,
    Journald(Result<Pinned, String>),
    Descriptor(u16),
}

impl AuditPlace {
    /// Pins what `audit` asks for. What is wrong is said when it is opened.
    pub(crate) fn pin(audit: &Audit, trust: &Trust) -> Self {
        match audit.to {
            AuditTo::Syslog => Self::Syslog,
            AuditTo::Journald => Self::Journald(journal(trust)),
            AuditTo::Descriptor(number) => Self::Descriptor(number),
        }
    }

    /// Opens it. `inherited` is the descriptor that the starter gave, if that is asked for.
    pub(crate) fn open(self, inherited: Option<OwnedFd>, mode: Mode) -> Result<AuditOutput, LaunchError> {
        let (to, output) = match (self, inherited) {
            (Self::Syslog, _) => (AuditTo::Syslog, Ok(AuditOutput::Syslog)),
            (Self::Journald(place), _) => (AuditTo::Journald, place.and_then(|place| connect_journal(&place))),
            (Self::Descriptor(number), inherited) => {
                let to = AuditTo::Descriptor(number);
                let output = match inherited {
                    None => Err(unopened(to)),
                    Some(_) if number == 2 && mode == Mode::Daemon => Err(NO_STANDARD_ERROR.to_owned()),
                    Some(inherited) => output_from(inherited, number == 2).map(AuditOutput::Descriptor),
                };
                (to, output)
            }
        };
        output.map_err(|reason| LaunchError::Audit { to, reason })
    }
}

const NO_STANDARD_ERROR: &str =
    "in the background there is no standard error; use \"syslog\", \"journald\" or \"fd:3\"";

/// What is said of a descriptor that is not there.
fn unopened(to: AuditTo) -> String {
    let number = to.to_string().replace("fd:", "");
    format!("the starter gave no such descriptor; start with {number}>>FILE, or with a pipe's end in its place")
}

fn journal(trust: &Trust) -> Result<Pinned, String> {
    let path = AbsolutePath::new(JOURNAL)?;
    let place = Pinned::walk(&path, trust, "journal").map_err(|error| error.to_string())?;
    match place.found().map_err(|error| error.to_string())? {
        Some(found) if kind(found.st_mode) != SFlag::S_IFSOCK => {
            Err(format!("{JOURNAL} is {}", kind_name(found.st_mode)))
        }
        _ => Ok(place),
    }
}

fn connect_journal(place: &Pinned) -> Result<AuditOutput, String> {
    let connected = log_socket::connect(place).map(AuditOutput::Journald);
    connected.map_err(|error| format!("{JOURNAL}: {error}; does systemd-journald run?"))
}

/// Looks at what came, and makes of it what can be written to without waiting.
fn output_from(inherited: OwnedFd, stderr: bool) -> Result<Output<OwnedFd>, String> {
    let failed = |call: &'static str| move |error: Errno| format!("{call}: {error}");
    let found = fstat(&inherited).map_err(failed("fstat(2)"))?;
    let flags = fcntl(inherited.as_fd(), FcntlArg::F_GETFL).map_err(failed("fcntl(F_GETFL)"))?;
    let flags = OFlag::from_bits_retain(flags);
    let writes = flags & OFlag::O_ACCMODE == OFlag::O_WRONLY;
    match kind(found.st_mode) {
        SFlag::S_IFSOCK => socket(inherited, stderr),
        SFlag::S_IFREG if writes && flags.contains(OFlag::O_APPEND) => Ok(Output::new(inherited)),
        SFlag::S_IFREG => {
            Err("a file must be opened to append and nothing else: 3>>FILE, not 3>FILE or 3<>FILE".to_owned())
        }
        SFlag::S_IFIFO if writes || stderr => reopened(&inherited),
        SFlag::S_IFIFO => Err("this is the reading end of a pipe; give the writing end".to_owned()),
        // A terminal, or /dev/null.
        SFlag::S_IFCHR if stderr => reopened(&inherited),
        _ => Err(format!(
            "this is {}; give a pipe, a UNIX socket, or a file that is appended to",
            kind_name(found.st_mode)
        )),
    }
}

/// The same pipe by a descriptor of its own. That it does not wait concerns no other process.
fn reopened(inherited: &OwnedFd) -> Result<Output<OwnedFd>, String> {
    match reopen(inherited) {
        Reopened::Anew(anew) => Ok(Output::new(anew)),
        Reopened::Refused(Errno::ENXIO) => Err("no process reads from this pipe".to_owned()),
        Reopened::Refused(error) => {
            Err(format!("the pipe cannot be opened anew, to be written without waiting: {error}"))
        }
    }
}

/// A UNIX socket that leads somewhere. Any other would be a way into a network.
fn socket(inherited: OwnedFd, stderr: bool) -> Result<Output<OwnedFd>, String> {
    let own =
        getsockname::<SockaddrStorage>(inherited.as_raw_fd()).map_err(|error| format!("getsockname(2): {error}"))?;
    if own.family() != Some(AddressFamily::Unix) {
        return Err("this is no UNIX socket; a gate has no way into a network".to_owned());
    }
    if getpeername::<SockaddrStorage>(inherited.as_raw_fd()).is_err() {
        return Err("this socket is not connected".to_owned());
    }
    if !stderr {
        // Only written to. Standard error is left as it is: others may have it.
        shutdown(inherited.as_raw_fd(), Shutdown::Read).map_err(|error| format!("shutdown(2): {error}"))?;
    }
    Ok(Output::socket(inherited))
}
