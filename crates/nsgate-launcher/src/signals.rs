//! Signals: from the caller's odd habits to a known state, and then blocked, to be read as data.

use crate::{LaunchError, descriptors::failed, succession::SUCCEEDED, sys};
use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        signalfd::{SfdFlags, SignalFd, siginfo},
    },
};

/// The ones that are read. The first four mean something; the others do to haproxy, and would end or stop a process that
/// does not read them (signal(7)).
const HEARD: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGUSR1,
    Signal::SIGHUP,
    Signal::SIGUSR2,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGQUIT,
];

/// What a signal asks a process for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To end (SIGTERM, SIGINT).
    End,
    /// To close its listeners, finish what is under way, and end (SIGUSR1).
    Finish,
    /// The same, with time for connections that are kept: another process serves the same listeners from now on.
    Retire,
    /// To read its configuration anew: SIGHUP, and SIGUSR2, at which haproxy's master does it too.
    Reload(Signal),
    /// Something that haproxy does and nsgate has not: a pause, its end, a dump.
    Nothing(Signal),
}

impl Asked {
    /// What this signal asks for, as it was read from a signalfd.
    #[must_use]
    pub fn of(signal: &siginfo) -> Self {
        let number = i32::try_from(signal.ssi_signo).ok();
        match number.and_then(|number| Signal::try_from(number).ok()) {
            Some(Signal::SIGUSR1) if signal.ssi_code == libc::SI_QUEUE && signal.ssi_int == SUCCEEDED => Self::Retire,
            Some(Signal::SIGUSR1) => Self::Finish,
            Some(signal @ (Signal::SIGHUP | Signal::SIGUSR2)) => Self::Reload(signal),
            Some(signal @ (Signal::SIGTTIN | Signal::SIGTTOU | Signal::SIGQUIT)) => Self::Nothing(signal),
            _ => Self::End,
        }
    }

    /// What a process says that does not do what it was asked for.
    #[must_use]
    pub fn refusal(self) -> Option<String> {
        match self {
            Self::End | Self::Finish | Self::Retire => None,
            Self::Reload(signal) => Some(format!(
                "{signal} changes nothing: a gate's configuration is read once, by a process that may still open files. \
                 Start it anew: a gate of the same identity takes over without losing a request"
            )),
            Self::Nothing(signal) => {
                Some(format!("{signal} changes nothing: a gate has no pause, and nothing to dump"))
            }
        }
    }
}

/// A descriptor from which the signals that are heard are read; it never waits.
///
/// # Errors
/// As signalfd(2).
pub fn listen() -> Result<SignalFd, Errno> {
    SignalFd::with_flags(&set(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Undoes what an agent may have left: an ignored SIGCHLD, blocked signals.
pub(crate) fn reset() -> Result<(), LaunchError> {
    sys::default_action(Signal::SIGCHLD).map_err(failed("sigaction(SIGCHLD)"))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(failed("sigprocmask"))
}

/// Blocks what is read later. A signal that comes early waits.
pub(crate) fn block() -> Result<(), LaunchError> {
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set()), None).map_err(failed("sigprocmask"))
}

fn set() -> SigSet {
    HEARD.into_iter().collect()
}
