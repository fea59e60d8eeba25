//! What a process should hold, beside what it holds.

use super::{
    descriptors::Open,
    expected::Expected,
    holdings::Holdings,
    kinds,
    row::VerdictRow,
    shared_page::is_named,
    threads::Thread,
    windows::{SOCKET, SeenWindow, WindowState},
};
use crate::mounts::Mount;
use crate::status::SETS;

pub(super) fn compare_with_expected(holdings: &Holdings, expected: &Expected) -> Vec<VerdictRow> {
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
    let kept = expected.keeps_root;
    for namespace in
        holdings.namespaces.iter().filter(|namespace| ["ipc", "mnt", "pid", "uts"].contains(&namespace.kind))
    {
        let found = namespace.shared.map_or("unreadable", |shared| if shared { "the reader's" } else { "its own" });
        let (wanted, ok) = match namespace.shared {
            Some(_) if kept => ("its starter's", Some(true)),
            shared => ("its own", shared.map(|shared| !shared)),
        };
        rows.push(row(&format!("{} namespace", namespace.kind), wanted, found.to_owned(), ok));
    }
    rows.push(root(holdings, expected));
    rows.push(mounts(holdings, kept));
    if !kept {
        rows.push(windows(holdings, expected));
    }
    rows.push(open(holdings, expected));
    rows.push(shared(holdings, expected));
    let core = holdings.core_limit.clone();
    let ok = core.as_ref().map(|limit| limit == "0");
    rows.push(row("core dump", "0", core.unwrap_or_else(|| "unreadable".to_owned()), ok));
    rows
}

/// A row about every thread: what the first one holds, or the first that holds too much.
fn each(threads: &[Thread], what: &str, expected: &str, of: impl Fn(&Thread) -> (String, bool)) -> VerdictRow {
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

fn root(holdings: &Holdings, expected: &Expected) -> VerdictRow {
    let Some(entries) = &holdings.root else {
        return row("root shows", expected.root, "unreadable".to_owned(), None);
    };
    let found = match entries.len() {
        0 => "nothing".to_owned(),
        1..=4 => entries.join(" "),
        count => format!("{count}: {} …", entries.iter().take(4).cloned().collect::<Vec<_>>().join(" ")),
    };
    row("root shows", expected.root, found, Some(expected.keeps_root || expected.is_small))
}

fn mounts(holdings: &Holdings, kept: bool) -> VerdictRow {
    let expected = if kept { "its starter's" } else { "none" };
    let Some(mounts) = &holdings.mounts else {
        return row("writable mounts", expected, "unreadable".to_owned(), None);
    };
    let writable = mounts.iter().filter(|mount| is_writable(mount)).count();
    let found = if writable == 0 { "none".to_owned() } else { writable.to_string() };
    row("writable mounts", expected, found, Some(kept || writable == 0))
}

fn is_writable(mount: &Mount) -> bool {
    !mount.options.split(',').any(|option| option == "ro")
}

/// The directories that the process sees: of one that was removed or replaced, what is at its path now is not seen.
fn windows(holdings: &Holdings, Expected { restart, .. }: &Expected) -> VerdictRow {
    let (what, expected) = ("its directories", "there");
    let Some(mounts) = &holdings.mounts else {
        return row(what, expected, "unreadable".to_owned(), None);
    };
    let lost: Vec<String> = match &holdings.windows {
        Some(windows) => windows.iter().filter_map(lost).collect(),
        // Another program's root.
        None => mounts.iter().filter(|mount| mount.removed).map(|mount| format!("removed: {}", mount.point)).collect(),
    };
    let found = if lost.is_empty() { "there".to_owned() } else { format!("{}; start {restart} anew", lost.join(", ")) };
    row(what, expected, found, Some(lost.is_empty()))
}

/// What has become of a directory that is not seen any more.
fn lost(seen: &SeenWindow) -> Option<String> {
    let (window, path) =
        (&seen.window, seen.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default());
    // A path in a container is none of the host's.
    let path =
        seen.namespace_of.map_or_else(|| path.clone(), |pid| format!("{path} in the mount namespace of process {pid}"));
    if window == SOCKET {
        return match seen.state {
            WindowState::There | WindowState::Unknown => None,
            WindowState::Replaced | WindowState::Removed => {
                Some(format!("replaced: its socket (another one is at {path} now)"))
            }
            WindowState::Gone => Some(format!("moved away: its socket (none is at {path} now)")),
        };
    }
    match seen.state {
        WindowState::There | WindowState::Unknown => None,
        WindowState::Removed if path.is_empty() => Some(format!("removed: {window}")),
        WindowState::Removed => Some(format!("removed: {window} (the directory of {path})")),
        WindowState::Replaced => Some(format!("replaced: {window} (the way to {path} leads to another directory now)")),
        WindowState::Gone => Some(format!("moved away: {window} (the way to {path} leads to no directory now)")),
    }
}

/// What a standard stream may be beside what is expected: a device that is good for nothing.
const OF_STREAMS: [&str; 2] = [kinds::ZERO_DEVICE, kinds::FULL_DEVICE];

fn open(holdings: &Holdings, expected: &Expected) -> VerdictRow {
    let Some(open) = &holdings.open else {
        return row("open files", "none", "unreadable".to_owned(), None);
    };
    let harmless = |open: &Open| open.is_standard() && OF_STREAMS.contains(&open.kind.as_str());
    let listed =
        |open: &Open| expected.descriptors.contains(&open.kind.as_str()) && (expected.many_networks || !open.foreign);
    let wrong = open.iter().filter(|open| !listed(open) && !harmless(open));
    let (streams, others): (Vec<&Open>, Vec<&Open>) = wrong.partition(|open| open.is_standard());
    let words = |all: &[&Open]| {
        let mut words: Vec<String> = all.iter().map(|open| open.in_words()).collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let ok = streams.is_empty() && others.is_empty();
    let found = if ok {
        "none".to_owned()
    } else if expected.role.is_none() {
        // Another program has its reasons.
        [words(&streams), words(&others)].concat().join(" ")
    } else {
        // The starter gave the one, and something within the process opened the other.
        let given = "start it anew, with `</dev/null`, `>>` or a pipe".to_owned();
        let who = expected.in_words;
        let opened = format!("no {who} opens such a thing: start it anew, without what else is loaded into it");
        let parts = [(words(&streams), given), (words(&others), opened)];
        let parts = parts.into_iter().filter(|(words, _)| !words.is_empty());
        parts.map(|(words, advice)| format!("{}; {advice}", words.join("; "))).collect::<Vec<_>>().join("; ")
    };
    row("open files", "none", found, Some(ok))
}

/// Memory that others see: one page, in the processes that share one.
fn shared(holdings: &Holdings, Expected { shares, .. }: &Expected) -> VerdictRow {
    let (what, expected) = ("shared memory", shares.map_or("none", |(_, words)| words));
    let Some(files) = &holdings.shared_files else {
        return row(what, expected, "unreadable".to_owned(), None);
    };
    let found = match (files.as_slice(), shares) {
        ([], _) => "none".to_owned(),
        ([one], Some((name, _))) if is_named(one, name) => expected.to_owned(),
        (files, _) => files.join(" "),
    };
    // A process of an earlier release shares none.
    let ok = found == expected || files.is_empty();
    row(what, expected, found, Some(ok))
}

fn row(what: &str, expected: &str, found: String, ok: Option<bool>) -> VerdictRow {
    VerdictRow { what: what.to_owned(), expected: expected.to_owned(), found, ok }
}

fn join(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}
