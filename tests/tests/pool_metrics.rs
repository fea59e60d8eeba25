//! The pool's page of metrics: read by Prometheus' own parser, and the same as what docs/pool.md and the dashboard say.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nsgate_tests::config::NETWORK;
use nsgate_tests::lab::text;
use nsgate_tests::openmetrics::parsed;
use nsgate_tests::pool::{OTHER, Pool, keeper, metrics_path};
use nsgate_tests::program::workspace;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, suite};

fn main() {
    suite!["pool_metrics":
        prometheus_reads_the_page_of_one_worker,
        prometheus_reads_the_page_of_several_workers,
        the_documented_metrics_are_the_real_ones_both_ways,
        the_dashboard_asks_for_what_there_is_and_sums_over_workers,
    ]
}

/// The page of metrics.
fn page(lab: &Lab) -> String {
    let mut stream = UnixStream::connect(metrics_path(lab)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    page.to_owned()
}

/// Two networks, of which one wants tokens, after requests with every kind of outcome.
struct World {
    _pool: Pool,
    _keepers: [Gate; 2],
}

fn world(lab: &Lab, more: &[&str]) -> World {
    lab.needs_root("keeper, worker and agents are different users");
    let (one, two) = (Network::named("gate1", "guest1"), Network::named("gate2", "guest2"));
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let pool = Pool::start_with(lab, more);
    // The site's settings are read at the start of a gate: the first network is the one with tokens.
    lab.site("[guards]\ntokens = \"optional\"\n");
    let first = keeper(lab, &one.gate, &Config::new(Kind::Network));
    std::fs::remove_file("/etc/nsgate/nsgate.toml").unwrap();
    let second = keeper(lab, &two.gate, &Config::new(Kind::Network).with_id(OTHER));
    let guest = Guest::new(&one.guest);
    assert_eq!(guest.get("/").unwrap().status, 200);
    let _ = guest.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
    drop(agent);
    let _ = std::fs::remove_file(lab.socket());
    assert_eq!(Guest::new(&two.guest).get("/").unwrap().status, 503, "its agent is away");
    World { _pool: pool, _keepers: [first, second] }
}

fn prometheus_reads_the_page_of_one_worker(lab: &Lab) {
    prometheus_reads(lab, 1);
}

fn prometheus_reads_the_page_of_several_workers(lab: &Lab) {
    prometheus_reads(lab, 3);
}

fn prometheus_reads(lab: &Lab, workers: u32) {
    let _world = world(lab, &[&format!("--workers={workers}")]);
    let families = parsed(lab, &page(lab));
    let of = |name: &str| families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("{name}"));
    let sum = |name: &str| of(name).samples.iter().map(|sample| sample.value).sum::<f64>();
    assert_eq!((sum("nsgate_networks"), of("nsgate_networks").kind.as_str()), (2.0, "gauge"));
    assert_eq!((sum("nsgate_requests"), of("nsgate_requests").kind.as_str()), (3.0, "counter"));
    assert_eq!((sum("nsgate_rejections"), sum("nsgate_agent_errors")), (2.0, 1.0));
    let latency = of("nsgate_request_duration_seconds");
    assert_eq!(latency.kind, "histogram");
    let counts = latency.samples.iter().filter(|one| one.name.ends_with("_count"));
    assert_eq!(counts.map(|one| one.value).sum::<f64>(), 3.0);
    for family in &families {
        for sample in &family.samples {
            let worker = sample.labels.get("worker").map(String::as_str);
            let known = if workers == 1 { worker.is_none() } else { matches!(worker, Some("1" | "2" | "3")) };
            assert!(known, "{sample:?}");
            let id = sample.labels.get("network").map_or(NETWORK, String::as_str);
            assert!([NETWORK, OTHER].contains(&id), "{sample:?}");
            assert!(sample.labels.get("role").is_none_or(|role| role == "worker"), "{sample:?}");
        }
    }
}

/// Names of samples and of their labels; a histogram is told by its own name, and what its samples add is left out.
fn real(lab: &Lab, workers: &str) -> BTreeMap<String, BTreeSet<String>> {
    let world = world(lab, &[workers]);
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for family in parsed(lab, &page(lab)) {
        for sample in family.samples {
            let name = if family.kind == "histogram" { family.name.clone() } else { sample.name };
            let labels = sample.labels.into_keys().filter(|label| label != "le" && label != "worker");
            all.entry(name).or_default().extend(labels);
        }
    }
    drop(world);
    all
}

/// The rows of the table in docs/pool.md: name, labels, unit.
fn documented() -> BTreeMap<String, (BTreeSet<String>, String)> {
    let page = text(workspace().join("docs/pool.md"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `nsgate_")).map(|row| {
        let (name, rest) = row.split_once('`').unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).map(str::to_owned);
        let cells: Vec<&str> = rest.split('|').map(str::trim).collect();
        assert!(cells.len() >= 4 && !cells[1].is_empty() && !cells[2].is_empty(), "a unit and a sentence: {row}");
        (format!("nsgate_{name}"), (labels.collect(), cells[1].to_owned()))
    });
    rows.collect()
}

fn the_documented_metrics_are_the_real_ones_both_ways(lab: &Lab) {
    let documented = documented();
    let mut real = real(lab, "--workers=2");
    // Its only label is which worker; the others have that beside their own.
    assert_eq!(real.get("nsgate_worker_up"), Some(&BTreeSet::new()));
    real.insert("nsgate_worker_up".to_owned(), BTreeSet::from(["worker".to_owned()]));
    let said: BTreeMap<_, _> = documented.iter().map(|(name, (labels, _))| (name.clone(), labels.clone())).collect();
    assert_eq!(said, real, "left: docs/pool.md, right: a pool's page");
    for (name, (_, unit)) in &documented {
        assert_eq!(name.contains("seconds"), unit == "seconds", "{name}: {unit}");
    }
}

/// Each name of a metric in an expression, with the text before it.
fn names(expression: &str) -> Vec<(String, String)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = expression.match_indices("nsgate_").map(|(at, _)| at);
    let named = starts.map(|at| {
        let rest = &expression[at..];
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        (rest[..end].to_owned(), expression[..at].to_owned())
    });
    named.collect()
}

fn the_dashboard_asks_for_what_there_is_and_sums_over_workers(lab: &Lab) {
    let mut samples: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let world = world(lab, &["--workers=2"]);
    for sample in parsed(lab, &page(lab)).into_iter().flat_map(|family| family.samples) {
        samples.entry(sample.name).or_default().extend(sample.labels.into_keys());
    }
    drop(world);
    let board: serde_json::Value =
        serde_json::from_str(&text(workspace().join("docs/grafana-dashboard.json"))).expect("the dashboard");
    let mut asked = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let legend = target["legendFormat"].as_str().unwrap();
            let found = names(expression);
            assert!(!found.is_empty(), "{expression}");
            for (name, before) in found {
                let labels = samples.get(&name).unwrap_or_else(|| panic!("{expression}: there is no {name}"));
                // `sum(…)` or `sum by (label, …) (…)`, around the metric or its rate: a series is one worker's.
                let inner = before.strip_suffix("rate(").unwrap_or(&before);
                let by = inner.rsplit_once("sum by (").and_then(|(_, by)| by.strip_suffix(") ("));
                assert!(by.is_some() || inner.ends_with("sum("), "{expression}: not summed over the workers");
                for label in by.unwrap_or_default().split(", ").filter(|label| !label.is_empty()) {
                    // Prometheus adds where a sample was read.
                    assert!(labels.contains(label) || label == "instance", "{expression}: {name} has no {label}");
                }
                let shown = legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
                for (label, _) in shown {
                    assert!(by.unwrap_or_default().split(", ").any(|kept| kept == label), "{expression}: {legend}");
                }
                asked.insert(name);
            }
            let counter = expression.contains("_total") || expression.contains("_bucket");
            assert_eq!(counter, expression.contains("rate("), "{expression}: the rate of what only grows");
        }
    }
    assert!(asked.len() >= 7, "{asked:?}");
}
