//! Whether a directory that a gate will see holds more than what it is shown for.
//!
//! A gate sees the whole directory of its agent's socket, since an agent that restarts makes a new one there. Where that
//! directory is one that all programs of a host share, or holds sockets of other programs, it is a way to them: a file or
//! directory cannot be opened by code in a gate, but a socket can be connected to, if its mode lets the gate's user.

use crate::{
    file_kind::kind,
    pinned::{DATABASE, Pinned},
};
use nix::{fcntl::AtFlags, sys::stat::SFlag, sys::stat::fstatat};
use std::{
    fs,
    os::{fd::AsRawFd, unix::fs::FileTypeExt},
    path::Path,
};

/// Directories that programs share (file-hierarchy(7), hier(7)).
const SHARED: [&str; 22] = [
    "/",
    "/dev",
    "/dev/shm",
    "/etc",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/run/lock",
    "/run/user",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/lib",
    "/usr/local",
    "/var",
    "/var/lib",
    "/var/run",
    "/var/tmp",
];

/// Entries that are looked at: a directory with more is a large one of one program's.
const MOST: usize = 4096;

/// A sentence for the log about this directory, if it is wide.
pub(crate) fn warning(place: &Pinned) -> Option<String> {
    let directory = place.above();
    let more = if SHARED.iter().any(|shared| directory == Path::new(shared)) {
        "all programs of this host share it".to_owned()
    } else {
        let (name, owner) = foreign_socket(place)?;
        format!("it also holds {name}, a socket of uid {owner}")
    };
    let who = if place.purpose() == DATABASE { "agent" } else { "gate" };
    Some(format!(
        "{} {}: the {who} sees the whole directory {}, and {more}: code in a {who} that was taken over can connect to every \
         socket there that lets its user; give this socket a directory of its own",
        place.purpose(),
        place.path().display(),
        directory.display()
    ))
}

/// A socket beside this one that belongs neither to the directory's owner nor to this one's.
fn foreign_socket(place: &Pinned) -> Option<(String, u32)> {
    let own = nix::sys::stat::fstat(place.directory()).ok()?.st_uid;
    let agent = place.found().ok()?.map(|found| found.st_uid);
    let entries = fs::read_dir(format!("/proc/self/fd/{}", place.directory().as_raw_fd())).ok()?;
    let sockets = entries.take(MOST).flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    let mut names = sockets.map(|entry| entry.file_name()).filter(|name| name != place.name());
    names.find_map(|name| {
        let found = fstatat(place.directory(), name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        let foreign = kind(found.st_mode) == SFlag::S_IFSOCK && found.st_uid != own && Some(found.st_uid) != agent;
        foreign.then(|| (name.to_string_lossy().into_owned(), found.st_uid))
    })
}
