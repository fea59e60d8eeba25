//! Step 3: paths become descriptors, once (findings 1 and 5).
//!
//! A path is walked from `/`, one component at a time ([`crate::walk`]), and every directory on the way is looked at: only
//! root and who is trusted may be able to put something else in the place of the next component. Afterwards the path is not
//! used any more.

use crate::{LaunchError, trust::Trust, walk::Walk};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
};
use nsgate_config::AbsolutePath;
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// A directory that was walked to, and a name in it.
#[derive(Debug)]
pub(crate) struct Pinned {
    directory: OwnedFd,
    /// Where the directory is, links followed.
    above: PathBuf,
    name: String,
    path: PathBuf,
    purpose: &'static str,
}

impl Pinned {
    /// Walks to the directory of `path`.
    pub(crate) fn walk(path: &AbsolutePath, trust: &Trust, purpose: &'static str) -> Result<Self, LaunchError> {
        let (parent, name) = path.split();
        let mut walk = Walk::from_root(trust, purpose)?;
        walk.follow(parent)?;
        let (directory, above) = walk.arrive()?;
        Ok(Self { directory, above, name: name.to_owned(), path: path.as_path().to_owned(), purpose })
    }

    /// The directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Where it is, without a link.
    pub(crate) fn above(&self) -> &Path {
        &self.above
    }

    /// The name in it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The whole path, as it was written.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same, which a link at the end of `path` has led to.
    pub(crate) fn linked_from(self, path: &AbsolutePath) -> Self {
        Self { path: path.as_path().to_owned(), ..self }
    }

    /// What the path is for.
    pub(crate) fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// What has the name now, if anything; a link is not followed.
    pub(crate) fn found(&self) -> Result<Option<FileStat>, LaunchError> {
        match fstatat(&self.directory, self.name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(status)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(self.wrong(&error.to_string())),
        }
    }

    /// The socket that has the name now, by descriptor: whoever connects by `/proc/self/fd/N` connects to it, whatever has
    /// taken the name in the meantime, and never through a link.
    ///
    /// # Errors
    /// What the kernel says; `ENOTSOCK` if it is something else.
    pub(crate) fn socket(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let socket = openat(&self.directory, self.name.as_str(), flags, Mode::empty())?;
        if kind(fstat(&socket)?.st_mode) == SFlag::S_IFSOCK { Ok(socket) } else { Err(Errno::ENOTSOCK) }
    }

    /// An error about this path.
    pub(crate) fn wrong(&self, reason: &str) -> LaunchError {
        wrong(self.purpose, &self.path, reason)
    }
}

/// A socket that somebody else makes, or nothing yet: the agent's, or the pool's.
pub(crate) fn backend(path: &AbsolutePath, trust: &Trust, purpose: &'static str) -> Result<Pinned, LaunchError> {
    let pinned = Pinned::walk(path, trust, purpose)?;
    match pinned.found()? {
        Some(status) if kind(status.st_mode) != SFlag::S_IFSOCK => Err(pinned
            .wrong(&format!("this is {}, not a socket; name the metadata agent's socket", kind_name(status.st_mode)))),
        _ => Ok(pinned),
    }
}

/// Kind of file, of its mode.
pub(crate) fn kind(mode: u32) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}

/// Kind of file, in words.
pub(crate) fn kind_name(mode: u32) -> &'static str {
    match kind(mode) {
        SFlag::S_IFREG => "a file",
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    }
}

pub(crate) fn wrong(purpose: &'static str, path: &Path, reason: &str) -> LaunchError {
    LaunchError::Path { purpose, path: path.to_owned(), reason: reason.to_owned() }
}
