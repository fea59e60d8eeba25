//! Signals: from the caller's odd habits to a known state, and then blocked, to be read as data.
//!
//! A launched process does not end by a signal: [`Signals`] is what it hears them with. It is [`crate::Running::signals`], and
//! a process that never looks at it can only be killed.

use crate::{LaunchError, sys};
use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        signalfd::{SfdFlags, SignalFd, siginfo},
    },
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

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

/// What goes with the signal to a gate that is succeeded (sigqueue(3)): another process serves the same listeners from now
/// on. Without it, and in older releases, SIGUSR1 asks a gate to finish what is under way.
pub(crate) const SUCCEEDED: i32 = 0x6e73_6774;

/// What a signal asks a process for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRequest {
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

impl SignalRequest {
    /// What this signal asks for, as it was read from a signalfd.
    fn of(signal: &siginfo) -> Self {
        match Signal::try_from(signal_number(signal)).ok() {
            Some(Signal::SIGUSR1) if signal.ssi_code == libc::SI_QUEUE && signal.ssi_int == SUCCEEDED => Self::Retire,
            Some(Signal::SIGUSR1) => Self::Finish,
            Some(signal @ (Signal::SIGHUP | Signal::SIGUSR2)) => Self::Reload(signal),
            Some(signal @ (Signal::SIGTTIN | Signal::SIGTTOU | Signal::SIGQUIT)) => Self::Nothing(signal),
            _ => Self::End,
        }
    }

    /// Whether the process is to end, now or when it has finished what is under way.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::End | Self::Finish | Self::Retire)
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

/// The signals that a launch has blocked, as data (signalfd(2)): SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU
/// and SIGQUIT. One that came early is still there.
///
/// The descriptor can be read when there is one: give it to poll(2), epoll(7) or an event loop, and ask for the [`next`]
/// until there is none.
///
/// [`next`]: Signals::next
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// What blocked signals are read from.
    ///
    /// # Errors
    /// As signalfd(2).
    pub(crate) fn listen() -> Result<Self, Errno> {
        SignalFd::with_flags(&set(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map(Self)
    }

    /// What the next signal asks for; `None` if there is none now. It never waits.
    #[must_use]
    pub fn next(&self) -> Option<SignalRequest> {
        self.read().map(|signal| SignalRequest::of(&signal))
    }

    /// The next signal as it came: its number, and what it asks for.
    pub(crate) fn next_as_it_came(&self) -> Option<(i32, SignalRequest)> {
        self.read().map(|signal| (signal_number(&signal), SignalRequest::of(&signal)))
    }

    /// Nothing but EAGAIN can be answered to a read of whole records (signalfd(2)).
    fn read(&self) -> Option<siginfo> {
        self.0.read_signal().ok().flatten()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

fn signal_number(signal: &siginfo) -> i32 {
    i32::try_from(signal.ssi_signo).unwrap_or(0)
}

/// Undoes what an agent may have left: an ignored SIGCHLD, blocked signals.
pub(crate) fn reset() -> Result<(), LaunchError> {
    sys::default_action(Signal::SIGCHLD).map_err(LaunchError::clean("sigaction(SIGCHLD)"))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(LaunchError::clean("sigprocmask"))
}

/// Blocks what is read later. A signal that comes early waits.
pub(crate) fn block() -> Result<(), LaunchError> {
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set()), None).map_err(LaunchError::clean("sigprocmask"))
}

fn set() -> SigSet {
    HEARD.into_iter().collect()
}
