//! Step 4, for a pool's worker and for an agent: the UNIX sockets at which they are reached.
//!
//! A socket is made in a directory of its own beside its place, and takes the place by one rename once the worker serves: a
//! connection reaches the old worker or the new one at every moment. Owner and mode are given in that directory, where no
//! other user may write: the worker's user may write in the directory of the place. A socket at which a worker answers is
//! taken over only if that was asked for.

use crate::{
    LaunchError,
    file_kind::{kind, kind_name},
    pinned::Pinned,
    private_directory::{Failed, PrivateDirectory, device_and_inode, remove_if_same},
    trust::Trust,
};
use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::{
        socket::{AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, listen, send, socket},
        stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstatat},
    },
    unistd::{Gid, Uid, fchownat},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::likely;
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

/// The socket's name before it has its own.
const NEW: &str = "s";

/// Connections that wait to be accepted; the kernel's own bound is `net.core.somaxconn`.
pub(crate) const QUEUE: i32 = 4096;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Networks are handed over: for root and one group.
    Handover,
    /// Metrics are read: by anybody, since they hold no secret.
    Metrics,
    /// Gates ask for their guests: for root, and one group where it is named.
    Gates,
}

/// The place of a socket that is to be made.
#[derive(Debug)]
pub(crate) struct EndpointPlace {
    place: Pinned,
    purpose: Purpose,
    /// A socket has the name.
    taken: bool,
}

/// A socket that waits to take its place.
#[derive(Debug)]
pub(crate) struct Endpoint {
    place: Pinned,
    waiting: PrivateDirectory,
    /// Device and inode of the socket.
    made: (u64, u64),
    /// A connection to the worker that answers at the place now.
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
            Self::Handover => ("ListenSequentialPacket=", "handover"),
            Self::Metrics => ("ListenStream=", "metrics"),
            Self::Gates => ("ListenStream=", "gates"),
        }
    }

    /// Why a socket at which a process answers stays that one's.
    fn taken(self) -> &'static str {
        match self {
            Self::Handover | Self::Metrics => "a worker answers here already; `--replace` takes over from it",
            Self::Gates => "a process answers here already, as a rule another `nsgate agent`; end it first",
        }
    }

    /// The kind of socket.
    pub(crate) fn kind(self) -> SockType {
        match self {
            Self::Handover => SockType::SeqPacket,
            Self::Metrics | Self::Gates => SockType::Stream,
        }
    }
}

impl EndpointPlace {
    /// Pins the directory and looks at what has the name: nothing, or a socket.
    pub(crate) fn pin(path: &AbsolutePath, purpose: Purpose, trust: &Trust) -> Result<Self, LaunchError> {
        let place = Pinned::walk(path, trust, "socket")?;
        let found = place.found()?;
        found.map_or(Ok(()), |found| replaceable(&place, &found))?;
        Ok(Self { place, purpose, taken: found.is_some() })
    }

    /// The socket that has the name, by descriptor.
    pub(crate) fn socket(&self) -> Option<OwnedFd> {
        self.place.socket().ok()
    }

    /// Makes the socket; `group` may hand over. `replace` says that a worker which answers already will be told to leave.
    pub(crate) fn bind(self, group: Option<Gid>, replace: bool) -> Result<(Endpoint, OwnedFd), LaunchError> {
        let Self { place, purpose, taken } = self;
        let kind_of = purpose.kind();
        let predecessor = if taken { answers(&place, kind_of)? } else { None };
        if predecessor.is_some() && !replace {
            return Err(place.wrong(purpose.taken()));
        }
        let unmade = |(call, error): Failed| {
            // A name for a socket is a file's: no port is bound here.
            let cause = if call == "bind" { String::new() } else { format!(": {}", likely(call, error)) };
            place.wrong(&format!("{call}: {error}; the socket cannot be made{cause}"))
        };
        let waiting = PrivateDirectory::make(place.directory()).map_err(unmade)?;
        match make(&waiting, purpose, group) {
            Ok((socket, made)) => Ok((Endpoint { place, waiting, made, predecessor }, socket)),
            Err(failed) => {
                waiting.remove(place.directory(), NEW);
                Err(unmade(failed))
            }
        }
    }
}

impl Endpoint {
    /// Where it will be, and device and inode of its file.
    pub(crate) fn file(&self) -> (PathBuf, (u64, u64)) {
        (self.place.path().to_owned(), self.made)
    }

    /// What is open for it: the directories that it is made in and takes its place in, and its predecessor.
    pub(crate) fn open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let directories = [self.place.directory(), self.waiting.directory()];
        directories.into_iter().chain(self.predecessor.iter().map(AsFd::as_fd))
    }

    /// Takes the place, and tells the worker that had it `farewell`.
    pub(crate) fn publish(&self, farewell: &[u8]) -> Result<(), LaunchError> {
        // It may have come since it was looked at first.
        self.place.found()?.map_or(Ok(()), |found| replaceable(&self.place, &found))?;
        let published = self.waiting.publish(NEW, self.place.directory(), self.place.name());
        published
            .map_err(|(call, error)| self.place.wrong(&format!("{call}: {error}; the socket cannot take its place")))?;
        self.waiting.remove(self.place.directory(), NEW);
        if let Some(predecessor) = &self.predecessor {
            // A worker that has ended in the meantime need not be told.
            let _ = send(predecessor.as_raw_fd(), farewell, MsgFlags::MSG_NOSIGNAL);
        }
        Ok(())
    }

    /// Leaves nothing behind: the socket, wherever it is now, and what it was made in.
    pub(crate) fn withdraw(&self) {
        self.waiting.remove(self.place.directory(), NEW);
        remove_if_same(self.place.directory(), self.place.name(), self.made);
    }
}

/// Only a socket is replaced.
fn replaceable(place: &Pinned, found: &FileStat) -> Result<(), LaunchError> {
    if kind(found.st_mode) == SFlag::S_IFSOCK {
        return Ok(());
    }
    Err(place.wrong(&format!("this is {}, not a socket; it is left alone", kind_name(found.st_mode))))
}

/// The socket, and its file's device and inode. By way of the private directory's descriptor: no other process can put anything
/// there, so owner and mode go to the socket and to nothing else.
fn make(waiting: &PrivateDirectory, purpose: Purpose, group: Option<Gid>) -> Result<(OwnedFd, (u64, u64)), Failed> {
    let failed = |call| move |error| (call, error);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, purpose.kind(), flags, None).map_err(failed("socket"))?;
    let directory = waiting.directory();
    let address = format!("/proc/self/fd/{}/{NEW}", directory.as_raw_fd());
    let address = UnixAddr::new(address.as_str()).map_err(failed("bind"))?;
    bind(socket.as_raw_fd(), &address).map_err(failed("bind"))?;
    let (mode, group) = match purpose {
        Purpose::Handover | Purpose::Gates if group.is_none() => (0o600, None),
        Purpose::Handover | Purpose::Gates => (0o660, group),
        Purpose::Metrics => (0o666, None),
    };
    let owner = (Some(Uid::from_raw(0)), group.or(Some(Gid::from_raw(0))));
    fchownat(directory, NEW, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed("fchownat"))?;
    let mode = Mode::from_bits_truncate(mode);
    fchmodat(directory, NEW, mode, FchmodatFlags::FollowSymlink).map_err(failed("fchmodat"))?;
    listen(&socket, Backlog::new(QUEUE).unwrap_or(Backlog::MAXCONN)).map_err(failed("listen"))?;
    let made = fstatat(directory, NEW, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed("fstatat"))?;
    Ok((socket, device_and_inode(&made)))
}

/// A connection to the process that listens at the place; a socket without a listener is a stale one. By the descriptor of the
/// socket: a link in its place would lead to another program's, which is then told to leave.
fn answers(place: &Pinned, kind: SockType) -> Result<Option<OwnedFd>, LaunchError> {
    let attempt = || {
        let found = place.socket()?;
        let address = format!("/proc/self/fd/{}", found.as_raw_fd());
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
