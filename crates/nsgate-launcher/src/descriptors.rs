//! Step 1: nothing of the caller's reaches the gate.

use crate::{LaunchError, clock, signals, sys};
use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, setrlimit},
        stat::{Mode, umask},
    },
};

/// What is still needed: where systemd wants to hear of readiness, and the tag by which the kill scripts of Neutron's
/// container deployments find the process (`neutron/agent/linux/external_process.py`).
const KEPT: [&str; 2] = ["NOTIFY_SOCKET", "PROCESS_TAG"];

/// Closes inherited descriptors, sets umask, forbids core dumps, empties the environment, unblocks signals.
pub(crate) fn start_clean() -> Result<(), LaunchError> {
    // 0, 1 and 2 are open: the standard library opens /dev/null for those that are not.
    sys::close_from(3).map_err(failed("close_range"))?;
    umask(Mode::from_bits_truncate(0o077));
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("setrlimit(RLIMIT_CORE)"))?;
    // The time zone is read now: later there is no file and no variable.
    clock::read_zone();
    sys::clear_environment(&KEPT);
    signals::reset()
}

pub(crate) fn failed(call: &'static str) -> impl Fn(Errno) -> LaunchError {
    move |source| LaunchError::Clean { call, source }
}
