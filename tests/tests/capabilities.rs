//! The least capabilities that a start takes, for each way of starting: found by taking each one away.
//!
//! A container is given a set of them (`--cap-add`), and an engine's default set has no CAP_SYS_ADMIN. Everything that is
//! there for the start is gone before the first guest is heard. docs/operations.md has the table.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::gate::write_config;
use nsgate_tests::host;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::network::GATE_INTERFACE;
use nsgate_tests::program::workspace;
use nsgate_tests::world::NEUTRON_ID;
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Network, RecordingAgent, suite};

fn main() {
    suite!["capabilities":
        haproxy_in_the_background_takes_six,
        haproxy_as_a_sidecar_starts_it_takes_the_same_six,
        an_interface_takes_no_more,
        entering_the_namespace_in_the_container_takes_no_more,
        nsgate_run_writes_no_pid_file_and_takes_five,
        a_pool_that_starts_as_root_takes_five_of_its_own,
        the_proxy_of_a_whole_host_takes_six,
        the_page_has_every_set,
    ]
}

/// A way of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Background,
    Sidecar,
    Interface,
    Entering,
    Named,
    Pool,
    Host,
}

/// Of haproxy's name, in every way: the pid file is in a directory of Neutron's, port 80 is below 1024.
const SIX: [&str; 6] = ["DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN"];
const FIVE: [&str; 5] = ["NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN"];
/// Of a pool: its socket belongs to the group that hands over, in a directory of root's.
const POOL: [&str; 5] = ["CHOWN", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN"];

/// Starts with these capabilities alone. Whether a guest was served, and what was said.
fn tried(lab: &Lab, network: &Network, way: Way, held: &[&str]) -> (bool, String) {
    let mut config = Config::new(Kind::Network);
    config.daemon = way != Way::Sidecar;
    if way == Way::Interface {
        config.binds.push(format!("[fe80::a9fe:a9fe]:80 interface {GATE_INTERFACE}"));
    }
    let file = write_config(lab, &config).display().to_string();
    let _ = (fs::remove_file(&config.pid_file), fs::remove_file(host::PID_FILE));
    let set = held.iter().fold("-all".to_owned(), |set, name| format!("{set},+{}", name.to_lowercase()));
    let bound = ["setpriv", "--inh-caps=-all", "--bounding-set", &set];
    let inside = ["ip", "netns", "exec", "gate"];
    let (haproxy, nsgate) = (lab.program.path().display().to_string(), lab.program.nsgate().display().to_string());
    let backend = format!("--backend={}", lab.socket().display());
    let whom = ["--user=neutron", "--group=neutron", &backend];
    let named = ["run", "--netns=gate", "--network-id", &config.id, "--listen=169.254.169.254:80"];
    let socket = lab.directory("pool", 0o755).join("pool.sock");
    let (at, group) = (format!("--socket={}", socket.display()), "--handover-group=neutron");
    let words: Vec<&str> = match way {
        Way::Background | Way::Interface => [&inside[..], &bound, &[&haproxy, "-f", &file]].concat(),
        Way::Sidecar => [&inside[..], &bound, &[&haproxy, "-Ws", "-f", &file]].concat(),
        Way::Entering => [&bound[..], &inside, &[&haproxy, "-f", &file]].concat(),
        Way::Named => [&bound[..], &[&nsgate], &named, &whom].concat(),
        Way::Pool => [&bound[..], &[&nsgate, "pool", &at, &backend, "--user=neutron", group]].concat(),
        Way::Host => [&inside[..], &bound, &[&haproxy, "-f", host::CONFIG, "-p", host::PID_FILE]].concat(),
    };
    let log = lab.state().join("start.log");
    let output = File::create(&log).expect("a log");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(output.try_clone().expect("a copy")).stderr(output);
    let mut child = command.spawn().expect("a start");
    let mut failed = || child.try_wait().expect("a status").is_some_and(|status| !status.success());
    let serves = || match way {
        Way::Pool => {
            std::os::unix::net::UnixStream::connect(&socket).is_ok() || text(&log).contains("Handovers are taken")
        }
        Way::Named => !network.gate.listening().is_empty(),
        // The pid file comes after the listeners; a start can still fail at it.
        Way::Host => !network.gate.listening().is_empty() && !text(host::PID_FILE).is_empty(),
        _ => !network.gate.listening().is_empty() && !text(&config.pid_file).is_empty(),
    };
    assert!(wait_until(20.0, || serves() || failed()), "{way:?} {held:?}: neither serves nor ends: {}", text(&log));
    if failed() {
        // Also without CAP_KILL: nothing stays behind that no pid file names.
        assert!(wait_until(5.0, || network.gate.listening().is_empty()), "{way:?} {held:?}: it failed and serves");
    }
    let served = serves() && (way == Way::Pool || way == Way::Host || Guest::new(&network.guest).get("/").is_ok());
    let marks = [config.id.as_str(), host::CONFIG, at.as_str()];
    for pid in marks.iter().flat_map(|mark| nsgate_tests::procfs::having(mark)) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let _ = child.wait();
    assert!(wait_until(5.0, || network.gate.listening().is_empty()), "{way:?} is still there");
    (served, text(&log))
}

/// This set is enough, and without any one of it there is no start, which says what it lacks.
fn is_least(lab: &Lab, way: Way, set: &[&str]) {
    lab.needs_root("capabilities are taken from root");
    lab.needs("/usr/bin/setpriv", "apt-get install util-linux");
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    for place in ["", "ns-metadata-proxy", "external", "external/pids"] {
        lab.give(&lab.state().join(place), NEUTRON_ID);
    }
    if way == Way::Host {
        host::replace(&host::three_instances());
    }
    let (served, said) = tried(lab, &network, way, set);
    assert!(served, "{way:?} {set:?} is not enough: {said}");
    for one in set {
        let others: Vec<&str> = set.iter().copied().filter(|other| other != one).collect();
        let (served, said) = tried(lab, &network, way, &others);
        // `ip netns exec` is not ours, and says what it says.
        let names =
            said.contains(&format!("CAP_{one}")) || (way == Way::Entering && said.contains("network namespace"));
        assert!(!served && names, "{way:?} without {one}: served {served}, and said {said}");
    }
}

fn haproxy_in_the_background_takes_six(lab: &Lab) {
    is_least(lab, Way::Background, &SIX);
}

fn haproxy_as_a_sidecar_starts_it_takes_the_same_six(lab: &Lab) {
    is_least(lab, Way::Sidecar, &SIX);
}

fn an_interface_takes_no_more(lab: &Lab) {
    is_least(lab, Way::Interface, &SIX);
}

fn entering_the_namespace_in_the_container_takes_no_more(lab: &Lab) {
    is_least(lab, Way::Entering, &SIX);
}

fn nsgate_run_writes_no_pid_file_and_takes_five(lab: &Lab) {
    is_least(lab, Way::Named, &FIVE);
}

fn a_pool_that_starts_as_root_takes_five_of_its_own(lab: &Lab) {
    is_least(lab, Way::Pool, &POOL);
}

fn the_proxy_of_a_whole_host_takes_six(lab: &Lab) {
    is_least(lab, Way::Host, &SIX);
}

fn the_page_has_every_set(_: &Lab) {
    let page = text(workspace().join("docs/operations.md"));
    for set in [&SIX[..], &FIVE, &POOL] {
        let row = set.join(" ");
        assert!(page.contains(&format!("| {row} |")), "docs/operations.md has no row `{row}`");
    }
}
