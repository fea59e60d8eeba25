//! Signals: from the caller's odd habits to a known state, and then blocked, to be read as data.

use crate::{LaunchError, descriptors::failed, sys};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

/// The ones that mean something to a gate.
pub(crate) const HEARD: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1, Signal::SIGHUP];

/// Undoes what an agent may have left: an ignored SIGCHLD, blocked signals.
pub(crate) fn reset() -> Result<(), LaunchError> {
    sys::default_action(Signal::SIGCHLD).map_err(failed("sigaction(SIGCHLD)"))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(failed("sigprocmask"))
}

/// Blocks what is read later. A signal that comes early waits.
pub(crate) fn block() -> Result<(), LaunchError> {
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set()), None).map_err(failed("sigprocmask"))
}

pub(crate) fn set() -> SigSet {
    HEARD.into_iter().collect()
}
