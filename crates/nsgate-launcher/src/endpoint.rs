//! Step 4, for a pool's worker: the UNIX sockets at which it is reached.
//!
//! A socket is made under a name of its own, in a directory that was pinned, and takes its place by one rename once the
//! worker serves: whoever connects meets the old worker or the new one, and never nobody. A socket at which somebody
//! answers is taken over only if that was asked for.

use crate::{
    LaunchError,
    pinned::{Pinned, kind, kind_name},
};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, renameat},
    sys::{
        socket::{AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, listen, send, socket},
        stat::{FchmodatFlags, Mode, SFlag, fchmodat},
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, unlinkat},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::Ids;
use std::os::fd::{AsRawFd, OwnedFd};

/// Connections that wait to be accepted; the kernel's own bound is `net.core.somaxconn`.
pub(crate) const QUEUE: i32 = 4096;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Networks are handed over: for root and one group.
    Handover(Option<Gid>),
    /// Metrics are read: by anybody, since they hold no secret.
    Metrics,
}

/// A socket that waits to take its place.
#[derive(Debug)]
pub(crate) struct Endpoint {
    place: Pinned,
    waiting: String,
    /// Whoever answers at the place now.
    predecessor: Option<OwnedFd>,
}

/// A process without privileges makes no socket that is root's: a service manager does.
pub(crate) fn not_passed(path: &AbsolutePath, purpose: Purpose) -> LaunchError {
    let (word, name) = purpose.words();
    let reason = format!(
        "this process was started without privileges, and does not make it; a socket unit does, with `{word}{path}` and \
         `FileDescriptorName={name}`"
    );
    LaunchError::Path { purpose: "socket", path: path.as_path().to_owned(), reason }
}

impl Purpose {
    /// The words of a socket unit (systemd.socket(5)): the kind of socket, and the name by which it is passed.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Handover(_) => ("ListenSequentialPacket=", "handover"),
            Self::Metrics => ("ListenStream=", "metrics"),
        }
    }
}

impl Endpoint {
    /// Makes the socket. `replace` says that a worker which answers already will be told to leave.
    pub(crate) fn bind(
        path: &AbsolutePath,
        purpose: Purpose,
        replace: bool,
        ids: &Ids,
    ) -> Result<(Self, OwnedFd), LaunchError> {
        let place = Pinned::walk(path, ids, "socket")?;
        let kind_of = match purpose {
            Purpose::Handover(_) => SockType::SeqPacket,
            Purpose::Metrics => SockType::Stream,
        };
        let predecessor = match place.found()? {
            None => None,
            Some(found) if kind(&found) != SFlag::S_IFSOCK => {
                return Err(place.wrong(&format!("this is {}, not a socket; it is left alone", kind_name(&found))));
            }
            Some(_) => answers(&place, kind_of)?,
        };
        if predecessor.is_some() && !replace {
            return Err(place.wrong("a worker answers here already; `--replace` takes over from it"));
        }
        let waiting = format!(".{}.{}", place.name(), std::process::id());
        let endpoint = Self { place, waiting, predecessor };
        let made = endpoint.make(kind_of, purpose);
        made.map_err(|(call, error)| {
            endpoint.withdraw();
            endpoint.place.wrong(&format!("{call}: {error}; the socket cannot be made"))
        })
        .map(|socket| (endpoint, socket))
    }

    fn make(&self, kind: SockType, purpose: Purpose) -> Result<OwnedFd, (&'static str, Errno)> {
        let failed = |call| move |error| (call, error);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, kind, flags, None).map_err(failed("socket"))?;
        let (directory, name) = (self.place.directory(), self.waiting.as_str());
        // By way of the descriptor: nobody can have changed the path in the meantime.
        let address = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        let address = UnixAddr::new(address.as_str()).map_err(failed("bind"))?;
        bind(socket.as_raw_fd(), &address).map_err(failed("bind"))?;
        let (mode, group) = match purpose {
            Purpose::Handover(None) => (0o600, None),
            Purpose::Handover(group) => (0o660, group),
            Purpose::Metrics => (0o666, None),
        };
        let owner = (Some(Uid::from_raw(0)), group.or(Some(Gid::from_raw(0))));
        fchownat(directory, name, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed("fchownat"))?;
        let mode = Mode::from_bits_truncate(mode);
        fchmodat(directory, name, mode, FchmodatFlags::FollowSymlink).map_err(failed("fchmodat"))?;
        listen(&socket, Backlog::new(QUEUE).unwrap_or(Backlog::MAXCONN)).map_err(failed("listen"))?;
        Ok(socket)
    }

    /// Takes the place, and tells whoever had it `farewell`.
    pub(crate) fn publish(&self, farewell: &[u8]) -> Result<(), LaunchError> {
        let directory = self.place.directory();
        renameat(directory, self.waiting.as_str(), directory, self.place.name())
            .map_err(|error| self.place.wrong(&format!("renameat: {error}; the socket cannot take its place")))?;
        if let Some(predecessor) = &self.predecessor {
            // A worker that has ended in the meantime need not be told.
            let _ = send(predecessor.as_raw_fd(), farewell, MsgFlags::MSG_NOSIGNAL);
        }
        Ok(())
    }

    /// Leaves no socket behind that never took its place.
    pub(crate) fn withdraw(&self) {
        let _ = unlinkat(self.place.directory(), self.waiting.as_str(), UnlinkatFlags::NoRemoveDir);
    }
}

/// A connection to whoever listens at the place; a socket that nobody listens at is a stale one.
fn answers(place: &Pinned, kind: SockType) -> Result<Option<OwnedFd>, LaunchError> {
    let address = format!("/proc/self/fd/{}/{}", place.directory().as_raw_fd(), place.name());
    let attempt = || {
        let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None)?;
        connect(socket.as_raw_fd(), &UnixAddr::new(address.as_str())?)?;
        Ok(socket)
    };
    match attempt() {
        Ok(socket) => Ok(Some(socket)),
        Err(Errno::EPROTOTYPE) => Err(place.wrong("a socket of another kind answers here; it is left alone")),
        Err(_) => Ok(None),
    }
}
