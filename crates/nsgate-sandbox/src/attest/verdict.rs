//! What a gate would hold, beside what a process does.

use super::Holdings;
use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What.
    pub what: String,
    /// What a gate's would be.
    pub expected: String,
    /// What this process's is.
    pub found: String,
    /// Whether that is as it should be; `None` if it could not be read.
    pub ok: Option<bool>,
}

/// Kinds of descriptors that a gate has. Everything else is a file, a device, or a way to something.
const EXPECTED_KINDS: [&str; 10] = [
    "tcp listener",
    "tcp connection",
    super::descriptors::ELSEWHERE,
    "unix stream",
    "unix datagram",
    "unix seqpacket",
    "eventpoll",
    "eventfd",
    "signalfd",
    "/dev/null",
];

/// A foreground gate may keep the terminal or the pipe it was started on, as 0, 1 and 2.
const FOREGROUND_KINDS: [&str; 1] = ["pipe"];

/// The only files that a gate may have, if it was told to write its log or its audit there: they can be appended to and
/// nothing else.
const LOG_KINDS: [&str; 1] = [super::descriptors::LOG];

/// What the reader beside a host's proxy has: the directory of the one file that it reads, and pipes. A process that has
/// anything else has no use for a directory.
const READER_KINDS: [&str; 3] = [super::descriptors::PINNED, "pipe", "/dev/null"];

/// The zygote of a pool waits for what it has made.
const CHILD_KINDS: [&str; 1] = [super::descriptors::CHILD];

pub(super) fn judge(holdings: &Holdings) -> Vec<Row> {
    let mut rows = vec![
        row("users", "not root", join(&holdings.users), Some(!holdings.users.contains(&0))),
        row("groups", "not root", join(&holdings.groups), Some(!holdings.groups.contains(&0))),
        groups(holdings),
    ];
    for (set, names) in &holdings.capabilities {
        let found = match names.len() {
            0 => "none".to_owned(),
            1..=3 => names.join(" "),
            count => format!("{count}: {} …", names.iter().take(2).cloned().collect::<Vec<_>>().join(" ")),
        };
        rows.push(row(set, "none", found, Some(names.is_empty())));
    }
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    rows.push(row("no_new_privs", "yes", yes_no(holdings.no_new_privs), Some(holdings.no_new_privs)));
    let seccomp = match holdings.seccomp {
        0 => "none".to_owned(),
        1 => "strict".to_owned(),
        _ => "filter".to_owned(),
    };
    rows.push(row("seccomp", "filter", seccomp, Some(holdings.seccomp == 2)));
    for namespace in
        holdings.namespaces.iter().filter(|namespace| ["ipc", "mnt", "pid", "uts"].contains(&namespace.kind))
    {
        let found = namespace.shared.map_or("unreadable", |shared| if shared { "the reader's" } else { "its own" });
        let what = format!("{} namespace", namespace.kind);
        rows.push(row(&what, "its own", found.to_owned(), namespace.shared.map(|shared| !shared)));
    }
    rows.push(root(holdings));
    rows.push(mounts(holdings));
    rows.push(descriptors(holdings));
    let core = holdings.core_limit.clone();
    let ok = core.as_ref().map(|limit| limit == "0");
    rows.push(row("core dump", "0", core.unwrap_or_else(|| "unreadable".to_owned()), ok));
    rows
}

/// Inside a user namespace that forbids setgroups(2), the group itself may be listed again.
fn groups(holdings: &Holdings) -> Row {
    let others = &holdings.supplementary_groups;
    let found = if others.is_empty() { "none".to_owned() } else { join(others) };
    let own = others.iter().all(|gid| holdings.groups.contains(gid));
    row("other groups", "none", found, Some(own))
}

/// What a gate's root may show: windows, and a short name for the socket in each. A keeper sees the directory of the
/// pool's socket as well, and a worker those of up to eight agents, which are numbered from the second on.
const ROOT: [&str; 6] = ["agent", "backend", "log", "syslog", "worker", "pool"];

fn expected_in_root(name: &str) -> bool {
    let plain = name.trim_end_matches(|c: char| ('2'..='8').contains(&c));
    ROOT.contains(&name) || (name.len() == plain.len() + 1 && ["agent", "backend"].contains(&plain))
}

fn root(holdings: &Holdings) -> Row {
    let Some(entries) = &holdings.root else {
        return row("root shows", "agent backend", "unreadable".to_owned(), None);
    };
    // A host's proxy shows neither.
    let small = entries.iter().all(|name| expected_in_root(name));
    let found = match entries.len() {
        0 => "nothing".to_owned(),
        1..=4 => entries.join(" "),
        count => format!("{count}: {} …", entries.iter().take(4).cloned().collect::<Vec<_>>().join(" ")),
    };
    row("root shows", "agent backend", found, Some(small))
}

fn mounts(holdings: &Holdings) -> Row {
    let Some(mounts) = &holdings.mounts else {
        return row("writable mounts", "none", "unreadable".to_owned(), None);
    };
    let writable = mounts.iter().filter(|mount| !mount.options.split(',').any(|option| option == "ro")).count();
    row(
        "writable mounts",
        "none",
        if writable == 0 { "none".to_owned() } else { writable.to_string() },
        Some(writable == 0),
    )
}

fn descriptors(holdings: &Holdings) -> Row {
    let Some(kinds) = &holdings.descriptors else {
        return row("open files", "none", "unreadable".to_owned(), None);
    };
    let expected = |kind: &str| {
        [&EXPECTED_KINDS[..], &FOREGROUND_KINDS, &LOG_KINDS, &CHILD_KINDS].iter().any(|kinds| kinds.contains(&kind))
    };
    let reads = kinds.get(super::descriptors::PINNED) == Some(&1)
        && kinds.keys().all(|kind| READER_KINDS.contains(&kind.as_str()));
    let others: Vec<String> = kinds.keys().filter(|kind| !expected(kind) && !reads).cloned().collect();
    let found = if others.is_empty() { "none".to_owned() } else { others.join(" ") };
    row("open files", "none", found, Some(others.is_empty()))
}

fn row(what: &str, expected: &str, found: String, ok: Option<bool>) -> Row {
    Row { what: what.to_owned(), expected: expected.to_owned(), found, ok }
}

fn join(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}
