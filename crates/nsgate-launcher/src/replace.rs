//! `-sf` and `-st`: gates that end once this one serves.

use crate::{signals::SUCCEEDED, sys};
use nix::{sys::signal::Signal, unistd::Pid};
use std::fs;

/// A process that is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replace {
    /// Its id.
    pub pid: i32,
    /// SIGUSR1 to finish its requests first, SIGTERM not to.
    pub signal: Signal,
}

/// Names of programs that may stand behind a pid in such a list. A pid file outlives its process, and its number may
/// have gone to another program.
pub(crate) const NAMES: [&str; 3] = ["haproxy", "nsgate", "neutron-ns-meta"];

impl Replace {
    /// Signals the process, if it is still a proxy.
    pub(crate) fn signal(&self) {
        // The descriptor first: it stays with the process whose name is then read.
        let Ok(process) = sys::pidfd_open(Pid::from_raw(self.pid)) else { return };
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        if NAMES.contains(&name.trim()) {
            // It has ended in this very moment: all the better.
            let _ = match self.signal {
                Signal::SIGUSR1 => sys::pidfd_queue(&process, Signal::SIGUSR1 as i32, SUCCEEDED),
                signal => sys::pidfd_signal(&process, signal as i32),
            };
        }
    }
}
