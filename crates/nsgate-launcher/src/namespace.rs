//! Step 4, first half: into the network namespace.

use crate::LaunchError;
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sched::{CloneFlags, setns},
    sys::stat::{Mode, fstat, stat},
};
use nsgate_config::Netns;
use nsgate_sandbox::likely;

/// Where `ip netns add` keeps names (ip-netns(8)).
const NAMES: &str = "/run/netns";

/// Enters the namespace and reads back which one this process is in.
pub(crate) fn enter(netns: Option<&Netns>) -> Result<(), LaunchError> {
    let path = match netns {
        None => return Ok(()),
        Some(Netns::Name(name)) => format!("{NAMES}/{name}"),
        Some(Netns::Path(path)) => path.as_str().to_owned(),
    };
    let wrong = |reason: String| LaunchError::Namespace { name: path.clone(), reason };
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = open(path.as_str(), flags, Mode::empty())
        .map_err(|error| wrong(format!("{error}; `ip netns list` says which there are")))?;
    setns(&file, CloneFlags::CLONE_NEWNET).map_err(|error| {
        let likely = match error {
            Errno::EINVAL => "this is not a network namespace".to_owned(),
            error => likely("setns", error),
        };
        wrong(format!("setns: {error}; it cannot be entered: {likely}"))
    })?;
    let asked = fstat(&file).map_err(|error| wrong(format!("fstat: {error}")))?;
    let here = stat("/proc/self/ns/net").map_err(|error| wrong(format!("/proc/self/ns/net: {error}")))?;
    if (asked.st_dev, asked.st_ino) == (here.st_dev, here.st_ino) {
        return Ok(());
    }
    Err(wrong("setns succeeded, and the process is in another namespace".to_owned()))
}

/// What `ip netns` calls the network namespace that this process is in, for people; `None` if it has no name that can be seen, or
/// one that a shell would not take as it is.
pub(crate) fn name_of_own() -> Option<String> {
    let here = stat("/proc/self/ns/net").ok()?;
    let is_here = |name: &str| {
        stat(format!("{NAMES}/{name}").as_str())
            .is_ok_and(|found| (found.st_dev, found.st_ino) == (here.st_dev, here.st_ino))
    };
    let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let names = std::fs::read_dir(NAMES).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(plain).find(|name| is_here(name))
}
