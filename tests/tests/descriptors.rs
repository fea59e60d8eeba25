//! A host that gives few descriptors: what a process serves with, what it says, and when it does not start.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use nsgate_tests::gate::{agent_command, communicate, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{Pool, channel, keeper, nsgate, served, socket_path, words, world};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, Started, SyslogReader, host, suite};

fn main() {
    suite!["descriptors":
        a_gate_with_few_descriptors_says_so_and_fifty_idle_connections_starve_nobody,
        a_larger_number_of_connections_does_not_shrink_what_one_source_has,
        check_says_what_would_not_fit_from_here,
        a_keeper_with_few_descriptors_says_so_and_serves_by_itself,
        a_worker_with_few_descriptors_says_so_and_serves,
        a_host_wide_proxy_with_few_descriptors_says_so_and_serves,
        too_few_descriptors_to_serve_with_are_refused,
    ]
}

/// The same command with so many descriptors at most, and without the right to raise that.
fn limited(command: &Command, descriptors: u32) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={descriptors}:{descriptors}")).args(["setpriv", "--bounding-set=-sys_resource"]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    limited
}

fn start(lab: &Lab, config: &Config, descriptors: u32, pool: bool) -> Result<Gate, Started> {
    let file = write_config(lab, config);
    let mut command = agent_command(lab, &lab_namespace(), &config.id, &["-f".as_ref(), file.as_os_str()]);
    if pool {
        command.env("NSGATE_POOL", socket_path(lab));
    }
    Gate::with_command(lab, config, limited(&command, descriptors))
}

/// The namespace of [`Lab::network`].
fn lab_namespace() -> nsgate_tests::Namespace {
    nsgate_tests::Namespace::existing("gate")
}

/// Fifty idle connections of one source, and then of several, shut no guest out.
fn assert_serves_beside_idle_ones(guest: &Guest) {
    let idle = |host: u8| -> Vec<TcpStream> { (0..50).map_while(|_| guest.at(host).connect().ok()).collect() };
    let held = idle(20);
    assert_eq!(held.len(), 50);
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..5 {
        assert!(served(&guest.at(12).patient(3)), "beside one source");
    }
    let _more: Vec<_> = (21..27).map(idle).collect();
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..5 {
        assert!(served(&guest.at(12).patient(3)), "beside seven sources");
    }
}

const FEW: &str = "only 64 descriptors (RLIMIT_NOFILE cannot be raised)";

fn a_gate_with_few_descriptors_says_so_and_fifty_idle_connections_starve_nobody(lab: &Lab) {
    let network = lab.network();
    let log = SyslogReader::bind("/dev/log".as_ref());
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = start(lab, &Config::new(Kind::Network), 64, false).unwrap_or_else(|started| panic!("{started:#?}"));
    let said = format!("{FEW}: 29 connections instead of 1024, 7 of one source, and 9 requests at the agent");
    assert!(gate.started.stderr.contains(&said), "{:#?}", gate.started);
    let first = log.find("Serving", 3.0).expect("the first line");
    assert!(first.contains(&said), "{first}");
    assert_serves_beside_idle_ones(&Guest::new(&network.guest));
    let lines = log.all(1.0);
    assert!(!lines.iter().any(|line| line.contains("accept4(2)")), "it has not run out of any: {lines:?}");
}

fn a_larger_number_of_connections_does_not_shrink_what_one_source_has(lab: &Lab) {
    let network = lab.network();
    let _log = SyslogReader::bind("/dev/log".as_ref());
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let words: [&std::ffi::OsStr; 4] = ["-n".as_ref(), "1000000".as_ref(), "-f".as_ref(), file.as_os_str()];
    let command = agent_command(lab, &lab_namespace(), &config.id, &words);
    let gate =
        Gate::with_command(lab, &config, limited(&command, 500)).unwrap_or_else(|started| panic!("{started:#?}"));
    let said = "only 500 descriptors (RLIMIT_NOFILE cannot be raised): 410 connections instead of 1000000, 102 of one source, \
                and 64 requests at the agent";
    assert!(gate.started.stderr.contains(said), "{:#?}", gate.started);
    // None of them is idle for long enough to give way: a head that has begun may take a second.
    let guest = Guest::new(&network.guest);
    let begun = |_| {
        let mut connection = guest.at(20).connect().unwrap();
        connection.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        connection
    };
    let held: Vec<TcpStream> = (0..102).map(begun).collect();
    let closed = |connection: &TcpStream| {
        connection.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        matches!((&*connection).read(&mut [0; 1]), Ok(0))
            || matches!((&*connection).read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::ConnectionReset)
    };
    std::thread::sleep(Duration::from_millis(200));
    let refused = held.iter().filter(|connection| closed(connection)).count();
    assert_eq!(refused, 0, "of 102 connections of one source");
}

fn check_says_what_would_not_fit_from_here(lab: &Lab) {
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config { maxconn: 1_000_000, ..Config::new(Kind::Network) };
    let file = write_config(lab, &config);
    let mut command = Command::new(lab.program.nsgate());
    command.arg("check").arg(&file);
    let checked = communicate(limited(&command, 20_000), Duration::from_secs(10));
    let said = "started from here: only 20000 descriptors (RLIMIT_NOFILE cannot be raised): 19910 connections instead of \
                1000000, 256 of one source, and 64 requests at the agent";
    assert!(checked.ok() && checked.stderr.contains(said), "{checked:#?}");
    assert!(checked.stdout.contains("connections = 1000000"), "what the text asks for: {checked:#?}");
    let checked = communicate(limited(&command, 20), Duration::from_secs(10));
    let said = "started from here: RLIMIT_NOFILE allows 20 descriptors";
    assert!(checked.ok() && checked.stderr.contains(said), "an agent may have others: {checked:#?}");
}

fn a_keeper_with_few_descriptors_says_so_and_serves_by_itself(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    // No pool is there.
    let keeper = start(lab, &Config::new(Kind::Network), 64, true).unwrap_or_else(|started| panic!("{started:#?}"));
    assert!(keeper.started.stderr.contains(FEW), "{:#?}", keeper.started);
    assert_serves_beside_idle_ones(&Guest::new(&network.guest));
}

fn a_worker_with_few_descriptors_says_so_and_serves(lab: &Lab) {
    let world = world(lab);
    for workers in ["--workers=1", "--workers=2"] {
        let mut command = Command::new(lab.program.nsgate());
        command.args(words(lab, &[workers]));
        let pool = Pool::spawn_as(lab, limited(&command, 96));
        let serves = || pool.said("Handovers are taken") && channel(&socket_path(lab)).is_ok();
        assert!(wait_until(10.0, serves), "{}", text(&pool.log));
        let first = text(&pool.log);
        let said = "only 96 descriptors (RLIMIT_NOFILE cannot be raised): ";
        assert_eq!(first.matches(said).count(), 2, "on standard error, and in the first line of the log: {first}");
        let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
        let listed = nsgate(lab, &["list"]);
        assert!(listed.stdout.contains("169.254.169.254:80"), "the worker has it: {listed:#?}");
        assert_serves_beside_idle_ones(&Guest::new(&world.network.guest));
        assert!(!text(&pool.log).contains("accept4(2)"), "{}", text(&pool.log));
        drop((keeper, pool));
    }
}

fn a_host_wide_proxy_with_few_descriptors_says_so_and_serves(lab: &Lab) {
    let network = lab.network();
    let nova = host::Nova::start(&network);
    std::fs::write(host::CONFIG, host::three_instances()).unwrap();
    let command = agent_command(lab, &network.gate, "host", &["-f", host::CONFIG, "-p", host::PID_FILE]);
    let started = communicate(limited(&command, 64), Duration::from_secs(10));
    assert!(started.ok() && started.stderr.contains(FEW), "{started:#?}");
    let gate = Gate::adopt(host::CONFIG.into(), host::PID_FILE.into(), started).unwrap();
    let guest = host::guest(&network, 11).patient(3);
    let held: Vec<_> = (0..50).map_while(|_| host::guest(&network, 12).connect().ok()).collect();
    assert!(held.len() == 50 && served(&guest), "{:?}", guest.get("/"));
    assert!(!nova.seen().is_empty());
    drop(gate);
}

fn too_few_descriptors_to_serve_with_are_refused(lab: &Lab) {
    let network = lab.network();
    let config = Config::new(Kind::Network);
    let refused = start(lab, &config, 28, false).expect_err("it cannot serve");
    assert_eq!(refused.code(), Some(1), "{refused:#?}");
    let said = "RLIMIT_NOFILE allows 28 descriptors, and at least 34 are needed to serve; raise the hard limit";
    assert!(refused.stderr.contains(said), "{refused:#?}");
    assert!(network.gate.listening().is_empty() && !config.pid_file.exists(), "nothing is left");
    let mut command = Command::new(lab.program.nsgate());
    command.args(words(lab, &[]));
    let refused = communicate(limited(&command, 28), Duration::from_secs(10));
    assert!(refused.code() == Some(1) && refused.stderr.contains("RLIMIT_NOFILE allows 28"), "{refused:#?}");
    assert!(!socket_path(lab).exists());
}
