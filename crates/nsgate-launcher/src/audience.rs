//! Which users may see the content of a file that root opens.
//!
//! An agent has its programs started as root (rootwrap, sudo) and reads what they say. It names the file, and may put a link
//! in the place of its own. What is said of a wrong text shows words and lines of it, so they are shown only to callers who
//! could have read the file themselves.

use crate::rights::{READ, Rights, SEARCH};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::{FileStat, Mode},
    unistd::{getegid, geteuid, getgid, getuid},
};
use std::{
    fs::read_link,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::{Path, absolute},
};

/// Variables in which programs that lend root's rights say to whom (sudo(8), pkexec(1)).
const LENT_TO: [(&str, &str); 2] = [("SUDO_UID", "SUDO_GID"), ("PKEXEC_UID", "PKEXEC_GID")];

/// For whom a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// For the process itself: what the kernel opened is its to see.
    Own,
    /// For a user and a group whose rights are less than the process's.
    Lesser { uid: u32, gid: u32 },
    /// For a user who is not known.
    Anyone,
}

/// Why words of the file that `descriptor` is open at are not shown; `None` if they may be. `path` is how it was asked for.
pub(crate) fn hidden(path: &Path, descriptor: BorrowedFd<'_>, status: &FileStat) -> Option<String> {
    // The name of the opened file, even if another has replaced it since (proc_pid_fd(5)).
    let real = read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd())).ok();
    // Of a file with a second name it is not known who gave it this one (link(2)).
    let straight = real.is_some() && real == absolute(path).ok() && status.st_nlink == 1;
    let audience = audience(straight);
    if audience == Audience::Own || real.is_some_and(|real| readable(audience, &real, descriptor)) {
        return None;
    }
    Some(match audience {
        Audience::Lesser { uid, .. } => format!("uid {uid}, for whom root reads it, may not read this file"),
        _ => "the path leads through a link, and not every user may read the file behind it".to_owned(),
    })
}

fn audience(straight: bool) -> Audience {
    let (uid, gid) = (getuid(), getgid());
    if uid != geteuid() || gid != getegid() {
        return Audience::Lesser { uid: uid.as_raw(), gid: gid.as_raw() };
    }
    if !uid.is_root() {
        return Audience::Own;
    }
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    for (user, group) in LENT_TO {
        if let Some(uid @ 1..) = number(user) {
            return Audience::Lesser { uid, gid: number(group).unwrap_or(u32::MAX) };
        }
    }
    if straight { Audience::Own } else { Audience::Anyone }
}

/// Whether a user may open the file that `descriptor` is open at, which is at this path without a link in it.
fn readable(audience: Audience, real: &Path, descriptor: BorrowedFd<'_>) -> bool {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let searchable = |directory: &Path| {
        open(directory, flags, Mode::empty()).is_ok_and(|opened| may(audience, opened.as_fd(), SEARCH))
    };
    may(audience, descriptor, READ) && real.ancestors().skip(1).all(searchable)
}

/// By mode and access control list, as the kernel reads them (acl(5), "access check algorithm").
fn may(audience: Audience, file: BorrowedFd<'_>, right: u8) -> bool {
    Rights::of(file).is_ok_and(|rights| match audience {
        Audience::Lesser { uid, gid } => rights.permit_surely(uid, gid, right),
        Audience::Own | Audience::Anyone => rights.permit_everybody(right),
    })
}
