//! What a process may hold. Its reader knows: attest is told by its caller which processes a daemon has, and what each needs.

use super::descriptors::{self, Open};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What the kernel says of a process, for a caller that tells the processes of its daemon apart.
///
/// A process writes its own command line and its own name, and one that was broken into would choose those of the process that may
/// hold most. So neither is here. What its root shows was put together before it was confined; whose child it is, which process
/// holds a descriptor of it, and which program it runs are the kernel's word. What it has open counts where its filter lets it
/// make no such thing.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The process, as the reader's PID namespace numbers it.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// Names in its root directory, sorted; `None` if they cannot be read.
    pub root: Option<&'a [String]>,
    /// What it has open; `None` if that cannot be read.
    pub open: Option<&'a [Open]>,
}

/// What a process may hold.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What the process is for, in one word; `None` for one that is none of the daemon's. Such a process is judged all the same.
    pub role: Option<&'static str>,
    /// The same in words, for people.
    pub in_words: &'static str,
    /// Whether it keeps the root directory and the namespaces that it was started in.
    pub keeps_root: bool,
    /// What its root shows, in words.
    pub root: &'static str,
    /// Whether its root shows nothing but what it may.
    pub is_small: bool,
    /// Whether this name, in a root that a service manager has made, is that of a directory of the process's.
    pub is_window: fn(&str) -> bool,
    /// The name by which [`Origin`](crate::Origin) knows the directory that it holds and that no root shows.
    pub pinned: &'static str,
    /// Kinds of descriptors that it needs ([`kinds`](super::kinds)).
    pub descriptors: Vec<&'static str>,
    /// Whether it holds TCP sockets of other network namespaces than its own.
    pub many_networks: bool,
    /// The name of the one page of memory that it shares, and what that is.
    pub shares: Option<(&'static str, &'static str)>,
    /// What to start anew when a directory that it sees is gone: `it`.
    pub restart: &'static str,
}

impl Expected {
    /// What a process may hold that needs nothing: the null device, a pipe and a terminal, in a root that shows nothing.
    /// Begin with it, and name what yours needs.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            role: None,
            in_words: "no process that its reader knows",
            keeps_root: false,
            root: "nothing",
            is_small: false,
            is_window: |_| false,
            pinned: "",
            descriptors: vec![super::kinds::NULL_DEVICE, super::kinds::PIPE, super::kinds::TERMINAL],
            many_networks: false,
            shares: None,
            restart: "it",
        }
    }
}

/// What process `pid` has open; `None` if that cannot be read.
#[must_use]
pub fn open_in(pid: i32) -> Option<Vec<Open>> {
    descriptors::read_descriptors(&process(pid))
}

/// Whether two processes run the same file (`exe` of proc_pid_exe(5): it changes by execve(2), which no filter lets pass).
#[must_use]
pub fn run_the_same(one: i32, other: i32) -> bool {
    let program = |pid: i32| fs::metadata(process(pid).join("exe")).ok().map(|found| (found.dev(), found.ino()));
    program(one).is_some() && program(one) == program(other)
}

/// Whether the first thread of a process has a child that runs the same file (`children` of proc_pid_task(5)). On a kernel
/// without `CONFIG_PROC_CHILDREN` no process has.
#[must_use]
pub fn has_child_of_same_program(pid: i32) -> bool {
    let children = process(pid).join("task").join(pid.to_string()).join("children");
    let text = fs::read_to_string(children).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).any(|child| run_the_same(pid, child))
}

fn process(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}
