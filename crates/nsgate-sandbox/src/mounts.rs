//! What is mounted for a process (proc_pid_mountinfo(5)).

use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One mount of a process's mount namespace (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mount {
    /// Where, as the process names it.
    pub point: String,
    /// Its options.
    pub options: String,
    /// Kind of file system.
    pub kind: String,
    /// Whether the directory that it shows was removed: what is made anew under its name is not seen through it.
    pub removed: bool,
}

/// Behind the path of a directory that was removed (`dentry_path`, fs/d_path.c).
const REMOVED: &str = "//deleted";

/// The reader's own mounts.
pub(crate) fn of_this_process() -> Option<Vec<Mount>> {
    of(Path::new("/proc/self"), &[])
}

/// The process's mounts, and those that only `others` see, the directories of its other threads.
pub(crate) fn of(process: &Path, others: &[PathBuf]) -> Option<Vec<Mount>> {
    let mut all = listed(process)?;
    for mount in others.iter().filter_map(|thread| listed(thread)).flatten() {
        if !all.contains(&mount) {
            all.push(mount);
        }
    }
    Some(all)
}

fn listed(directory: &Path) -> Option<Vec<Mount>> {
    let text = fs::read_to_string(directory.join("mountinfo")).ok()?;
    let one = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let mut words = before.split_whitespace().skip(3);
        Some(Mount {
            removed: words.next()?.ends_with(REMOVED),
            point: words.next()?.to_owned(),
            options: words.next()?.to_owned(),
            kind: after.split_whitespace().next()?.to_owned(),
        })
    };
    Some(text.lines().filter_map(one).collect())
}

/// The source of the process's root, as the file writes it, if that is the root of a mount.
pub(crate) fn source_of_root(process: &Path) -> Option<String> {
    let text = fs::read_to_string(process.join("mountinfo")).ok()?;
    let root = text.lines().find(|line| line.split(' ').nth(4) == Some("/"))?;
    root.split_once(" - ")?.1.split(' ').nth(1).map(str::to_owned)
}
