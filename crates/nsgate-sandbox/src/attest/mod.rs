//! What a process still holds, by the kernel's own account.
//!
//! Works on any process, a daemon of yours or a shell. What it may hold its caller says ([`Expected`]). Promises to read `/proc`
//! and nothing else, never to take the process's word, and to say that something is unreadable rather than to guess it. Root reads everything; an ordinary
//! user reads what the kernel shows of other people's processes, which is little.

mod descriptors;
mod expected;
pub mod kinds;
mod name;
mod namespaces;
mod root;
mod shared_page;
mod sockets;
mod table;
mod threads;
mod verdict;
mod windows;

pub use descriptors::Open;
pub use expected::{Expected, Facts, open_in, run_the_same};
pub use name::name_of_root;
pub use namespaces::Namespace;
pub use root::Mount;
pub(crate) use root::of_this_process as mounts_of_this_process;
pub use shared_page::shared_page;
pub use threads::Thread;
pub use verdict::Row;
pub use windows::{SeenWindow, WindowState};

use crate::census::shared_file;
use crate::{Error, Result, status::Status};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

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
    in_words: &'static str,
    /// Each thread, the first one first.
    pub threads: Vec<Thread>,
    /// Each kind of namespace, and whether the reader is in the same.
    pub namespaces: Vec<Namespace>,
    /// Number of open descriptors of each kind; `None` if they cannot be read.
    pub descriptors: Option<BTreeMap<String, usize>>,
    /// The same one by one, with what only other threads have.
    #[serde(skip)]
    open: Option<Vec<Open>>,
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
    pub verdict: Vec<Row>,
    /// What is not as an operator would have it, and is no part of the verdict: one sentence each.
    pub notes: Vec<&'static str>,
    /// What no reader can see of any process, one sentence each.
    pub unseen: Vec<&'static str>,
}

/// A log, an audit or a service manager is not there.
const UNHEARD: &str = "nobody is at the other end of a datagram socket: a log (or audit) whose lines are lost";

/// A connection was reset, or there is a socket of which nothing can be known.
const IN_NO_TABLE: &str = "a TCP socket is in no table: a guest has reset its connection and the process has not closed it yet \
                           (it may be stopped or wait for something), or no process is in that socket's network namespace";

/// A directory may have been replaced.
const UNKNOWN: &str = "whether the paths of its directories still lead to them is not seen: where they were walked no process is \
                       left, or another release has started this one";

/// What `/proc` does not say.
const UNSEEN: [&str; 2] = [
    "which system calls its filter lets pass: that there is one is all that /proc says",
    "what Landlock forbids it: the first line of its log says what was enforced",
];
/// The same of a process that keeps its root.
const UNSEEN_OF_ROOT: &str =
    "that it opens no file: its root is the one that it was started in, and Landlock and its filter are in the way";

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
    let landlock_abi = crate::sys::landlock_abi().unwrap_or(0).max(0);
    Kernel { landlock_abi, missing: crate::ruleset::missing(landlock_abi) }
}

/// Ids of every other process that has one of these names, in ascending order. A name has 15 bytes there (proc_pid_comm(5)), and
/// the process has chosen it: [`process`] tells what it is.
///
/// # Errors
/// [`Error::Proc`] if `/proc` cannot be listed.
pub fn called(names: &[&str]) -> Result<Vec<i32>> {
    let path = PathBuf::from("/proc");
    let entries = fs::read_dir(&path).map_err(|source| Error::Proc { path: path.clone(), source })?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // A process that has ended since then is none.
    let called =
        |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| names.contains(&name.trim()));
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut found: Vec<i32> = numbers.filter(|pid| *pid != own).filter(called).collect();
    found.sort_unstable();
    Ok(found)
}

/// Reads process `pid`, of which `expected` says what it may hold.
///
/// # Errors
/// [`Error::NoProcess`] if there is none, [`Error::Proc`] if `/proc` cannot be read at all.
pub fn process(pid: i32, expected: fn(&Facts<'_>) -> Expected) -> Result<Holdings> {
    Look::new(expected).process(pid)
}

/// One look at many processes of a host: what each of them asks of all the others is listed once.
#[derive(Debug)]
pub struct Look {
    expected: fn(&Facts<'_>) -> Expected,
    inhabitants: windows::Inhabitants,
}

impl Look {
    /// A look that judges by what `expected` says of each process.
    #[must_use]
    pub fn new(expected: fn(&Facts<'_>) -> Expected) -> Self {
        Self { expected, inhabitants: windows::Inhabitants::default() }
    }

    /// The same as [`process`].
    ///
    /// # Errors
    /// As [`process`].
    pub fn process(&self, pid: i32) -> Result<Holdings> {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let path = directory.join("status");
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound if PathBuf::from("/proc/self").exists() => Error::NoProcess { pid },
            _ => Error::Proc { path: path.clone(), source },
        })?;
        let status = Status::parse(&text, &path)?;
        let (name, parent) = (status.name.clone(), status.parent);
        let threads = threads::all(&directory, pid, status)?;
        let others: Vec<PathBuf> =
            threads::others(&directory, pid).into_iter().map(|(_, directory)| directory).collect();
        let (open, root) = (open(&directory, &others), shown(&directory, &others));
        let expected = (self.expected)(&Facts { pid, parent, root: root.as_deref(), open: open.as_deref() });
        let command = fs::read(directory.join("cmdline")).unwrap_or_default();
        let words = command.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let mounts = root::mounts(&directory, &others);
        let mut holdings = Holdings {
            pid,
            name,
            command: words.map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
            role: expected.role,
            in_words: expected.in_words,
            threads,
            namespaces: namespaces::read(&directory, &others),
            descriptors: open.as_deref().map(counted),
            notes: Vec::new(),
            windows: self.windows(&directory, &expected, mounts.as_deref(), open.as_deref()),
            open,
            root,
            mounts,
            shared_files: shared_files(&directory),
            core_limit: core_limit(&directory),
            kernel: kernel(),
            verdict: Vec::new(),
            unseen: UNSEEN.into_iter().chain(expected.keeps_root.then_some(UNSEEN_OF_ROOT)).collect(),
        };
        holdings.notes = holdings.notes_on(&expected);
        holdings.verdict = verdict::judge(&holdings, &expected);
        Ok(holdings)
    }

    /// The directories that a process sees, in a small root or in a given one.
    fn windows(
        &self,
        process: &Path,
        expected: &Expected,
        mounts: Option<&[Mount]>,
        open: Option<&[Open]>,
    ) -> Option<Vec<SeenWindow>> {
        if expected.keeps_root {
            return None;
        }
        if expected.is_small {
            let pinned = open.into_iter().flatten().find(|open| open.kind == kinds::PINNED);
            let pinned = pinned.map(|open| (expected.pinned, open.number));
            return windows::seen(process, mounts, pinned, &self.inhabitants);
        }
        expected.role.and_then(|_| windows::given(process, expected.is_window))
    }
}

/// What is open in any thread: as a rule they have one table together, and then the others add nothing.
fn open(process: &Path, others: &[PathBuf]) -> Option<Vec<Open>> {
    let mut all = descriptors::read(process)?;
    for open in others.iter().filter_map(|thread| descriptors::read(thread)).flatten() {
        if !all.iter().any(|known| (known.number, &known.kind) == (open.number, &open.kind)) {
            all.push(open);
        }
    }
    Some(all)
}

fn counted(open: &[descriptors::Open]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for open in open {
        *kinds.entry(open.kind.clone()).or_insert(0) += 1;
    }
    kinds
}

/// What the root of any thread shows, sorted.
fn shown(process: &Path, others: &[PathBuf]) -> Option<Vec<String>> {
    let mut names = root::entries(process)?;
    names.extend(others.iter().filter_map(|thread| root::entries(thread)).flatten());
    names.sort_unstable();
    names.dedup();
    Some(names)
}

impl Holdings {
    fn notes_on(&self, expected: &Expected) -> Vec<&'static str> {
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

fn shared_files(directory: &std::path::Path) -> Option<Vec<String>> {
    let maps = fs::read_to_string(directory.join("maps")).ok()?;
    Some(maps.lines().filter_map(shared_file).map(str::to_owned).collect())
}

fn core_limit(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}
