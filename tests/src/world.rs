//! A private world for one body of code: namespaces of its own, which the kernel removes at its end.
//!
//! ```text
//! caller ── fork ──► A: unshare(user?, mount, pid, net, ipc, uts)
//!                    └─ fork ──► pid 1: mounts /proc, /run, /dev, /etc/passwd; reaps orphaned processes
//!                                └─ fork ──► the body
//! ```
//! When the body ends, pid 1 ends, and the kernel kills every process left in the PID namespace and drops the mounts and
//! network namespaces with them. When the caller dies, A and pid 1 die with it (PR_SET_PDEATHSIG).
//!
//! What the body finds: `/proc` of its own PID namespace, an empty tmpfs on `/run` (so `ip netns` is private) and on `/tmp`, a
//! `/dev` with the usual devices and room for a `/dev/log`, an `/etc` of its own without the host's `/etc/nsgate`, and an
//! account `neutron` in `/etc/passwd` and `/etc/group`. As root the account has an unused id; without root it is the
//! caller, which is the only one the user namespace maps. Everything else of the host is read-only, but for this source
//! tree and what is built of it (`sealed.rs`).

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, Uid};

use crate::{sealed, sys};

/// The exit status of a body that panicked.
pub const PANICKED: i32 = 101;
/// The exit status when the world itself could not be made.
pub const NO_WORLD: i32 = 102;

/// The id the account `neutron` gets when the world is made by root.
pub const NEUTRON_ID: u32 = 64_042;
/// The id of `stranger`, a second account that is neither root nor the gate's user; only in root's world.
pub const STRANGER_ID: u32 = 64_043;

/// Runs `body` in a new world and returns its exit status (128 and the number for a signal).
///
/// # Errors
/// When the caller has more than one thread or cannot fork. What goes wrong inside the world is printed there and
/// becomes status [`NO_WORLD`].
pub fn run(body: impl FnOnce() -> i32) -> io::Result<i32> {
    match sys::fork_single()? {
        ForkResult::Parent { child } => sys::wait_for(child),
        ForkResult::Child => sys::exit_now(outside(body)),
    }
}

/// As [`run`], for a process that is already a forked child of its own and ends with the body.
pub fn become_world(body: impl FnOnce() -> i32) -> ! {
    sys::exit_now(outside(body))
}

/// Whether this process can make a world: `None`, or the reason why not.
pub fn missing() -> Option<String> {
    match run(|| 0) {
        Ok(0) => None,
        Ok(status) => Some(format!("a private world could not be made (status {status}; the reason is above)")),
        Err(error) => Some(error.to_string()),
    }
}

fn outside(body: impl FnOnce() -> i32) -> i32 {
    let result = (|| -> io::Result<i32> {
        sys::die_with_parent()?;
        let root = Uid::effective().is_root();
        if !root {
            user_namespace()?;
        }
        let separate = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS;
        unshare(separate).map_err(|e| explain("unshare(mount, pid, net, ipc, uts)", e))?;
        match sys::fork_single()? {
            ForkResult::Parent { child } => sys::wait_for(child),
            ForkResult::Child => sys::exit_now(report(first_process(root, body))),
        }
    })();
    report(result)
}

fn report(result: io::Result<i32>) -> i32 {
    result.unwrap_or_else(|error| {
        eprintln!("laboratory: {error}");
        NO_WORLD
    })
}

fn explain(what: &str, error: nix::errno::Errno) -> io::Error {
    io::Error::new(io::Error::from(error).kind(), format!("{what}: {error}"))
}

/// A user namespace that maps the caller and nothing else: under its own number, or, where that is what every account that is
/// not mapped looks like (`nobody` of Debian; overflowuid in proc(5)), under the usual one, so that root's files do not look
/// like its own.
fn user_namespace() -> io::Result<()> {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let inside = |id: u32, overflow: &str| {
        let text = fs::read_to_string(overflow)?;
        io::Result::Ok(if text.trim() == id.to_string() { NEUTRON_ID } else { id })
    };
    let (own, group) = (inside(uid, "/proc/sys/kernel/overflowuid")?, inside(gid, "/proc/sys/kernel/overflowgid")?);
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| {
        io::Error::other(format!(
            "unshare(user): {error}; this kernel or container does not let an ordinary user make a user namespace: \
             run as root, or set kernel.unprivileged_userns_clone=1 / kernel.apparmor_restrict_unprivileged_userns=0"
        ))
    })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{own} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {gid} 1"))?;
    Ok(())
}

fn first_process(root: bool, body: impl FnOnce() -> i32) -> io::Result<i32> {
    sys::die_with_parent()?;
    mounts(root)?;
    if !root {
        keep_capabilities_across_exec()?;
    }
    let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    match up {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(io::Error::other(format!("ip link set lo up: {status}"))),
        Err(error) => return Err(io::Error::other(format!("cannot run `ip` ({error}); apt-get install iproute2"))),
    }
    match sys::fork_single()? {
        ForkResult::Child => {
            sys::die_with_parent()?;
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(PANICKED);
            let _ = io::Write::flush(&mut io::stdout());
            sys::exit_now(status)
        }
        ForkResult::Parent { child } => reap_until(child),
    }
}

fn reap_until(body: nix::unistd::Pid) -> io::Result<i32> {
    use nix::errno::Errno;
    use nix::sys::wait::{WaitStatus, wait};
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, status)) if pid == body => return Ok(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == body => return Ok(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Without root, a program keeps capabilities over execve(2) only if they are ambient.
fn keep_capabilities_across_exec() -> io::Result<()> {
    let held = caps::read(None, caps::CapSet::Permitted).map_err(io::Error::other)?;
    caps::set(None, caps::CapSet::Inheritable, &held).map_err(io::Error::other)?;
    caps::set(None, caps::CapSet::Ambient, &held).map_err(io::Error::other)
}

fn mounts(root: bool) -> io::Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|e| explain("making the mounts private", e))?;
    sealed::seal().map_err(|e| io::Error::new(e.kind(), format!("sealing the host's files: {e}")))?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, none).map_err(|e| explain("mounting a new /proc", e))?;
    let run = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("lab"), "/run", Some("tmpfs"), run, Some("mode=0755")).map_err(|e| explain("mounting a new /run", e))?;
    fs::create_dir("/run/netns")?;
    fs::create_dir("/run/lab")?;
    sealed::own_etc(root).map_err(|e| io::Error::new(e.kind(), format!("making an /etc: {e}")))?;
    devices()?;
    accounts(root)
}

/// A /dev with the usual devices, on a tmpfs, so that a test may have its own /dev/log.
fn devices() -> io::Result<()> {
    let none: Option<&str> = None;
    let dev = Path::new("/run/lab/dev");
    fs::create_dir(dev)?;
    mount(Some("lab"), dev, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755"))
        .map_err(|e| explain("mounting a new /dev", e))?;
    for name in ["null", "zero", "full", "random", "urandom", "tty", "net/tun"] {
        let (from, to) = (Path::new("/dev").join(name), dev.join(name));
        if !from.exists() {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(dev))?;
        fs::write(&to, "")?;
        mount(Some(&from), &to, none, MsFlags::MS_BIND, none).map_err(|e| explain(&format!("binding {from:?}"), e))?;
    }
    // Terminals of this world's own: a bound /dev/ptmx would look for them beside the host's.
    fs::create_dir(dev.join("pts"))?;
    let terminals = Some("newinstance,mode=0620,ptmxmode=0666");
    mount(Some("lab"), &dev.join("pts"), Some("devpts"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, terminals)
        .map_err(|e| explain("mounting a new /dev/pts", e))?;
    symlink("pts/ptmx", dev.join("ptmx"))?;
    fs::create_dir(dev.join("shm"))?;
    fs::set_permissions(dev.join("shm"), std::os::unix::fs::PermissionsExt::from_mode(0o1777))?;
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(target, dev.join(link))?;
    }
    mount(Some(dev), "/dev", none, MsFlags::MS_MOVE, none).map_err(|e| explain("moving the new /dev into place", e))?;
    fs::remove_dir(dev)
}

/// The account `neutron`, in this world's account files only.
fn accounts(root: bool) -> io::Result<()> {
    let (uid, gid) =
        if root { (NEUTRON_ID, NEUTRON_ID) } else { (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw()) };
    let mut passwd = format!("neutron:x:{uid}:{gid}:OpenStack Neutron:/nonexistent:/usr/sbin/nologin\n");
    let mut group = format!("neutron:x:{gid}:\n");
    if root {
        passwd.push_str(&format!("stranger:x:{STRANGER_ID}:{STRANGER_ID}::/nonexistent:/usr/sbin/nologin\n"));
        group.push_str(&format!("stranger:x:{STRANGER_ID}:\n"));
    }
    for (name, ours) in [("passwd", passwd), ("group", group)] {
        let file = Path::new("/etc").join(name);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        let theirs = fs::read_to_string(&file).map_err(named)?;
        let kept = theirs.lines().filter(|line| !line.starts_with("neutron:")).map(|line| format!("{line}\n"));
        fs::write(&file, ours + &kept.collect::<String>()).map_err(named)?;
    }
    Ok(())
}
