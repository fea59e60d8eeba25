//! Whether a process of nsgate's may connect to a socket that another program makes: to an agent's, a pool's, or a log's.
//!
//! It has one user, one group and no capability, so modes and access control lists say it (unix(7): to connect takes the right to
//! write to the socket, and to search the directory that it is in). A process sees that directory and none above it. What
//! keeps it out is a warning and no reason not to start: the other program may change it at any time.

use crate::{
    file_kind::kind,
    pinned::{DATABASE, Pinned},
    rights::{Rights, SEARCH, WRITE},
    root_names::{BACKENDS, DATABASES, POOL, SYSLOG},
};
use nix::{
    fcntl::{OFlag, open, openat, readlinkat},
    sys::stat::{Mode, SFlag, fstat, stat},
};
use nsgate_sandbox::{Ids, attest::SeenWindow};
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
    maker: Maker,
}

impl KeptOut {
    /// Whether it is a pool that the process is kept from.
    #[must_use]
    pub fn is_from_pool(&self) -> bool {
        self.maker == Maker::Pool
    }
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

/// Who may hand over to a pool, and what to do that another process may: its user is judged by the worker as well, by its group.
pub const HANDOVER: &str = "only root and the pool's `handover_group` may hand over: give the pool one (--handover-group; where systemd \
                            binds the socket, SocketGroup= and SocketMode=0660 of nsgate-pool.socket as well), and start what \
                            hands over in that group (--group)";

/// Which program makes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    /// A metadata agent.
    Agent,
    /// A pool.
    Pool,
    /// A server of OVN's database.
    Database,
    /// The system log's daemon.
    Log,
}

impl Maker {
    fn of(purpose: &str) -> Self {
        match purpose {
            "pool" => Self::Pool,
            DATABASE => Self::Database,
            "log" => Self::Log,
            _ => Self::Agent,
        }
    }
}

/// A socket, and the directory that it is in, as they are to be named.
struct Names<'a> {
    maker: Maker,
    directory: &'a Path,
    socket: &'a Path,
    /// Whether a person who types them gets there.
    can_be_typed: bool,
}

/// What will keep a process with these ids from the socket at `place`; nothing if it may connect, or if the socket is not there
/// and its directory lets the process search.
pub(crate) fn kept_out(place: &Pinned, ids: &Ids) -> Option<KeptOut> {
    let maker = Maker::of(place.purpose());
    let names = Names { maker, directory: place.above(), socket: place.path(), can_be_typed: true };
    denied_access(place.directory(), place.name(), &names, ids)
}

/// A sentence for the log about an agent's, a pool's or a database's socket.
pub(crate) fn warning(place: &Pinned, ids: &Ids) -> Option<String> {
    let costs = match place.purpose() {
        "pool" => "no network is handed over",
        DATABASE => "this server is not followed",
        _ => "requests are answered 503",
    };
    let KeptOut { what, remedy, .. } = kept_out(place, ids)?;
    Some(format!("{} {}: {what}, and until it may, {costs}: {remedy}", place.purpose(), place.path().display()))
}

/// What keeps the process `pid`, which is in a root of nsgate's that shows these `windows` and has these ids, from the sockets that
/// it is there for. What cannot be looked at is left out, and so is a directory that is not at its path any more: what can be
/// done is done in another one.
#[must_use]
pub fn kept_out_of(pid: i32, ids: &Ids, windows: &[SeenWindow]) -> Vec<KeptOut> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let Ok(inside) = open(&root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) else {
        return Vec::new();
    };
    let look = |(link, whose, maker): (&str, &str, Maker)| {
        let target = PathBuf::from(readlinkat(&inside, link).ok()?);
        // In a root of nsgate's own making there is one directory and one name.
        let (window, name) = (target.parent()?.to_str()?, target.file_name()?.to_str()?);
        let directory = openat(&inside, window, PLACE | OFlag::O_DIRECTORY, Mode::empty()).ok()?;
        let seen = windows.iter().find(|seen| seen.window.trim_start_matches('/') == window);
        if seen.is_some_and(SeenWindow::is_lost) {
            return None;
        }
        let found = seen.and_then(SeenWindow::found_at).and_then(|path| leading_to(directory.as_fd(), path));
        let can_be_typed = found.is_some();
        // Where the path is not known, the process's view of it is: it cannot be changed there.
        let socket = found.unwrap_or_else(|| root.join(&target));
        let names = Names { maker, directory: socket.parent()?, socket: &socket, can_be_typed };
        let kept = denied_access(directory.as_fd(), name, &names, ids)?;
        if kept.by_socket && is_left_over(directory.as_fd(), name) {
            return None;
        }
        Some(KeptOut { what: format!("{whose} is out of its reach: {}", kept.what), ..kept })
    };
    let agents =
        BACKENDS.into_iter().map(|(_, agent)| agent).zip(AGENTS).map(|(agent, whose)| (agent, whose, Maker::Agent));
    let databases = DATABASES.into_iter().map(|(_, socket)| (socket, "a server of the database", Maker::Database));
    let others = [(POOL, "the pool", Maker::Pool), (SYSLOG, "the system log", Maker::Log)];
    agents.chain(databases).chain(others).filter_map(look).collect()
}

/// The path of a socket in this directory: as it was written, or where a link at its end leads (`/dev/log` is one on many hosts).
fn leading_to(directory: BorrowedFd<'_>, path: PathBuf) -> Option<PathBuf> {
    let held = fstat(directory).ok()?;
    let is_in = |path: &PathBuf| {
        path.parent()
            .and_then(|above| stat(above).ok())
            .is_some_and(|at| (at.st_dev, at.st_ino) == (held.st_dev, held.st_ino))
    };
    if is_in(&path) { Some(path) } else { path.canonicalize().ok().filter(is_in) }
}

/// Whether no process listens at the socket: its mode says nothing of the next one. To connect to one of another kind fails
/// otherwise, so each kind is told apart.
fn is_left_over(directory: BorrowedFd<'_>, name: &str) -> bool {
    let Ok(socket) = openat(directory, name, PLACE, Mode::empty()) else { return false };
    let address = format!("/proc/self/fd/{}", socket.as_raw_fd());
    UnixStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// What keeps these ids from the socket `name` in `directory`.
fn denied_access(directory: BorrowedFd<'_>, name: &str, names: &Names<'_>, ids: &Ids) -> Option<KeptOut> {
    let (uid, gid) = (ids.uid.as_raw(), ids.gid.as_raw());
    let who = format!("uid {uid} with gid {gid} may not");
    let rights = Rights::of(directory).ok()?;
    if !rights.permit_without_capabilities(uid, gid, SEARCH) {
        let command = command(&rights, uid, 'x', names.directory, names.can_be_typed);
        return Some(KeptOut {
            what: format!("{who} search the directory {} ({rights})", names.directory.display()),
            by_socket: false,
            maker: names.maker,
            remedy: format!(
                "let it ({command}, or a mode that lets its group or others search), or start with a `user` or `group` that may"
            ),
        });
    }
    let socket = openat(directory, name, PLACE, Mode::empty()).ok()?;
    let rights = Rights::of(socket.as_fd()).ok()?;
    (kind(rights.mode) == SFlag::S_IFSOCK && !rights.permit_without_capabilities(uid, gid, WRITE)).then(|| {
        let now = || command(&rights, uid, 'w', names.socket, names.can_be_typed);
        let remedy = match names.maker {
            Maker::Pool => HANDOVER.to_owned(),
            Maker::Agent => format!(
                "let it ({} until the agent makes the socket anew; for good the agent does, by its user and group, and one of \
                 Neutron's by `metadata_proxy_socket_mode`), or start with a `user` or `group` that may",
                now()
            ),
            Maker::Database => format!(
                "let it ({} until the server makes the socket anew), name the server's tcp: address, or start with a `user` or \
                 `group` that may",
                now()
            ),
            Maker::Log => format!(
                "let it ({} until the log makes the socket anew; for good the log does, by the mode, group or owner in its \
                 settings), or start with a `user` or `group` that may",
                now()
            ),
        };
        let what = format!("{who} write to the socket {} ({rights})", names.socket.display());
        KeptOut { what, remedy, by_socket: true, maker: names.maker }
    })
}

/// The command that gives a user a right: for the owner the mode says it, and no entry of a list.
fn command(rights: &Rights, uid: u32, right: char, path: &Path, can_be_typed: bool) -> String {
    let path = if can_be_typed { shell_word(path) } else { "PATH".to_owned() };
    let command = if rights.owner == uid {
        format!("`chmod u+{right} {path}`")
    } else {
        format!("`setfacl -m u:{uid}:{right} {path}`")
    };
    if can_be_typed { command } else { format!("{command} with its path where the process was started") }
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "/._-+:@%,=".contains(one);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::shell_word;
    use std::path::Path;

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(shell_word(Path::new("/run/a-b/metadata_proxy")), "/run/a-b/metadata_proxy");
        assert_eq!(shell_word(Path::new("/run/a b/it's")), r"'/run/a b/it'\''s'");
    }
}
