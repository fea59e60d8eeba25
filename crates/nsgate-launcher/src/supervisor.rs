//! The starter of a gate in the foreground: stays, holds nothing, passes signals on, ends with the gate's status.

use crate::{LaunchError, Role, daemon::Child, output, signals::Signals, sys};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
    unistd::write,
};
use nsgate_sandbox::{Confined, Ids, Root, Sandbox};
use std::{
    io::stderr,
    os::fd::{AsFd, AsRawFd, RawFd},
};

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
    unprivileged: bool,
    directories: &[RawFd],
) -> Result<Supervisor, (Child, LaunchError)> {
    match give_up(&child, ids, unprivileged, directories) {
        Ok((signals, confined)) => Ok(Supervisor { child, signals, _confined: confined }),
        Err(error) => Err((child, error)),
    }
}

fn give_up(
    child: &Child,
    ids: &Ids,
    unprivileged: bool,
    directories: &[RawFd],
) -> Result<(Signals, Confined), LaunchError> {
    output::close_input();
    let signals = Signals::listen().map_err(LaunchError::daemon("signalfd"))?;
    let mut sandbox = Sandbox::new(Role::supervisor().unprivileged(unprivileged))?;
    let held = [&[signals.as_raw_fd(), child.pidfd.as_raw_fd()], directories].concat();
    // First, while what was made can still be taken away.
    sandbox.holds_only(&held, &[])?;
    let confined = sandbox.drop_privileges(ids)?.restrict_files(Root::Kept)?.filter_syscalls()?;
    Ok((signals, confined))
}

impl Supervisor {
    /// Watches. Returns the status to exit with: the gate's, or 128 and its signal. Where its filter has ended the gate, standard
    /// error says how to find out why.
    pub(crate) fn watch(self, role: Role) -> Result<u8, LaunchError> {
        let Self { child, signals, .. } = self;
        loop {
            let mut ready =
                [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(source) => return Err(LaunchError::daemon("poll")(source)),
            }
            while let Some((number, _)) = signals.next_as_it_came() {
                // A gate that has just ended cannot be told, and does not need to be.
                let _ = sys::pidfd_signal(&child.pidfd, number);
            }
            if let Some(status) = child.status() {
                if status == FILTERED {
                    say(&refused_call(role));
                }
                return Ok(status);
            }
        }
    }
}

/// The end of a process that its filter has killed.
pub(crate) const FILTERED: u8 = 128 + Signal::SIGSYS as u8;

/// What is said of one. Which call it was, only the kernel knows.
pub(crate) fn refused_call(role: Role) -> String {
    let name = role.name();
    format!(
        "the {name} made a system call that its filter refuses, and the kernel ended it (SIGSYS); the kernel's log says \
         which call it was: dmesg | nsgate explain --role {name}"
    )
}

/// A line on standard error, if it can be written at once: the process that waits for the status is not kept waiting.
fn say(line: &str) {
    let error = stderr();
    let mut takes = [PollFd::new(error.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut takes, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        // There is no process left to tell of an error.
        let _ = write(error, format!("nsgate: {line}\n").as_bytes());
    }
}
