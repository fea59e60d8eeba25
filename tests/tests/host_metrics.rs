//! The metrics of a host: `nsgate metrics`, read by Prometheus' own parser, and scraped by Debian's Prometheus as the book says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::libc::linger;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use nsgate_agent::binding::{Door, Taken, line};
use nsgate_config::Identity;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::nova::SmallNova;
use nsgate_tests::openmetrics::{Family, parsed};
use nsgate_tests::ovn::{self, Binding, Server};
use nsgate_tests::pool::{OTHER, Pool, keeper, metrics_path};
use nsgate_tests::program::{of_debian, workspace};
use nsgate_tests::second_hop::{SecondHop, SecondHopFiles};
use nsgate_tests::world::{NEUTRON_ID, STRANGER_ID};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, SyslogReader, suite};
use serde_json::Value;

fn main() {
    suite!["host_metrics":
        one_page_has_gates_keepers_and_the_pools_networks,
        the_documented_metrics_of_a_host_are_the_real_ones_both_ways,
        a_network_that_an_agent_wants_and_nobody_serves_is_told,
        networks_beyond_the_bound_are_counted_and_left_out,
        a_pool_that_says_something_else_is_left_out_whole,
        the_socket_is_for_root_and_one_group,
        readers_that_do_not_ask_make_way_for_one_that_does,
        readers_that_do_not_read_make_way_for_one_that_does,
        a_state_directory_that_is_not_there_is_an_error_and_told_by_a_service,
        two_capabilities_are_what_reading_takes,
        a_place_that_is_taken_or_not_safe_is_refused,
        a_file_takes_the_place_of_the_one_before_as_a_whole,
        node_exporter_reads_the_file,
        every_query_of_the_hosts_dashboard_finds_something_where_gates_are_alone,
        a_blind_monitoring_is_said,
        debians_prometheus_scrapes_and_its_alerts_fire_and_resolve,
        what_is_stopped_unread_without_a_log_or_haproxys_is_an_alert_that_ends,
        each_fault_behind_the_second_hop_is_an_alert_of_its_own_that_ends,
        each_fault_before_the_second_hop_and_its_end_are_alerts_that_end,
    ]
}

const THIRD: &str = "11111111-2222-4333-8444-555555555555";

fn words(lab: &Lab, more: &[&str]) -> Vec<String> {
    let usual = ["metrics".to_owned(), format!("--state={}", lab.state().display())];
    usual.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
}

fn run(lab: &Lab, more: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.args(words(lab, more));
    communicate(command, Duration::from_secs(20))
}

/// The page on standard output, with the laboratory's pool in it.
fn page(lab: &Lab) -> String {
    let said = run(lab, &[&format!("--pool-metrics={}", metrics_path(lab).display())]);
    assert!(said.ok(), "{said:#?}");
    said.stdout
}

fn of<'a>(families: &'a [Family], name: &str) -> &'a Family {
    families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("no {name}: {families:#?}"))
}

/// The value of the one sample of a family that has these labels among its own.
fn value(families: &[Family], family: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |own: &BTreeMap<String, String>| {
        labels.iter().all(|(name, value)| own.get(*name).is_some_and(|own| own == value))
    };
    let found: Vec<f64> =
        of(families, family).samples.iter().filter(|one| fits(&one.labels)).map(|one| one.value).collect();
    let [one] = found.as_slice() else { panic!("{family} {labels:?}: {found:?} in {families:#?}") };
    *one
}

/// A gate alone, and a keeper with its pool; each guest has asked once, and one was refused.
struct World {
    agent: Option<RecordingAgent>,
    networks: [Network; 2],
    gate: Gate,
    pool: Pool,
    _keeper: Gate,
}

fn world(lab: &Lab) -> World {
    lab.needs_root("gates, workers and agents are different users");
    let networks = [Network::named("gate1", "guest1"), Network::named("gate2", "guest2")];
    let agent = Some(RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let gate = Gate::start(lab, &networks[0].gate, &Config::new(Kind::Network));
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &networks[1].gate, &Config::new(Kind::Network).with_id(OTHER));
    for network in &networks {
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    }
    refused(&networks[0], 1);
    World { agent, networks, gate, pool, _keeper: keeper }
}

fn refused(network: &Network, times: usize) {
    for _ in 0..times {
        let answer = Guest::new(&network.guest).exchange(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"));
    }
}

fn one_page_has_gates_keepers_and_the_pools_networks(lab: &Lab) {
    let world = world(lab);
    let families = parsed(lab, &page(lab));
    let gate = [("network", NETWORK), ("role", "gate"), ("kind", "X-Neutron-Network-ID")];
    let (keeper, worker) = ([("network", OTHER), ("role", "keeper")], [("network", OTHER), ("role", "worker")]);
    let class = |labels: &[(&'static str, &'static str)], class| [labels, &[("class", class)]].concat();
    assert_eq!(value(&families, "nsgate_requests", &class(&gate, "2xx")), 1.0);
    assert_eq!(value(&families, "nsgate_requests", &class(&worker, "2xx")), 1.0);
    assert_eq!(value(&families, "nsgate_rejections", &[&gate[..], &[("reason", "two-hosts")]].concat()), 1.0);
    assert_eq!((value(&families, "nsgate_serving", &gate), value(&families, "nsgate_serving", &keeper)), (1.0, 0.0));
    for role in ["gate", "keeper", "worker", "supervisor"] {
        assert_eq!(value(&families, "nsgate_confined", &[("role", role)]), 1.0, "{role}");
        assert_eq!(value(&families, "nsgate_processes", &[("role", role)]), 1.0, "{role}");
    }
    assert_eq!(value(&families, "nsgate_processes", &[("role", "haproxy")]), 0.0);
    let none = |name: &str| value(&families, name, &[]);
    assert_eq!((none("nsgate_pool_up"), none("nsgate_networks"), none("nsgate_lost_networks")), (1.0, 1.0, 0.0));
    assert_eq!((none("nsgate_unread_processes"), none("nsgate_left_out_networks")), (0.0, 0.0));
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = clock - value(&families, "nsgate_start_time_seconds", &gate);
    assert!((-2.0..60.0).contains(&age), "{age}");
    drop(world);
}

/// Names of samples and of their labels; a histogram by its own name.
fn names(families: Vec<Family>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for family in families {
        for sample in family.samples {
            let name = if family.kind == "histogram" { family.name.clone() } else { sample.name };
            let labels = sample.labels.into_keys().filter(|label| label != "le" && label != "worker");
            all.entry(name).or_default().extend(labels);
        }
    }
    all
}

fn documented(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let page = text(workspace().join(page));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `nsgate_")).map(|row| {
        let (name, _) = row.split_once('`').unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).map(str::to_owned);
        (format!("nsgate_{name}"), labels.collect())
    });
    rows.collect()
}

fn the_documented_metrics_of_a_host_are_the_real_ones_both_ways(lab: &Lab) {
    lab.needs_root("gates, workers and agents are different users");
    lab.site("[guards]\ntokens = \"optional\"\n");
    let world = world(lab);
    nsgate_tests::gate::write_config(lab, &Config::new(Kind::Network).with_id(THIRD));
    let real = names(parsed(lab, &page(lab)));
    drop(world);
    let (host, mut said) = (documented("docs/operations.md"), documented("docs/pool.md"));
    for (name, labels) in &host {
        assert!(said.get(name).unwrap_or(labels).is_subset(labels), "{name}: {labels:?} {said:?}");
    }
    said.remove("nsgate_worker_up");
    said.extend(host);
    assert_eq!(said, real, "left: docs/operations.md and docs/pool.md, right: a host's page");
}

fn a_network_that_an_agent_wants_and_nobody_serves_is_told(lab: &Lab) {
    let world = world(lab);
    let lost = || {
        let families = parsed(lab, &page(lab));
        let all = &of(&families, "nsgate_network_lost").samples;
        let one: Vec<String> = all.iter().map(|sample| sample.labels["network"].clone()).collect();
        assert_eq!(value(&families, "nsgate_lost_networks", &[]), one.len() as f64);
        one
    };
    assert_eq!(lost(), Vec::<String>::new());
    world.gate.signal(Signal::SIGKILL);
    assert!(world.gate.ended_within(Duration::from_secs(5)));
    assert_eq!(lost(), [NETWORK]);
    // A name that is no UUID is no network.
    fs::write(lab.state().join("ns-metadata-proxy/x\"} 1.conf"), "").unwrap();
    // An agent that ends a proxy takes its configuration away.
    fs::remove_file(lab.state().join(format!("ns-metadata-proxy/{NETWORK}.conf"))).unwrap();
    assert_eq!(lost(), Vec::<String>::new());
}

fn networks_beyond_the_bound_are_counted_and_left_out(lab: &Lab) {
    let world = world(lab);
    let said = run(lab, &["--networks=1"]);
    let families = parsed(lab, &said.stdout);
    assert_eq!(of(&families, "nsgate_confined").samples.len(), 1);
    assert!(value(&families, "nsgate_left_out_networks", &[]) >= 1.0, "{said:#?}");
    for wrong in ["--networks=0", "--networks=100001", "--networks=x"] {
        assert_eq!(run(lab, &[wrong]).code(), Some(2), "{wrong}");
    }
    drop(world);
}

/// A server at the pool's metrics socket that says `page`.
fn pretender(path: &Path, page: &'static str) {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _ = stream.write_all(page.as_bytes());
        }
    });
}

fn a_pool_that_says_something_else_is_left_out_whole(lab: &Lab) {
    let mut world = world(lab);
    world.pool.crash();
    for strange in [
        "",
        "# EOF\n",
        "nsgate_confined{role=\"gate\"} 1\n# EOF\n",
        "# TYPE nsgate_confined gauge\n# HELP nsgate_confined C.\nnsgate_confined{role=\"gate\",network=\"x\"} 1\n# EOF\n",
        "# TYPE nsgate_networks gauge\n# HELP nsgate_networks C.\nnsgate_networks 1\nup 1\n# EOF\n",
        "# TYPE nsgate_networks gauge\n# HELP nsgate_networks C.\nnsgate_networks 1\n",
    ] {
        pretender(&metrics_path(lab), strange);
        let families = parsed(lab, &page(lab));
        assert_eq!(value(&families, "nsgate_pool_up", &[]), 0.0, "{strange}");
        assert!(families.iter().all(|family| family.name != "nsgate_networks"), "{strange}");
        assert_eq!(value(&families, "nsgate_confined", &[("role", "gate")]), 1.0);
    }
}

/// The exporter at a socket, ended when dropped.
struct Exporter {
    child: Child,
    socket: PathBuf,
}

impl Exporter {
    fn start(lab: &Lab, more: &[&str]) -> Exporter {
        let socket = lab.directory("exporter", 0o755).join("host.sock");
        let mut command = Command::new(lab.program.nsgate());
        let listen = format!("--listen={}", socket.display());
        command.args(words(lab, &[&[listen.as_str()], more].concat())).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        assert!(wait_until(5.0, || UnixStream::connect(&socket).is_ok()), "{}", socket.display());
        Exporter { child, socket }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn asked(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn the_socket_is_for_root_and_one_group(lab: &Lab) {
    let world = world(lab);
    let pool = format!("--pool-metrics={}", metrics_path(lab).display());
    let mut exporter = Exporter::start(lab, &[&pool]);
    let mode = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.mode() & 0o777, found.uid(), found.gid())
    };
    assert_eq!(mode(&exporter.socket), (0o600, 0, 0));
    let (head, first) =
        asked(&exporter.socket).split_once("\r\n\r\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    parsed(lab, &first);
    // A stranger may not connect.
    let path = exporter.socket.clone();
    let stranger = |uid: u32, gid: u32| {
        let mut command = Command::new("/usr/bin/curl");
        command
            .args(["-sS", "--max-time", "5", "--unix-socket"])
            .arg(&path)
            .arg("http://nsgate/metrics")
            .uid(uid)
            .gid(gid);
        communicate(command, Duration::from_secs(10))
    };
    assert!(!stranger(STRANGER_ID, STRANGER_ID).ok());
    // The second page is a new one.
    refused(&world.networks[0], 1);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(asked(&exporter.socket).contains("reason=\"two-hosts\"} 2"));
    kill(Pid::from_raw(i32::try_from(exporter.child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(exporter.child.wait().unwrap().success());
    assert!(!exporter.socket.exists(), "it takes its socket with it");
    let numbered = Exporter::start(lab, &[&pool, &format!("--group={NEUTRON_ID}")]);
    assert_eq!(mode(&numbered.socket), (0o660, 0, NEUTRON_ID), "a group by its number");
    drop(numbered);
    let grouped = Exporter::start(lab, &[&pool, "--group=neutron"]);
    assert_eq!(mode(&grouped.socket), (0o660, 0, NEUTRON_ID));
    assert!(stranger(STRANGER_ID, NEUTRON_ID).ok(), "one of the group");
    assert!(!stranger(STRANGER_ID, STRANGER_ID).ok());
}

/// A scrape waits 20 s (docs/examples/prometheus/prometheus.yml); connections that say nothing must not take that.
fn readers_that_do_not_ask_make_way_for_one_that_does(lab: &Lab) {
    lab.needs_root("other users' processes");
    let exporter = Exporter::start(lab, &[]);
    let silent: Vec<UnixStream> = (0..64).map(|_| UnixStream::connect(&exporter.socket).unwrap()).collect();
    let mut stream = UnixStream::connect(&exporter.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer while 64 others say nothing");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("# EOF\n"), "{answer}");
    // The head alone is that of the page.
    let mut stream = UnixStream::connect(&exporter.socket).unwrap();
    stream.write_all(b"HEAD /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("Connection: close\r\n\r\n"), "{answer}");
    // A slow reader that is alone is served.
    drop(silent);
    let mut slow = UnixStream::connect(&exporter.socket).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A page that does not fit into a socket, and as many readers as systemd-socket-proxyd lets connect (`--connections-max`).
fn readers_that_do_not_read_make_way_for_one_that_does(lab: &Lab) {
    lab.needs_root("other users' processes");
    let wanted = lab.state().join("ns-metadata-proxy");
    fs::create_dir_all(&wanted).unwrap();
    for number in 0..10_000 {
        fs::write(wanted.join(format!("11111111-2222-4333-8444-{number:012}.conf")), "").unwrap();
    }
    let exporter = Exporter::start(lab, &["--networks=10000"]);
    let whole = asked(&exporter.socket);
    assert!(whole.len() > 600_000, "{}", whole.len());
    let connect = || {
        let mut stream = UnixStream::connect(&exporter.socket).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
        stream
    };
    let slow: Vec<UnixStream> = (0..256).map(|_| connect()).collect();
    let begun = std::time::Instant::now();
    // A scrape waits 20 s (docs/examples/prometheus/prometheus.yml).
    let mut one = connect();
    one.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    one.read_to_string(&mut answer).expect("an answer while 256 others do not read");
    assert!(answer.ends_with("# EOF\n") && answer.len() > 600_000, "{}", answer.len());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    drop(slow);
    // A slow reader that delays no other gets the whole page.
    let mut slow = connect();
    std::thread::sleep(Duration::from_millis(1500));
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("# EOF\n"), "{}", answer.len());
}

fn a_state_directory_that_is_not_there_is_an_error_and_told_by_a_service(lab: &Lab) {
    lab.needs_root("other users' processes");
    let directory = lab.directory("collector", 0o755);
    fs::write(directory.join("file"), "").unwrap();
    let file = directory.join("nsgate.prom");
    let (textfile, missing) = (format!("--textfile={}", file.display()), directory.join("missing"));
    for (state, why) in [(missing.clone(), "No such file"), (directory.join("file"), "Not a directory")] {
        let state = format!("--state={}", state.display());
        for more in [vec![state.as_str()], vec![state.as_str(), textfile.as_str()]] {
            let said = run(lab, &more);
            assert!(said.code() == Some(1) && said.stdout.is_empty() && !file.exists(), "{said:#?}");
            assert!(said.stderr.contains(why) && said.stderr.contains("state_path of neutron.conf"), "{said:#?}");
        }
    }
    let unread = |text: &str| value(&parsed(lab, text), "nsgate_unread_state_directories", &[]);
    assert_eq!(unread(&run(lab, &[]).stdout), 0.0);
    // A service is started before all that it looks at is there.
    let mut exporter = Exporter::start(lab, &[&format!("--state={}", missing.display())]);
    let body = |exporter: &Exporter| asked(&exporter.socket).split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(unread(&body(&exporter)), 1.0);
    fs::create_dir(&missing).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(unread(&body(&exporter)), 0.0);
    assert!(exporter.child.try_wait().unwrap().is_none());
    // Where the page goes must be there too, and a pool that was named.
    let said = run(lab, &["--textfile=/run/lab/none/nsgate.prom"]);
    assert!(
        said.stderr.contains("/run/lab/none: No such file") && said.stderr.contains("make the directory"),
        "{said:#?}"
    );
    let said = run(lab, &["--pool-metrics=/run/lab/none/metrics.sock"]);
    assert!(said.stdout.contains("nsgate_pool_up 0\n") && said.stderr.contains("the pool is left out"), "{said:#?}");
    for words in [&["status", "--all"][..], &["status"], &["list"], &["remove", NETWORK]] {
        let mut command = Command::new(lab.program.nsgate());
        command.args(words).arg("--pool=/run/lab/none/pool.sock");
        let said = communicate(command, Duration::from_secs(20));
        let text = said.stdout.clone() + &said.stderr;
        assert!(
            !said.ok() && text.contains("/run/lab/none/pool.sock: ") && text.contains("systemctl status"),
            "{said:#?}"
        );
    }
}

/// As the packaged unit has them; and with one of them less, what could not be read is said.
fn two_capabilities_are_what_reading_takes(lab: &Lab) {
    let world = world(lab);
    let pool = format!("--pool-metrics={}", metrics_path(lab).display());
    let with = |capabilities: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", capabilities, "--inh-caps", "-all", "--no-new-privs"]);
        command.arg(lab.program.nsgate()).args(words(lab, &[&pool]));
        let said = communicate(command, Duration::from_secs(20));
        assert!(said.ok(), "{said:#?}");
        parsed(lab, &said.stdout)
    };
    let unit = text(workspace().join("xtask/packaging/systemd/nsgate-exporter.service"));
    assert!(unit.contains("CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\n"), "{unit}");
    let both = with("-all,+sys_ptrace,+dac_read_search");
    assert_eq!(value(&both, "nsgate_unread_processes", &[]), 0.0);
    assert_eq!(value(&both, "nsgate_requests", &[("role", "gate"), ("class", "2xx")]), 1.0);
    // The unit's group is the socket's: nothing is given away, which would take a third.
    assert!(unit.contains("--group nsgate\n") && unit.contains("\nGroup=nsgate\n"), "{unit}");
    let socket = lab.directory("exporter", 0o755).join("host.sock");
    let mut command = Command::new("setpriv");
    command.args(["--regid", "neutron", "--clear-groups", "--bounding-set", "-all,+sys_ptrace,+dac_read_search"]);
    command.args(["--inh-caps", "-all", "--no-new-privs"]).arg(lab.program.nsgate());
    command.args(words(lab, &[&pool, "--group=neutron", &format!("--listen={}", socket.display())]));
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    let exporter = Exporter { child, socket };
    assert!(wait_until(5.0, || UnixStream::connect(&exporter.socket).is_ok()));
    let found = fs::metadata(&exporter.socket).unwrap();
    assert_eq!((found.mode() & 0o777, found.uid(), found.gid()), (0o660, 0, NEUTRON_ID));
    assert!(asked(&exporter.socket).contains("nsgate_unread_processes 0\n"));
    drop(exporter);
    let none = with("-all,+dac_read_search");
    assert!(value(&none, "nsgate_unread_processes", &[]) >= 2.0);
    assert!(of(&none, "nsgate_requests").samples.iter().all(|one| one.labels["role"] == "worker"));
    drop(world);
}

fn a_place_that_is_taken_or_not_safe_is_refused(lab: &Lab) {
    lab.needs_root("owners of directories");
    let refused = |path: &str, word: &str| {
        let said = run(lab, &["--listen", path]);
        assert!(said.code() == Some(1) && said.stderr.contains(word), "{path}: {said:#?}");
    };
    let exporter = Exporter::start(lab, &[]);
    refused(&exporter.socket.to_string_lossy(), "another process answers there");
    assert!(asked(&exporter.socket).contains("# EOF"), "the other one serves on");
    let directory = lab.directory("places", 0o755);
    fs::write(directory.join("file"), "mine").unwrap();
    refused(&directory.join("file").to_string_lossy(), "no socket is there");
    assert_eq!(text(directory.join("file")), "mine");
    refused(&directory.join("file/below").to_string_lossy(), "Not a directory");
    refused(&directory.join("missing/below").to_string_lossy(), "No such file");
    refused("relative.sock", "not an absolute path");
    refused(&directory.join("x".repeat(120)).to_string_lossy(), "107 bytes at most");
    let open = lab.directory("open", 0o777);
    refused(&open.join("socket").to_string_lossy(), "others than root may write");
    lab.give(&lab.directory("theirs", 0o755), NEUTRON_ID);
    refused("/run/lab/theirs/socket", "others than root may write");
    let said = run(lab, &["--listen", "/run/lab/places/socket", "--group", "nobody-has-this"]);
    assert!(said.stderr.contains("there is no such group"), "{said:#?}");
    assert_eq!(run(lab, &["--group", "neutron"]).code(), Some(2), "a group is for a socket");
    let left: Vec<_> = fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["file"], "nothing is left behind");
    // A killed process leaves its socket, and the next one takes the place.
    let mut killed = exporter;
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(killed.socket.exists());
    let next = Exporter::start(lab, &[]);
    assert!(asked(&next.socket).contains("# EOF"));
}

fn a_file_takes_the_place_of_the_one_before_as_a_whole(lab: &Lab) {
    let world = world(lab);
    let directory = lab.directory("collector", 0o755);
    let file = directory.join("nsgate.prom");
    fs::write(&file, "before").unwrap();
    let inode = fs::metadata(&file).unwrap().ino();
    let said = run(lab, &["--textfile", &file.to_string_lossy()]);
    assert!(said.ok() && said.stdout.is_empty(), "{said:#?}");
    let found = fs::metadata(&file).unwrap();
    assert!(found.ino() != inode && found.permissions().mode() & 0o777 == 0o644);
    parsed(lab, &text(&file));
    for wrong in ["/run/lab/none/nsgate.prom", "/run/lab/collector/", "/"] {
        assert_eq!(run(lab, &["--textfile", wrong]).code(), Some(1), "{wrong}");
    }
    let left: Vec<_> = fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["nsgate.prom"]);
    // A path that is no plain file stays as it is: here a link, as /dev/stdout is one.
    let link = lab.directory("place", 0o755).join("stdout");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let refused = run(lab, &["--textfile", &link.to_string_lossy()]);
    assert!(refused.code() == Some(1) && refused.stderr.contains("no plain file"), "{refused:#?}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    drop(world);
}

fn node_exporter_reads_the_file(lab: &Lab) {
    let Some(exporter) = of_debian("prometheus-node-exporter", "usr/bin/prometheus-node-exporter") else {
        lab.skip("no node_exporter: `cargo xtask test e2e` fetches Debian's package and does not install it");
    };
    let world = world(lab);
    let directory = lab.directory("collector", 0o755);
    let pool = format!("--pool-metrics={}", metrics_path(lab).display());
    assert!(run(lab, &[&pool, "--textfile", &directory.join("nsgate.prom").to_string_lossy()]).ok());
    assert!(communicate(ip(&["link", "set", "lo", "up"]), Duration::from_secs(5)).ok());
    let mut command = Command::new(exporter);
    command.args(["--collector.disable-defaults", "--collector.textfile", "--web.listen-address=127.0.0.1:9590"]);
    command.arg(format!("--collector.textfile.directory={}", directory.display()));
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(wait_until(20.0, || get("/metrics").is_some()));
    let read = get("/metrics").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(read.contains("\nnode_textfile_scrape_error 0\n"), "{read}");
    for role in ["gate", "worker"] {
        let wanted = [format!("role=\"{role}\""), "class=\"2xx\"".to_owned()];
        let fits = |line: &&str| wanted.iter().all(|word| line.contains(word.as_str()));
        let requests = read.lines().filter(|line| line.starts_with("nsgate_requests_total{")).find(fits);
        assert!(requests.is_some_and(|line| line.ends_with(" 1")), "{role}: {read}");
    }
    drop(world);
}

/// Debian's Prometheus, told by the shipped configuration; ended when dropped.
struct Prometheus {
    programs: Vec<Child>,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        for child in &mut self.programs {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Prometheus {
    /// The shipped files with shorter times.
    fn start(lab: &Lab, prometheus: &Path, socket: &Path) -> Prometheus {
        let examples = workspace().join("docs/examples");
        let directory = lab.directory("prometheus", 0o755);
        let shorter =
            |text: String| text.replace("15m", "8s").replace("5m", "8s").replace(": 30s", ": 1s").replace("20s", "1s");
        let rules = shorter(text(examples.join("prometheus/nsgate.rules.yml")));
        let rules: String =
            rules
                .lines()
                .map(|line| {
                    if line.trim().starts_with("for: ") { "        for: 1s\n".to_owned() } else { format!("{line}\n") }
                })
                .collect();
        fs::write(directory.join("nsgate.rules.yml"), rules).unwrap();
        let config = shorter(text(examples.join("prometheus/prometheus.yml")));
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        let log = |name: &str| fs::File::create(directory.join(name)).unwrap();
        let start = |command: &mut Command, name: &str| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(name)).current_dir(&directory);
            command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        // As nsgate-metrics.socket and nsgate-metrics.service have it.
        let unit = text(examples.join("systemd/nsgate-metrics.service"));
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let line = line.replace("/run/nsgate/host.sock", &socket.to_string_lossy());
        let listen = text(examples.join("systemd/nsgate-metrics.socket"));
        let listen = listen.lines().find_map(|line| line.strip_prefix("ListenStream=")).unwrap().to_owned();
        let mut proxy = Command::new("/usr/bin/systemd-socket-activate");
        // Not root: its group may read.
        proxy.arg("-l").arg(listen).args(line.split(' ')).uid(STRANGER_ID).gid(NEUTRON_ID);
        let mut server = Command::new(prometheus);
        server.args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:9590",
        ]);
        let programs = vec![start(&mut proxy, "proxy.log"), start(&mut server, "prometheus.log")];
        assert!(wait_until(30.0, || get("/-/ready").is_some()), "{}", text(directory.join("prometheus.log")));
        Prometheus { programs }
    }

    /// The results of a query.
    fn query(&self, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = get(&format!("/api/v1/query?query={encoded}")).unwrap_or_else(|| panic!("{query}"));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{query}: {answer}")).clone()
    }

    /// Alerts that fire: name and labels.
    fn firing(&self) -> BTreeMap<String, Value> {
        let answer: Value = serde_json::from_str(&get("/api/v1/alerts").unwrap()).unwrap();
        let all = answer["data"]["alerts"].as_array().unwrap().iter();
        let all = all.filter(|alert| alert["state"] == "firing");
        all.map(|alert| (alert["labels"]["alertname"].as_str().unwrap().to_owned(), alert["labels"].clone())).collect()
    }

    fn fires(&self, name: &str) -> Value {
        let found = std::cell::RefCell::new(Value::Null);
        let fires = || {
            self.firing().remove(name).is_some_and(|labels| {
                *found.borrow_mut() = labels;
                true
            })
        };
        assert!(wait_until(40.0, fires), "{name} does not fire: {:?}", self.firing());
        found.into_inner()
    }
}

/// The body of an answer of Prometheus'.
fn get(path: &str) -> Option<String> {
    let mut stream = TcpStream::connect("127.0.0.1:9590").ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.0 200").then(|| body.to_owned())
}

/// Debian's Prometheus, or the test is skipped.
fn prometheus_of_debian(lab: &Lab) -> PathBuf {
    lab.needs_root("gates, workers and agents are different users");
    lab.needs("/usr/bin/systemd-socket-activate", "apt-get install systemd");
    of_debian("prometheus", "usr/bin/prometheus").unwrap_or_else(|| {
        lab.skip("no Prometheus: `cargo xtask test e2e` fetches Debian's package and does not install it")
    })
}

fn every_query_of_the_hosts_dashboard_finds_something_where_gates_are_alone(lab: &Lab) {
    let prometheus = prometheus_of_debian(lab);
    assert!(communicate(ip(&["link", "set", "lo", "up"]), Duration::from_secs(5)).ok());
    let network = Network::named("gate1", "guest1");
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let exporter = Exporter::start(lab, &["--group=neutron"]);
    let server = Prometheus::start(lab, &prometheus, &exporter.socket);
    assert!(wait_until(20.0, || server.query("up == 1").len() == 1), "{}", text("/run/lab/prometheus/prometheus.log"));
    for _ in 0..3 {
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
        refused(&network, 1);
        std::thread::sleep(Duration::from_millis(1200));
    }
    assert!(server.query("nsgate_pool_up").is_empty(), "there is no pool");
    let board: Value = serde_json::from_str(&text(workspace().join("docs/grafana-dashboard-hosts.json"))).unwrap();
    let targets = board["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    for query in targets.map(|target| target["expr"].as_str().unwrap()) {
        assert!(wait_until(15.0, || !server.query(query).is_empty()), "{query} finds nothing");
    }
    let refusals = server.query("sum by (network, reason) (nsgate_rejections_total)");
    assert!(refusals.iter().any(|one| one["metric"]["reason"] == "two-hosts"), "{refusals:#?}");
    assert!(!server.firing().contains_key("NsgateBlind"), "{:?}", server.firing());
    drop(exporter);
    assert_eq!(server.fires("NsgateBlind")["job"], "nsgate");
    drop(agent);
}

/// By promtool: a host that is not scraped any more, and no host at all.
fn a_blind_monitoring_is_said(lab: &Lab) {
    let promtool = prometheus_of_debian(lab).with_file_name("promtool");
    let directory = lab.directory("promtool", 0o755);
    let rules = workspace().join("docs/examples/prometheus/nsgate.rules.yml");
    let blind = |more: &str| {
        format!(r#"ALERTS{{alertname="NsgateBlind",alertstate="firing",{more}job="nsgate",severity="critical"}}"#)
    };
    let tests = format!(
        r#"
rule_files: ["{rules}"]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{{series: 'up{{job="nsgate",instance="a"}}', values: '1x10 0x20'}}]
    promql_expr_test:
      - {{expr: 'ALERTS{{alertname="NsgateBlind"}}', eval_time: 10m, exp_samples: []}}
      - {{expr: 'ALERTS{{alertname="NsgateBlind"}}', eval_time: 20m, exp_samples: [{{labels: '{one}', value: 1}}]}}
  - interval: 1m
    input_series: [{{series: 'up{{job="another",instance="a"}}', values: '1x20'}}]
    promql_expr_test:
      - {{expr: 'ALERTS{{alertname="NsgateBlind"}}', eval_time: 20m, exp_samples: [{{labels: '{none}', value: 1}}]}}
"#,
        rules = rules.display(),
        one = blind(r#"instance="a","#),
        none = blind("")
    );
    fs::write(directory.join("test.yml"), tests).unwrap();
    let mut command = Command::new(promtool);
    command.args(["test", "rules"]).arg(directory.join("test.yml"));
    let said = communicate(command, Duration::from_secs(20));
    assert!(said.ok(), "{said:#?}");
}

fn debians_prometheus_scrapes_and_its_alerts_fire_and_resolve(lab: &Lab) {
    lab.needs_root("gates, workers and agents are different users");
    lab.needs("/usr/bin/systemd-socket-activate", "apt-get install systemd");
    let Some(prometheus) = of_debian("prometheus", "usr/bin/prometheus") else {
        lab.skip("no Prometheus: `cargo xtask test e2e` fetches Debian's package and does not install it");
    };
    let rules = workspace().join("docs/examples/prometheus/nsgate.rules.yml");
    let mut check = Command::new(prometheus.with_file_name("promtool"));
    check.args(["check", "rules"]).arg(rules);
    let checked = communicate(check, Duration::from_secs(20));
    assert!(checked.ok(), "{checked:#?}");
    assert!(communicate(ip(&["link", "set", "lo", "up"]), Duration::from_secs(5)).ok());
    // A log that takes every line: one that loses them is an alert of its own.
    let log = SyslogReader::bind("/dev/log".as_ref());
    std::thread::spawn(move || {
        loop {
            let _ = log.next(0.5);
        }
    });
    let mut world = world(lab);
    // One more gate, whose agent's directory the test removes.
    let third = Network::named("gate3", "guest3");
    let agents = lab.directory("agents", 0o755);
    let mut config = Config::new(Kind::Network).with_id(THIRD);
    config.socket = agents.join("metadata_proxy");
    let gate = Gate::start(lab, &third.gate, &config);
    let exporter =
        Exporter::start(lab, &[&format!("--pool-metrics={}", metrics_path(lab).display()), "--group=neutron"]);
    let server = Prometheus::start(lab, &prometheus, &exporter.socket);
    assert!(wait_until(20.0, || server.query("up == 1").len() == 1), "{}", text("/run/lab/prometheus/prometheus.log"));
    assert!(wait_until(20.0, || server.query("nsgate_confined == 1").len() >= 4));

    // Every query of the dashboard finds something, while there are requests.
    for _ in 0..3 {
        world.networks.iter().for_each(|network| drop(Guest::new(&network.guest).get("/")));
        std::thread::sleep(Duration::from_millis(1200));
    }
    let board: Value = serde_json::from_str(&text(workspace().join("docs/grafana-dashboard.json"))).unwrap();
    let targets = board["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    for query in targets.map(|target| target["expr"].as_str().unwrap()) {
        assert!(wait_until(15.0, || !server.query(query).is_empty()), "{query} finds nothing");
    }
    // Refusals before the first scrape raise no alert.
    assert_eq!(server.firing(), BTreeMap::new());

    // Faults.
    refused(&world.networks[0], 60);
    let refusal = server.fires("NsgateRequestsRefused");
    assert_eq!((&refusal["network"], &refusal["reason"]), (&Value::from(NETWORK), &Value::from("two-hosts")));
    world.agent = None;
    let _ = fs::remove_file(lab.socket());
    for network in &world.networks {
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 503);
    }
    server.fires("NsgateAgentErrors");
    fs::remove_dir(&agents).unwrap();
    assert_eq!(server.fires("NsgateNotConfined")["network"], THIRD);
    world.gate.signal(Signal::SIGKILL);
    assert_eq!(server.fires("NsgateNetworkLost")["network"], NETWORK);
    world.pool.crash();
    server.fires("NsgatePoolDown");
    assert_eq!(server.fires("NsgateKeeperAlone")["network"], OTHER);

    // The alerts end when their cause is mended.
    world.agent = Some(RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    drop(gate);
    fs::create_dir(&agents).unwrap();
    let _third = Gate::start(lab, &third.gate, &config);
    let _first = Gate::start(lab, &world.networks[0].gate, &Config::new(Kind::Network));
    world.pool = Pool::start(lab);
    assert!(wait_until(60.0, || server.firing().is_empty()), "{:#?}", server.firing());
}

/// A log that takes every line, until it is dropped; nothing is at its place then.
struct TakingLog(Option<std::thread::JoinHandle<()>>, std::sync::Arc<std::sync::atomic::AtomicBool>);

impl TakingLog {
    fn begin() -> TakingLog {
        let log = SyslogReader::bind("/dev/log".as_ref());
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = over.clone();
        let reader = std::thread::spawn(move || {
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = log.next(0.2);
            }
        });
        TakingLog(Some(reader), over)
    }
}

impl Drop for TakingLog {
    fn drop(&mut self) {
        self.1.store(true, std::sync::atomic::Ordering::Relaxed);
        self.0.take().unwrap().join().unwrap();
        let _ = fs::remove_file("/dev/log");
    }
}

/// The alerts that the test above does not make fire, each alone on a host that is quiet before and after.
fn what_is_stopped_unread_without_a_log_or_haproxys_is_an_alert_that_ends(lab: &Lab) {
    let prometheus = prometheus_of_debian(lab);
    lab.needs("/usr/sbin/haproxy", "apt-get install haproxy");
    assert!(communicate(ip(&["link", "set", "lo", "up"]), Duration::from_secs(5)).ok());
    let (first, second) = (Network::named("gate1", "guest1"), Network::named("qdhcp-gate", "guest2"));
    let log = TakingLog::begin();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &first.gate, &Config::new(Kind::Network));
    let state = lab.directory("late", 0o755);
    let exporter = Exporter::start(lab, &["--group=neutron", &format!("--state={}", state.display())]);
    let server = Prometheus::start(lab, &prometheus, &exporter.socket);
    assert!(wait_until(20.0, || server.query("nsgate_confined == 1").len() == 1));
    let asked = || assert_eq!(Guest::new(&first.guest).get("/").unwrap().status, 200);
    let quiet = |server: &Prometheus| {
        let quiet = wait_until(40.0, || server.firing().is_empty());
        assert!(quiet, "{:#?}", server.firing());
    };
    asked();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(server.firing(), BTreeMap::new(), "a host without a fault");
    let alone = |server: &Prometheus, name: &str| {
        let labels = server.fires(name);
        assert_eq!(server.firing().keys().collect::<Vec<_>>(), [name]);
        labels
    };

    // A gate that is stopped, also with a connection that its guest has reset.
    let guest = first.guest.inside(|| TcpStream::connect(("169.254.169.254", 80)).unwrap());
    asked();
    gate.signal(Signal::SIGSTOP);
    setsockopt(&guest, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(guest);
    assert_eq!(alone(&server, "NsgateUnreachable")["network"], NETWORK);
    gate.signal(Signal::SIGCONT);
    quiet(&server);

    fs::remove_dir(&state).unwrap();
    alone(&server, "NsgateUnread");
    fs::create_dir(&state).unwrap();
    quiet(&server);

    let config = Config::new(Kind::Network).with_id(OTHER);
    let file = nsgate_tests::gate::write_config(lab, &config);
    let mut command = second.gate.command("/usr/sbin/haproxy");
    command.args(["-f".as_ref(), file.as_os_str()]);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let haproxy = Gate::adopt(file.clone(), config.pid_file.clone(), started).unwrap();
    alone(&server, "NsgateHaproxyInPlace");
    drop(haproxy);
    let _ = fs::remove_file(&file);
    quiet(&server);

    // A log that has gone away loses lines; a gate that has never had one is told apart.
    drop(log);
    let lost = wait_until(30.0, || {
        asked();
        server.firing().contains_key("NsgateLogLost")
    });
    assert!(lost && server.firing().keys().eq(["NsgateLogLost"]), "{:?}", server.firing());
    quiet(&server);
    let config = Config::new(Kind::Network).with_id(OTHER);
    let _without = Gate::start(lab, &second.gate, &config);
    let missing = wait_until(30.0, || {
        assert_eq!(Guest::new(&second.guest).get("/").unwrap().status, 200);
        server.firing().contains_key("NsgateNoLog")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(missing && server.firing().keys().eq(["NsgateNoLog"]), "{:?}", server.firing());
    let log = TakingLog::begin();
    let ended = wait_until(40.0, || {
        let _ = Guest::new(&second.guest).get("/");
        server.firing().is_empty()
    });
    assert!(ended, "{:#?}", server.firing());
    drop((agent, log));
}

/// A database that knows the laboratory's guest, on every host.
fn southbound(lab: &Lab) -> Server {
    let server = Server::start(lab, &ovn::schema());
    let here = server.insert(&ovn::chassis("host-1")).remove(1);
    let datapath = server.insert(&[ovn::datapath(&format!("neutron-{NETWORK}"), 1)]).remove(0);
    let port = Binding::of("port-1", 1, &datapath, &here, "fa:16:3e:00:00:01 10.0.0.11", "first");
    server.transact(&[port.insert()]);
    server
}

/// A request for another network over a connection that root has bound, as code in a gate that was taken over might send it.
fn asks_for_another_network(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(line(&Identity::OvnNetwork(NETWORK.parse().unwrap())).as_bytes()).unwrap();
    let mut bound = [0; 6];
    stream.read_exact(&mut bound).unwrap();
    let door = Door::bound(stream.into());
    door.ask().unwrap();
    let mut taken = None;
    assert!(wait_until(5.0, || {
        taken = door.take().ok();
        taken.is_some()
    }));
    let Some(Taken::Connection(mut connection)) = taken else { panic!("{taken:?}") };
    connection.set_nonblocking(false).unwrap();
    let ask = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.11\r\nX-OVN-Network-ID: {OTHER}\r\n\r\n");
    connection.write_all(ask.as_bytes()).unwrap();
    let mut answer = [0; 64];
    let count = connection.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

/// A guest, its gate, `nsgate agent` and a Nova that answers as it is told; and Debian's Prometheus, which looks on.
struct WatchedHop {
    network: Network,
    hop: SecondHop,
    gate: Gate,
    monitor: Prometheus,
    _exporter: Exporter,
    nova: SmallNova,
    _log: TakingLog,
}

fn watched_files(lab: &Lab, nova: &SmallNova, directory: Option<&str>) -> SecondHopFiles {
    let files = SecondHopFiles::write(lab, &[nova.address.to_string()], "");
    let files = match directory {
        Some(directory) => files.with_directory(directory),
        None => files,
    };
    files.replace(&files.config, &text(&files.config).replace("plain = true\n", ""));
    files
}

/// What Nova answers.
static NOVA: std::sync::Mutex<&str> = std::sync::Mutex::new(RIGHT);
const RIGHT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

impl WatchedHop {
    /// With this table `[directory]`; `None`: the laboratory's guest in a file.
    fn start(lab: &Lab, directory: Option<&str>) -> Self {
        let prometheus = prometheus_of_debian(lab);
        assert!(communicate(ip(&["link", "set", "lo", "up"]), Duration::from_secs(5)).ok());
        let (network, log) = (Network::named("gate1", "guest1"), TakingLog::begin());
        let nova = SmallNova::start(|_, stream| stream.write_all(NOVA.lock().unwrap().as_bytes()).is_ok());
        let hop = watched_files(lab, &nova, directory).start(lab);
        lab.site(&format!("agent = \"{}\"\n", hop.files.socket.display()));
        let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
        let exporter = Exporter::start(lab, &["--group=neutron"]);
        let monitor = Prometheus::start(lab, &prometheus, &exporter.socket);
        assert!(wait_until(20.0, || !monitor.query("nsgate_hop_doors == 1").is_empty()));
        Self { network, hop, gate, monitor, _exporter: exporter, nova, _log: log }
    }

    fn asked(&self) -> u16 {
        Guest::new(&self.network.guest).get("/").map_or(0, |answer| answer.status)
    }

    #[track_caller]
    fn quiet(&self) {
        let quiet = wait_until(40.0, || {
            std::thread::sleep(Duration::from_millis(300));
            self.asked() == 200 && self.monitor.firing().is_empty()
        });
        assert!(quiet, "{:#?}", self.monitor.firing());
    }

    /// It fires while the guest asks, and no other does.
    #[track_caller]
    fn alone(&self, name: &str, ask: impl Fn() -> u16, status: u16) {
        let fires = wait_until(40.0, || {
            assert_eq!(ask(), status, "{name}: {}", text(&self.hop.log));
            std::thread::sleep(Duration::from_millis(200));
            self.monitor.firing().contains_key(name)
        });
        assert!(fires && self.monitor.firing().keys().eq([name]), "{name}: {:#?}", self.monitor.firing());
    }
}

/// A database and a Nova that do not answer as they should, each alone on a host that is quiet after it.
fn each_fault_behind_the_second_hop_is_an_alert_of_its_own_that_ends(lab: &Lab) {
    let mut server = southbound(lab);
    let directory = format!("kind = \"ovn\"\nremotes = [{:?}]\n", server.remote());
    server.kill();
    let watched = WatchedHop::start(lab, Some(&directory));
    watched.alone("NsgateHopDirectoryAway", || watched.asked(), 503);
    let away = "time() - nsgate_hop_directory_away_since_timestamp_seconds";
    assert!(text(workspace().join("docs/grafana-dashboard-hop.json")).contains(away));
    assert_eq!(watched.monitor.query(away).len(), 1);
    server.begin();
    watched.quiet();
    for (name, answer, status) in [
        ("NsgateHopSecretsDiffer", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
        ("NsgateHopNovaErrors", "no HTTP\r\n\r\n", 502),
    ] {
        *NOVA.lock().unwrap() = answer;
        watched.alone(name, || watched.asked(), status);
        *NOVA.lock().unwrap() = RIGHT;
        watched.quiet();
    }
}

/// The same of guests and gates, and of the agent itself, which takes its gates with it.
fn each_fault_before_the_second_hop_and_its_end_are_alerts_that_end(lab: &Lab) {
    let watched = WatchedHop::start(lab, None);
    for _ in 0..3 {
        assert_eq!(watched.asked(), 200);
        std::thread::sleep(Duration::from_millis(1200));
    }
    assert_eq!(watched.monitor.firing(), BTreeMap::new(), "a host without a fault");
    let stranger = Guest::new(&watched.network.guest).at(12);
    watched.alone("NsgateHopNoInstance", || stranger.get("/").map_or(0, |answer| answer.status), 404);
    let board: Value = serde_json::from_str(&text(workspace().join("docs/grafana-dashboard-hop.json"))).unwrap();
    let targets = board["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    // The other test asks for a directory that is away.
    for query in targets.map(|target| target["expr"].as_str().unwrap()).filter(|query| !query.contains("_away_")) {
        let finds = || watched.asked() == 200 && !watched.monitor.query(query).is_empty();
        assert!(wait_until(15.0, finds), "{query} finds nothing");
    }
    watched.quiet();
    assert!(asks_for_another_network(&watched.hop.files.socket).starts_with("HTTP/1.1 403 "));
    watched.monitor.fires("NsgateHopForeignNetwork");
    let firing = watched.monitor.firing();
    assert!(firing.keys().eq(["NsgateHopForeignNetwork"]), "{firing:#?}");
    watched.quiet();
    let mut watched = watched;
    watched.hop.terminate();
    assert!(watched.hop.ended_within(40.0).is_some());
    watched.monitor.fires("NsgateHopGone");
    // Its gates have ended with it, and their networks are lost.
    watched.hop = watched_files(lab, &watched.nova, None).start(lab);
    watched.gate = Gate::start(lab, &watched.network.gate, &Config::new(Kind::Ovn));
    watched.quiet();
}

fn ip(words: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(words);
    command
}
