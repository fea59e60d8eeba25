//! The networks: the process that serves each, the paths of its configuration, and recent refusals.

use super::{
    Finding, FindingLevel, Places,
    configurations::{self, Configurations},
    few,
    hop::SecondHop,
    pool::Pools,
    processes::{self, Reach, named},
};
use crate::{
    metrics::wanted,
    overview::{Overview, ProcessOverview, booted, uptime},
};
use nsgate_config::Uuid;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// How many seconds a failure counts as recent.
const NEWS: u64 = 600;

pub(super) fn look(overview: &Overview, places: &Places, pools: &Pools, hop: &SecondHop) -> Vec<Finding> {
    let gates: Vec<&ProcessOverview> = overview.processes.iter().filter(|one| one.is_a_gate()).collect();
    let mut all = vec![summary(&gates)];
    let reach: Vec<Reach<'_>> = overview.processes.iter().flat_map(processes::out_of_reach).collect();
    all.extend(few(processes::look(overview, pools, &reach)));
    all.extend(few(processes::reach_findings(&reach)));
    all.extend(few(lost(overview, places)));
    all.extend(few(namespaces(&gates)));
    let configurations = configurations::look(places, &reach, hop);
    let is_explained = |one: &ProcessOverview| hop.explains(one) || is_explained(one, &configurations, &reach);
    let requests = gates.iter().flat_map(|one| counted(one, is_explained(one))).collect();
    all.extend(few(configurations.findings));
    all.extend(few(requests));
    all
}

fn summary(gates: &[&ProcessOverview]) -> Finding {
    let count = |role: &str| gates.iter().filter(|one| one.role == role).count();
    let [own, keepers, hosts, foreign] = ["gate", "keeper", "hostproxy", "haproxy"].map(count);
    let many = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let what = format!(
        "{}, {}, {}, {} in a network's place",
        many(own, "gate", "gates"),
        many(keepers, "keeper", "keepers"),
        many(hosts, "proxy of a host", "proxies of a host"),
        many(foreign, "haproxy", "haproxies")
    );
    Finding::ok("networks", what)
}

/// Networks for which an agent wants a proxy, and which have none.
fn lost(overview: &Overview, places: &Places) -> Vec<Finding> {
    let there: BTreeSet<Uuid> =
        overview.processes.iter().filter_map(|one| one.identity.map(|identity| identity.uuid())).collect();
    let wanted = wanted(&places.state);
    let lost = wanted.difference(&there);
    let said = |uuid: &Uuid| {
        let what = format!("no process serves {uuid}, for which an agent has written a configuration");
        Finding::wrong("networks", what, "start the agent anew, or look at its log for why it starts no proxy")
    };
    lost.map(said).collect()
}

/// Neutron's namespaces without a proxy. A router needs none if its networks have one.
fn namespaces(gates: &[&ProcessOverview]) -> Vec<Finding> {
    let namespace = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let mut served: BTreeMap<(u64, u64), Vec<&str>> = BTreeMap::new();
    for one in gates {
        if let Some(found) = namespace(Path::new(&format!("/proc/{}/ns/net", one.pid))) {
            served.entry(found).or_default().push(one.role);
        }
    }
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let neutrons = ["qdhcp-", "qrouter-", "ovnmeta-"].iter().find(|begin| name.starts_with(**begin));
        let Some(kind) = neutrons else { continue };
        let by = namespace(&entry.path())
            .and_then(|found| served.get(&found))
            .map_or("no process".to_owned(), |roles| roles.join(" and "));
        *counts.entry(format!("{kind}… served by {by}")).or_default() += 1;
    }
    counts.into_iter().map(|(what, count)| Finding::ok("namespaces", format!("{count} {what}"))).collect()
}

/// Whether something that is wrong with a process or its agent is said, for which requests fail.
fn is_explained(one: &ProcessOverview, configurations: &Configurations, reach: &[Reach<'_>]) -> bool {
    let is_lost = one.windows.iter().any(|seen| seen.is_lost());
    is_lost || configurations.is_away(one) || reach.iter().any(|reach| reach.of.pid == one.pid)
}

/// What was refused and what failed; of what something above explains, how often.
fn counted(one: &ProcessOverview, is_explained: bool) -> Vec<Finding> {
    let Some(read) = one.counted.read() else { return Vec::new() };
    let numbers = &read.numbers;
    let now = booted().zip(uptime()).map_or(0, |(booted, up)| booted.saturating_add(up));
    let ago = |moment: u64| now.saturating_sub(moment);
    let reasons = |agents: bool| {
        let all = numbers.reasons().filter(|(reason, count)| *count > 0 && reason.is_agents() == agents);
        all.map(|(reason, count)| format!("{} {count}", reason.name())).collect::<Vec<_>>().join(", ")
    };
    let mut all = Vec::new();
    let (refused, failed) = (reasons(false), reasons(true));
    if !failed.is_empty() {
        let last = ago(numbers.failed_at());
        let is_news = last < NEWS && !is_explained;
        let level = if is_news { FindingLevel::Wrong } else { FindingLevel::Note };
        let what =
            format!("{}: requests without an answer of the agent's: {failed}; the last {last} s ago", named(one));
        let remedy = (!is_explained).then(|| "the metadata agent's log; docs/audit.md#reasons".to_owned());
        all.push(Finding { remedy, ..Finding::new(level, "requests", what) });
    }
    if !refused.is_empty() {
        let last = ago(numbers.refused_at().max(numbers.failed_at()));
        all.push(Finding::note("requests", format!("{}: not carried: {refused}; the last {last} s ago", named(one))));
    }
    if read.lost_lines > 0 {
        all.push(Finding::note("log", format!("{}: {} lines of its log were lost", named(one), read.lost_lines)));
    }
    all
}
