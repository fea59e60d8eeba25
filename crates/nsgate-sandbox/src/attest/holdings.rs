//! What was read of a process.

use super::{
    descriptors::Open,
    expected::Expected,
    kinds,
    namespaces::Namespace,
    row::VerdictRow,
    threads::Thread,
    windows::{SeenWindow, WindowState},
};
use crate::{mounts::Mount, ruleset, sys};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that was read of one process.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Holdings {
    /// As the reader's PID namespace numbers it.
    pub pid: i32,
    /// Name of the program (`comm`).
    pub name: String,
    /// Command line, which the process itself may change.
    pub command: Vec<String>,
    /// Which of its daemon's processes it is, as the caller says; `None` if it is none, or that cannot be read.
    pub role: Option<&'static str>,
    /// The same in words.
    #[serde(skip)]
    pub(super) in_words: &'static str,
    /// Each thread, the first one first.
    pub threads: Vec<Thread>,
    /// Each kind of namespace, and whether the reader is in the same.
    pub namespaces: Vec<Namespace>,
    /// Number of open descriptors of each kind; `None` if they cannot be read.
    pub descriptors: Option<BTreeMap<String, usize>>,
    /// The same one by one, with what only other threads have.
    #[serde(skip)]
    pub(super) open: Option<Vec<Open>>,
    /// What its root directory shows, and that of any of its threads; `None` if it cannot be read.
    pub root: Option<Vec<String>>,
    /// What is mounted for it; `None` if it cannot be read.
    pub mounts: Option<Vec<Mount>>,
    /// The directories that it sees in a small root, and what has become of them; `None` if they cannot be read.
    pub windows: Option<Vec<SeenWindow>>,
    /// Files that it shares memory with; `None` if they cannot be read.
    pub shared_files: Option<Vec<String>>,
    /// Largest core dump in bytes, `unlimited`, or nothing if it cannot be read.
    pub core_limit: Option<String>,
    /// What this kernel offers.
    pub kernel: Kernel,
    /// What it should hold, beside what it holds.
    pub verdict: Vec<VerdictRow>,
    /// What is not as an operator would have it, and is no part of the verdict: one sentence each.
    pub notes: Vec<&'static str>,
    /// What no reader can see of any process, one sentence each.
    pub unseen: Vec<&'static str>,
}

/// A log, an audit or a service manager is not there.
const UNHEARD: &str = "no process is at the other end of a datagram socket: lines of the log (or audit) are lost";

/// A connection was reset, or there is a socket of which nothing can be known.
const IN_NO_TABLE: &str = "a TCP socket is in no table: its other end has reset the connection and the process has not closed it yet \
                           (it may be stopped or wait for something), or no process is in that socket's network namespace";

/// A directory may have been replaced.
const UNKNOWN: &str = "whether the paths of its directories still lead to them is not seen: where they were walked no process is \
                       left, or another release has started this one";

/// What the running kernel offers to any process.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Kernel {
    /// Version of Landlock's interface; 0 without it.
    pub landlock_abi: i32,
    /// What it cannot give, one sentence each.
    pub missing: Vec<String>,
}

/// Asks the running kernel.
#[must_use]
pub fn kernel() -> Kernel {
    let landlock_abi = sys::landlock_abi().unwrap_or(0).max(0);
    Kernel { landlock_abi, missing: ruleset::missing(landlock_abi) }
}

impl Holdings {
    pub(super) fn notes_on(&self, expected: &Expected) -> Vec<&'static str> {
        let open = || self.open.iter().flatten();
        let unheard = open().any(|open| open.unheard);
        // A process that serves many networks has the listeners of those that no process is in.
        let in_no_table = !expected.many_networks && open().any(|open| open.kind == kinds::NO_TABLE);
        let unknown = self.windows.iter().flatten().any(|seen| seen.state == WindowState::Unknown);
        let notes = [(unheard, UNHEARD), (in_no_table, IN_NO_TABLE), (unknown, UNKNOWN)];
        notes.into_iter().filter_map(|(is, note)| is.then_some(note)).collect()
    }

    /// Whether every row of the verdict is as it should be; `None` if no row is wrong, but some could not be read.
    #[must_use]
    pub fn confined(&self) -> Option<bool> {
        let rows = || self.verdict.iter().map(|row| row.ok);
        if rows().any(|ok| ok == Some(false)) { Some(false) } else { rows().all(|ok| ok.is_some()).then_some(true) }
    }
}
