//! Namespaces of the process's own: PID for the child, mount, IPC and UTS for itself.
//!
//! Promises that each one really changed (inode numbers below `/proc/self/ns` are compared), and that no mount made
//! later shows outside. Refuses to go on where `/proc` is missing: an unchecked namespace is none.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open},
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    sys::stat::{Mode, fstat, fstatat, stat},
    unistd::getpid,
};

use crate::{Error, Result, small_root, sys};

/// Makes the next child the first process of a new PID namespace (`unshare(CLONE_NEWPID)`).
///
/// Call it right before the one `fork`: every later child of the caller lands in the same namespace, and none can be
/// started once its first process has ended. In the child, [`assert_first`] is the proof.
///
/// # Errors
///
/// [`Error::Unshare`] without CAP_SYS_ADMIN, [`Error::Proc`] without `/proc`.
pub fn separate_pid() -> Result<()> {
    let before = namespace_id("pid")?;
    unshare(CloneFlags::CLONE_NEWPID).map_err(|source| Error::Unshare { flags: "CLONE_NEWPID", source })?;
    // The link has no target until the namespace has its first process: that, too, is a namespace which is not ours.
    match namespace_id("pid_for_children") {
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
    separate_rest_from(None).map(drop)
}

/// The same, from a lender's mount namespace if there is one and the kernel lets this process in: what is copied has as few
/// mounts as a small root. Returns where the next small root may be put together
/// ([`small_root::enter_at`](crate::small_root::enter_at)).
///
/// # Errors
///
/// As [`separate_rest`].
pub fn separate_rest_from(lender: Option<Lender>) -> Result<PathBuf> {
    const NAMES: [&str; 3] = ["mnt", "ipc", "uts"];
    // By descriptor: a lender's root has no /proc.
    let names = own_names()?;
    let read = || -> Result<Vec<_>> { NAMES.iter().map(|name| identity_in(&names, name)).collect() };
    let before = read()?;
    let lent = lender.filter(|lender| setns(&lender.namespace, CloneFlags::CLONE_NEWNS).is_ok());
    let between = read()?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
        .map_err(|source| Error::Unshare { flags: "CLONE_NEWNS|CLONE_NEWIPC|CLONE_NEWUTS", source })?;
    let after = read()?;
    for (((name, before), between), after) in NAMES.iter().zip(before).zip(between).zip(after) {
        if after == before || after == between {
            return Err(Error::NamespaceUnchanged { name });
        }
    }
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(Error::MakePrivate)?;
    Ok(lent.map_or_else(|| PathBuf::from(small_root::SITE), |lender| lender.site))
}

/// The mount namespace of a process that stands in a small root.
///
/// A new mount namespace is a copy of the one that its maker is in, mount by mount, and a host has a mount for each name
/// of a network namespace: thousands. A host that starts many processes starts them from a namespace with few.
#[derive(Debug)]
pub struct Lender {
    namespace: OwnedFd,
    /// A directory in it, on which something can be mounted.
    site: PathBuf,
}

/// Mounts of a small root: itself and its windows.
const FEW: usize = 16;

impl Lender {
    /// That of process `pid`; nothing if it does not stand in a small root of its own, if its namespace belongs to another
    /// user namespace than this process's, or if this process may not look.
    ///
    /// Nothing in that namespace is trusted: what is used of it is one name to mount on, in a copy that no other process sees.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let process = PathBuf::from("/proc").join(pid.to_string());
        let mounts = std::fs::read_to_string(process.join("mountinfo")).ok()?;
        let site = window_of(&mounts)?;
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let namespace = open(&process.join("ns/mnt"), flags, Mode::empty()).ok()?;
        let own = namespace_id("mnt").ok()?;
        let found = fstat(&namespace).ok()?;
        let owner = fstat(sys::owner_of(namespace.as_fd()).ok()?).ok()?;
        let other = (found.st_dev, found.st_ino) != own;
        let same_owner = (owner.st_dev, owner.st_ino) == namespace_id("user").ok()?;
        (other && same_owner).then_some(Self { namespace, site })
    }
}

/// The first window of what `/proc/PID/mountinfo` (proc_pid_mountinfo(5)) shows of a small root.
fn window_of(mounts: &str) -> Option<PathBuf> {
    // In no order that means something.
    let places: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    let root = mounts.lines().any(|line| line.contains(" / / ") && line.contains(" - tmpfs "));
    let flat =
        |place: &&str| place.strip_prefix('/').is_some_and(|name| !name.is_empty() && !name.contains(['/', '\\']));
    let window = places.iter().find(|place| flat(place))?;
    (root && places.len() <= FEW).then(|| PathBuf::from(window))
}

/// The directory of this process's namespaces.
fn own_names() -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let path = PathBuf::from("/proc/self/ns");
    open(&path, flags, Mode::empty()).map_err(|errno| Error::Proc { path, source: errno_to_io(errno) })
}

/// [`identity`] by way of [`own_names`].
fn identity_in(names: &OwnedFd, name: &str) -> Result<(u64, u64)> {
    match fstatat(names, name, AtFlags::empty()) {
        Ok(status) => Ok((status.st_dev, status.st_ino)),
        Err(errno) => Err(Error::Proc { path: PathBuf::from("/proc/self/ns").join(name), source: errno_to_io(errno) }),
    }
}

/// Device and inode of a namespace: two are the same exactly if both agree (`namespaces(7)`).
fn namespace_id(name: &str) -> Result<(u64, u64)> {
    let path = PathBuf::from("/proc/self/ns").join(name);
    match stat(&path) {
        Ok(status) => Ok((status.st_dev, status.st_ino)),
        Err(errno) => Err(Error::Proc { path, source: errno_to_io(errno) }),
    }
}

fn errno_to_io(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno as i32)
}

#[cfg(test)]
mod tests {
    use super::{FEW, Lender, window_of};
    use std::path::PathBuf;

    const ROOT: &str = "37 1 0:41 / / ro,nosuid,nodev,noexec - tmpfs tmpfs rw,size=4k\n";

    #[test]
    fn a_small_root_shows_where_something_can_be_mounted() {
        let window = "38 37 0:42 /agent /backend ro,nosuid - tmpfs lab rw\n";
        assert_eq!(window_of(&format!("{ROOT}{window}")), Some(PathBuf::from("/backend")));
        assert_eq!(window_of(&format!("{window}{ROOT}")), Some(PathBuf::from("/backend")));
        assert_eq!(window_of(ROOT), None, "nothing to mount on");
        assert_eq!(window_of(""), None);
        assert_eq!(window_of(&format!("{}{window}", ROOT.replace("tmpfs", "ext4"))), None, "a host's root");
        assert_eq!(window_of(&format!("{ROOT}{}", window.replace("/backend", "/run/netns"))), None, "no window");
        assert_eq!(window_of(&format!("{ROOT}{}", window.repeat(FEW))), None, "too many");
    }

    #[test]
    fn what_is_not_a_small_root_is_not_lent() {
        assert!(Lender::of(0).is_none());
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Lender::of(own).is_none(), "this process stands in a root of the host's");
    }
}
