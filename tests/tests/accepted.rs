//! Texts and starts that nsgate must not refuse, because Neutron relies on them.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, nsgate, run_flags, write_config};
use nsgate_tests::lab::wait_until;
use nsgate_tests::network::{GATE_INTERFACE, Network, ip};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, procfs, suite};

fn main() {
    suite!["accepted":
        allowed_root_natively_with_the_flag,
        allowed_root_by_the_sites_settings,
        accepted_a_stale_pid_file,
        accepted_a_stale_pid_file_of_the_gates_user,
        accepted_a_backend_that_does_not_exist_yet,
        accepted_a_tentative_ipv6_address,
        accepted_an_ipv6_address_that_is_missing_beside_ipv4,
        accepted_a_missing_ipv4_address_if_the_kernel_allows_it,
        accepted_a_missing_ipv4_address_with_freebind,
        accepted_closed_standard_streams,
        accepted_a_huge_descriptor_limit,
        accepted_a_small_descriptor_limit,
        accepted_many_inherited_descriptors,
        accepted_ignored_and_blocked_signals,
        accepted_harmless_tuning_with_a_warning,
    ]
}

fn config() -> Config {
    Config::new(Kind::Network)
}

#[track_caller]
fn assert_serves(network: &Network) {
    assert_eq!(Guest::new(&network.guest).get("/").expect("an answer").status, 200);
}

/// Starts `config` and expects it to serve.
#[track_caller]
fn accepted(lab: &Lab, config: &Config) -> (Network, Gate) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, config);
    assert_serves(&network);
    drop(agent);
    (network, gate)
}

fn allowed_root_natively_with_the_flag(lab: &Lab) {
    lab.needs_root("root is mapped");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let id = format!("--network-id={NETWORK}");
    let words = run_flags(&[&id, "--user=root", "--group=root", "--allow-root"]);
    let started = nsgate(lab, &network.gate, &words);
    assert!(started.ok(), "{started:#?}");
    assert_serves(&network);
}

fn allowed_root_by_the_sites_settings(lab: &Lab) {
    lab.needs_root("root is mapped");
    lab.site("allow_root = true\n");
    let mut config = config();
    (config.user, config.group) = ("root".into(), "root".into());
    let (_network, gate) = accepted(lab, &config);
    let process = procfs::Process::new(gate.pid);
    assert_eq!(process.status_numbers("Uid"), [0; 4]);
    assert_eq!(process.capabilities("CapEff") | process.capabilities("CapBnd"), 0, "root in name only");
}

fn accepted_a_stale_pid_file(lab: &Lab) {
    fs::write(config().pid_file, "4194000\n").unwrap();
    let (_network, gate) = accepted(lab, &config());
    assert_ne!(gate.pid, 4_194_000);
}

fn accepted_a_stale_pid_file_of_the_gates_user(lab: &Lab) {
    fs::write(config().pid_file, "4194000\n").unwrap();
    if lab.is_root() {
        lab.give(&config().pid_file, nsgate_tests::world::NEUTRON_ID);
    }
    accepted(lab, &config());
}

fn accepted_a_backend_that_does_not_exist_yet(lab: &Lab) {
    let network = lab.network();
    assert!(!lab.socket().exists());
    let _gate = Gate::start(lab, &network.gate, &config());
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    assert_serves(&network);
}

fn accepted_a_tentative_ipv6_address(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = network.gate.name();
    ip(&format!("-n {gate} addr add fe80::1234/64 dev {GATE_INTERFACE}"));
    let mut config = config();
    config.binds.push(format!("[fe80::1234]:80 interface {GATE_INTERFACE}"));
    let shown = network.gate.command("ip").args(["-6", "addr", "show", "tentative"]).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("fe80::1234"), "the address should still be tentative");
    let _gate = Gate::start(lab, &network.gate, &config);
    assert_serves(&network);
    assert!(
        network.gate.listening().iter().any(|(address, _)| address.to_string() == "fe80::1234"),
        "bound all the same"
    );
}

fn accepted_an_ipv6_address_that_is_missing_beside_ipv4(lab: &Lab) {
    let mut config = config();
    config.binds.push("[fe80::77]:80 interface tapdoesnotexist".into());
    accepted(lab, &config);
}

fn accepted_a_missing_ipv4_address_if_the_kernel_allows_it(lab: &Lab) {
    let network = lab.network();
    network.gate.inside(|| fs::write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1")).expect("the sysctl");
    let _gate = Gate::start(lab, &network.gate, &config().with_binds(&["192.0.2.77:80"]));
    assert!(network.gate.listening().iter().any(|(address, _)| address.to_string() == "192.0.2.77"));
}

fn accepted_a_missing_ipv4_address_with_freebind(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let id = format!("--network-id={NETWORK}");
    let words = run_flags(&[&id, "--user=neutron", "--group=neutron", "--freebind", "--listen=192.0.2.77:80"]);
    let started = nsgate(lab, &network.gate, &words);
    assert!(started.ok(), "{started:#?}");
    assert!(network.gate.listening().iter().any(|(address, _)| address.to_string() == "192.0.2.77"));
}

/// Starts the gate from a shell that first runs `prelude` (limits, redirections).
#[track_caller]
fn accepted_from_a_shell(lab: &Lab, prelude: &str) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let file = write_config(lab, &config());
    let mut command = network.gate.command("bash");
    let script = format!("{prelude} exec haproxy -f {}", file.display());
    command.args(["-c", &script]).env("PATH", lab.program.search_path());
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    assert_serves(&network);
}

fn accepted_closed_standard_streams(lab: &Lab) {
    accepted_from_a_shell(lab, "exec 0<&- 1>&- 2>&-;");
}

fn accepted_a_huge_descriptor_limit(lab: &Lab) {
    // Container engines hand down a limit near 1e9; without CAP_SYS_RESOURCE the hard limit is the most there is.
    let most = "ulimit -n $(cat /proc/sys/fs/nr_open) 2>/dev/null || ulimit -n $(ulimit -Hn) || exit 9;";
    accepted_from_a_shell(lab, most);
}

fn accepted_a_small_descriptor_limit(lab: &Lab) {
    lab.needs_root("a gate that needs more raises the limit");
    accepted_from_a_shell(lab, "ulimit -Sn 64;");
}

fn accepted_many_inherited_descriptors(lab: &Lab) {
    accepted_from_a_shell(lab, "for n in $(seq 10 900); do eval \"exec $n</dev/null\"; done;");
}

/// An agent may leave SIGCHLD ignored, and a container engine may leave signals blocked: the supervisor still notices
/// that its gate has ended.
fn accepted_ignored_and_blocked_signals(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let file = write_config(lab, &config());
    let mut command = network.gate.command("env");
    command.args(["--ignore-signal=CHLD", "--block-signal=TERM", "--block-signal=CHLD"]).arg(lab.program.path());
    let mut child = command.args(["-Ws", "-f"]).arg(&file).spawn().unwrap();
    assert!(wait_until(5.0, || !network.gate.listening().is_empty()));
    assert_serves(&network);
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let mut status = None;
    wait_until(2.0, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(status.and_then(|status| status.code()), Some(0), "it ends after SIGTERM, with the gate's status");
}

fn accepted_harmless_tuning_with_a_warning(lab: &Lab) {
    let mut config = config();
    config.extra[0] = "    tune.bufsize 32768\n".into();
    let (_network, gate) = accepted(lab, &config);
    if lab.program.is_nsgate() {
        let said = gate.started.said();
        assert!(said.contains("tune.bufsize") && said.contains("warning"), "{said:?}");
    }
}
