//! Step 1: nothing of the caller's reaches the gate.

use crate::{LaunchError, clock, signals, sys};
use nix::sys::{
    resource::{Resource, setrlimit},
    stat::{Mode, umask},
};
use std::os::fd::{AsRawFd, OwnedFd};

/// What is still needed: where systemd wants to hear of readiness, and the tag by which the kill scripts of Neutron's
/// container deployments find the process (`neutron/agent/linux/external_process.py`).
const KEPT: [&str; 2] = ["NOTIFY_SOCKET", "PROCESS_TAG"];

/// Closes inherited descriptors, but for the `passed` first ones behind standard error (sd_listen_fds(3)) and a copy of
/// `kept`, which is returned if it is open; sets umask, forbids core dumps, empties the environment, unblocks signals.
pub(crate) fn start_clean(kept: Option<u16>, passed: u32) -> Result<Option<OwnedFd>, LaunchError> {
    // 0, 1 and 2 are open: the standard library opens /dev/null for those that are not.
    let first = FIRST_OF_OTHERS.saturating_add(passed);
    let kept = kept.and_then(|number| sys::copy_of(number.into()).ok());
    let number = kept.as_ref().and_then(|kept| u32::try_from(kept.as_raw_fd()).ok());
    if let Some(number) = number.filter(|number| *number > first) {
        sys::close_range(first, number - 1).map_err(LaunchError::clean("close_range"))?;
    }
    sys::close_range(number.map_or(first, |number| number + 1), u32::MAX).map_err(LaunchError::clean("close_range"))?;
    // The time zone is read now: later there is no file and no variable. It stays in memory, so it comes before what
    // only passes through: a page of the heap that holds nothing else would be kept for it.
    clock::read_zone();
    only(&(FIRST_OF_OTHERS..first).chain(number).collect::<Vec<_>>())?;
    umask(Mode::from_bits_truncate(0o077));
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(LaunchError::clean("setrlimit(RLIMIT_CORE)"))?;
    clear_environment(&KEPT);
    signals::reset()?;
    Ok(kept)
}

/// Removes every variable but `kept`, wherever its text is.
pub(crate) fn clear_environment(kept: &[&str]) {
    sys::clear_environment(kept, environment_area());
}

/// Where the kernel put the environment: `env_start` and `env_end`, the 50th and 51st field of `/proc/self/stat`
/// (proc_pid_stat(5)). Behind the program's name, which may hold anything, the 3rd follows.
fn environment_area() -> Option<std::ops::Range<usize>> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace().skip(50 - 3);
    let (start, end) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (start > 0 && start < end).then_some(start..end)
}

/// The first descriptor that is not standard input, output or error.
const FIRST_OF_OTHERS: u32 = 3;

/// Reads the list of open descriptors back: those that are kept, the listing itself, and no other.
pub(crate) fn only(kept: &[u32]) -> Result<(), LaunchError> {
    let unreadable = |source| LaunchError::Descriptors { found: format!("an unreadable /proc/self/fd ({source})") };
    let mut left = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        left.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()).filter(|fd| *fd >= FIRST_OF_OTHERS));
    }
    let others = left.iter().filter(|fd| !kept.contains(fd)).count();
    if others <= 1 && left.len() == kept.len() + others {
        return Ok(());
    }
    Err(LaunchError::Descriptors { found: format!("{left:?}, one of which is the listing itself") })
}
