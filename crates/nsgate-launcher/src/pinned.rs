//! Step 3: paths become descriptors, once.
//!
//! A path is walked from `/`, one component at a time ([`crate::walk`]), and every directory on the way is looked at: only
//! root and who is trusted may be able to put something else in the place of the next component. Afterwards the path is not
//! used any more.

use crate::{
    LaunchError,
    file_kind::{kind, kind_name},
    trust::Trust,
    walk::Walk,
};
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

/// The key that names sockets of a database: what they are for.
pub(crate) const DATABASE: &str = "remotes";

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

    /// The same for a socket that another process makes, now or later: the agent's, the pool's, or a database's.
    pub(crate) fn walk_to_socket(
        path: &AbsolutePath,
        trust: &Trust,
        purpose: &'static str,
    ) -> Result<Self, LaunchError> {
        let pinned = Self::walk(path, trust, purpose)?;
        match pinned.found()? {
            Some(status) if kind(status.st_mode) != SFlag::S_IFSOCK => {
                let whose = if purpose == DATABASE { "database server" } else { "metadata agent" };
                let found = kind_name(status.st_mode);
                Err(pinned.wrong(&format!("this is {found}, not a socket; name the {whose}'s socket")))
            }
            _ => Ok(pinned),
        }
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

    /// The socket that has the name now, by descriptor. A connection to `/proc/self/fd/N` reaches this socket, also where
    /// something else has taken the name in the meantime, and goes through no link.
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
        LaunchError::path(self.purpose, &self.path, reason)
    }
}
