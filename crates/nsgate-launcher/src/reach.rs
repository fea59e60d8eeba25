//! Whether a process of nsgate's may connect to a socket that another program makes: to an agent's, a pool's, or a log's.
//!
//! It has one user, one group and no capability, so modes and access control lists say it (unix(7): to connect takes the right to
//! write to the socket, and to search the directory that it is in). A process sees that directory and none above it. What
//! keeps it out is a warning and no reason not to start: the other program may change it at any time.

use crate::{
    file_kind::kind,
    pinned::Pinned,
    rights::{Rights, SEARCH, WRITE},
    root_names::{BACKENDS, POOL, SYSLOG},
};
use nix::{
    fcntl::{OFlag, open, openat, readlinkat},
    sys::stat::{Mode, SFlag},
};
use nsgate_sandbox::Ids;
use std::{
    fmt,
    io::ErrorKind,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
};

/// What keeps a process out, for people: who may not, what it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOut {
    /// A sentence without its end.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// By the socket itself, and not by its directory.
    by_socket: bool,
}

impl fmt::Display for KeptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

/// The agents of a process, in words, in the order of their sockets' names ([`BACKENDS`]).
const AGENTS: [&str; BACKENDS.len()] = [
    "the agent",
    "the second agent",
    "the third agent",
    "the fourth agent",
    "the fifth agent",
    "the sixth agent",
    "the seventh agent",
    "the eighth agent",
];

const PLACE: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// What will keep a process with these ids from the socket at `place`; nothing if it may connect, or if the socket is not there
/// and its directory lets the process search.
pub(crate) fn kept_out(place: &Pinned, ids: &Ids) -> Option<KeptOut> {
    denied_access((place.above(), place.directory()), (place.path(), place.name()), ids)
}

/// A sentence for the log about an agent's or a pool's socket.
pub(crate) fn warning(place: &Pinned, ids: &Ids) -> Option<String> {
    let costs = match place.purpose() {
        "pool" => "no network is handed over",
        _ => "requests are answered 503",
    };
    let KeptOut { what, remedy, .. } = kept_out(place, ids)?;
    Some(format!("{} {}: {what}, and until it may, {costs}: {remedy}", place.purpose(), place.path().display()))
}

/// What keeps the process `pid`, which is in a root of nsgate's and has these ids, from the sockets that it is there for. What
/// cannot be looked at is left out.
#[must_use]
pub fn kept_out_of(pid: i32, ids: &Ids) -> Vec<KeptOut> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let Ok(inside) = open(&root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) else {
        return Vec::new();
    };
    let look = |(link, whose): (&str, &str)| {
        let target = PathBuf::from(readlinkat(&inside, link).ok()?);
        // In a root of nsgate's own making there is one directory and one name.
        let (window, name) = (target.parent()?.to_str()?, target.file_name()?.to_str()?);
        let directory = openat(&inside, window, PLACE | OFlag::O_DIRECTORY, Mode::empty()).ok()?;
        let shown = Path::new("/").join(window);
        let kept = denied_access((&shown, directory.as_fd()), (&shown.join(name), name), ids)?;
        if kept.by_socket && is_left_over(directory.as_fd(), name) {
            return None;
        }
        Some(KeptOut { what: format!("{whose} is out of its reach: {}", kept.what), ..kept })
    };
    let agents = BACKENDS.into_iter().map(|(_, agent)| agent).zip(AGENTS);
    agents.chain([(POOL, "the pool"), (SYSLOG, "the system log")]).filter_map(look).collect()
}

/// Whether no process listens at the socket: its mode says nothing of the next one. To connect to one of another kind fails
/// otherwise, so each kind is told apart.
fn is_left_over(directory: BorrowedFd<'_>, name: &str) -> bool {
    let Ok(socket) = openat(directory, name, PLACE, Mode::empty()) else { return false };
    let address = format!("/proc/self/fd/{}", socket.as_raw_fd());
    UnixStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// `shown` are the paths to name.
fn denied_access(
    (above, directory): (&Path, BorrowedFd<'_>),
    (shown, name): (&Path, &str),
    ids: &Ids,
) -> Option<KeptOut> {
    let (uid, gid) = (ids.uid.as_raw(), ids.gid.as_raw());
    let who = format!("uid {uid} with gid {gid} may not");
    let rights = Rights::of(directory).ok()?;
    if !rights.permit_without_capabilities(uid, gid, SEARCH) {
        return Some(KeptOut {
            what: format!("{who} search the directory {} ({rights})", above.display()),
            by_socket: false,
            remedy: format!(
                "let it (`setfacl -m u:{uid}:x` on that directory, or a mode that lets its group or others search), or start \
                 with a `user` or `group` that may"
            ),
        });
    }
    let socket = openat(directory, name, PLACE, Mode::empty()).ok()?;
    let rights = Rights::of(socket.as_fd()).ok()?;
    (kind(rights.mode) == SFlag::S_IFSOCK && !rights.permit_without_capabilities(uid, gid, WRITE)).then(|| KeptOut {
        what: format!("{who} write to the socket {} ({rights})", shown.display()),
        by_socket: true,
        remedy: "have the program that makes the socket let it (its mode, group or owner; of Neutron's agents \
                 `metadata_proxy_socket_mode`), or start with a `user` or `group` that may"
            .to_owned(),
    })
}
