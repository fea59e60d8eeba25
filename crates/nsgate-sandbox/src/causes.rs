//! Why a system call of a start was refused, as far as its error, the kernel's version and this process's capabilities say.
//! One table for every message.

use crate::sys;
use nix::{errno::Errno, sys::utsname::uname};

/// Name and number of a capability.
type Capability = (&'static str, u8);
/// Major and minor number of a kernel.
type Version = (u32, u32);

/// What a call takes: the Linux that has it, and the capability without which it is refused.
const CALLS: [(&str, Version, Option<Capability>); 18] = [
    ("openat2", (5, 6), Some(("CAP_DAC_READ_SEARCH", 2))),
    ("openat", (2, 6), Some(("CAP_DAC_OVERRIDE", 1))),
    ("renameat", (2, 6), Some(("CAP_DAC_OVERRIDE", 1))),
    ("mkdirat", (2, 6), Some(("CAP_DAC_OVERRIDE", 1))),
    ("fchownat", (2, 6), Some(("CAP_CHOWN", 0))),
    ("fchmodat", (2, 6), Some(("CAP_FOWNER", 3))),
    ("unshare", (2, 6), Some(ADMIN)),
    ("setns", (3, 0), Some(ADMIN)),
    ("mount", (2, 6), Some(ADMIN)),
    ("pivot_root", (2, 6), Some(ADMIN)),
    ("umount2", (2, 6), Some(ADMIN)),
    ("open_tree", (5, 2), Some(ADMIN)),
    ("move_mount", (5, 2), Some(ADMIN)),
    ("mount_setattr", (5, 12), Some(ADMIN)),
    ("bind", (2, 6), Some(("CAP_NET_BIND_SERVICE", 10))),
    ("setsockopt", (2, 6), Some(("CAP_NET_RAW", 13))),
    ("pidfd_open", (5, 3), None),
    ("close_range", (5, 9), None),
];
const ADMIN: Capability = ("CAP_SYS_ADMIN", 21);

/// Calls that every Landlock domain forbids (landlock(7)).
const MOUNTING: [&str; 6] = ["mount", "pivot_root", "umount2", "open_tree", "move_mount", "mount_setattr"];

/// The likely cause of `error` in answer to `call`, and what to do, in a sentence without an end. `call` may go on with what
/// the call was for, in brackets or behind a blank.
#[must_use]
pub fn likely(call: &str, error: Errno) -> String {
    let name = call.split(['(', ' ']).next().unwrap_or(call);
    let Some((_, since, capability)) = CALLS.iter().find(|(known, ..)| *known == name) else {
        return general(name, error);
    };
    let held = sys::capget().map_or(u64::MAX, |sets| sets.effective);
    likely_cause(name, error, *since, *capability, (version(), held))
}

/// With what is known of the kernel and of this process.
fn likely_cause(
    name: &str,
    error: Errno,
    since: Version,
    capability: Option<Capability>,
    (version, held): (Version, u64),
) -> String {
    let missing = capability.filter(|(_, bit)| held & (1 << bit) == 0).map(|(name, _)| name);
    match (error, missing) {
        (Errno::ENOSYS, _) if version < since => format!(
            "this kernel is Linux {}.{} and has no {name}, which came with {}.{}; Linux 5.12 has every call that is needed",
            version.0, version.1, since.0, since.1
        ),
        (Errno::ENOSYS, _) => filtered(name, version),
        // Of a file that is another's the kernel says EACCES (path_resolution(7)).
        (Errno::EPERM, Some("CAP_DAC_READ_SEARCH" | "CAP_DAC_OVERRIDE")) => filtered(name, version),
        (Errno::EPERM | Errno::EACCES, Some(capability)) => format!(
            "this process has no {capability}: start as root with it (CapabilityBoundingSet= of a unit, --cap-add of a container)"
        ),
        (Errno::EPERM, None) if MOUNTING.contains(&name) => format!(
            "it has every right for that, so something forbids {name} altogether: a Landlock domain that it was started in, \
             the profile of a container engine, or RestrictNamespaces= and SystemCallFilter= of a unit; start it outside"
        ),
        (Errno::EACCES, None) if MOUNTING.contains(&name) => {
            format!("a profile of AppArmor or SELinux forbids {name}: the kernel's log names it")
        }
        (Errno::EPERM, None) => filtered(name, version),
        (Errno::ENOSPC, _) if name == "unshare" => "there are as many namespaces as this user may have: raise \
             user.max_pid_namespaces, user.max_mnt_namespaces, user.max_ipc_namespaces and user.max_uts_namespaces \
             (sysctl(8)), here and in the container's user namespace"
            .to_owned(),
        (Errno::EINVAL, _) if name == "unshare" => "this kernel was built without one of these namespaces".to_owned(),
        _ => general(name, error),
    }
}

/// A kernel that has the call, and says that it has not, or that it is forbidden.
fn filtered(name: &str, version: Version) -> String {
    format!(
        "Linux {}.{} has {name}, so a filter of system calls answers in its place: RestrictSUIDSGID= (openat2) or \
         SystemCallFilter= of a unit, systemd-nspawn, or the profile of a container engine that is older than the call; let it pass",
        version.0, version.1
    )
}

/// What these errors mean wherever they come from.
fn general(name: &str, error: Errno) -> String {
    match error {
        Errno::EMFILE => "this process may have no more descriptors: raise its limit (LimitNOFILE= of a unit)".to_owned(),
        Errno::ENFILE => "the host has no descriptor left: raise fs.file-max (sysctl(8))".to_owned(),
        Errno::EAGAIN => {
            "there are as many processes as may be: pids.max of the control group (TasksMax= of a unit), or RLIMIT_NPROC".to_owned()
        }
        Errno::ENOMEM => "the kernel has no memory for it, or the control group has none left (memory.max)".to_owned(),
        Errno::ENOSYS | Errno::EPERM => format!("a filter of system calls may answer in the place of {name}: a container's, or a unit's"),
        Errno::EACCES => "a profile of AppArmor or SELinux may forbid it: the kernel's log names it".to_owned(),
        _ => "the manual page of the call says when it answers so".to_owned(),
    }
}

/// Major and minor number of the running kernel; of one that does not say, none.
fn version() -> Version {
    let found = uname().ok().and_then(|name| parse(name.release().to_str()?));
    found.unwrap_or((0, 0))
}

fn parse(release: &str) -> Option<Version> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{ADMIN, likely, likely_cause, parse};
    use nix::errno::Errno;

    const ALL: u64 = u64::MAX;

    #[test]
    fn the_cause_depends_on_kernel_and_capabilities() {
        let said = |name, error, since, kernel, held| likely_cause(name, error, since, Some(ADMIN), (kernel, held));
        assert!(said("openat2", Errno::ENOSYS, (5, 6), (4, 19), ALL).contains("this kernel is Linux 4.19"));
        let filtered = said("openat2", Errno::ENOSYS, (5, 6), (6, 1), ALL);
        assert!(filtered.contains("RestrictSUIDSGID=") && !filtered.contains("this kernel is"), "{filtered}");
        assert!(said("openat2", Errno::EPERM, (5, 6), (6, 1), ALL).contains("container engine"));
        let search = |error| likely_cause("openat2", error, (5, 6), Some(("CAP_DAC_READ_SEARCH", 2)), ((6, 1), 0));
        assert!(
            search(Errno::EPERM).contains("container engine")
                && search(Errno::EACCES).contains("no CAP_DAC_READ_SEARCH")
        );
        assert!(said("unshare", Errno::EPERM, (2, 6), (6, 1), 0).contains("no CAP_SYS_ADMIN"));
        assert!(said("unshare", Errno::ENOSPC, (2, 6), (6, 1), ALL).contains("user.max_pid_namespaces"));
        assert!(said("mount", Errno::EPERM, (2, 6), (6, 1), ALL).contains("Landlock domain"));
        assert!(said("mount", Errno::EACCES, (2, 6), (6, 1), ALL).contains("AppArmor"));
        assert!(said("mount", Errno::EPERM, (2, 6), (6, 1), 0).contains("CAP_SYS_ADMIN"));
    }

    #[test]
    fn every_error_has_a_cause() {
        for call in ["mount(tmpfs)", "openat2", "fork", "setns", "something else"] {
            for error in [Errno::EPERM, Errno::ENOSYS, Errno::EMFILE, Errno::ENFILE, Errno::EAGAIN, Errno::EXDEV] {
                assert!(likely(call, error).len() > 20, "{call} {error}");
            }
        }
    }

    #[test]
    fn a_release_is_read() {
        assert_eq!(parse("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(parse("5.15"), Some((5, 15)));
        assert_eq!(parse("unknown"), None);
    }
}
