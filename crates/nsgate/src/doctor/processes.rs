//! Each process: whether it answers guests, sees what it was shown, and may connect where it has to.
//!
//! Promises one remedy for one cause. A finding that follows from a finding about the pools has no remedy of its own.

use super::{
    Finding,
    pool::{Pools, serves_by_itself, waits, window_of},
};
use crate::overview::{Counted, Overview, ProcessOverview};
use nsgate_launcher::{KeptOut, kept_out_of};
use std::collections::BTreeMap;

/// A process that may not connect to a socket of its own.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    pub(super) of: &'a ProcessOverview,
    kept: KeptOut,
}

impl Reach<'_> {
    /// Why the process may not connect, without the name of the socket.
    pub(super) fn reason(&self) -> &str {
        self.kept.what.split_once(": ").map_or(self.kept.what.as_str(), |(_, reason)| reason)
    }
}

pub(super) fn named(one: &ProcessOverview) -> String {
    let network =
        one.identity.map(|identity| format!(" of {} {}", identity.header(), identity.uuid())).unwrap_or_default();
    format!("the {}{network} ({})", one.role, one.pid)
}

/// The sockets of its agent, its pool or its log to which the kernel does not let this process connect, though they are there.
pub(super) fn out_of_reach(one: &ProcessOverview) -> Vec<Reach<'_>> {
    let Some(ids) = one.ids.filter(|_| one.role != "supervisor") else { return Vec::new() };
    kept_out_of(one.pid, &ids, &one.windows).into_iter().map(|kept| Reach { of: one, kept }).collect()
}

/// One finding for each cause. It names all processes that may not connect for that cause.
pub(super) fn reach_findings(all: &[Reach<'_>]) -> Vec<Finding> {
    let mut by_cause: BTreeMap<(&str, &str), Vec<&ProcessOverview>> = BTreeMap::new();
    for reach in all {
        by_cause.entry((&reach.kept.what, &reach.kept.remedy)).or_default().push(reach.of);
    }
    let said = |((what, remedy), of): ((&str, &str), Vec<&ProcessOverview>)| {
        Finding::wrong("networks", format!("of {}, {what}", together(&of)), remedy)
    };
    by_cause.into_iter().map(said).collect()
}

/// The name of the first process, and the number of the others.
fn together(all: &[&ProcessOverview]) -> String {
    let first = all.first().map(|one| named(one)).unwrap_or_default();
    match all.len() {
        0 | 1 => first,
        many => format!("{first} and {} more", many - 1),
    }
}

/// What is wrong with each process.
pub(super) fn look(overview: &Overview, pools: &Pools, reach: &[Reach<'_>]) -> Vec<Finding> {
    let all = overview.processes.iter();
    let mut found: Vec<Finding> =
        all.clone().flat_map(|one| silent(one, pools).into_iter().chain(process(one, pools, reach))).collect();
    // One command starts all processes of a pool anew, so they share a finding.
    let mut crews: BTreeMap<String, Vec<&ProcessOverview>> = BTreeMap::new();
    for one in all.filter(|one| is_of_a_pool(one) && sees_another(one) && !pools.tells_of(one)) {
        crews.entry(one.wrong.join(", ")).or_default().push(one);
    }
    found.extend(crews.into_iter().map(|(wrong, crew)| {
        let what = format!("{} sees a directory that was removed or replaced: {wrong}", together(&crew));
        Finding::wrong(
            "networks",
            what,
            "start the pool anew: `systemctl restart nsgate-pool`, or `nsgate pool --replace` as before",
        )
    }));
    found
}

fn is_of_a_pool(one: &ProcessOverview) -> bool {
    ["worker", "zygote", "dispatcher"].contains(&one.role)
}

/// Whether a directory that was removed or replaced is all that is wrong with this process.
fn sees_another(one: &ProcessOverview) -> bool {
    one.confined == Some(false) && one.wrong.iter().all(|row| row.starts_with("its directories"))
}

/// The finding about a process that runs, but answers no guest. A keeper that waits for its worker is part of the pool's finding.
fn silent(one: &ProcessOverview, pools: &Pools) -> Option<Finding> {
    let silent = one.silent.as_ref()?;
    if pools.tells_of(one) || silent.waits {
        return None;
    }
    Some(Finding::wrong("networks", format!("{}: {}", named(one), silent.what), silent.remedy.clone()))
}

fn process(one: &ProcessOverview, pools: &Pools, reach: &[Reach<'_>]) -> Option<Finding> {
    let wrong = one.wrong.join(", ");
    match one.confined {
        Some(false) if one.role == "haproxy" => Some(Finding::wrong(
            "networks",
            format!("{} is no gate", named(one)),
            "start its agent anew once it finds nsgate, or end it: the agent starts another proxy",
        )),
        Some(false) if sees_another(one) && is_of_a_pool(one) => None,
        Some(false) if sees_another(one) => Some(moved(one, pools, &wrong)),
        Some(false) => {
            let remedy = format!("`nsgate attest {}` says what each line means", one.pid);
            Some(Finding::wrong("networks", format!("{} is not as it should be: {wrong}", named(one)), remedy))
        }
        None => Some(Finding::unseen("networks", format!("{}: {wrong}", named(one)))),
        Some(true) => match &one.counted {
            Counted::Read(_) if serves_by_itself(one) || waits(one) => keeper(one, pools, reach),
            Counted::Unreadable(error) => {
                Some(Finding::unseen("networks", format!("counters of {}: {error}", named(one))))
            }
            _ => one.notes.first().map(|note| Finding::note("networks", format!("{}: {note}", named(one)))),
        },
    }
}

/// The finding about a gate or a keeper that sees a directory which was removed or replaced.
fn moved(one: &ProcessOverview, pools: &Pools, wrong: &str) -> Finding {
    let what = format!("{} sees a directory that was removed or replaced: {wrong}", named(one));
    let of_the_pool = window_of(one).is_some_and(|seen| seen.is_lost());
    match pools.trouble_of(one).filter(|_| of_the_pool) {
        Some(trouble) => Finding::note("networks", format!("{what}; {trouble}")),
        None => Finding::wrong(
            "networks",
            what,
            format!(
                "`kill {}`: its agent starts another one; repeat the start of one of your own (`nsgate run`, `nsgate add`): \
                 docs/migration.md#an-agents-directory-that-is-made-anew",
                one.pid
            ),
        ),
    }
}

/// The finding about a keeper whose network no worker serves.
fn keeper(one: &ProcessOverview, pools: &Pools, reach: &[Reach<'_>]) -> Option<Finding> {
    let how = if waits(one) {
        "no worker serves its network, and it may not by itself (`nsgate add --no-fallback`, or `pool_fallback = false`)"
    } else {
        "it serves by itself"
    };
    let what = format!("{}: {how}", named(one));
    if let Some(trouble) = pools.trouble_of(one) {
        return Some(Finding::note("networks", format!("{what}: {trouble}")));
    }
    if reach.iter().any(|reach| reach.of.pid == one.pid && reach.kept.is_from_pool()) {
        return Some(Finding::note("networks", format!("{what}: the pool is out of its reach")));
    }
    let remedy = "its pool answers: the pool's log and the keeper's say why the network is refused (docs/pool.md#what-is-refused)";
    Some(Finding::wrong("networks", what, remedy))
}
