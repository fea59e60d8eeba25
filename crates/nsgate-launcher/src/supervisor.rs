//! The starter of a gate in the foreground: stays, holds nothing, passes signals on, ends with the gate's status.

use crate::{LaunchError, daemon::Child, signals, sys};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use nsgate_sandbox::{Ids, Policy, Root, Sandbox};
use std::os::fd::AsFd;

/// Gives up every privilege and watches. Returns the status to exit with: the gate's, or 128 and its signal.
pub(crate) fn watch(child: Child, ids: &Ids, given: bool) -> Result<u8, LaunchError> {
    let failed = |call| move |source| LaunchError::Daemon { call, source };
    let signals = signals::listen().map_err(failed("signalfd"))?;
    let sandbox = Sandbox::new(Policy::supervisor().given(given))?;
    let _confined = sandbox.drop_privileges(ids)?.restrict_files(Root::Kept)?.filter_syscalls()?;
    loop {
        let mut ready =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(source) => return Err(failed("poll")(source)),
        }
        while let Ok(Some(signal)) = signals.read_signal() {
            if let Ok(number) = i32::try_from(signal.ssi_signo) {
                // A gate that has just ended cannot be told, and does not need to be.
                let _ = sys::pidfd_signal(&child.pidfd, number);
            }
        }
        if let Some(status) = child.status() {
            return Ok(status);
        }
    }
}
