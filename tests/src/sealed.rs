//! The host's files as a world sees them: read-only, and without the settings that an operator made for nsgate.
//!
//! A suite must leave a machine as it found it, also one that nsgate serves on, and must find the same files on each
//! machine. So `/etc` and `/tmp` are the world's own, `/etc/nsgate` is not there, and every directory is read-only but those
//! on the way to the source tree and to what is built of it. Those stay as they are, and are no mounts of their own: a program
//! that leaves its mount namespace is called by its path below its mount (`/proc/PID/exe`), and tests ask for that name.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::program::{target, workspace};
use crate::sys;

/// What a world mounts anew, and the kernel's own files.
const OTHERS: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];

/// Seals the host's files. Wants private mounts.
pub(crate) fn seal() -> io::Result<()> {
    let kept: Vec<PathBuf> =
        [workspace(), target()].into_iter().filter_map(|place| place.canonicalize().ok()).collect();
    let leads_there = |place: &Path| kept.iter().any(|kept| kept.starts_with(place));
    let inside = |place: &Path| kept.iter().any(|kept| place.starts_with(kept));
    // A directory above one that is kept is open, and what else is in it is sealed.
    let above: BTreeSet<&Path> =
        kept.iter().flat_map(|place| place.ancestors().skip(1)).filter(|place| !inside(place)).collect();
    for directory in above {
        // Not every directory on the way lets its entries be listed; its owner's tests are not in danger there.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let place = entry.path();
            let other = OTHERS.iter().any(|other| place == Path::new(other));
            if entry.file_type()?.is_dir() && !other && !leads_there(&place) {
                read_only(&place)?;
            }
        }
    }
    if !leads_there(Path::new("/tmp")) {
        let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("lab"), "/tmp", Some("tmpfs"), plain, Some("mode=1777"))?;
    }
    Ok(())
}

fn read_only(place: &Path) -> io::Result<()> {
    let explained = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", place.display()));
    let mounts = match sys::mounts_at(place) {
        Ok(mounts) => mounts,
        // A directory that this user cannot enter needs no seal.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(explained(error)),
    };
    sys::make_read_only(&mounts).and_then(|()| sys::attach(&mounts, place)).map_err(explained)
}

/// Gives the world an `/etc` of its own, with the host's entries in it but for nsgate's. Wants a file system at `/run/lab`.
pub(crate) fn own_etc(root: bool) -> io::Result<()> {
    // An ordinary user may mount over root's files, but cannot write to them. A copy is the user's own.
    if root {
        overlay().or_else(|_| copied())?
    } else {
        copied()?
    };
    match fs::remove_dir_all("/etc/nsgate") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Costs one mount. Some containers are refused it.
fn overlay() -> io::Result<()> {
    for directory in ["/run/lab/etc-changes", "/run/lab/etc-work"] {
        fs::create_dir(directory)?;
    }
    let layers = "lowerdir=/etc,upperdir=/run/lab/etc-changes,workdir=/run/lab/etc-work";
    mount(Some("lab"), "/etc", Some("overlay"), MsFlags::empty(), Some(layers))?;
    Ok(())
}

/// Costs a copy of every file that may be read.
fn copied() -> io::Result<()> {
    let copy = Path::new("/run/lab/etc-copy");
    fs::create_dir(copy)?;
    copy_into(Path::new("/etc"), copy)?;
    let none: Option<&str> = None;
    mount(Some(copy), "/etc", none, MsFlags::MS_BIND, none)?;
    Ok(())
}

fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)?.flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
            fs::set_permissions(&to, entry.metadata()?.permissions())?;
            readable(copy_into(&from, &to))?;
        } else if kind.is_file() {
            readable(fs::copy(&from, &to).map(drop))?;
        }
    }
    Ok(())
}

/// Files that this user may not read are not in the copy.
fn readable(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) })
}
