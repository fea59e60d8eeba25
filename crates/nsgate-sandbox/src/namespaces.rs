//! Namespaces of the process's own: PID for the child, mount, IPC and UTS for itself.
//!
//! Promises that each one really changed (inode numbers below `/proc/self/ns` are compared), and that no mount made
//! later shows outside. Refuses to go on where `/proc` is missing: an unchecked namespace is none.

use std::{io, path::PathBuf};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::stat::stat,
    unistd::getpid,
};

use crate::{Error, Result};

/// Makes the next child the first process of a new PID namespace (`unshare(CLONE_NEWPID)`).
///
/// Call it right before the one `fork`: every later child of the caller lands in the same namespace, and none can be
/// started once its first process has ended. In the child, [`assert_first`] is the proof.
///
/// # Errors
///
/// [`Error::Unshare`] without CAP_SYS_ADMIN, [`Error::Proc`] without `/proc`.
pub fn separate_pid() -> Result<()> {
    let before = identity("pid")?;
    unshare(CloneFlags::CLONE_NEWPID).map_err(|source| Error::Unshare { flags: "CLONE_NEWPID", source })?;
    // The link has no target until the namespace has its first process: that, too, is a namespace which is not ours.
    match identity("pid_for_children") {
        Ok(after) if after == before => Err(Error::NamespaceUnchanged { name: "pid" }),
        Ok(_) => Ok(()),
        Err(Error::Proc { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Proves, in the child, that it is the first process of its PID namespace.
///
/// # Errors
///
/// [`Error::NotFirst`] with the id it has instead.
pub fn assert_first() -> Result<()> {
    let pid = getpid().as_raw();
    if pid == 1 { Ok(()) } else { Err(Error::NotFirst { pid }) }
}

/// Gives this process mount, IPC and UTS namespaces of its own, and cuts every mount off from where it came from.
///
/// # Errors
///
/// [`Error::Unshare`], [`Error::NamespaceUnchanged`], [`Error::MakePrivate`], and [`Error::Proc`] without `/proc`.
pub fn separate_rest() -> Result<()> {
    const NAMES: [&str; 3] = ["mnt", "ipc", "uts"];
    let read = || -> Result<Vec<_>> { NAMES.iter().map(|name| identity(name)).collect() };
    let before = read()?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
        .map_err(|source| Error::Unshare { flags: "CLONE_NEWNS|CLONE_NEWIPC|CLONE_NEWUTS", source })?;
    for ((name, before), after) in NAMES.iter().zip(before).zip(read()?) {
        if before == after {
            return Err(Error::NamespaceUnchanged { name });
        }
    }
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(Error::MakePrivate)
}

/// Device and inode of a namespace: two are the same exactly if both agree (`namespaces(7)`).
fn identity(name: &str) -> Result<(u64, u64)> {
    let path = PathBuf::from("/proc/self/ns").join(name);
    match stat(&path) {
        Ok(status) => Ok((status.st_dev, status.st_ino)),
        Err(errno) => Err(Error::Proc { path, source: errno_to_io(errno) }),
    }
}

fn errno_to_io(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno as i32)
}
