//! One file that a confined process may open, again and again: one name in one directory.
//!
//! A file that is replaced by renaming another over it cannot be held as a descriptor, and a process that may open
//! paths may open more than the one it is meant to. Here the path and the way it is opened (`struct open_how`) stand in
//! memory that was made read-only, and the filter lets `openat2(2)` pass with these two addresses alone. A process that
//! may no longer change its mappings cannot put another path there, with any code that runs in it. The name of the file's access
//! control list lies beside them, for `fgetxattr(2)`.

use crate::{Error, Result, sys};
use nix::{
    errno::Errno,
    fcntl::{OFlag, ResolveFlag},
};
use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// The file, by its directory and its name.
#[derive(Debug)]
pub struct OneFile {
    directory: OwnedFd,
    how: &'static [u8],
    path: &'static CStr,
    list: &'static CStr,
}

/// The extended attribute in which a POSIX access control list is (acl(5)).
const LIST: &CStr = c"system.posix_acl_access";
/// Room for the largest value of an attribute (`XATTR_SIZE_MAX`, linux/limits.h) would be 64 KiB; a list of five hundred
/// entries takes this much, in bytes.
const LONGEST_LIST: usize = 4096;

impl OneFile {
    /// `directory` is any descriptor of the directory, O_PATH included. The memory is never given back: make one for
    /// each process.
    ///
    /// # Errors
    /// [`Error::OneFile`] for a name that is not one plain component, or a kernel without memory.
    pub fn new(directory: OwnedFd, name: &str) -> Result<Self> {
        let wrong = |source| Error::OneFile { name: name.to_owned(), source };
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(wrong(Errno::EINVAL));
        }
        // O_NONBLOCK: should a FIFO have the name, opening it must not wait (open(2)).
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_XDEV;
        let flags = u64::try_from(flags.bits()).map_err(|_| wrong(Errno::EINVAL))?;
        // struct open_how of linux/openat2.h: flags, mode, resolve.
        let mut bytes: Vec<u8> = [flags, 0, resolve.bits()].into_iter().flat_map(u64::to_ne_bytes).collect();
        let length = bytes.len();
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        let end = bytes.len();
        bytes.extend_from_slice(LIST.to_bytes_with_nul());
        let page = sys::read_only(&bytes).map_err(wrong)?;
        let (how, names) = page.split_at_checked(length).ok_or_else(|| wrong(Errno::EINVAL))?;
        let (path, list) = names.split_at_checked(end - length).ok_or_else(|| wrong(Errno::EINVAL))?;
        let name = |bytes| CStr::from_bytes_with_nul(bytes).map_err(|_| wrong(Errno::EINVAL));
        Ok(Self { directory, how, path: name(path)?, list: name(list)? })
    }

    /// The access control list of a file that was opened here, as the kernel hands it out; `None` if it has none, or its file
    /// system knows none.
    ///
    /// # Errors
    /// What the kernel says (`fgetxattr(2)`): `ERANGE` for a list of more than 511 entries.
    pub fn access_control_list(&self, file: BorrowedFd<'_>) -> std::result::Result<Option<Vec<u8>>, Errno> {
        let mut value = vec![0; LONGEST_LIST];
        match sys::fgetxattr(file, self.list, &mut value) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens what has the name now, to read it. A link is not followed, and neither is anything else than the name.
    ///
    /// # Errors
    /// What the kernel says (`openat2(2)`).
    pub fn open(&self) -> std::result::Result<OwnedFd, Errno> {
        sys::openat2(self.directory.as_fd(), self.path, self.how)
    }

    /// The directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// What a filter has to know, by the names that its policy has for them.
    pub(crate) fn addresses(&self) -> [(&'static str, usize); 3] {
        let [path, list] = [self.path, self.list].map(|name| name.as_ptr().addr());
        [("path", path), ("how", self.how.as_ptr().addr()), ("list", list)]
    }
}
