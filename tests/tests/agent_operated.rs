//! The second hop as an operator has it: its numbers, its events, and a service manager that starts it.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{Started, communicate};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::manager::Manager;
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::openmetrics::{Family, parsed};
use nsgate_tests::program::workspace;
use nsgate_tests::second_hop::{INSTANCE, PROJECT, SecondHop, SecondHopFiles};
use nsgate_tests::{Answer, Asking, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, suite};

fn main() {
    suite!["agent_operated":
        its_numbers_are_in_status_and_metrics,
        the_documented_metrics_of_the_agent_are_the_real_ones_both_ways,
        each_request_is_an_event_with_the_instances_id,
        a_socket_that_a_manager_has_bound_is_used_and_left_where_it_is,
        an_agent_that_is_alive_says_so_and_a_stopped_one_does_not,
        a_network_moves_to_the_agent_and_back_without_losing_a_request,
    ]
}

fn nsgate(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.args(words);
    communicate(command, Duration::from_secs(20))
}

/// The files of an agent that gates are bound to, with `more` at the end of its configuration.
fn files(lab: &Lab, nova: &SmallNova, more: &str) -> SecondHopFiles {
    let files = SecondHopFiles::write(lab, &[nova.address.to_string()], "");
    let config = text(&files.config).replace("plain = true\n", "") + more;
    files.replace(&files.config, &config);
    lab.site(&format!("agent = \"{}\"\n", files.socket.display()));
    files
}

fn get(network: &Network, target: &str) -> u16 {
    Guest::new(&network.guest).get(target).expect("an answer").status
}

/// The agent's process as `nsgate status --all --json` has it.
fn told(lab: &Lab) -> serde_json::Value {
    let said = nsgate(lab, &["status", "--all", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:#?}"));
    let agents: Vec<_> = all["processes"].as_array().unwrap().iter().filter(|one| one["role"] == "agent").collect();
    assert_eq!(agents.len(), 1, "{said:#?}");
    agents[0].clone()
}

fn metrics(lab: &Lab) -> Vec<Family> {
    let said = nsgate(lab, &["metrics", &format!("--state={}", lab.state().display())]);
    assert!(said.ok(), "{said:#?}");
    parsed(lab, &said.stdout)
}

/// The sum of a name's samples that have this label.
fn value(families: &[Family], name: &str, label: Option<(&str, &str)>) -> f64 {
    let samples = families.iter().flat_map(|family| &family.samples).filter(|sample| sample.name == name);
    let wanted = samples
        .filter(|sample| label.is_none_or(|(key, value)| sample.labels.get(key).is_some_and(|found| found == value)));
    wanted.map(|sample| sample.value).sum()
}

/// A guest with an instance, one without, and an agent that has served both: two answers, one refusal.
fn served(lab: &Lab, more: &str) -> (Network, SmallNova, SecondHop, Gate) {
    lab.needs_root("the agent's user is another one");
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let hop = files(lab, &nova, more).start(lab);
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    assert_eq!((get(&network, "/"), get(&network, "/openstack/latest/user_data")), (200, 200), "{}", text(&hop.log));
    let stranger = Guest::new(&network.guest).at(12);
    assert_eq!(stranger.get("/").expect("an answer").status, 404);
    (network, nova, hop, gate)
}

fn its_numbers_are_in_status_and_metrics(lab: &Lab) {
    let (_network, _nova, _hop, gate) = served(lab, "");
    let one = told(lab);
    let counters = &one["counters"];
    for (key, number) in
        [("doors", 1), ("requests", 3), ("look_ups", 3), ("answered", 2), ("rejected", 1), ("failed", 0)]
    {
        assert_eq!(counters[key], number, "{key}: {one}");
    }
    assert_eq!((&one["ok"], &counters["reasons"]["no-port"]), (&true.into(), &1.into()), "{one}");
    assert!(counters["nova_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{one}");
    let shown = nsgate(lab, &["status", "--all"]);
    let sentence = ": 1 doors, 1 connections; 3 requests, 2 answered by Nova within ";
    assert!(shown.stdout.contains(sentence) && shown.stdout.contains("(no-port 1)"), "{shown:#?}");
    let families = metrics(lab);
    for (name, label, number) in [
        ("nsgate_hop_doors", None, 1.0),
        ("nsgate_hop_requests_total", Some(("class", "2xx")), 2.0),
        ("nsgate_hop_refusals_total", Some(("reason", "no-port")), 1.0),
        ("nsgate_hop_look_ups_total", None, 3.0),
        ("nsgate_hop_nova_duration_seconds_count", None, 2.0),
        ("nsgate_confined", Some(("role", "agent")), 1.0),
    ] {
        assert_eq!(value(&families, name, label), number, "{name} {label:?}: {families:#?}");
    }
    // No guest of the agent's is told, since it has none.
    assert!(!families.iter().any(|family| family.name == "nsgate_connections"
        && family.samples.iter().any(|sample| sample.labels.get("role").is_some_and(|role| role == "agent"))));
    drop(gate);
    assert!(wait_until(5.0, || told(lab)["counters"]["doors"] == 0), "{}", told(lab));
}

fn the_documented_metrics_of_the_agent_are_the_real_ones_both_ways(lab: &Lab) {
    let _served = served(lab, "");
    let real: BTreeSet<String> =
        metrics(lab).into_iter().map(|family| family.name).filter(|name| name.starts_with("nsgate_hop_")).collect();
    let page = text(workspace().join("docs/agent.md"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `nsgate_hop_"));
    let said: BTreeSet<String> = rows
        .map(|row| format!("nsgate_hop_{}", row.split(['`', '{']).next().unwrap_or_default()))
        .map(|name| name.strip_suffix("_total").unwrap_or(&name).to_owned())
        .collect();
    assert_eq!(said, real, "left: docs/agent.md, right: a host's page");
}

fn each_request_is_an_event_with_the_instances_id(lab: &Lab) {
    let (network, _nova, hop, _gate) = served(lab, "[audit]\nto = \"stderr\"\n");
    assert_eq!(get(&network, "/openstack/latest/user_data?token=s3cret"), 200);
    let events = || -> Vec<serde_json::Value> {
        text(&hop.log)
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    assert!(wait_until(5.0, || events().len() == 4), "{}", text(&hop.log));
    let (all, log) = (events(), text(&hop.log));
    assert!(!log.contains("s3cret"), "{log}");
    for (key, value) in [
        ("hop", "nova"),
        ("network_kind", "ovn-network"),
        ("network", NETWORK),
        ("source", "10.0.0.11"),
        ("instance", INSTANCE),
        ("project", PROJECT),
        ("method", "GET"),
        ("class", "user-data"),
        ("verdict", "passed"),
    ] {
        assert_eq!(all[3][key], value, "{key}: {}", all[3]);
    }
    assert_eq!((&all[3]["bound"], &all[3]["status"]), (&true.into(), &200.into()), "{}", all[3]);
    assert!(all[3]["nova_us"].as_u64() > Some(0), "{}", all[3]);
    assert_eq!((&all[2]["reason"], &all[2]["verdict"]), (&"no-port".into(), &"refused".into()), "{}", all[2]);
    assert!(all[2]["instance"].is_null() && all[2]["source"] == "10.0.0.12", "{}", all[2]);
}

/// A socket that a manager has bound for gates.
fn bound(files: &SecondHopFiles) -> OwnedFd {
    let listener = UnixListener::bind(&files.socket).expect("a socket");
    fs::set_permissions(&files.socket, fs::Permissions::from_mode(0o600)).expect("its mode");
    listener.into()
}

fn a_socket_that_a_manager_has_bound_is_used_and_left_where_it_is(lab: &Lab) {
    lab.needs_root("the agent's user is another one");
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let manager = Manager::start(lab, 0);
    let files = files(lab, &nova, "");
    let socket = bound(&files);
    let inode = fs::metadata(&files.socket).unwrap().ino();
    let (command, copies) = manager.command(lab, &files.words(), &[("gates", &socket)]);
    let path = files.socket.clone();
    let mut hop = files.start_as(lab, command);
    drop(copies);
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    assert_eq!(get(&network, "/"), 200);
    drop(gate);
    hop.terminate();
    assert!(hop.ended_within(10.0).is_some_and(|status| status.success()), "{}", text(&hop.log));
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "it is the manager's");
    // A gate that starts meanwhile waits at it.
    let files = self::files(lab, &nova, "");
    let (command, _copies) = manager.command(lab, &files.words(), &[("gates", &socket)]);
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| Gate::start(lab, &network.gate, &Config::new(Kind::Ovn)));
        std::thread::sleep(Duration::from_millis(300));
        let _hop = files.start_as(lab, command);
        let _gate = starting.join().unwrap();
        assert_eq!(get(&network, "/"), 200);
    });
}

fn an_agent_that_is_alive_says_so_and_a_stopped_one_does_not(lab: &Lab) {
    lab.needs_root("the agent's user is another one");
    let nova = SmallNova::start(good("hello"));
    let mut manager = Manager::start(lab, 0);
    let files = files(lab, &nova, "");
    let (mut command, _copies) = manager.command(lab, &files.words(), &[]);
    command.env("WATCHDOG_USEC", "400000");
    let hop = files.start_as(lab, command);
    let mut heard = |seconds: f64| {
        manager.hear();
        manager.heard.clear();
        std::thread::sleep(Duration::from_secs_f64(seconds));
        manager.hear();
        manager.heard.iter().filter(|text| *text == "WATCHDOG=1").count()
    };
    assert!(heard(1.0) >= 3);
    kill(Pid::from_raw(hop.pid()), Signal::SIGSTOP).unwrap();
    assert!(heard(1.0) <= 1);
    kill(Pid::from_raw(hop.pid()), Signal::SIGCONT).unwrap();
    assert!(heard(1.0) >= 3);
}

fn a_network_moves_to_the_agent_and_back_without_losing_a_request(lab: &Lab) {
    lab.needs_root("the agent's user is another one");
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let theirs = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut files = SecondHopFiles::write(lab, &[nova.address.to_string()], "");
    let socket = lab.directory("hop", 0o755).join("agent.sock");
    let config = text(&files.config).replace("plain = true\n", "");
    files.replace(&files.config, &config.replace(&files.socket.display().to_string(), &socket.display().to_string()));
    files.socket = socket;
    let hop = files.start(lab);
    let config = Config::new(Kind::Ovn);
    let old = Gate::start(lab, &network.gate, &config);
    let guest = Asking::start(&network.guest);
    guest.more(20);
    assert_eq!((nova.seen().len(), theirs.seen().is_empty()), (0, false));
    lab.site(&format!("agent = \"{}\"\n", hop.files.socket.display()));
    let bound = Gate::start(lab, &network.gate, &config);
    assert!(old.ended_within(Duration::from_secs(10)));
    let before = theirs.seen().len();
    guest.more(20);
    assert!(nova.seen().len() >= 20 && theirs.seen().len() == before, "{}", text(&hop.log));
    fs::remove_file("/etc/nsgate/nsgate.toml").unwrap();
    let _again = Gate::start(lab, &network.gate, &config);
    assert!(bound.ended_within(Duration::from_secs(10)));
    let before = nova.seen().len();
    guest.more(20);
    assert!(guest.end() > 60 && nova.seen().len() == before, "{}", text(&hop.log));
}
