//! The root directory that a service manager has put together for a process which starts without a privilege.
//!
//! Such a process can neither mount nor pivot. It can look whether what it was given is small, and refuse to go on in a
//! root that is not: promises that the root is a read-only tmpfs which the manager has filled by hand, that nothing in it
//! can be written but the process's own directory, and that a process with any capability at all gets no such proof: it
//! makes a root of its own ([`small_root`](crate::small_root)).
//!
//! The process's own directory holds short names for what it may reach, as the small root does, and becomes its working
//! directory.

use std::{
    fs,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::symlink,
    },
    path::Path,
};

use nix::{
    errno::Errno,
    sys::stat::{fstat, stat},
    unistd::{AccessFlags, UnlinkatFlags, access, fchdir, getpid, getppid, unlinkat},
};

use crate::{
    Error, Result, ShortName,
    mounts::{self, Mount},
    privileges,
};

/// File systems that hold nothing of a disk, where a service finds them in any root; `/dev` is a tmpfs that the
/// manager fills with the devices of `PrivateDevices=`.
const KERNELS: [(&str, &[&str]); 2] = [("/proc", &["proc"]), ("/dev", &["devpts", "mqueue", "hugetlbfs", "tmpfs"])];

/// A directory of the given root that the process may still reach into.
#[derive(Debug)]
pub struct Opening<'a> {
    name: &'static str,
    path: &'a Path,
    directory: BorrowedFd<'a>,
}

impl<'a> Opening<'a> {
    /// The directory at `path`, which `directory` is open at, under this short name.
    #[must_use]
    pub fn new(name: &'static str, path: &'a Path, directory: BorrowedFd<'a>) -> Self {
        Self { name, path, directory }
    }
}

/// Proof that this process stands in a root that was put together for it, and what that shows.
#[derive(Debug)]
pub struct GivenRoot {
    openings: Vec<(&'static str, OwnedFd)>,
    shows: Vec<String>,
    own_pids: bool,
}

impl GivenRoot {
    /// What it may reach into, by name.
    pub(crate) fn openings(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        self.openings.iter().map(|(name, directory)| (*name, directory.as_fd()))
    }

    /// What is less than a root of the process's own, one sentence each.
    pub(crate) fn shortfalls(&self) -> Vec<String> {
        let root = format!("the root directory is the service manager's: {}", self.shows.join(" "));
        let pids = (!self.own_pids).then(|| "the PID namespace is the service manager's".to_owned());
        std::iter::once(root).chain(pids).collect()
    }
}

/// Looks at the root that this process was started in, and makes the short names in `place`, a directory of its own,
/// which becomes the working directory: `name` for each opening, and the links, which lead into those.
///
/// # Errors
/// [`Error::RootGiven`] if the process holds a capability or the root is not a small one; [`Error::Names`] if the names
/// cannot be made or do not lead where they should.
pub fn look(place: BorrowedFd<'_>, openings: &[Opening<'_>], links: &[ShortName]) -> Result<GivenRoot> {
    if !privileges::none()? {
        return Err(given("is not needed: this process holds capabilities, and can make one of its own"));
    }
    fchdir(place).map_err(failed("fchdir"))?;
    let mounts = mounts::of_this_process().ok_or_else(|| given("cannot be looked at: /proc is not mounted there"))?;
    let here = nix::unistd::getcwd().map_err(failed("getcwd"))?;
    check_mounts(&mounts, &here, |point| access(point, AccessFlags::W_OK).is_ok())?;
    for Opening { name, path, .. } in openings {
        name_it(place, name, path)?;
    }
    for link in links {
        name_it(place, link.name(), link.target())?;
    }
    for Opening { name, directory, .. } in openings {
        let (taken, found) = (device_and_inode(fstat(directory)), device_and_inode(stat(*name)));
        if taken? != found? {
            return Err(Error::Names { call: "stat", source: Errno::ESTALE });
        }
    }
    let list = fs::read_dir("/").map_err(|error| given(&format!("cannot be listed: {error}")))?;
    let mut shows: Vec<String> = list.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    shows.sort_unstable();
    let openings = openings.iter().map(|opening| Ok((opening.name, owned(opening.directory)?)));
    Ok(GivenRoot { openings: openings.collect::<Result<_>>()?, shows, own_pids: first() })
}

/// The root is a read-only tmpfs, and everything that is mounted in it is read-only or nothing that this process may write,
/// but for what is the kernel's and what is the process's own.
fn check_mounts(mounts: &[Mount], place: &Path, writable: impl Fn(&Path) -> bool) -> Result<()> {
    let root = mounts.iter().find(|mount| mount.point == "/");
    let root = root.ok_or_else(|| given("is not a mount of this process's own"))?;
    if root.kind != "tmpfs" {
        return Err(given(&format!("is a whole {}, and not one that was put together for it", root.kind)));
    }
    let own = |mount: &Mount| Path::new(&mount.point) == place;
    let kernels = |mount: &Mount| {
        let below = |top: &str| Path::new(&mount.point).starts_with(top);
        KERNELS.iter().any(|(top, kinds)| below(top) && kinds.contains(&mount.kind.as_str()))
    };
    let read_only = |mount: &Mount| mount.options.split(',').any(|option| option == "ro");
    // What is root's in an empty file system.
    let roots = |mount: &Mount| mount.kind == "tmpfs" && mount.point != "/" && !writable(Path::new(&mount.point));
    match mounts.iter().find(|mount| !read_only(mount) && !kernels(mount) && !own(mount) && !roots(mount)) {
        Some(mount) => Err(given(&format!("can be written at {}", mount.point))),
        None => Ok(()),
    }
}

/// `name` stands for `target`. What an earlier process of this kind left there goes.
fn name_it(place: BorrowedFd<'_>, name: &'static str, target: &Path) -> Result<()> {
    match unlinkat(place, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(source) => return Err(Error::Names { call: "unlinkat", source }),
    }
    let made = symlink(target, name).and_then(|()| fs::read_link(name));
    let leads = made.map_err(|error| failed("symlink")(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))?;
    if leads == target { Ok(()) } else { Err(Error::Names { call: "readlink", source: Errno::ESTALE }) }
}

/// Whether this process, or its parent, is the first of its PID namespace: a service manager that is the parent of
/// services is not theirs.
fn first() -> bool {
    getpid().as_raw() == 1 || getppid().as_raw() == 1
}

fn device_and_inode(status: nix::Result<nix::sys::stat::FileStat>) -> Result<(u64, u64)> {
    status.map(|status| (status.st_dev, status.st_ino)).map_err(failed("stat"))
}

fn owned(directory: BorrowedFd<'_>) -> Result<OwnedFd> {
    let copied = directory.try_clone_to_owned();
    copied.map_err(|error| failed("fcntl")(error.raw_os_error().map_or(Errno::EMFILE, Errno::from_raw)))
}

fn given(found: &str) -> Error {
    Error::RootGiven { found: found.to_owned() }
}

fn failed(call: &'static str) -> impl Fn(Errno) -> Error {
    move |source| Error::Names { call, source }
}

#[cfg(test)]
mod tests {
    use super::check_mounts;
    use crate::mounts::Mount;
    use std::path::Path;

    const PLACE: &str = "/run/nsgate-pool";

    fn mount(point: &str, options: &str, kind: &str) -> Mount {
        Mount { point: point.to_owned(), options: options.to_owned(), kind: kind.to_owned(), removed: false }
    }

    fn refused(mounts: &[Mount]) -> String {
        check_mounts(mounts, PLACE.as_ref(), |point| point == Path::new("/tmp")).unwrap_err().to_string()
    }

    #[test]
    fn a_root_that_was_put_together_is_taken() {
        let mounts = [
            mount("/", "ro,nosuid,nodev", "tmpfs"),
            mount("/usr/bin/nsgate", "ro,nosuid", "ext4"),
            mount("/proc", "rw,nosuid", "proc"),
            mount("/dev/pts", "rw", "devpts"),
            mount("/run", "rw,nosuid", "tmpfs"),
            mount("/run/nsgate-pool", "rw,nosuid", "tmpfs"),
        ];
        let writable = |point: &Path| point == Path::new(PLACE);
        assert!(check_mounts(&mounts, PLACE.as_ref(), writable).is_ok());
        assert!(check_mounts(&mounts, Path::new("/run/other"), writable).is_err(), "that one is not its own");
    }

    #[test]
    fn a_hosts_root_and_one_that_can_be_written_are_not() {
        assert!(refused(&[mount("/", "ro", "ext4")]).contains("a whole ext4"));
        assert!(refused(&[mount("/", "rw", "tmpfs")]).contains("written at /;"));
        let more = |more| refused(&[mount("/", "ro", "tmpfs"), more]);
        assert!(more(mount("/tmp", "rw", "tmpfs")).contains("written at /tmp;"));
        assert!(more(mount("/processes", "rw", "ext4")).contains("written at /processes;"));
        assert!(more(mount("/dev/host", "rw", "ext4")).contains("written at /dev/host;"));
        assert!(refused(&[]).contains("not a mount"));
    }
}
