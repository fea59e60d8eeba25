//! The machine: kernel, settings, log, and libraries that are loaded into every program.

use super::Finding;
use crate::site;
use nix::sys::utsname::uname;
use nsgate_sandbox::attest;
use std::{
    fs, io,
    os::unix::{fs::FileTypeExt, net::UnixDatagram},
    path::Path,
};

/// The oldest kernel that nsgate starts on.
const OLDEST: (u32, u32) = (5, 12);

pub(super) fn look() -> Vec<Finding> {
    let mut all = vec![kernel(), landlock(), filters(), settings(), log()];
    all.extend(preloaded("every program of this host", &fs::read_to_string("/etc/ld.so.preload").unwrap_or_default()));
    all.extend(namespaces());
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if scope.trim() == "3" {
        let what = "kernel.yama.ptrace_scope is 3: no process reads counters, and `nsgate status --all` and metrics have no numbers";
        all.push(Finding::note("kernel", what));
    }
    all
}

fn kernel() -> Finding {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            Finding::wrong("kernel", format!("Linux {release} is too old"), "nsgate needs Linux 5.12 or later")
        }
        _ => Finding::ok("kernel", format!("Linux {release}")),
    }
}

fn landlock() -> Finding {
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let shown =
        if modules.trim().is_empty() { String::new() } else { format!("; security modules: {}", modules.trim()) };
    match attest::kernel().landlock_abi {
        0 => Finding::note(
            "kernel",
            format!("no Landlock: the second of two walls is missing (boot with lsm=landlock,…){shown}"),
        ),
        abi => Finding::ok("kernel", format!("Landlock ABI {abi}{shown}")),
    }
}

fn filters() -> Finding {
    match fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.split_whitespace().any(|action| action == "kill_process") => {
            Finding::ok("kernel", "filters of system calls (seccomp)")
        }
        Ok(_) => Finding::wrong(
            "kernel",
            "seccomp cannot end a process",
            "use a kernel with SECCOMP_RET_KILL_PROCESS (4.14)",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::wrong(
            "kernel",
            "no filters of system calls",
            "use a kernel with CONFIG_SECCOMP_FILTER: no gate starts without",
        ),
        Err(error) => Finding::unseen("kernel", format!("seccomp: {error}")),
    }
}

/// Limits that permit no namespace.
fn namespaces() -> Vec<Finding> {
    let none = |kind: &&str| {
        let limit = fs::read_to_string(format!("/proc/sys/user/max_{kind}_namespaces")).unwrap_or_default();
        limit.trim() == "0"
    };
    let kinds = ["pid", "mnt", "ipc", "uts"].into_iter().filter(|kind| none(kind));
    let said = |kind: &str| {
        let what = format!("user.max_{kind}_namespaces is 0: no gate can be started");
        Finding::wrong("kernel", what, format!("`sysctl -w user.max_{kind}_namespaces=10000`"))
    };
    kinds.map(said).collect()
}

fn settings() -> Finding {
    match site::load() {
        Ok(_) if Path::new(site::PATH).exists() => Finding::ok("settings", site::PATH),
        Ok(_) => Finding::ok("settings", format!("no {}: everything has its default", site::PATH)),
        Err(error) if error.contains("EACCES") || error.contains("Permission denied") => {
            Finding::unseen("settings", error)
        }
        Err(error) => {
            let remedy = format!("no gate starts under the haproxy name until `nsgate check {}` says fine", site::PATH);
            Finding::wrong("settings", error.trim().to_owned(), remedy)
        }
    }
}

/// The system log: connects to it as a gate does.
fn log() -> Finding {
    const LOG: &str = "/dev/log";
    const REMEDY: &str = "start the log (systemd-journald, rsyslog); gates that run find it when it comes";
    const MOUNT: &str = "start the log (systemd-journald, rsyslog); in a container, mount the host's /dev/log into the one \
                         that proxies run in, which with sidecars is not the agent's";
    let link = fs::read_link(LOG).map(|to| format!(", a link to {}", to.display())).unwrap_or_default();
    match fs::metadata(LOG) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::wrong("log", format!("nothing is at {LOG}{link}: lines of gates that start here are lost"), MOUNT)
        }
        Err(error) => Finding::unseen("log", format!("{LOG}{link}: {error}")),
        Ok(found) if !found.file_type().is_socket() => {
            Finding::wrong("log", format!("{LOG}{link} is no socket"), REMEDY)
        }
        Ok(_) => match UnixDatagram::unbound().and_then(|socket| socket.connect(LOG)) {
            Ok(()) => Finding::ok("log", format!("a process reads {LOG}{link}")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Finding::wrong("log", format!("no process reads {LOG}{link}: lines of gates are lost"), REMEDY)
            }
            Err(error) => Finding::unseen("log", format!("{LOG}{link}: {error}")),
        },
    }
}

/// Libraries that the loader loads into every program (`/etc/ld.so.preload`, ld.so(8)).
pub(super) fn preloaded(whose: &str, list: &str) -> Vec<Finding> {
    let names = list.lines().map(|line| line.split('#').next().unwrap_or_default());
    let names = names.flat_map(|line| line.split([' ', '\t', ':'])).filter(|name| !name.is_empty());
    let said = |name: &str| {
        let name = name.escape_debug();
        if name.to_string().contains("malloc") {
            let what = format!("{name} is loaded into {whose}: an allocator, with which no gate starts");
            return Finding::wrong("preloaded", what, "load it into the programs that need it, and not into nsgate");
        }
        Finding::note("preloaded", format!("{name} is loaded into {whose}"))
    };
    names.take(super::MOST).map(said).collect()
}
