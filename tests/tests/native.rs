//! `nsgate`, the operator's own command: run, check, attest.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, nsgate, run_flags, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, Program, RecordingAgent, Started, suite};

fn main() {
    suite!["native":
        run_serves_a_network,
        run_serves_a_router,
        run_serves_a_network_of_ovn,
        run_reads_toml,
        flags_take_precedence_over_the_file,
        netns_by_name_binds_there_and_not_here,
        netns_by_path_binds_there_and_not_here,
        run_stays_in_the_foreground_and_says_what_it_does,
        check_prints_the_gate_that_would_run,
        check_reads_both_languages,
        check_judges_a_pool_and_a_site,
        check_names_the_place_and_what_is_accepted_there,
        check_refuses_a_user_that_does_not_exist,
        check_does_not_look_at_addresses_and_namespaces,
        check_looks_at_paths_as_a_start_does,
        attest_prints_a_table_without_colours_into_a_pipe,
        attest_all_tells_a_gate_from_haproxy,
        attest_says_that_a_process_is_not_there,
        every_help_text_has_an_example,
    ]
}

/// A command that runs in the world's own network namespace, where the gate shall not listen.
fn outside(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.args(words);
    communicate(command, Duration::from_secs(10))
}

fn serves(lab: &Lab, identity: &str, header: &str) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let identity = format!("{identity}={NETWORK}");
    let started = nsgate(lab, &network.gate, &run_flags(&[&identity, "--user=neutron", "--group=neutron"]));
    assert!(started.ok(), "{started:#?}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    assert_eq!(agent.only().header(header), [NETWORK]);
    assert_eq!(agent.only().header("X-Forwarded-For"), ["10.0.0.11"]);
}

fn run_serves_a_network(lab: &Lab) {
    serves(lab, "--network-id", "X-Neutron-Network-ID");
}

fn run_serves_a_router(lab: &Lab) {
    serves(lab, "--router-id", "X-Neutron-Router-ID");
}

fn run_serves_a_network_of_ovn(lab: &Lab) {
    serves(lab, "--ovn-network-id", "X-OVN-Network-ID");
}

fn toml(lab: &Lab, user: &str) -> PathBuf {
    let path = lab.state().join("gate.toml");
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"{}\"\nuser = \"{user}\"\n\
         daemon = true\npid_file = \"{}\"\n",
        lab.socket().display(),
        lab.state().join("native.pid").display()
    );
    fs::write(&path, text).unwrap();
    path
}

fn run_reads_toml(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let file = toml(lab, "neutron");
    let started = nsgate(lab, &network.gate, &["run", "--config", file.to_str().unwrap()]);
    assert!(started.ok(), "{started:#?}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    let pid: i32 = text(lab.state().join("native.pid")).trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert!(wait_until(1.0, || network.gate.listening().is_empty()));
}

fn flags_take_precedence_over_the_file(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let file = toml(lab, "no-such-user");
    let other = "b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21";
    let identity = format!("--network-id={other}");
    let words = ["run", "--config", file.to_str().unwrap(), "--user=neutron", &identity];
    let started = nsgate(lab, &network.gate, &words);
    assert!(started.ok(), "{started:#?}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    assert_eq!(agent.only().header("X-Neutron-Network-ID"), [other]);
}

fn binds_there(lab: &Lab, netns: &str) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let (identity, netns) = (format!("--network-id={NETWORK}"), format!("--netns={netns}"));
    // Any address: the namespace of the test itself would have accepted it as well.
    let words = [
        "run",
        "--listen=0.0.0.0:80",
        "--backend=/run/lab/neutron/metadata_proxy",
        "--daemon",
        "--pid-file=/run/lab/neutron/external/pids/native.pid",
        "--user=neutron",
        "--group=neutron",
        &identity,
        &netns,
    ];
    let started = outside(lab, &words);
    assert!(started.ok(), "{started:#?}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    // Port 80 in hexadecimal, in the kernel's table of this namespace.
    assert!(!text("/proc/self/net/tcp").contains(":0050 "), "nothing listens where it was started");
}

fn netns_by_name_binds_there_and_not_here(lab: &Lab) {
    binds_there(lab, "gate");
}

fn netns_by_path_binds_there_and_not_here(lab: &Lab) {
    binds_there(lab, "/run/netns/gate");
}

fn run_stays_in_the_foreground_and_says_what_it_does(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut command = network.gate.command(&lab.program.nsgate().to_string_lossy());
    let identity = format!("--network-id={NETWORK}");
    command.args(["run", "--listen=169.254.169.254:80", "--backend=/run/lab/neutron/metadata_proxy"]);
    command.args(["--user=neutron", "--group=neutron", &identity]).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    assert!(wait_until(5.0, || !network.gate.listening().is_empty()));
    assert_eq!(Guest::new(&network.guest).get("/seen").unwrap().status, 200);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let expected = format!("Serving X-Neutron-Network-ID {NETWORK} on 169.254.169.254:80; no capability, ");
    assert!(said.contains(&expected) && said.contains("GET /seen HTTP/1.1"), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours into a pipe: {said:?}");
}

fn check(lab: &Lab, path: &str) -> Started {
    outside(lab, &["check", path])
}

fn check_prints_the_gate_that_would_run(lab: &Lab) {
    let file = write_config(lab, &Config::new(Kind::Network).with_rate("ip", 10, 2));
    let started = check(lab, file.to_str().unwrap());
    assert_eq!(started.code(), Some(0), "{started:#?}");
    for word in [NETWORK, "169.254.169.254:80", "/run/lab/neutron/metadata_proxy", "neutron", "rate_limits"] {
        assert!(started.stdout.contains(word), "{word} is missing: {}", started.stdout);
    }
}

fn check_reads_both_languages(lab: &Lab) {
    let haproxy = check(lab, write_config(lab, &Config::new(Kind::Network)).to_str().unwrap());
    let native = check(lab, toml(lab, "neutron").to_str().unwrap());
    assert_eq!((haproxy.code(), native.code()), (Some(0), Some(0)), "{haproxy:#?} {native:#?}");
    // Its output is a valid configuration.
    let printed = lab.state().join("printed.toml");
    fs::write(&printed, &haproxy.stdout).unwrap();
    let again = check(lab, printed.to_str().unwrap());
    assert_eq!(again.stdout, haproxy.stdout, "{again:#?}");
}

fn check_judges_a_pool_and_a_site(lab: &Lab) {
    let file = lab.state().join("file.toml");
    lab.directory("../nsgate", 0o755);
    let said = |dialect: &str, text: &str| {
        fs::write(&file, text).unwrap();
        outside(lab, &["check", "--dialect", dialect, file.to_str().unwrap()])
    };
    let pool =
        "socket = \"/run/nsgate/pool.sock\"\nbackends = [\"/run/lab/neutron/metadata_proxy\"]\nuser = \"neutron\"\n";
    for (dialect, text, word) in
        [("pool", pool, "reserved_connections = 4"), ("site", "pool = \"/run/p\"\n", "pool_patience = \"5s\"")]
    {
        let right = said(dialect, text);
        assert!(right.code() == Some(0) && right.stdout.contains(word), "{right:#?}");
        // Its output is a valid file of the same kind.
        assert_eq!(said(dialect, &right.stdout).stdout, right.stdout);
        let wrong = said(dialect, &format!("frobnicate = 1\n{text}"));
        assert!(wrong.code() == Some(1) && wrong.stderr.contains("file.toml:1:1"), "{wrong:#?}");
    }
    let unknown = said("pool", &pool.replace("neutron\"\n", "no-such-user\"\n"));
    assert!(unknown.code() == Some(1) && unknown.stderr.contains("no-such-user"), "{unknown:#?}");
}

fn check_names_the_place_and_what_is_accepted_there(lab: &Lab) {
    let path = lab.state().join("wrong.toml");
    fs::write(&path, "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlissten = []\n").unwrap();
    let started = check(lab, path.to_str().unwrap());
    assert_eq!(started.code(), Some(1), "{started:#?}");
    let place = format!("{}:2:1", path.display());
    assert!(started.stderr.contains(&place) && started.stderr.contains("listen"), "{}", started.stderr);
}

fn check_refuses_a_user_that_does_not_exist(lab: &Lab) {
    let started = check(lab, toml(lab, "no-such-user").to_str().unwrap());
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("no-such-user"), "{}", started.stderr);
}

fn check_does_not_look_at_addresses_and_namespaces(lab: &Lab) {
    let path = toml(lab, "neutron");
    fs::write(&path, text(&path).replace("169.254.169.254", "192.0.2.77") + "netns = \"absent\"\n").unwrap();
    let checked = check(lab, path.to_str().unwrap());
    assert_eq!(checked.code(), Some(0), "{checked:#?}");
}

fn check_looks_at_paths_as_a_start_does(lab: &Lab) {
    let path = toml(lab, "neutron");
    let moved = text(&path).replace(&lab.socket().display().to_string(), "/nowhere/at/all");
    fs::write(&path, moved).unwrap();
    let path = path.to_str().unwrap();
    let (checked, started) = (check(lab, path), outside(lab, &["run", "--config", path]));
    assert!(checked.stderr.contains("/nowhere: there is no such directory"), "{checked:#?}");
    assert_eq!((checked.code(), started.code(), checked.stderr), (Some(1), Some(1), started.stderr));
}

fn attest_prints_a_table_without_colours_into_a_pipe(lab: &Lab) {
    let network: Network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let started = outside(lab, &["attest", &gate.pid.to_string()]);
    for row in ["users", "CapBnd", "no_new_privs", "seccomp", "pid namespace", "root shows", "open files"] {
        assert!(started.stdout.contains(row), "{row} is missing: {}", started.stdout);
    }
    assert!(!started.stdout.contains('\u{1b}'), "{:?}", started.stdout);
}

fn attest_all_tells_a_gate_from_haproxy(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let alone = outside(lab, &["attest", "--all"]);
    // Without root the descriptors cannot be read, and 4 says so.
    assert_eq!(alone.code(), Some(if lab.is_root() { 0 } else { 4 }), "{alone:#?}");
    assert!(alone.stdout.contains(&gate.pid.to_string()), "{alone:#?}");
    let Some(haproxy) = Program::real_haproxy() else {
        lab.skip("no /usr/sbin/haproxy to tell apart; apt-get install haproxy");
    };
    let other = Network::named("gate-haproxy", "guest-haproxy");
    let config = Config::new(Kind::Network).with_id("b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21");
    let theirs = Gate::start(&Lab::enter(haproxy), &other.gate, &config);
    let both = outside(lab, &["attest", "--all", "--json"]);
    assert_eq!(both.code(), Some(3), "{both:#?}");
    let list: serde_json::Value = serde_json::from_str(&both.stdout).unwrap();
    let wrong = |pid: i32| {
        let found = list.as_array().unwrap().iter().find(|one| one["pid"] == pid).unwrap();
        found["verdict"].as_array().unwrap().iter().filter(|row| row["ok"] == false).count()
    };
    assert_eq!((wrong(gate.pid), wrong(theirs.pid) > 3), (0, true), "{list:#}");
}

fn attest_says_that_a_process_is_not_there(lab: &Lab) {
    let started = outside(lab, &["attest", "4000000"]);
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("4000000") && started.stdout.is_empty(), "{started:#?}");
}

fn every_help_text_has_an_example(lab: &Lab) {
    let commands = ["run", "check", "attest", "pool", "add", "remove", "list", "status", "cleanup"];
    for words in std::iter::once(vec!["--help"]).chain(commands.map(|command| vec![command, "--help"])) {
        let started = outside(lab, &words);
        assert_eq!(started.code(), Some(0), "{words:?}");
        assert!(started.stdout.contains("Example"), "{words:?}: {}", started.stdout);
    }
}
