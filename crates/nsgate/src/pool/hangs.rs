//! Which process of a pool does not answer, and why, for a command that has asked it.
//!
//! Reads `/proc` and asks the kernel which process listens at a socket. Does nothing else.

use crate::overview::{state, stopped};
use nix::unistd::{getegid, geteuid};
use nsgate_config::AbsolutePath;
use nsgate_launcher::{HANDOVER, expected};
use nsgate_pool::{AskError, listener, protocol::SilentWorker};
use nsgate_sandbox::attest;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

/// What to do where no worker listens.
const AWAY: &str =
    "`systemctl status nsgate-pool` says whether one runs, and its configuration where its socket is (--pool)";

/// Why a pool does not answer, as one sentence.
pub(crate) fn said(socket: &AbsolutePath, error: &AskError) -> String {
    let AskError::Io(source) = error else { return format!("{socket}: {error}") };
    let why = if is_silent(error) {
        why(listener(socket.as_path()))
    } else if source.kind() == io::ErrorKind::PermissionDenied {
        closed(&format!("uid {} and gid {}", geteuid(), getegid()), &place(socket.as_path()))
    } else if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        AWAY.to_owned()
    } else {
        return format!("{socket}: {error}");
    };
    format!("{socket}: {error}; {why}")
}

/// The same for programs: the sentence, and the pool's processes.
pub(crate) fn in_json(socket: &AbsolutePath, error: &AskError) -> Value {
    let parts = if is_silent(error) { parts(listener(socket.as_path())) } else { Vec::new() };
    let parts: Vec<Value> = parts
        .iter()
        .map(|part| json!({ "pid": part.pid, "part": part.name, "state": part.state.map(String::from) }))
        .collect();
    json!({ "error": said(socket, error), "processes": parts })
}

/// Whether a process listens and gives no answer: the wait timed out, or the queue is full.
pub(crate) fn is_silent(error: &AskError) -> bool {
    let AskError::Io(error) = error else { return false };
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// A sentence about a silent worker of several: which networks are missing, and what to do.
pub(crate) fn silent(socket: &Path, worker: &SilentWorker) -> String {
    let number = worker.number;
    let name = name_of(number);
    let part = parts(listener(socket)).into_iter().find(|part| part.name == name);
    let why = match part {
        Some(part) => format!("{}, or `kill -KILL {}`: the pool makes another one", part.said(), part.pid),
        None => "as root, this says which process it is, and whether it is stopped".to_owned(),
    };
    format!("worker {number} does not answer ({}): its networks are not shown; {why}", worker.reason)
}

/// Why the process that listens gives no answer.
pub(crate) fn why(listener: Option<i32>) -> String {
    let parts = parts(listener);
    let stopped: Vec<String> = parts.iter().filter(|part| stopped(part.pid).is_some()).map(Part::said).collect();
    match (stopped.as_slice(), parts.as_slice()) {
        ([], []) => {
            "which process listens there is not seen from here: it is in another PID namespace (a container)".to_owned()
        }
        ([], [one]) => format!(
            "{}; if it stays so, `kill -KILL {}` ends it, and keepers serve by themselves until the pool is started again",
            one.said(),
            one.pid
        ),
        ([], all) => {
            let all: Vec<String> = all.iter().map(|part| format!("{} ({})", part.name, part.pid)).collect();
            format!("none of its processes is stopped, and one of them is busy or in a loop: {}", all.join(", "))
        }
        (stopped, _) => stopped.join("; "),
    }
}

/// What to do about a pool that does not answer, or about this worker of it.
pub(crate) fn remedy(socket: &Path, worker: Option<u32>) -> String {
    let wanted = |part: &Part| worker.is_none_or(|number| part.name == name_of(number));
    let parts: Vec<Part> = parts(listener(socket)).into_iter().filter(wanted).collect();
    let stopped: Vec<String> = parts.iter().filter_map(|part| stopped(part.pid)).map(|silent| silent.remedy).collect();
    match (stopped.as_slice(), parts.first()) {
        ([], None) => "look which process hangs: `ps -o pid,stat,args -C nsgate`".to_owned(),
        ([], Some(part)) if worker.is_some() => format!("`kill -KILL {}`: the pool makes another one", part.pid),
        ([], Some(part)) => format!(
            "`kill -KILL {}`, and start the pool again where no service manager does; keepers serve by themselves meanwhile",
            part.pid
        ),
        (stopped, _) => stopped.join("; "),
    }
}

/// The processes of a pool, or of this worker of it, that are stopped.
pub(crate) fn stopped_parts(socket: &Path, worker: Option<u32>) -> Vec<i32> {
    let wanted = |part: &Part| worker.is_none_or(|number| part.name == name_of(number));
    let parts = parts(listener(socket)).into_iter().filter(wanted);
    parts.map(|part| part.pid).filter(|pid| stopped(*pid).is_some()).collect()
}

/// Why a process may not connect to a pool's socket, and which may.
pub(crate) fn closed(who: &str, place: &str) -> String {
    format!(
        "{who} may not connect to it: {place} (or not search its directory: `nsgate doctor` says which); {HANDOVER}"
    )
}

/// Owner, group and mode of a socket, as this process sees them. They are numbers: this process may become a keeper, and an
/// account module that looks up names would leave open files in it.
pub(crate) fn place(socket: &Path) -> String {
    let Ok(found) = fs::metadata(socket) else { return "its mode is not seen from here".to_owned() };
    let mode = found.permissions().mode() & 0o777;
    format!("its mode is {mode:04o}, its owner uid {}, its group gid {}", found.uid(), found.gid())
}

/// One process of a pool.
struct Part {
    pid: i32,
    name: String,
    /// proc_pid_stat(5).
    state: Option<char>,
}

impl Part {
    fn new(pid: i32, name: String) -> Self {
        Self { pid, name, state: state(pid) }
    }

    fn said(&self) -> String {
        let Self { pid, name, state } = self;
        match stopped(*pid) {
            Some(silent) => format!("{name} is process {pid}: {}; {}", silent.what, silent.remedy),
            None => {
                let state = state.map_or_else(String::new, |state| format!(" (state {state})"));
                format!("{name} is process {pid}, which is not stopped{state}: it is busy, or in a loop")
            }
        }
    }
}

fn name_of(number: u32) -> String {
    format!("worker {number}")
}

/// The processes of the pool at whose sockets this one listens: itself, or a zygote and its children.
fn parts(listener: Option<i32>) -> Vec<Part> {
    let Some(listener) = listener else { return Vec::new() };
    let children = children(listener);
    if children.is_empty() {
        return vec![Part::new(listener, "its worker".to_owned())];
    }
    let is = |pid: i32, role: &str| attest::process(pid, expected).is_ok_and(|found| found.role == Some(role));
    let (dispatchers, workers): (Vec<i32>, Vec<i32>) = children.into_iter().partition(|pid| is(*pid, "dispatcher"));
    let mut all = vec![Part::new(listener, "its zygote".to_owned())];
    all.extend(dispatchers.into_iter().map(|pid| Part::new(pid, "its dispatcher".to_owned())));
    all.extend((1..).zip(in_order(listener, workers)).map(|(number, pid)| Part::new(pid, name_of(number))));
    all
}

fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Workers from the first to the last. The zygote made a pair of sockets for each, one pair after the other. Each worker holds a
/// socket of its own pair, which no other worker holds.
fn in_order(zygote: i32, workers: Vec<i32>) -> Vec<i32> {
    let made = sockets(zygote);
    let held: Vec<(i32, BTreeMap<String, i32>)> = workers.into_iter().map(|pid| (pid, sockets(pid))).collect();
    let place = |pid: i32, own: &BTreeMap<String, i32>| {
        let others = |inode: &String| held.iter().any(|(other, all)| *other != pid && all.contains_key(inode));
        own.keys().filter(|inode| !others(inode)).filter_map(|inode| made.get(inode)).min().copied()
    };
    let mut all: Vec<(Option<i32>, i32)> = held.iter().map(|(pid, own)| (place(*pid, own), *pid)).collect();
    all.sort_unstable();
    if all.iter().all(|(place, _)| place.is_some()) {
        all.into_iter().map(|(_, pid)| pid).collect()
    } else {
        Vec::new()
    }
}

/// Sockets of a process, and the lowest descriptor of each.
fn sockets(pid: i32) -> BTreeMap<String, i32> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).ok().and_then(|target| target.to_str().map(str::to_owned));
        let number: Option<i32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((target, number)) = target.filter(|target| target.starts_with("socket:")).zip(number) {
            let lowest = all.entry(target).or_insert(number);
            *lowest = number.min(*lowest);
        }
    }
    all
}
