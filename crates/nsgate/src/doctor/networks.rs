//! The networks: who serves each, what its configuration leads to, and what was refused last.

use super::{Finding, FindingLevel, Places, few};
use crate::{
    metrics::{configurations, wanted},
    overview::{Counted, Overview, ProcessOverview, booted, uptime},
};
use nsgate_config::{Config, Uuid, haproxy};
use nsgate_launcher::{Mode, Options, check_gate, check_reach, kept_out_of, read_config};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream,
    },
    path::Path,
};

/// Configurations that are walked.
const WALKED: usize = 50;
/// A failure is news for so many seconds.
const NEWS: u64 = 600;

pub(super) fn look(overview: &Overview, places: &Places) -> Vec<Finding> {
    let gates: Vec<&ProcessOverview> = overview.processes.iter().filter(|one| one.is_a_gate()).collect();
    let mut all = vec![summary(&gates)];
    all.extend(few(overview.processes.iter().flat_map(|one| silent(one).into_iter().chain(process(one))).collect()));
    all.extend(few(overview.processes.iter().flat_map(out_of_reach).collect()));
    all.extend(few(lost(overview, places)));
    all.extend(few(namespaces(&gates)));
    all.extend(few(configured(places)));
    all.extend(few(gates.iter().flat_map(|one| counted(one)).collect()));
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

fn named(one: &ProcessOverview) -> String {
    let network =
        one.identity.map(|identity| format!(" of {} {}", identity.header(), identity.uuid())).unwrap_or_default();
    format!("the {}{network} ({})", one.role, one.pid)
}

/// It is there, and answers no guest.
fn silent(one: &ProcessOverview) -> Option<Finding> {
    let silent = one.silent.as_ref()?;
    Some(Finding::wrong("networks", format!("{}: {}", named(one), silent.what), silent.remedy.clone()))
}

/// What is not as it should be about a process.
fn process(one: &ProcessOverview) -> Option<Finding> {
    let wrong = one.wrong.join(", ");
    match one.confined {
        Some(false) if one.role == "haproxy" => Some(Finding::wrong(
            "networks",
            format!("{} is no gate", named(one)),
            "start its agent anew once it finds nsgate, or end it: the agent starts another proxy",
        )),
        Some(false) if one.wrong.iter().all(|row| row.starts_with("its directories")) => Some(Finding::wrong(
            "networks",
            format!("{} sees a directory that was removed or replaced: {wrong}", named(one)),
            match one.role {
                "worker" | "zygote" | "dispatcher" => {
                    "start the pool anew, and then each keeper that sees the old directory: docs/migration.md#a-pools-own-directory"
                }
                _ => "start it anew, and before it its pool: docs/migration.md#an-agents-directory-that-is-made-anew",
            },
        )),
        Some(false) => {
            let remedy = format!("`nsgate attest {}` says what each line means", one.pid);
            Some(Finding::wrong("networks", format!("{} is not as it should be: {wrong}", named(one)), remedy))
        }
        None => Some(Finding::unseen("networks", format!("{}: {wrong}", named(one)))),
        Some(true) => match &one.counted {
            Counted::Read(read) if one.role == "keeper" && read.serves => Some(Finding::wrong(
                "networks",
                format!("{} serves by itself", named(one)),
                "start its pool; where one answers and refuses the network, the pool's log and the keeper's say why",
            )),
            Counted::Unreadable(error) => {
                Some(Finding::unseen("networks", format!("counters of {}: {error}", named(one))))
            }
            _ => one.notes.first().map(|note| Finding::note("networks", format!("{}: {note}", named(one)))),
        },
    }
}

/// Its agent, its pool or its log is there, and the kernel does not let it connect.
fn out_of_reach(one: &ProcessOverview) -> Vec<Finding> {
    let Some(ids) = one.ids.filter(|_| one.role != "supervisor") else { return Vec::new() };
    let kept_out = kept_out_of(one.pid, &ids, &one.windows).into_iter();
    kept_out.map(|kept| Finding::wrong("networks", format!("of {}, {}", named(one), kept.what), kept.remedy)).collect()
}

/// Networks that an agent wants a proxy for, and that have none.
fn lost(overview: &Overview, places: &Places) -> Vec<Finding> {
    let there: BTreeSet<Uuid> =
        overview.processes.iter().filter_map(|one| one.identity.map(|identity| identity.uuid())).collect();
    let wanted = wanted(&places.state);
    let lost = wanted.difference(&there);
    let said = |uuid: &Uuid| {
        let what = format!("nobody serves {uuid}, for which an agent has written a configuration");
        Finding::wrong("networks", what, "start the agent anew, or look at its log for why it starts no proxy")
    };
    lost.map(said).collect()
}

/// Namespaces that Neutron made, without a proxy: a router needs none, where its networks have one.
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
            .map_or("nobody".to_owned(), |roles| roles.join(" and "));
        *counts.entry(format!("{kind}… served by {by}")).or_default() += 1;
    }
    counts.into_iter().map(|(what, count)| Finding::ok("namespaces", format!("{count} {what}"))).collect()
}

/// Where configurations lead, as a start would see it: each agent's socket once.
fn configured(places: &Places) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for file in configurations(&places.state).into_iter().take(WALKED) {
        let shown = file.display();
        let (text, written) = match read_config(&file) {
            Ok(read) => read,
            Err(error) => {
                let (what, remedy) = (error.to_string(), "as the message says; no gate starts from it");
                let denied = what.contains("EACCES") || what.contains("Permission denied");
                all.push(if denied {
                    Finding::unseen("configurations", what)
                } else {
                    Finding::wrong("configurations", what, remedy)
                });
                continue;
            }
        };
        let Ok(parsed) = haproxy::parse(&shown.to_string(), &text) else {
            let what = format!("{shown} is no configuration of a gate");
            all.push(Finding::wrong(
                "configurations",
                what,
                format!("`nsgate check {shown}` says what is wrong with it"),
            ));
            continue;
        };
        let path = parsed.config.gate.backend.path().to_string();
        if seen.insert(path) {
            let mut options = Options::new(Mode::Daemon);
            options.written = Some(written);
            all.extend(backend(&parsed.config, &options));
        }
    }
    all
}

fn backend(config: &Config, options: &Options) -> Vec<Finding> {
    let agent = agent(config.gate.backend.path().as_path());
    let mut all: Vec<Finding> = match check_gate(config, None, options) {
        Ok(warnings) => {
            // The mode of a socket that is left over says nothing of the next one.
            let unreached = if agent.level == FindingLevel::Ok { check_reach(config, options) } else { Ok(Vec::new()) };
            let unreached = unreached.unwrap_or_default();
            let said = |warning: String| {
                if unreached.contains(&warning) {
                    Finding::wrong("configurations", warning, "let it, as the message says")
                } else {
                    Finding::note("configurations", warning)
                }
            };
            warnings.into_iter().map(said).collect()
        }
        Err(error) => {
            vec![Finding::wrong("configurations", error.to_string(), "as the message says; no gate starts with it")]
        }
    };
    all.push(agent);
    all
}

/// Whether an agent listens at its socket.
fn agent(path: &Path) -> Finding {
    const REMEDY: &str = "start the metadata agent; gates that run find its new socket in the same directory";
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::unseen("agent", format!("{shown}: {error}"))
        }
        Err(error) => Finding::wrong("agent", format!("the metadata agent's socket {shown}: {error}"), REMEDY),
        Ok(found) if !found.file_type().is_socket() => Finding::wrong("agent", format!("{shown} is no socket"), REMEDY),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Finding::ok("agent", format!("somebody listens at {shown}")),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Finding::unseen("agent", format!("{shown}: {error}"))
            }
            Err(error) => Finding::wrong("agent", format!("nobody listens at {shown}: {error}"), REMEDY),
        },
    }
}

/// What was refused and what failed.
fn counted(one: &ProcessOverview) -> Vec<Finding> {
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
        let level = if last < NEWS { FindingLevel::Wrong } else { FindingLevel::Note };
        let what =
            format!("{}: requests without an answer of the agent's: {failed}; the last {last} s ago", named(one));
        let remedy = Some("the metadata agent's log; docs/audit.md#reasons".to_owned());
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
