//! Reads processes, one or many.

use super::{
    descriptors::{self, Open},
    expected::{Expected, Facts},
    holdings::{Holdings, kernel},
    kinds, namespaces, root, threads, verdict,
    windows::{self, SeenWindow},
};
use crate::census::shared_file;
use crate::mounts::{self, Mount};
use crate::{Error, Result, status::ProcStatus};
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// The limits of a survey by `/proc`.
const UNSEEN: [&str; 2] = [
    "which system calls its filter lets pass: that there is one is all that /proc says",
    "what Landlock forbids it: the first line of its log says what was enforced",
];
/// The same for a process that keeps its root.
const UNSEEN_OF_ROOT: &str =
    "that it opens no file: its root is the one that it was started in, and Landlock and its filter are in the way";

/// Pids, in ascending order, of every other process with one of these names. A name has at most 15 bytes (proc_pid_comm(5)). The
/// process chooses its name, so use [`process`] to learn what it is.
///
/// # Errors
/// [`Error::Proc`] if `/proc` cannot be listed.
pub fn called(names: &[&str]) -> Result<Vec<i32>> {
    let path = PathBuf::from("/proc");
    let entries = fs::read_dir(&path).map_err(|source| Error::Proc { path: path.clone(), source })?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // Skip a process that has ended meanwhile.
    let called =
        |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| names.contains(&name.trim()));
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut found: Vec<i32> = numbers.filter(|pid| *pid != own).filter(called).collect();
    found.sort_unstable();
    Ok(found)
}

/// Reads process `pid`. `expected` says what the process may hold.
///
/// # Errors
/// [`Error::NoProcess`] if there is none, [`Error::Proc`] if `/proc` cannot be read at all.
pub fn process(pid: i32, expected: fn(&Facts<'_>) -> Expected) -> Result<Holdings> {
    Survey::new(expected).process(pid)
}

/// A survey of many processes of a host. Facts about all processes are read once.
#[derive(Debug)]
pub struct Survey {
    expected: fn(&Facts<'_>) -> Expected,
    inhabitants: windows::Inhabitants,
}

impl Survey {
    /// A survey that compares with what `expected` says of each process.
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
        let status = ProcStatus::parse(&text, &path)?;
        let (name, parent) = (status.name.clone(), status.parent);
        let threads = threads::all(&directory, pid, status)?;
        let others: Vec<PathBuf> =
            threads::others(&directory, pid).into_iter().map(|(_, directory)| directory).collect();
        let (open, root) = (open(&directory, &others), shown(&directory, &others));
        let expected = (self.expected)(&Facts { pid, parent, root: root.as_deref(), open: open.as_deref() });
        let command = fs::read(directory.join("cmdline")).unwrap_or_default();
        let words = command.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let mounts = mounts::of(&directory, &others);
        let mut holdings = Holdings {
            pid,
            name,
            command: words.map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
            role: expected.role,
            in_words: expected.in_words,
            threads,
            namespaces: namespaces::read_namespaces(&directory, &others),
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
        holdings.verdict = verdict::compare_with_expected(&holdings, &expected);
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
            let listens = open.into_iter().flatten().any(|open| open.kind == kinds::PACKET_LISTENER);
            return windows::seen(process, mounts, pinned, listens, &self.inhabitants);
        }
        expected.role.and_then(|_| windows::given(process, expected.is_window))
    }
}

/// The descriptors of all threads. Threads usually share one table, and then the others add none.
fn open(process: &Path, others: &[PathBuf]) -> Option<Vec<Open>> {
    let mut all = descriptors::read_descriptors(process)?;
    for open in others.iter().filter_map(|thread| descriptors::read_descriptors(thread)).flatten() {
        if !all.iter().any(|known| (known.number, &known.kind) == (open.number, &open.kind)) {
            all.push(open);
        }
    }
    Some(all)
}

fn counted(open: &[Open]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for open in open {
        *kinds.entry(open.kind.clone()).or_insert(0) += 1;
    }
    kinds
}

/// The entries of every thread's root, sorted.
fn shown(process: &Path, others: &[PathBuf]) -> Option<Vec<String>> {
    let mut names = root::entries(process)?;
    names.extend(others.iter().filter_map(|thread| root::entries(thread)).flatten());
    names.sort_unstable();
    names.dedup();
    Some(names)
}

fn shared_files(directory: &Path) -> Option<Vec<String>> {
    let maps = fs::read_to_string(directory.join("maps")).ok()?;
    Some(maps.lines().filter_map(shared_file).map(str::to_owned).collect())
}

fn core_limit(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}
