//! What a process still holds, by the kernel's own account.
//!
//! Works on any process, a gate or haproxy or a shell. Promises to read `/proc` and nothing else, never to take the
//! process's word, and to say that something is unreadable rather than to guess it. Root reads everything; an ordinary
//! user reads what the kernel shows of other people's processes, which is little.

mod descriptors;
mod namespaces;
mod root;
mod table;
mod verdict;

pub use namespaces::Namespace;
pub use root::Mount;
pub(crate) use root::of_this_process as mounts_of_this_process;
pub use verdict::Row;

use crate::{
    Error, Result,
    status::{SETS, Status},
};
use serde::Serialize;
use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

/// Everything that was read of one process.
#[derive(Clone, Debug, Serialize)]
pub struct Holdings {
    /// As the reader's PID namespace numbers it.
    pub pid: i32,
    /// Name of the program (`comm`).
    pub name: String,
    /// Command line.
    pub command: Vec<String>,
    /// Real, effective, saved and file system user.
    pub users: [u32; 4],
    /// Real, effective, saved and file system group.
    pub groups: [u32; 4],
    /// Other groups.
    pub supplementary_groups: Vec<u32>,
    /// Names of the capabilities in each of the five sets.
    pub capabilities: BTreeMap<&'static str, Vec<String>>,
    /// Whether it can never gain a privilege by starting a program.
    pub no_new_privs: bool,
    /// 0 none, 1 strict, 2 filter.
    pub seccomp: u32,
    /// Number of filters; 0 on kernels that do not say.
    pub seccomp_filters: u32,
    /// Each kind of namespace, and whether the reader is in the same.
    pub namespaces: Vec<Namespace>,
    /// Number of open descriptors of each kind; `None` if they cannot be read.
    pub descriptors: Option<BTreeMap<String, usize>>,
    /// What its root directory shows; `None` if it cannot be read.
    pub root: Option<Vec<String>>,
    /// What is mounted for it; `None` if it cannot be read.
    pub mounts: Option<Vec<Mount>>,
    /// Largest core dump in bytes, `unlimited`, or nothing if it cannot be read.
    pub core_limit: Option<String>,
    /// What this kernel offers.
    pub kernel: Kernel,
    /// What a gate would hold, beside what this process does.
    pub verdict: Vec<Row>,
}

/// What the running kernel offers to any gate.
#[derive(Clone, Debug, Serialize)]
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

/// Names under which gates run; [`gates`] looks for them.
/// A name has 15 bytes there (proc_pid_comm(5)).
const NAMES: [&str; 4] = ["nsgate", "haproxy", "haproxy-reader", "neutron-ns-meta"];

/// Ids of every other process that is called like a gate, in ascending order: gates, readers, supervisors, and the
/// distribution's haproxy where it runs, which is for [`process`] to tell apart.
///
/// # Errors
/// [`Error::Proc`] if `/proc` cannot be listed.
pub fn gates() -> Result<Vec<i32>> {
    let path = PathBuf::from("/proc");
    let entries = fs::read_dir(&path).map_err(|source| Error::Proc { path: path.clone(), source })?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // A process that has ended since then is none.
    let called =
        |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| NAMES.contains(&name.trim()));
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut found: Vec<i32> = numbers.filter(|pid| *pid != own).filter(called).collect();
    found.sort_unstable();
    Ok(found)
}

/// Reads process `pid`.
///
/// # Errors
/// [`Error::NoProcess`] if there is none, [`Error::Proc`] if `/proc` cannot be read at all.
pub fn process(pid: i32) -> Result<Holdings> {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let path = directory.join("status");
    let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
        ErrorKind::NotFound if PathBuf::from("/proc/self").exists() => Error::NoProcess { pid },
        _ => Error::Proc { path: path.clone(), source },
    })?;
    let status = Status::parse(&text, &path)?;
    let command = fs::read(directory.join("cmdline")).unwrap_or_default();
    let words = command.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let mut holdings = Holdings {
        pid,
        name: status.name,
        command: words.map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
        users: status.uid,
        groups: status.gid,
        supplementary_groups: status.groups,
        capabilities: SETS.iter().copied().zip(status.capabilities.map(names)).collect(),
        no_new_privs: status.no_new_privs,
        seccomp: status.seccomp,
        seccomp_filters: status.seccomp_filters,
        namespaces: namespaces::read(&directory),
        descriptors: descriptors::read(&directory),
        root: root::entries(&directory),
        mounts: root::mounts(&directory),
        core_limit: core_limit(&directory),
        kernel: kernel(),
        verdict: Vec::new(),
    };
    holdings.verdict = verdict::judge(&holdings);
    Ok(holdings)
}

impl Holdings {
    /// Whether every row of the verdict is as a gate's would be; `None` if no row is wrong, but some could not be read.
    #[must_use]
    pub fn confined(&self) -> Option<bool> {
        let rows = || self.verdict.iter().map(|row| row.ok);
        if rows().any(|ok| ok == Some(false)) { Some(false) } else { rows().all(|ok| ok.is_some()).then_some(true) }
    }
}

/// Names of the capabilities in a mask; a number for one this program does not know.
fn names(mask: u64) -> Vec<String> {
    let known = caps::all();
    let present = (0..64u8).filter(|bit| mask & (1 << bit) != 0);
    let name = |bit: u8| known.iter().find(|capability| capability.index() == bit).map(ToString::to_string);
    present.map(|bit| name(bit).unwrap_or_else(|| format!("capability {bit}"))).collect()
}

fn core_limit(directory: &std::path::Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}
