//! Files in directories that others may write: whoever looks at a host opens nothing there but plain files.

use nix::fcntl::OFlag;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::Path,
};

/// Bytes that a pid file may have.
const LONGEST: u64 = 64;

/// Opens a plain file. To open anything else may wait for ever (a FIFO), or do something (a device: watchdog(4)): what the
/// name leads to is looked at first, and the same file is opened then.
///
/// # Errors
/// The kernel's; `InvalidInput` if it is a link, a directory or anything else.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let seen = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if !seen.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no plain file"));
    }
    File::open(format!("/proc/self/fd/{}", seen.as_raw_fd()))
}

/// The number in a pid file, if it holds one.
///
/// # Errors
/// As [`open`]'s.
pub(crate) fn read_pid(path: &Path) -> io::Result<Option<i32>> {
    let mut bytes = Vec::new();
    open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().parse().ok())
}
