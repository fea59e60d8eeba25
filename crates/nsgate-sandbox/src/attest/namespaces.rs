//! Which namespaces a process is in (namespaces(7)).

use serde::Serialize;
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// One namespace of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Namespace {
    /// `mnt`, `pid`, `net`, …
    pub kind: &'static str,
    /// Its inode number; `None` if it cannot be read.
    pub inode: Option<u64>,
    /// Whether the reader is in the same one as the process or one of its threads; `None` if it cannot be told.
    pub shared: Option<bool>,
}

const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Those of a process, and of `others`, the directories of its other threads.
pub(super) fn read_namespaces(process: &Path, others: &[PathBuf]) -> Vec<Namespace> {
    let identity = |directory: &Path, kind: &str| {
        fs::metadata(directory.join("ns").join(kind)).ok().map(|found| (found.dev(), found.ino()))
    };
    let one = |kind| {
        let (theirs, ours) = (identity(process, kind), identity(Path::new("/proc/self"), kind));
        let also = others.iter().any(|thread| ours.is_some() && identity(thread, kind) == ours);
        let shared = theirs.zip(ours).map(|(theirs, ours)| also || theirs == ours);
        Namespace { kind, inode: theirs.map(|(_, inode)| inode), shared }
    };
    KINDS.into_iter().map(one).collect()
}
