//! Gates in containers of their own, started by Neutron's agent in its container through the wrappers that kolla-ansible and
//! EDPM write. `cargo xtask test dist` builds the packages and says where they are.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::engine::{KOLLA, KOLLA_NEUTRON, layer};
use nsgate_tests::gate::{communicate, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::sidecar::{AGENT, Agent, Way, program};
use nsgate_tests::{Answer, Asking, Config, Engine, Guest, Kind, Lab, Network, RecordingAgent, SyslogReader, suite};

fn main() {
    if let Some(debian) = std::env::var_os("NSGATE_DEBIAN") {
        nsgate_tests::engine::prepare(Path::new(&debian));
    }
    suite!["sidecars":
        kollas_agent_goes_to_gates_in_sidecars_and_back,
        a_gate_in_a_sidecar_outlives_the_agents_container_which_adopts_and_ends_it,
        gates_are_started_the_way_of_dockers_wrapper,
        edpms_agent_starts_gates_and_ends_them_by_its_script,
        without_wrappers_a_gate_runs_in_the_agents_own_container_also_on_a_read_only_root,
        six_capabilities_and_the_engines_own_filter_are_enough,
        what_the_engines_filter_refuses_is_named,
    ]
}

const NEW: &str = "localhost/new:1";
const PATH: &str = "/latest/meta-data/hostname";
const SIDECAR: &str = "neutron_l3_agent_haproxy_gate";

fn spawn() -> String {
    format!("spawn gate network {NETWORK}\n")
}

fn destroy() -> String {
    format!("destroy gate network {NETWORK}\n")
}

/// `nsgate attest --all` in the agent's container, and on the host, finds that many processes, and each as it should be: a
/// sidecar has a supervisor (`-Ws`) and a gate.
#[track_caller]
fn attested(lab: &Lab, agent: &Agent, rows: usize) {
    let mut command = Command::new(lab.program.nsgate());
    command.args(["attest", "--all"]);
    for said in [communicate(command, Duration::from_secs(20)), agent.exec("root", &["nsgate", "attest", "--all"])] {
        let found = said.stdout.lines().filter(|line| line.starts_with("ok ")).count();
        assert!(said.code() == Some(0) && found == rows && !said.stdout.contains("NO "), "{said:#?}");
    }
}

#[track_caller]
fn served(network: &Network) {
    let answer = Guest::new(&network.guest).get(PATH).expect("an answer");
    assert_eq!((answer.status, answer.text().is_empty()), (200, false));
}

#[track_caller]
fn ends(engine: &Engine, left: &[&str]) {
    assert!(wait_until(15.0, || engine.containers() == left), "{:?}", engine.containers());
    assert!(wait_until(5.0, || nsgate_tests::procfs::having(&format!("{NETWORK}.conf")).is_empty()));
}

/// The version line of the program at `/usr/sbin/haproxy` of a container.
fn version(engine: &Engine, container: &str) -> String {
    engine.run(&["exec", container, "/usr/sbin/haproxy", "-v"])
}

fn kollas_agent_goes_to_gates_in_sidecars_and_back(lab: &Lab) {
    let (engine, network) = (Engine::start(lab), lab.network());
    layer(&engine, KOLLA, NEW);
    let agent = Agent::new(lab, &engine, Way::Kolla);
    agent.start(KOLLA);
    agent.does(&spawn());
    assert_eq!(engine.containers(), [AGENT, SIDECAR]);
    assert!(version(&engine, SIDECAR).starts_with("HAProxy version"));
    // Forward: the container comes from the other image, and the network's next proxy is nsgate.
    agent.start(NEW);
    agent.does(&(destroy() + &spawn()));
    assert!(version(&engine, SIDECAR).contains("nsgate"));
    assert_eq!(program(agent.gate(NETWORK)), "/usr/sbin/haproxy");
    served(&network);
    attested(lab, &agent, 2);
    // Back.
    agent.start(KOLLA);
    agent.does(&(destroy() + &spawn()));
    assert!(version(&engine, SIDECAR).starts_with("HAProxy version"));
    served(&network);
}

fn a_gate_in_a_sidecar_outlives_the_agents_container_which_adopts_and_ends_it(lab: &Lab) {
    let (engine, network) = (Engine::start(lab), lab.network());
    layer(&engine, KOLLA, NEW);
    let agent = Agent::new(lab, &engine, Way::Kolla);
    agent.start(NEW);
    agent.does(&spawn());
    let first = agent.gate(NETWORK);
    let guest = Asking::again(&network.guest, PATH);
    guest.more(20);
    // A request that the agent has when it is killed has no answer any more. Those that come then wait for the next agent,
    // for as long as `retries` of Neutron's own text says, and are told when to ask again after that.
    guest.between(|| agent.end());
    agent.start(NEW);
    agent.does(&spawn());
    guest.more(20);
    guest.end();
    assert_eq!((agent.gate(NETWORK), engine.containers()), (first, vec![AGENT.to_owned(), SIDECAR.to_owned()]));
    attested(lab, &agent, 2);
    agent.does(&destroy());
    ends(&engine, &[AGENT]);
}

/// The wrapper asks docker's daemon, which starts in the host's network, and enters the namespace in the sidecar.
fn gates_are_started_the_way_of_dockers_wrapper(lab: &Lab) {
    let (engine, network) = (Engine::start(lab), lab.network());
    layer(&engine, KOLLA, NEW);
    let agent = Agent::new(lab, &engine, Way::KollaDocker);
    agent.start(NEW);
    agent.does(&spawn());
    assert_eq!(engine.containers(), [AGENT, SIDECAR]);
    assert!(engine.inspect("container", SIDECAR, "{{.Args}}").contains("ip netns exec gate /usr/sbin/haproxy -Ws -f"));
    served(&network);
    attested(lab, &agent, 2);
    agent.does(&destroy());
    ends(&engine, &[AGENT]);
}

fn edpms_agent_starts_gates_and_ends_them_by_its_script(lab: &Lab) {
    let (engine, network, log) = (Engine::start(lab), lab.network(), SyslogReader::bind(Path::new("/dev/log")));
    layer(&engine, KOLLA, NEW);
    let agent = Agent::new(lab, &engine, Way::Edpm);
    agent.start(NEW);
    agent.does(&spawn());
    assert_eq!(engine.containers(), ["neutron-haproxy-gate", AGENT]);
    served(&network);
    attested(lab, &agent, 2);
    assert!(log.find(PATH, 5.0).is_some(), "the host's log has the request: it is mounted");
    let first = agent.gate(NETWORK);
    agent.does(&(destroy() + &spawn()));
    assert_ne!(agent.gate(NETWORK), first);
    served(&network);
    agent.does(&destroy());
    ends(&engine, &[AGENT]);
}

fn without_wrappers_a_gate_runs_in_the_agents_own_container_also_on_a_read_only_root(lab: &Lab) {
    let (engine, network) = (Engine::start(lab), lab.network());
    layer(&engine, KOLLA, NEW);
    let agent = Agent::new(lab, &engine, Way::Alone);
    agent.start(NEW);
    agent.does(&spawn());
    assert_eq!(engine.containers(), [AGENT]);
    served(&network);
    attested(lab, &agent, 1);
    let first = agent.gate(NETWORK);
    agent.does(&(destroy() + &spawn()));
    assert_ne!(agent.gate(NETWORK), first);
    served(&network);
    // The processes of a container end with it, as haproxy's did, and the next agent starts them again.
    agent.start(NEW);
    assert!(nsgate_tests::procfs::having(&format!("{NETWORK}.conf")).is_empty());
    agent.does(&spawn());
    served(&network);
}

/// A sidecar without `--privileged`: root with these capabilities, on a read-only root. Whether it serves, and what it said.
fn bare(lab: &Lab, engine: &Engine, network: &Network, capabilities: &[&str], more: &[&str]) -> (bool, String) {
    for place in ["", "ns-metadata-proxy", "external", "external/pids"] {
        lab.give(&lab.state().join(place), KOLLA_NEUTRON);
    }
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config).display().to_string();
    let _ = std::fs::remove_file(&config.pid_file);
    let mut command = Command::new("nsenter");
    command.args(["--net=/run/netns/gate", "podman", "run", "--detach", "--name=bare", "--net=host", "--pid=host"]);
    command.args(["--user=root", "--read-only", "--cap-drop=all", "--volume=/run/lab/neutron:/run/lab/neutron"]);
    command.args(capabilities.iter().map(|name| format!("--cap-add={name}"))).args(more);
    command.args([NEW, "/usr/sbin/haproxy", "-Ws", "-f", &file]);
    let started = communicate(command, Duration::from_secs(60));
    assert!(started.ok(), "{started:#?}");
    let running = || engine.inspect("container", "bare", "{{.State.Running}}") == "true";
    let serves = || !network.gate.listening().is_empty() && !text(&config.pid_file).is_empty();
    assert!(wait_until(15.0, || serves() || !running()), "neither serves nor ends");
    let served = serves() && Guest::new(&network.guest).get("/").is_ok_and(|answer| answer.status == 200);
    let said = engine.ask(&["logs", "bare"]);
    engine.run(&["rm", "--force", "--time=5", "bare"]);
    (served, said.stdout + &said.stderr)
}

/// See the suite `capabilities`.
const SIX: [&str; 6] = ["DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN"];

fn six_capabilities_and_the_engines_own_filter_are_enough(lab: &Lab) {
    let (engine, network) = (Engine::start(lab), lab.network());
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    layer(&engine, KOLLA, NEW);
    let (served, said) = bare(lab, &engine, &network, &SIX, &[]);
    assert!(served, "{said}");
    for one in SIX {
        let others: Vec<&str> = SIX.iter().copied().filter(|other| *other != one).collect();
        let (served, said) = bare(lab, &engine, &network, &others, &[]);
        assert!(!served && said.contains(&format!("CAP_{one}")), "without {one}: served {served}, and said {said}");
    }
}

fn what_the_engines_filter_refuses_is_named(lab: &Lab) {
    let (engine, network) = (Engine::start(lab), lab.network());
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    layer(&engine, KOLLA, NEW);
    for (calls, errno, expected) in REFUSED {
        let profile = "/run/lab/profile.json";
        std::fs::write(profile, without(calls, errno)).expect("a profile");
        let (served, said) = bare(lab, &engine, &network, &SIX, &[&format!("--security-opt=seccomp={profile}")]);
        // Landlock is the second of two walls: without it a gate serves, and says so (docs/operations.md).
        let lacks = calls.iter().any(|call| call.starts_with("landlock"));
        assert!(served == lacks && said.contains(expected), "{calls:?} {errno}: served {served}, and said {said}");
    }
}

/// Calls that an engine's filter refuses, the error, and the start's message.
const REFUSED: [(&[&str], &str, &str); 11] = [
    (&["openat2"], "ENOSYS", "has openat2, so a filter of system calls answers in its place"),
    (&["openat2"], "EPERM", "has openat2, so a filter of system calls answers in its place"),
    (&["mount"], "EPERM", "something forbids mount altogether"),
    (&["open_tree", "move_mount", "mount_setattr"], "ENOSYS", "has open_tree, so a filter of system calls answers"),
    (&["pivot_root"], "EPERM", "something forbids pivot_root altogether"),
    (&["unshare"], "EPERM", "has unshare, so a filter of system calls answers in its place"),
    (&["clone", "clone3"], "EPERM", "a filter of system calls may answer in the place of fork"),
    (&["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"], "EPERM", ""),
    (&["seccomp"], "EPERM", "a container's filter may forbid seccomp(2)"),
    (&["pidfd_open"], "ENOSYS", "has pidfd_open, so a filter of system calls answers in its place"),
    (&["close_range"], "ENOSYS", "has close_range, so a filter of system calls answers in its place"),
];

/// The engine's own profile, in which these calls are refused.
fn without(calls: &[&str], errno: &str) -> String {
    let mut profile: serde_json::Value =
        serde_json::from_str(&text("/usr/share/containers/seccomp.json")).expect("the engine's profile");
    let rules = profile["syscalls"].as_array_mut().expect("rules");
    for rule in rules.iter_mut() {
        let names = rule["names"].as_array_mut().expect("names");
        names.retain(|name| !calls.iter().any(|call| name == call));
    }
    rules.retain(|rule| rule["names"].as_array().is_some_and(|names| !names.is_empty()));
    let number = if errno == "ENOSYS" { 38 } else { 1 };
    rules.push(serde_json::json!({
        "names": calls, "action": "SCMP_ACT_ERRNO", "args": [], "comment": "", "includes": {}, "excludes": {},
        "errnoRet": number, "errno": errno,
    }));
    profile.to_string()
}
