//! The starter of a gate in the foreground: stays, holds nothing, passes signals on, ends with the gate's status.

use crate::{LaunchError, daemon::Child, output, signals::Signals, sys};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use nsgate_sandbox::{Confined, Ids, Policy, Root, Sandbox};
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// A supervisor that has given up every privilege.
pub(crate) struct Supervisor {
    child: Child,
    signals: Signals,
    _confined: Confined,
}

/// Gives up every privilege. `directories` are open still, for the one case that this fails: the child comes back then, and
/// ends.
pub(crate) fn confine(
    child: Child,
    ids: &Ids,
    given: bool,
    directories: &[RawFd],
) -> Result<Supervisor, (Child, LaunchError)> {
    match give_up(&child, ids, given, directories) {
        Ok((signals, confined)) => Ok(Supervisor { child, signals, _confined: confined }),
        Err(error) => Err((child, error)),
    }
}

fn give_up(child: &Child, ids: &Ids, given: bool, directories: &[RawFd]) -> Result<(Signals, Confined), LaunchError> {
    output::close_input();
    let signals = Signals::listen().map_err(failed("signalfd"))?;
    let mut sandbox = Sandbox::new(Policy::supervisor().given(given))?;
    let held = [&[signals.as_raw_fd(), child.pidfd.as_raw_fd()], directories].concat();
    // First, while what was made can still be taken away.
    sandbox.holds_only(&held)?;
    let confined = sandbox.drop_privileges(ids)?.restrict_files(Root::Kept)?.filter_syscalls()?;
    Ok((signals, confined))
}

impl Supervisor {
    /// Watches. Returns the status to exit with: the gate's, or 128 and its signal.
    pub(crate) fn watch(self) -> Result<u8, LaunchError> {
        let Self { child, signals, .. } = self;
        loop {
            let mut ready =
                [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(source) => return Err(failed("poll")(source)),
            }
            while let Some((number, _)) = signals.next_as_it_came() {
                // A gate that has just ended cannot be told, and does not need to be.
                let _ = sys::pidfd_signal(&child.pidfd, number);
            }
            if let Some(status) = child.status() {
                return Ok(status);
            }
        }
    }
}

fn failed(call: &'static str) -> impl Fn(Errno) -> LaunchError {
    move |source| LaunchError::Daemon { call, source }
}
