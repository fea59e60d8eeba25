//! Which namespaces a process is in (namespaces(7)).

use serde::Serialize;
use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// One namespace of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// `mnt`, `pid`, `net`, …
    pub kind: &'static str,
    /// Its inode number; `None` if it cannot be read.
    pub inode: Option<u64>,
    /// Whether the reader is in the same one; `None` if it cannot be told.
    pub shared: Option<bool>,
}

const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

pub(super) fn read(directory: &Path) -> Vec<Namespace> {
    let identity = |directory: &Path, kind: &str| {
        fs::metadata(directory.join("ns").join(kind)).ok().map(|found| (found.dev(), found.ino()))
    };
    let one = |kind| {
        let (theirs, ours) = (identity(directory, kind), identity(Path::new("/proc/self"), kind));
        let shared = theirs.zip(ours).map(|(theirs, ours)| theirs == ours);
        Namespace { kind, inode: theirs.map(|(_, inode)| inode), shared }
    };
    KINDS.into_iter().map(one).collect()
}
