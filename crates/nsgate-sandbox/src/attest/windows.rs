//! Whether the directories that a process sees are still where it looked for them.
//!
//! A window stays with the directory that it was opened for. Where that one was removed, moved away, mounted over, or a link
//! on the way leads elsewhere now, what is at the path is not seen by the process.

use crate::Origin;
use crate::mounts::{Mount, source_of_root};
use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2, readlinkat},
    sys::stat::{Mode, SFlag, fstat, fstatat},
};
use serde::Serialize;
use std::{
    cell::OnceCell,
    collections::HashMap,
    fs,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

/// A directory that a process sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenWindow {
    /// What it is called in the process's root: `/backend`; `socket` of one at which the process listens.
    pub window: String,
    /// The path of what is looked for in it, as the process was told; `None` if its root does not say.
    pub path: Option<PathBuf>,
    /// What has become of it.
    pub state: WindowState,
    /// The process in whose mount namespace the path was looked up; `None` if that is the reader's own, or if the path was not
    /// looked up.
    pub namespace_of: Option<i32>,
}

impl SeenWindow {
    /// Whether it is no directory, and a socket at which the process listens.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.window == SOCKET
    }

    /// Whether the path does not lead to what the process sees.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self.state, WindowState::Removed | WindowState::Replaced | WindowState::Gone)
    }

    /// Where the reader finds what is looked for in it ([`SeenWindow::path_here`]). `None` if that does not lead to what the process
    /// sees, or if that is not known.
    #[must_use]
    pub fn found_at(&self) -> Option<PathBuf> {
        self.path_here().filter(|_| self.state == WindowState::There)
    }

    /// The path as the reader has it: the same, or by way of a process of another mount namespace (`/proc/PID/root/…`).
    #[must_use]
    pub fn path_here(&self) -> Option<PathBuf> {
        let path = self.path.as_ref()?;
        Some(match self.namespace_of {
            None => path.clone(),
            Some(pid) => Path::new(&format!("/proc/{pid}/root")).join(path.strip_prefix("/").unwrap_or(path)),
        })
    }
}

/// What a socket is called at which a process listens, in the place of a window.
pub(super) const SOCKET: &str = "socket";

/// What has become of a directory, or of a socket's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowState {
    /// The path leads to it.
    There,
    /// It was removed.
    Removed,
    /// The path leads to another one.
    Replaced,
    /// The path leads nowhere.
    Gone,
    /// It was not removed; where the path leads cannot be seen from here.
    Unknown,
}

/// Links that are followed at the end of a path: `/dev/log` is one on many hosts.
const MOST_LINKS: usize = 8;

/// Every window of a process in a small root, and the directory that it has `pinned` as a descriptor, with its name and number;
/// `None` if its mounts cannot be read.
pub(super) fn seen(
    process: &Path,
    mounts: Option<&[Mount]>,
    pinned: Option<(&str, i32)>,
    listens: bool,
    inhabitants: &Inhabitants,
) -> Option<Vec<SeenWindow>> {
    let origin = source_of_root(process).map(|source| Origin::read(&source).1).unwrap_or_default();
    let view = View::of(process, &origin, inhabitants);
    let one = |window: &str, held: PathBuf, removed: bool| {
        let place = origin.places.iter().find(|(name, _)| name == window.trim_start_matches('/'));
        let path = place.map(|(_, path)| path.clone());
        let found = fs::metadata(held).ok();
        let state = match (found, &path) {
            _ if removed => WindowState::Removed,
            // Of what is not in the list of mounts the kernel says so.
            (Some(found), _) if found.nlink() == 0 => WindowState::Removed,
            (Some(found), Some(path)) => view.compare_directory((found.dev(), found.ino()), path),
            _ => WindowState::Unknown,
        };
        SeenWindow { window: window.to_owned(), namespace_of: path.as_ref().and(view.namespace_of()), path, state }
    };
    let mounts = mounts?.iter().filter(|mount| mount.point != "/");
    let mut all: Vec<SeenWindow> = mounts
        .map(|mount| one(&mount.point, process.join("root").join(mount.point.trim_start_matches('/')), mount.removed))
        .collect();
    // Of a worker that has left, another one's is there, and rightly.
    all.extend(origin.sockets.iter().filter(|_| listens).map(|(file, path)| SeenWindow {
        window: SOCKET.to_owned(),
        path: Some(path.clone()),
        state: view.compare_file(*file, path),
        namespace_of: view.namespace_of(),
    }));
    all.extend(pinned.map(|(name, number)| one(name, process.join("fd").join(number.to_string()), false)));
    Some(all)
}

/// The directories of a process in the root of a service manager, which has bound them at their own paths: links of these names
/// lead to them. The manager is the first process of the host, and has walked the paths.
pub(super) fn given(process: &Path, names: impl Fn(&str) -> bool) -> Option<Vec<SeenWindow>> {
    let first = PathBuf::from("/proc/1");
    let (root, view) = (opened_root(process)?, View::by_way_of(&first).unwrap_or(View::Nowhere));
    let entries = fs::read_dir(process.join("cwd")).ok()?.flatten();
    let link = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, fs::read_link(entry.path()).ok()?));
    let links: Vec<(String, PathBuf)> = entries.filter_map(link).collect();
    let mut all = Vec::new();
    for (window, directory_path) in links.iter().filter(|(name, path)| names(name) && path.is_absolute()) {
        // The short name of what is looked for leads into the directory: `backend/metadata_proxy`.
        let inside = links.iter().find_map(|(_, target)| target.strip_prefix(window).ok());
        let path = directory_path.join(inside.unwrap_or(Path::new(window)));
        let state = directory(&root, &path).map_or(WindowState::Unknown, |held| view.compare_directory(held, &path));
        all.push(SeenWindow { window: window.clone(), path: Some(path), state, namespace_of: view.namespace_of() });
    }
    all.sort_unstable_by(|one, other| one.window.cmp(&other.window));
    Some(all)
}

/// The root directory of a process.
fn opened_root(process: &Path) -> Option<OwnedFd> {
    open(&process.join("root"), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok()
}

/// From where paths are looked at.
enum View {
    /// The mount namespace in which the process's own start walked them, or that of who started it: its root, and a process that
    /// is in it where the reader is not.
    Theirs(OwnedFd, Option<i32>),
    /// That one is gone: the reader's.
    Readers(OwnedFd),
    Nowhere,
}

impl View {
    fn of(process: &Path, origin: &Origin, inhabitants: &Inhabitants) -> Self {
        let theirs = || {
            let started = started(process)?;
            origin.namespaces.iter().find_map(|number| Self::by_way_of(&inhabitants.of(*number, started)?))
        };
        theirs().or_else(|| opened_root(Path::new("/proc/self")).map(Self::Readers)).unwrap_or(Self::Nowhere)
    }

    /// From the root of this process.
    fn by_way_of(process: &Path) -> Option<Self> {
        let root = opened_root(process)?;
        let is_ours = namespace_of(process) == namespace_of(Path::new("/proc/self"));
        let pid = || process.file_name()?.to_str()?.parse().ok();
        Some(Self::Theirs(root, if is_ours { None } else { pid() }))
    }

    /// The process by way of which paths are looked up in another mount namespace than the reader's.
    fn namespace_of(&self) -> Option<i32> {
        if let Self::Theirs(_, pid) = self { *pid } else { None }
    }

    /// The directory of `path`.
    fn compare_directory(&self, held: (u64, u64), path: &Path) -> WindowState {
        self.compare(held, |root| directory(root, path))
    }

    /// What is at `path`, where no link is followed at its end.
    fn compare_file(&self, held: (u64, u64), path: &Path) -> WindowState {
        self.compare(held, |root| file(root, path))
    }

    fn compare(&self, held: (u64, u64), find: impl Fn(&OwnedFd) -> Option<(u64, u64)>) -> WindowState {
        match self {
            Self::Theirs(root, _) => match find(root) {
                Some(found) if found == held => WindowState::There,
                Some(_) => WindowState::Replaced,
                None => WindowState::Gone,
            },
            // Another namespace may have something else there, and be right.
            Self::Readers(root) if find(root) == Some(held) => WindowState::There,
            Self::Readers(_) | Self::Nowhere => WindowState::Unknown,
        }
    }
}

/// The processes of each mount namespace, by its number. All are listed once, when one is asked for that the first process is not
/// in: a host has thousands, and each of them may ask.
#[derive(Debug, Default)]
pub(super) struct Inhabitants(OnceCell<HashMap<u64, Vec<PathBuf>>>);

impl Inhabitants {
    /// A process of the mount namespace with this number that was there when one that began at `started` did: numbers are given
    /// out again. The first process as a rule, and never the reader, which has just come.
    fn of(&self, number: u64, started: u64) -> Option<PathBuf> {
        let is_one = |process: &Path| {
            namespace_of(process) == Some(number) && self::started(process).is_some_and(|its| its <= started)
        };
        let first = PathBuf::from("/proc/1");
        if is_one(&first) {
            return Some(first);
        }
        self.0.get_or_init(listed).get(&number)?.iter().find(|process| is_one(process)).cloned()
    }
}

fn listed() -> HashMap<u64, Vec<PathBuf>> {
    let mut all: HashMap<u64, Vec<PathBuf>> = HashMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path()) {
        if let Some(number) = namespace_of(&process) {
            all.entry(number).or_default().push(process);
        }
    }
    all
}

/// The number of a process's mount namespace.
fn namespace_of(process: &Path) -> Option<u64> {
    fs::metadata(process.join("ns/mnt")).ok().map(|found| found.ino())
}

/// When a process began, in ticks since the host's start: the 22nd field of `stat` (proc_pid_stat(5)), of which the second may
/// hold blanks.
fn started(process: &Path) -> Option<u64> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    text.rsplit_once(") ")?.1.split(' ').nth(22 - 3)?.parse().ok()
}

/// The directory `path` as it is found in `root`.
fn walked(root: &OwnedFd, path: &Path) -> Option<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root.as_fd(), path, how).ok()
}

/// Device and inode of what is at `path`.
fn file(root: &OwnedFd, path: &Path) -> Option<(u64, u64)> {
    let parent = walked(root, path.parent()?)?;
    let found = fstatat(&parent, path.file_name()?, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    Some((found.st_dev, found.st_ino))
}

/// Device and inode of the directory in which the end of `path` is, where links lead as they do in `root`.
fn directory(root: &OwnedFd, path: &Path) -> Option<(u64, u64)> {
    let mut path = path.to_owned();
    for _ in 0..=MOST_LINKS {
        let (parent, name) = (path.parent()?, path.file_name()?);
        let parent_fd = walked(root, parent)?;
        let link = fstatat(&parent_fd, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK);
        if !link {
            return fstat(&parent_fd).ok().map(|found| (found.st_dev, found.st_ino));
        }
        path = parent.join(readlinkat(&parent_fd, name).ok()?);
    }
    None
}
