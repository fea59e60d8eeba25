//! Writes the page.

use super::{hop, wanted::Wanted};
use crate::{
    counted,
    overview::{Counted, Overview, ProcessOverview, booted},
};
use nsgate_config::{Identity, Uuid};
use nsgate_forwarder::counters::CounterValues;
use nsgate_pool::openmetrics::{Exposition, NetworkMetrics, families, labels, networks};
use std::collections::{BTreeMap, BTreeSet};

/// The family that says whether there is a page of the pool's.
const POOL_UP: &str = "nsgate_pool_up";

/// The numbers of one network and role. A network has two gates while one takes over from the other.
#[derive(Default)]
struct Told {
    identity: Option<Identity>,
    confined: Option<bool>,
    serves: Option<bool>,
    /// Whether there is a process, and none answers guests.
    unreachable: bool,
    /// It is the second hop, which has no guests.
    hop: bool,
    /// When the newest of them was started, in seconds since the host's start.
    started: Option<u64>,
    pages: Vec<counted::CounterReading>,
}

/// The page of a host, without its pool.
pub(super) fn of(overview: &Overview, wanted: &Wanted, most: usize) -> String {
    let mut page = Exposition::new(String::new());
    processes(&mut page, overview);
    let told = told(&overview.processes);
    let shown: Vec<(&String, &Told)> = told.iter().take(most).collect();
    states(&mut page, &shown);
    page.family("nsgate_accepted_connections", "counter", "Connections of guests that were accepted, by network.");
    let of_guests: Vec<(&String, &Told)> = shown.iter().filter(|(_, told)| !told.hop).copied().collect();
    counted(&mut page, &of_guests, "nsgate_accepted_connections_total", |read| read.accepted);
    let entries: Vec<NetworkMetrics> = of_guests
        .iter()
        .filter(|(_, told)| !told.pages.is_empty())
        .map(|(labels, told)| {
            let tokens = told.pages.iter().any(|read| read.tokens);
            let numbers = CounterValues::sum(told.pages.iter().map(|read| &read.numbers));
            NetworkMetrics::labelled((*labels).clone(), sum(&told.pages, |read| read.connections), numbers, tokens)
        })
        .collect();
    networks(&mut page, &entries);
    page.family("nsgate_log_lost_lines", "counter", "Lines of the log that no destination took.");
    counted(&mut page, &shown, "nsgate_log_lost_lines_total", |read| read.lost_lines);
    let help = "Whether the system log has not been there since the process was started: each of its lines is lost.";
    page.family("nsgate_log_missing", "gauge", help);
    for (labels, told) in shown.iter().filter(|(_, told)| !told.pages.is_empty()) {
        page.sample("nsgate_log_missing", labels, u8::from(told.pages.iter().any(|read| read.log_missing)));
    }
    page.family("nsgate_audit_lost_events", "counter", "Events of the audit that no destination took.");
    counted(&mut page, &shown, "nsgate_audit_lost_events_total", |read| read.lost_events);
    let help = "State directories of agents that cannot be read: which networks they want is not known.";
    page.family("nsgate_unread_state_directories", "gauge", help);
    page.sample("nsgate_unread_state_directories", "", wanted.unread);
    lost(&mut page, overview, &wanted.networks, most);
    hop::families(&mut page, overview);
    let left_out = told.len().saturating_sub(most) + overview.left_out;
    page.family("nsgate_left_out_networks", "gauge", "Networks that this page has no room for.");
    page.sample("nsgate_left_out_networks", "", left_out);
    page.finish()
}

/// What this page tells itself. A sample of the pool may belong to such a family only with the role of a worker.
pub(super) fn own_families(page: &str) -> BTreeSet<&str> {
    families(page).map(|(name, ..)| name).chain([POOL_UP]).collect()
}

/// Both pages, where the host has a pool.
pub(super) fn with_pool(own: &str, pool: Result<String, String>) -> String {
    let mut up = Exposition::new(String::new());
    up.family(POOL_UP, "gauge", "Whether the pool tells its metrics.");
    up.sample(POOL_UP, "", u8::from(pool.is_ok()));
    let own = own.strip_suffix("# EOF\n").unwrap_or(own).to_owned() + &up.finish();
    match pool {
        Ok(pool) => joined(&own, &pool),
        Err(_) => own,
    }
}

fn processes(page: &mut Exposition, overview: &Overview) {
    let mut roles: BTreeMap<&str, usize> = BTreeMap::from([("gate", 0), ("keeper", 0), ("haproxy", 0)]);
    for one in &overview.processes {
        *roles.entry(one.role).or_default() += 1;
    }
    page.family("nsgate_processes", "gauge", "Processes of nsgate's, and haproxies in a network's place, by role.");
    for (role, count) in roles {
        page.sample("nsgate_processes", &format!("role=\"{role}\""), count);
    }
    let unread = |one: &&ProcessOverview| {
        one.confined.is_none() || matches!(one.counted, Counted::Unreadable(_) | Counted::Strange)
    };
    page.family("nsgate_unread_processes", "gauge", "Processes of which not everything could be read.");
    page.sample("nsgate_unread_processes", "", overview.processes.iter().filter(unread).count());
}

/// By labels, so that no series comes twice.
fn told(processes: &[ProcessOverview]) -> BTreeMap<String, Told> {
    let mut all: BTreeMap<String, Told> = BTreeMap::new();
    for one in processes {
        let told = all
            .entry(labels(one.identity.as_ref(), one.role))
            .or_insert_with(|| Told { unreachable: true, ..Told::default() });
        let silent = one.silent.as_ref().is_some_and(|silent| silent.wholly);
        told.unreachable &= silent;
        told.hop = one.role == "agent";
        told.identity = one.identity;
        told.confined = match (told.confined, one.confined) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (before, now) => before.or(now),
        };
        told.started = told.started.max(one.started);
        if let Some(read) = one.counted.read() {
            told.serves = Some(told.serves.unwrap_or(false) || read.serves && !silent);
            told.pages.push(read.clone());
        }
    }
    all
}

fn states(page: &mut Exposition, shown: &[(&String, &Told)]) {
    let help =
        "Whether a process holds nothing but what its role needs (nsgate attest); nothing where it cannot be read.";
    page.family("nsgate_confined", "gauge", help);
    for (labels, told) in shown {
        if let Some(confined) = told.confined {
            page.sample("nsgate_confined", labels, u8::from(confined));
        }
    }
    page.family("nsgate_serving", "gauge", "Whether the process serves guests: a keeper does while no worker does.");
    for (labels, told) in shown {
        if let Some(serves) = told.serves {
            page.sample("nsgate_serving", labels, u8::from(serves));
        }
    }
    page.family("nsgate_unreachable", "gauge", "Whether the process is stopped, or its network has lost its address.");
    for (labels, told) in shown {
        page.sample("nsgate_unreachable", labels, u8::from(told.unreachable));
    }
    page.family("nsgate_start_time_seconds", "gauge", "When the process was started, in seconds since 1970.");
    let booted = booted();
    for (labels, told) in shown.iter().filter(|(_, told)| !told.pages.is_empty()) {
        if let Some((booted, started)) = booted.zip(told.started) {
            page.sample("nsgate_start_time_seconds", labels, booted.saturating_add(started));
        }
    }
}

fn sum(pages: &[counted::CounterReading], of: impl Fn(&counted::CounterReading) -> u64) -> u64 {
    pages.iter().fold(0, |all, read| all.saturating_add(of(read)))
}

fn counted(
    page: &mut Exposition,
    shown: &[(&String, &Told)],
    name: &str,
    of: impl Fn(&counted::CounterReading) -> u64,
) {
    for (labels, told) in shown.iter().filter(|(_, told)| !told.pages.is_empty()) {
        page.sample(name, labels, sum(&told.pages, &of));
    }
}

/// Networks that an agent wants a proxy for, and that have none.
fn lost(page: &mut Exposition, overview: &Overview, wanted: &BTreeSet<Uuid>, most: usize) {
    let there: BTreeSet<Uuid> =
        overview.processes.iter().filter_map(|one| one.identity.map(|identity| identity.uuid())).collect();
    let lost: Vec<&Uuid> = wanted.difference(&there).collect();
    page.family("nsgate_lost_networks", "gauge", "Networks with an agent's configuration and without a proxy.");
    page.sample("nsgate_lost_networks", "", lost.len());
    page.family("nsgate_network_lost", "gauge", "1 for each of them.");
    for uuid in lost.iter().take(most) {
        page.sample("nsgate_network_lost", &format!("network=\"{uuid}\""), 1);
    }
}

/// Joins both pages. The samples of a family must be together (OpenMetrics 1.0, section 4.5).
fn joined(own: &str, pool: &str) -> String {
    let mut more: BTreeMap<&str, &str> = families(pool).map(|(name, _, samples)| (name, samples)).collect();
    let mut text = String::with_capacity(own.len() + pool.len());
    let mut write = |[kind, help]: [&str; 2], samples: &str, others: &str| {
        for part in ["# TYPE ", kind, "\n", help, "\n", samples, others] {
            text.push_str(part);
        }
    };
    for (name, head, samples) in families(own) {
        write(head, samples, more.remove(name).unwrap_or(""));
    }
    for (name, head, samples) in families(pool) {
        if more.contains_key(name) {
            write(head, samples, "");
        }
    }
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::super::pool::is_plain;
    use super::{Wanted, joined, of, own_families, with_pool};
    use crate::{
        counted,
        overview::{Counted, Overview, ProcessOverview},
    };
    use nsgate_config::{Identity, Uuid};
    use nsgate_pool::openmetrics::families;
    use std::collections::BTreeSet;

    fn uuid(number: u32) -> Uuid {
        format!("7a1c4d2e-9f7b-4b59-9a55-0d3c{number:08x}").parse().unwrap()
    }

    fn gate(number: u32, confined: Option<bool>) -> ProcessOverview {
        ProcessOverview {
            bound: false,
            ids: None,
            pid: 1,
            role: "gate",
            identity: Some(Identity::Network(uuid(number))),
            confined,
            wrong: Vec::new(),
            notes: Vec::new(),
            windows: Vec::new(),
            silent: None,
            started: Some(5),
            seconds: Some(5),
            counted: Counted::Read(counted::CounterReading { accepted: 3, ..counted::CounterReading::default() }),
        }
    }

    #[test]
    fn networks_are_bounded_and_what_is_left_out_is_said() {
        let overview = Overview { processes: (0..1000).map(|number| gate(number, Some(true))).collect(), left_out: 7 };
        let text = of(&overview, &Wanted::default(), 10);
        assert!(text.contains("\nnsgate_left_out_networks 997\n"), "{text}");
        assert_eq!(text.matches("nsgate_connections{").count(), 10);
        assert_eq!(text.matches("nsgate_confined{").count(), 10);
    }

    #[test]
    fn two_gates_of_one_network_are_one_series() {
        let overview =
            Overview { processes: vec![gate(1, Some(true)), gate(1, Some(false)), gate(2, None)], left_out: 0 };
        let wanted = Wanted { networks: BTreeSet::from([uuid(1), uuid(9)]), unread: 2 };
        let text = with_pool(&of(&overview, &wanted, 10), Err("gone".to_owned()));
        let labels = |number| format!("{{kind=\"X-Neutron-Network-ID\",network=\"{}\",role=\"gate\"}}", uuid(number));
        assert!(text.contains(&format!("nsgate_accepted_connections_total{} 6\n", labels(1))), "{text}");
        assert!(text.contains(&format!("nsgate_confined{} 0\n", labels(1))), "{text}");
        assert!(!text.contains(&format!("nsgate_confined{}", labels(2))), "{text}");
        assert!(text.contains("nsgate_unread_processes 1\n") && text.contains("nsgate_pool_up 0\n"), "{text}");
        assert!(text.contains(&format!("nsgate_network_lost{{network=\"{}\"}} 1\n", uuid(9))), "{text}");
        assert!(text.contains("nsgate_lost_networks 1\n"), "{text}");
        assert!(text.contains("nsgate_unread_state_directories 2\n"), "{text}");
        let mut series: Vec<&str> = text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(one, _)| one).collect();
        let all = series.len();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), all, "a series comes twice: {text}");
    }

    #[test]
    fn families_of_both_pages_stand_together() {
        let overview = Overview { processes: vec![gate(1, Some(true))], left_out: 0 };
        let pool = "# TYPE nsgate_networks gauge\n# HELP nsgate_networks N.\nnsgate_networks 1\n\
                    # TYPE nsgate_connections gauge\n# HELP nsgate_connections C.\n\
                    nsgate_connections{network=\"x\",role=\"worker\"} 4\n# EOF\n";
        let own = of(&overview, &Wanted::default(), 10);
        let both = joined(&own, pool);
        let (_, _, samples) = families(&both).find(|(name, ..)| *name == "nsgate_connections").unwrap();
        assert_eq!(samples.lines().count(), 2, "{both}");
        assert!(both.ends_with("nsgate_networks 1\n# EOF\n"), "{both}");
        assert_eq!(families(&both).count(), families(&own).count() + 1);
    }

    #[test]
    fn a_family_that_this_page_tells_is_the_pools_only_for_its_worker() {
        let own = of(&Overview { processes: vec![gate(1, Some(true))], left_out: 0 }, &Wanted::default(), 10);
        let whole = with_pool(&own, Err("gone".to_owned()));
        assert!(families(&whole).count() > 20, "{whole}");
        for (name, [kind, help], _) in families(&whole) {
            let pool = |labels: &str| format!("# TYPE {kind}\n{help}\n{name}{labels} 1\n# EOF\n");
            assert!(!is_plain(&pool(""), &own_families(&own)), "{name}");
            assert!(is_plain(&pool("{role=\"worker\"}"), &own_families(&own)), "{name}");
        }
    }
}
