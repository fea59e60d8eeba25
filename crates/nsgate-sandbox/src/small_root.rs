//! A root directory that holds its windows, short names for what is in them, and nothing else.
//!
//! A window is a directory of the host (the backend socket's, say), taken by descriptor while it can still be named,
//! and shown at `/NAME`, read-only, without set-uid, devices or programs, and without what is mounted below it. The
//! root itself is a tiny read-only tmpfs; the old root is detached, so no path and no `..` leads back.
//!
//! A [`ShortName`] gives a socket in a window a name so short that its address is shorter than any of IPv4 or IPv6: the filter
//! can then tell the two apart by their length, which is all that it sees of an address.
//!
//! Promises to list the new root and compare it with what was asked for, and to read back the flags of every mount.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::symlink,
    },
    path::Path,
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::{
        stat::{Mode, fstat, stat},
        statvfs::{FsFlags, statvfs},
    },
    unistd::{chdir, mkdir, pivot_root},
};

use crate::{Error, Origin, Result, ShortName, sys};

/// Where the tmpfs is put together before it becomes the root. It must exist, and it is of no use any more: every read
/// from `/proc` was done before. The mount is this process's own: no other process sees it.
pub(crate) const SITE: &str = "/proc";

/// Room for the root and its windows' directories, no more. Its owner may write until it is made read-only, so that no
/// CAP_DAC_OVERRIDE is needed.
const TMPFS: &str = "mode=0755,size=4k,nr_inodes=32";

/// The name of a root that was given none.
const NAMELESS: &str = "tmpfs";

/// A directory that will be seen in the small root.
#[derive(Debug)]
pub struct RootWindow {
    /// Its name there: `backend` becomes `/backend`.
    name: &'static str,
    /// The detached mount.
    tree: OwnedFd,
    /// Device and inode of the directory.
    identity: (u64, u64),
}

/// Proof that this process stands in a small root, and what that shows.
#[derive(Debug)]
pub struct SmallRoot {
    windows: Vec<&'static str>,
}

impl SmallRoot {
    /// Names of the windows, sorted.
    #[must_use]
    pub fn windows(&self) -> &[&'static str] {
        &self.windows
    }
}

/// Takes a directory as a window. Before [`separate_rest`](crate::namespaces::separate_rest): the descriptor belongs
/// to the mount namespace it was opened in, and only there can its mount be cloned.
///
/// `dir` is any descriptor of the directory, O_PATH included: what was pinned and checked is what will be shown.
///
/// # Errors
///
/// [`Error::TakeWindow`]: no CAP_SYS_ADMIN over this mount namespace, or a kernel before 5.12.
pub fn take(name: &'static str, dir: BorrowedFd<'_>) -> Result<RootWindow> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(Error::WindowName { name });
    }
    let fail = |call| move |source| Error::TakeWindow { name, call, source };
    let tree = sys::open_tree_clone(dir).map_err(fail("open_tree(OPEN_TREE_CLONE)"))?;
    sys::make_window(tree.as_fd()).map_err(fail("mount_setattr(RDONLY|NOSUID|NODEV|NOEXEC)"))?;
    let status = fstat(dir).map_err(fail("fstat"))?;
    Ok(RootWindow { name, tree, identity: (status.st_dev, status.st_ino) })
}

/// A read-only view of a directory, by descriptor alone: it is shown nowhere, and nothing in it starts a program, is a
/// device or sets an id. Before [`separate_rest`](crate::namespaces::separate_rest), as [`take`].
///
/// # Errors
///
/// [`Error::View`]: no CAP_SYS_ADMIN over this mount namespace, or a kernel before 5.12.
pub fn view(dir: BorrowedFd<'_>) -> Result<OwnedFd> {
    let fail = |call| move |source| Error::View { call, source };
    let tree = sys::open_tree_clone(dir).map_err(fail("open_tree(OPEN_TREE_CLONE)"))?;
    sys::make_window(tree.as_fd()).map_err(fail("mount_setattr(RDONLY|NOSUID|NODEV|NOEXEC)"))?;
    Ok(tree)
}

/// Replaces the root by one that shows these windows and links alone. After
/// [`separate_rest`](crate::namespaces::separate_rest), before the privileges are dropped.
///
/// # Errors
///
/// [`Error::SmallRoot`] naming the call, [`Error::RootShows`] if the result is not what was asked for.
pub fn enter(windows: Vec<RootWindow>, links: &[ShortName]) -> Result<SmallRoot> {
    enter_at(Path::new(SITE), windows, links)
}

/// The same, put together at a directory that [`separate_rest_from`](crate::namespaces::separate_rest_from) returned.
///
/// # Errors
///
/// As [`enter`].
pub fn enter_at(site: &Path, windows: Vec<RootWindow>, links: &[ShortName]) -> Result<SmallRoot> {
    enter_named(site, NAMELESS, windows, links)
}

/// The same at the usual place for a root without a name, and with an origin.
///
/// # Errors
///
/// As [`enter`].
pub fn enter_from(origin: &Origin, windows: Vec<RootWindow>, links: &[ShortName]) -> Result<SmallRoot> {
    enter_named(Path::new(SITE), &origin.named(NAMELESS), windows, links)
}

/// The same, and the root carries `name`, which others read back ([`attest::name_of_root`](crate::attest::name_of_root)).
/// It is the name of the mount's source: the process that stands in the root has no right to change it.
///
/// # Errors
///
/// As [`enter`].
pub fn enter_named(site: &Path, name: &str, windows: Vec<RootWindow>, links: &[ShortName]) -> Result<SmallRoot> {
    let mut wanted: Vec<(&'static str, (u64, u64))> = windows.iter().map(|it| (it.name, it.identity)).collect();
    wanted.sort_unstable();
    let mut names: Vec<&'static str> =
        wanted.iter().map(|(name, _)| *name).chain(links.iter().map(|it| it.name)).collect();
    names.sort_unstable();
    if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b) {
        return Err(Error::WindowName { name });
    }
    let locked = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(name), site, Some("tmpfs"), locked, Some(TMPFS)).map_err(fail("mount(tmpfs)"))?;
    chdir(site).map_err(fail("chdir into the tmpfs"))?;
    for RootWindow { name, tree, .. } in windows {
        mkdir(name, Mode::from_bits_truncate(0o755)).map_err(fail("mkdir of a window in the tmpfs"))?;
        let path = CString::new(name).map_err(|_| Error::WindowName { name })?;
        sys::move_mount(tree.as_fd(), &path).map_err(fail("move_mount of a window into the tmpfs"))?;
    }
    for ShortName { name, target } in links {
        symlink(target, name).map_err(|error| fail("symlink in the tmpfs")(errno(&error)))?;
    }
    let none: Option<&str> = None;
    mount(none, ".", none, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | locked, Some(TMPFS))
        .map_err(fail("mount(MS_REMOUNT|MS_RDONLY) of the tmpfs"))?;
    let expected = device_and_inode(".")?;
    // The old root lands on top of the new one and is detached from there: no directory is needed for it.
    pivot_root(".", ".").map_err(fail("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(fail("umount2(MNT_DETACH) of the old root"))?;
    chdir("/").map_err(fail("chdir(/)"))?;
    check(&wanted, links, &names, expected)?;
    Ok(SmallRoot { windows: wanted.into_iter().map(|(name, _)| name).collect() })
}

/// Reads the new root back: the same directory as was put together, its entries, that each is the directory that was
/// taken or the link that was asked for, and the flags of every mount.
fn check(
    wanted: &[(&'static str, (u64, u64))],
    links: &[ShortName],
    names: &[&'static str],
    expected: (u64, u64),
) -> Result<()> {
    for path in ["/", ".", "/.."] {
        if device_and_inode(path)? != expected {
            return Err(shows("the new tmpfs".to_owned(), format!("another directory at {path}")));
        }
    }
    let mut found = Vec::new();
    let list = fs::read_dir("/").and_then(|entries| {
        for entry in entries {
            found.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(())
    });
    list.map_err(|error: io::Error| shows(format!("{names:?}"), format!("nothing readable: {error}")))?;
    found.sort_unstable();
    if found != names {
        return Err(shows(format!("{names:?}"), format!("{found:?}")));
    }
    for ShortName { name, target } in links {
        let leads = fs::read_link(Path::new("/").join(name)).map_err(|error| fail("readlink")(errno(&error)))?;
        if leads != *target {
            return Err(shows(format!("{name} -> {}", target.display()), format!("{name} -> {}", leads.display())));
        }
    }
    let closed = FsFlags::ST_RDONLY | FsFlags::ST_NOSUID | FsFlags::ST_NODEV | FsFlags::ST_NOEXEC;
    let windows = wanted.iter().map(|(name, taken)| (format!("/{name}"), *taken));
    for (path, taken) in std::iter::once(("/".to_owned(), expected)).chain(windows) {
        if device_and_inode(&path)? != taken {
            return Err(shows(format!("the directory that was taken at {path}"), "another one".to_owned()));
        }
        let flags = statvfs(path.as_str()).map_err(fail("statvfs"))?.flags();
        if !flags.contains(closed) {
            return Err(shows(format!("{path} with {closed:?}"), format!("{path} with {flags:?}")));
        }
    }
    Ok(())
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn device_and_inode(path: &str) -> Result<(u64, u64)> {
    stat(path).map(|status| (status.st_dev, status.st_ino)).map_err(fail("stat of the new root"))
}

fn fail(call: &'static str) -> impl Fn(Errno) -> Error {
    move |source| Error::SmallRoot { call, source }
}

fn shows(expected: String, found: String) -> Error {
    Error::RootShows { expected, found }
}
