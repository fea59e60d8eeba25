//! A directory of this process's own beside a place in which others may write: what is made there, and given an owner and a
//! mode by its name, cannot be exchanged by them meanwhile. What is ready takes its place by one rename.
//!
//! Promises that nothing but what was made here is ever removed: names of strangers are not taken and not touched.

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat},
    unistd::{UnlinkatFlags, geteuid, unlinkat},
};
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// How often another name is tried where one is taken.
const ATTEMPTS: usize = 16;

/// A call, and what the kernel said.
pub(crate) type Failed = (&'static str, Errno);

/// The directory; [`PrivateDirectory::remove`] must be called.
#[derive(Debug)]
pub(crate) struct PrivateDirectory {
    name: String,
    directory: OwnedFd,
    made: (u64, u64),
}

impl PrivateDirectory {
    /// Makes one in `above`.
    pub(crate) fn make(above: BorrowedFd<'_>) -> Result<Self, Failed> {
        for _ in 0..ATTEMPTS {
            // 64 bits of the kernel's random numbers: no process can have taken all of them.
            let name = format!(".nsgate-{:016x}", RandomState::new().build_hasher().finish());
            match mkdirat(above, name.as_str(), Mode::S_IRWXU) {
                Ok(()) => {
                    return Self::open(above, &name).inspect_err(|(_, error)| {
                        // The directory of that name now is another one.
                        if *error != Errno::ESTALE {
                            remove_empty(above, &name);
                        }
                    });
                }
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(("mkdirat", error)),
            }
        }
        Err(("mkdirat", Errno::EEXIST))
    }

    /// A user who may write above may have put something else there already: what is opened must be this user's alone,
    /// and on the same file system. Only this user can have made such a directory.
    fn open(above: BorrowedFd<'_>, name: &str) -> Result<Self, Failed> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = openat(above, name, flags, Mode::empty()).map_err(|error| ("openat", error))?;
        let (found, around) =
            fstat(&directory).and_then(|found| Ok((found, fstat(above)?))).map_err(|error| ("fstat", error))?;
        let own = found.st_uid == geteuid().as_raw() && found.st_mode & 0o077 == 0 && found.st_dev == around.st_dev;
        if own {
            Ok(Self { name: name.to_owned(), directory, made: device_and_inode(&found) })
        } else {
            Err(("openat", Errno::ESTALE))
        }
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Moves the file to `name` in `above`, and replaces a file of that name.
    pub(crate) fn publish(&self, made: &str, above: BorrowedFd<'_>, name: &str) -> Result<(), Failed> {
        renameat(&self.directory, made, above, name).map_err(|error| ("renameat", error))
    }

    /// Removes the directory from `above`, and what was made in it, if that is still there.
    ///
    /// The directory's name is compared first. In the moment in between another empty directory could be put there, by who
    /// may remove it anyway.
    pub(crate) fn remove(&self, above: BorrowedFd<'_>, made: &str) {
        // What could not be removed at first is tried once more; after that it is an empty directory.
        if matches!(unlinkat(&self.directory, made, UnlinkatFlags::NoRemoveDir), Err(error) if error != Errno::ENOENT) {
            let _ = unlinkat(&self.directory, made, UnlinkatFlags::NoRemoveDir);
        }
        let found = fstatat(above, self.name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        // The name is random: where the kernel does not say what has it, it is still ours.
        if found.map_or_else(|error| error != Errno::ENOENT, |found| device_and_inode(&found) == self.made) {
            remove_empty(above, &self.name);
        }
    }
}

/// Removes an empty directory, and tries twice.
fn remove_empty(above: BorrowedFd<'_>, name: &str) {
    if unlinkat(above, name, UnlinkatFlags::RemoveDir).is_err() {
        let _ = unlinkat(above, name, UnlinkatFlags::RemoveDir);
    }
}

/// Device and inode.
pub(crate) fn device_and_inode(status: &FileStat) -> (u64, u64) {
    (status.st_dev, status.st_ino)
}

/// Removes `name` from `directory` if it is still what was `made`, and no directory.
///
/// Between the comparison and the removal who may write in the directory could put something else there: something of
/// their own, or a further name of what they may name. They could remove either themselves.
pub(crate) fn remove_if_same(directory: BorrowedFd<'_>, name: &str, made: (u64, u64)) {
    let found = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    if found
        .is_ok_and(|found| device_and_inode(&found) == made && crate::file_kind::kind(found.st_mode) != SFlag::S_IFDIR)
    {
        let _ = unlinkat(directory, name, UnlinkatFlags::NoRemoveDir);
    }
}
