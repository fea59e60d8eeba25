//! What each thread of a process holds (proc_pid_task(5)): ids, capabilities and filters are a thread's own, and so may its
//! descriptors, root and namespaces be (clone(2), unshare(2)).

use crate::{
    Error, Result,
    status::{ProcStatus, SETS},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// One thread of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Thread {
    /// Its id, as the reader's PID namespace numbers it; the first one's is the process's.
    pub id: i32,
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
}

impl Thread {
    pub(super) fn of(id: i32, status: ProcStatus) -> Self {
        Self {
            id,
            users: status.uid,
            groups: status.gid,
            supplementary_groups: status.groups,
            capabilities: SETS.iter().copied().zip(status.capabilities.map(names)).collect(),
            no_new_privs: status.no_new_privs,
            seccomp: status.seccomp,
            seccomp_filters: status.seccomp_filters,
        }
    }
}

/// How often the list is read again because a thread came meanwhile. One that goes on coming is seen as one too many.
const LOOKS: usize = 4;

/// Directories of the threads beside the first.
pub(super) fn others(process: &Path, pid: i32) -> Vec<(i32, PathBuf)> {
    let entries = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    let mut found: Vec<(i32, PathBuf)> = ids.filter(|(id, _)| *id != pid).collect();
    found.sort_unstable();
    found
}

/// Every thread, the first one first. `first` is what its status says.
///
/// # Errors
/// A thread's status is not as proc(5) describes it.
pub(super) fn all(process: &Path, pid: i32, first: ProcStatus) -> Result<Vec<Thread>> {
    let mut threads = vec![Thread::of(pid, first)];
    for _ in 0..LOOKS {
        let known = threads.len();
        for (id, directory) in others(process, pid) {
            if threads.iter().any(|thread| thread.id == id) {
                continue;
            }
            let path = directory.join("status");
            match fs::read_to_string(&path) {
                Ok(text) => threads.push(Thread::of(id, ProcStatus::parse(&text, &path)?)),
                // One that has ended meanwhile is none.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound) || error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(source) => return Err(Error::Proc { path, source }),
            }
        }
        if threads.len() == known {
            break;
        }
    }
    Ok(threads)
}

/// Names of the capabilities in a mask; a number for one this program does not know.
fn names(mask: u64) -> Vec<String> {
    let known = caps::all();
    let present = (0..64u8).filter(|bit| mask & (1 << bit) != 0);
    let name = |bit: u8| known.iter().find(|capability| capability.index() == bit).map(ToString::to_string);
    present.map(|bit| name(bit).unwrap_or_else(|| format!("capability {bit}"))).collect()
}
