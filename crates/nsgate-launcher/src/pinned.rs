//! Step 3: paths become descriptors, once (findings 1 and 5).
//!
//! A path is walked from `/`, one component at a time, without following a link, and every directory on the way is
//! looked at: only root and the gate's user may be able to put something else in the place of the next component.
//! Afterwards the path is not used any more.

use crate::LaunchError;
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::Ids;
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// A directory that was walked to, and a name in it.
#[derive(Debug)]
pub(crate) struct Pinned {
    directory: OwnedFd,
    name: String,
    path: PathBuf,
    purpose: &'static str,
}

impl Pinned {
    /// Walks to the directory of `path`.
    pub(crate) fn walk(path: &AbsolutePath, ids: &Ids, purpose: &'static str) -> Result<Self, LaunchError> {
        let (parent, name) = path.split();
        let mut walked = PathBuf::from("/");
        let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let mut directory = root.map_err(|error| wrong(purpose, &walked, &error.to_string()))?;
        for component in parent.split('/').filter(|component| !component.is_empty()) {
            let above = status(directory.as_fd(), purpose, &walked)?;
            walked.push(component);
            directory = step(directory.as_fd(), component, purpose, &walked)?;
            let here = status(directory.as_fd(), purpose, &walked)?;
            owned(&here, ids, purpose, &walked)?;
            unwritable(&above, Some(&here), ids, purpose, walked.parent().unwrap_or(Path::new("/")))?;
        }
        let last = status(directory.as_fd(), purpose, &walked)?;
        let pinned = Self { directory, name: name.to_owned(), path: path.as_path().to_owned(), purpose };
        // In the last directory nothing may be replaced by others, sticky or not: what comes there may come later.
        unwritable(&last, None, ids, purpose, &walked)?;
        Ok(pinned)
    }

    /// The directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Its path.
    pub(crate) fn above(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The name in it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The whole path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What has the name now, if anything; a link is not followed.
    pub(crate) fn found(&self) -> Result<Option<FileStat>, LaunchError> {
        match fstatat(&self.directory, self.name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(status)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(self.wrong(&error.to_string())),
        }
    }

    /// An error about this path.
    pub(crate) fn wrong(&self, reason: &str) -> LaunchError {
        wrong(self.purpose, &self.path, reason)
    }
}

/// The backend: a socket, or nothing yet.
pub(crate) fn backend(path: &AbsolutePath, ids: &Ids) -> Result<Pinned, LaunchError> {
    let pinned = Pinned::walk(path, ids, "backend")?;
    match pinned.found()? {
        Some(status) if kind(&status) != SFlag::S_IFSOCK => {
            Err(pinned
                .wrong(&format!("this is {}, not a socket; name the metadata agent's socket", kind_name(&status))))
        }
        _ => Ok(pinned),
    }
}

/// Kind of file.
pub(crate) fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT
}

/// Kind of file, in words.
pub(crate) fn kind_name(status: &FileStat) -> &'static str {
    match kind(status) {
        SFlag::S_IFREG => "a file",
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    }
}

fn step(
    directory: BorrowedFd<'_>,
    component: &str,
    purpose: &'static str,
    walked: &Path,
) -> Result<OwnedFd, LaunchError> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(directory, component, how).map_err(|error| match error {
        Errno::ELOOP => wrong(purpose, walked, "this is a symbolic link; write the path without it"),
        Errno::ENOTDIR => {
            wrong(purpose, walked, "this is not a directory, or a symbolic link to one; write the path without links")
        }
        Errno::ENOENT => wrong(purpose, walked, "there is no such directory; make it, or correct the path"),
        Errno::ENOSYS => wrong(purpose, walked, "openat2: this kernel is older than Linux 5.6, which nsgate needs"),
        error => wrong(purpose, walked, &format!("openat2: {error}")),
    })
}

fn status(directory: BorrowedFd<'_>, purpose: &'static str, path: &Path) -> Result<FileStat, LaunchError> {
    fstat(directory).map_err(|error| wrong(purpose, path, &format!("fstat: {error}")))
}

/// Directories of a stranger are not walked through. The kernel's overflow id is who root is when seen from inside a
/// user namespace that does not map it.
fn owned(status: &FileStat, ids: &Ids, purpose: &'static str, path: &Path) -> Result<(), LaunchError> {
    if trusted(status, ids) {
        return Ok(());
    }
    let reason = format!(
        "this directory belongs to uid {}; only root and the gate's user (uid {}) may own what a path leads through",
        status.st_uid, ids.uid
    );
    Err(wrong(purpose, path, &reason))
}

/// Whether this belongs to root or to the gate's user.
pub(crate) fn trusted(status: &FileStat, ids: &Ids) -> bool {
    status.st_uid == 0 || status.st_uid == ids.uid.as_raw() || status.st_uid == unmapped_root()
}

/// Others may not write here, unless the directory is sticky and what is taken from it is ours (`next`).
fn unwritable(
    status: &FileStat,
    next: Option<&FileStat>,
    ids: &Ids,
    purpose: &'static str,
    path: &Path,
) -> Result<(), LaunchError> {
    let mode = Mode::from_bits_truncate(status.st_mode);
    let sticky = mode.contains(Mode::S_ISVTX) && next.is_some_and(|next| trusted(next, ids));
    if !others_write(status, ids) || sticky {
        return Ok(());
    }
    let reason = format!(
        "others may write in this directory (mode {:04o}); take the right away, or use another directory",
        status.st_mode & 0o7777
    );
    Err(wrong(purpose, path, &reason))
}

/// Whether anybody but root, the gate's user and their groups may write this.
pub(crate) fn others_write(status: &FileStat, ids: &Ids) -> bool {
    let mode = Mode::from_bits_truncate(status.st_mode);
    let group_is_ours = status.st_gid == 0 || status.st_gid == ids.gid.as_raw() || status.st_gid == unmapped_root();
    mode.contains(Mode::S_IWOTH) || (mode.contains(Mode::S_IWGRP) && !group_is_ours)
}

/// Asks /proc now what a judgement may have to know when there is no /proc any more.
pub(crate) fn know_unmapped_root() {
    let _ = unmapped_root();
}

/// The id that stands for every id that this user namespace does not map (user_namespaces(7)). In the initial
/// namespace, where root is mapped, nobody is trusted by it.
fn unmapped_root() -> u32 {
    static UNMAPPED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *UNMAPPED.get_or_init(|| {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let maps_root = map.lines().any(|line| line.split_whitespace().next() == Some("0"));
        let overflow =
            std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok().and_then(|id| id.trim().parse().ok());
        if maps_root || map.is_empty() { 0 } else { overflow.unwrap_or(0) }
    })
}

fn wrong(purpose: &'static str, path: &Path, reason: &str) -> LaunchError {
    LaunchError::Path { purpose, path: path.to_owned(), reason: reason.to_owned() }
}
