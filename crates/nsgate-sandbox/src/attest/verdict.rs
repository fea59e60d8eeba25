//! What its role needs, beside what a process holds.

use super::{Holdings, Seen, State, Thread, counters::is_page, descriptors, role};
use crate::{Role, status::SETS};
use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// What.
    pub what: String,
    /// What its role's would be, or a gate's.
    pub expected: String,
    /// What this process's is.
    pub found: String,
    /// Whether that is as it should be; `None` if it could not be read.
    pub ok: Option<bool>,
}

/// Kinds of descriptors that every role which serves has. Everything else is a file, a device, or a way to something.
const SERVES: [&str; 9] = [
    "tcp listener",
    "tcp connection",
    // A guest may reset its connection at any moment.
    descriptors::NO_TABLE,
    "unix stream",
    "unix datagram",
    "eventpoll",
    "eventfd",
    "signalfd",
    // The only files: a log or an audit can be appended to and nothing else.
    descriptors::LOG,
];
/// What each of them may have: the null device, and where it was told to write.
const ALL: [&str; 3] = ["/dev/null", "pipe", descriptors::TERMINAL];
/// The pool's socket, and connections over it.
const POOL: [&str; 2] = [descriptors::DOOR, descriptors::PEER];

/// Kinds that a role needs, beside [`ALL`].
fn needs(role: Option<Role>) -> Vec<&'static str> {
    let more: &[&[&str]] = match role {
        // What a process is that is none of these, a gate would have to be.
        None | Some(Role::Gate | Role::HostProxy) => &[&SERVES],
        // The directory of the one file that it reads. A process that has anything else has no use for one.
        Some(Role::Reader) => &[&[descriptors::PINNED]],
        Some(Role::Supervisor) => &[&[descriptors::CHILD, "signalfd", "unix stream", descriptors::LOG]],
        Some(Role::Worker | Role::Keeper | Role::Courier) => &[&SERVES, &POOL],
        // What a dispatcher leaves to the next one.
        Some(Role::Dispatcher) => &[&SERVES, &POOL, &[descriptors::MEMORY]],
        // It waits for what it has made.
        Some(Role::Zygote) => &[&SERVES, &POOL, &[descriptors::CHILD, descriptors::MEMORY]],
    };
    more.iter().chain([&ALL.as_slice()]).flat_map(|kinds| kinds.iter().copied()).collect()
}

pub(super) fn judge(holdings: &Holdings, role: Option<Role>) -> Vec<Row> {
    let threads = &holdings.threads;
    let mut rows = vec![
        row("threads", "1", threads.len().to_string(), Some(threads.len() == 1)),
        each(threads, "users", "not root", |one| (join(&one.users), !one.users.contains(&0))),
        each(threads, "groups", "not root", |one| (join(&one.groups), !one.groups.contains(&0))),
        each(threads, "other groups", "none", groups),
    ];
    for set in SETS {
        rows.push(each(threads, set, "none", |one| capabilities(one.capabilities.get(set).map_or(&[], Vec::as_slice))));
    }
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    rows.push(each(threads, "no_new_privs", "yes", |one| (yes_no(one.no_new_privs), one.no_new_privs)));
    rows.push(each(threads, "seccomp", "filter", |one| (filter(one.seccomp), one.seccomp == 2)));
    let kept = role::keeps_its_root(role);
    for namespace in
        holdings.namespaces.iter().filter(|namespace| ["ipc", "mnt", "pid", "uts"].contains(&namespace.kind))
    {
        let found = namespace.shared.map_or("unreadable", |shared| if shared { "the reader's" } else { "its own" });
        let (expected, ok) = match namespace.shared {
            Some(_) if kept => ("its starter's", Some(true)),
            shared => ("its own", shared.map(|shared| !shared)),
        };
        rows.push(row(&format!("{} namespace", namespace.kind), expected, found.to_owned(), ok));
    }
    rows.push(root(holdings, role));
    rows.push(mounts(holdings, kept));
    if !kept {
        rows.push(windows(holdings, role));
    }
    rows.push(open(holdings, role));
    rows.push(shared(holdings, role));
    let core = holdings.core_limit.clone();
    let ok = core.as_ref().map(|limit| limit == "0");
    rows.push(row("core dump", "0", core.unwrap_or_else(|| "unreadable".to_owned()), ok));
    rows
}

/// A row about every thread: what the first one holds, or the first that holds too much.
fn each(threads: &[Thread], what: &str, expected: &str, of: impl Fn(&Thread) -> (String, bool)) -> Row {
    let judged = || threads.iter().map(|thread| (thread.id, of(thread)));
    let wrong = judged().find(|(_, (_, ok))| !ok);
    let (first, ok) = (threads.first().map(|thread| thread.id), wrong.is_none());
    let Some((id, (found, _))) = wrong.or_else(|| judged().next()) else {
        return row(what, expected, "unreadable".to_owned(), None);
    };
    let found = if first == Some(id) { found } else { format!("{found} (thread {id})") };
    row(what, expected, found, Some(ok))
}

fn capabilities(names: &[String]) -> (String, bool) {
    let found = match names.len() {
        0 => "none".to_owned(),
        1..=3 => names.join(" "),
        count => format!("{count}: {} …", names.iter().take(2).cloned().collect::<Vec<_>>().join(" ")),
    };
    (found, names.is_empty())
}

fn filter(mode: u32) -> String {
    match mode {
        0 => "none".to_owned(),
        1 => "strict".to_owned(),
        _ => "filter".to_owned(),
    }
}

/// Inside a user namespace that forbids setgroups(2), the group itself may be listed again.
fn groups(thread: &Thread) -> (String, bool) {
    let others = &thread.supplementary_groups;
    let found = if others.is_empty() { "none".to_owned() } else { join(others) };
    (found, others.iter().all(|gid| thread.groups.contains(gid)))
}

fn root(holdings: &Holdings, role: Option<Role>) -> Row {
    let expected = match role {
        Some(Role::Supervisor) => "its starter's",
        Some(Role::HostProxy | Role::Reader) => "nothing",
        Some(Role::Keeper | Role::Courier) => "agent backend pool worker",
        _ => "agent backend",
    };
    let Some(entries) = &holdings.root else {
        return row("root shows", expected, "unreadable".to_owned(), None);
    };
    let found = match entries.len() {
        0 => "nothing".to_owned(),
        1..=4 => entries.join(" "),
        count => format!("{count}: {} …", entries.iter().take(4).cloned().collect::<Vec<_>>().join(" ")),
    };
    row("root shows", expected, found, Some(role::keeps_its_root(role) || role::is_small(entries)))
}

fn mounts(holdings: &Holdings, kept: bool) -> Row {
    let expected = if kept { "its starter's" } else { "none" };
    let Some(mounts) = &holdings.mounts else {
        return row("writable mounts", expected, "unreadable".to_owned(), None);
    };
    let writable = mounts.iter().filter(|mount| role::is_writable(mount)).count();
    let found = if writable == 0 { "none".to_owned() } else { writable.to_string() };
    row("writable mounts", expected, found, Some(kept || writable == 0))
}

/// The directories that the process sees: of one that was removed or replaced, what is at its path now is not seen.
fn windows(holdings: &Holdings, role: Option<Role>) -> Row {
    let (what, expected) = ("its directories", "there");
    let Some(mounts) = &holdings.mounts else {
        return row(what, expected, "unreadable".to_owned(), None);
    };
    let lost: Vec<String> = match &holdings.windows {
        Some(windows) => windows.iter().filter_map(lost).collect(),
        // Another program's root.
        None => mounts.iter().filter(|mount| mount.removed).map(|mount| format!("removed: {}", mount.point)).collect(),
    };
    let whom = match role {
        Some(Role::Worker | Role::Zygote | Role::Dispatcher) => "the pool",
        _ => "it",
    };
    let found = if lost.is_empty() { "there".to_owned() } else { format!("{}; start {whom} anew", lost.join(", ")) };
    row(what, expected, found, Some(lost.is_empty()))
}

/// What has become of a directory that is not seen any more.
fn lost(seen: &Seen) -> Option<String> {
    let (window, path) =
        (&seen.window, seen.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default());
    match seen.state {
        State::There | State::Unknown => None,
        State::Removed => Some(format!("removed: {window}")),
        State::Replaced => Some(format!("replaced: {window} (the way to {path} leads to another directory now)")),
        State::Gone => Some(format!("moved away: {window} (the way to {path} leads to no directory now)")),
    }
}

fn open(holdings: &Holdings, role: Option<Role>) -> Row {
    let Some(open) = &holdings.open else {
        return row("open files", "none", "unreadable".to_owned(), None);
    };
    let needs = needs(role);
    // A pool has the listeners of many networks. Every other one serves the network that it is in.
    let one = !matches!(role, Some(Role::Worker | Role::Dispatcher | Role::Zygote));
    let others = || open.iter().filter(|open| !needs.contains(&open.kind.as_str()) || one && open.foreign);
    let mut found: Vec<String> = others().map(descriptors::Open::in_words).collect();
    found.sort_unstable();
    found.dedup();
    let ok = found.is_empty();
    let found = match (ok, role) {
        (true, _) => "none".to_owned(),
        // Another program has its reasons.
        (false, None) => found.join(" "),
        (false, Some(_)) if others().all(|open| open.is_standard() && open.file.is_some()) => {
            format!("{}; start it anew, with `</dev/null`, `>>` or a pipe", found.join("; "))
        }
        (false, Some(role)) => {
            format!(
                "{}; a {} opens no such thing: start it anew, without what else is loaded into it",
                found.join("; "),
                role::in_words(role.name())
            )
        }
    };
    row("open files", "none", found, Some(ok))
}

/// Memory that others see: one page of numbers, in the roles that count in one.
fn shared(holdings: &Holdings, role: Option<Role>) -> Row {
    let counts = matches!(role, Some(Role::Gate | Role::Keeper | Role::HostProxy));
    let (what, expected) = ("shared memory", if counts { "its counters" } else { "none" });
    let Some(files) = &holdings.shared_files else {
        return row(what, expected, "unreadable".to_owned(), None);
    };
    let found = match files.as_slice() {
        [] => "none".to_owned(),
        [one] if counts && is_page(one) => expected.to_owned(),
        files => files.join(" "),
    };
    // One of an earlier release has no counters.
    let ok = found == expected || files.is_empty();
    row(what, expected, found, Some(ok))
}

fn row(what: &str, expected: &str, found: String, ok: Option<bool>) -> Row {
    Row { what: what.to_owned(), expected: expected.to_owned(), found, ok }
}

fn join(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}
