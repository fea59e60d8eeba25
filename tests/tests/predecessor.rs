//! The seven flaws of the predecessor `namespace_proxy.py`, each a promise tried end to end (docs/threat-model.md).

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::network::METADATA_V4;
use nsgate_tests::procfs::{self, CAPABILITY_SETS, Process};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, suite};

fn main() {
    suite!["predecessor":
        a_state_path_that_is_a_link_leads_nowhere,
        an_identifier_is_a_uuid_and_cannot_climb,
        an_unknown_key_is_refused_and_nothing_is_remembered,
        two_gates_do_not_share_settings,
        the_file_is_read_once,
        no_second_program_is_run,
        a_pid_file_that_is_a_link_is_not_followed,
        only_what_was_created_is_removed,
        a_backend_others_may_replace_is_refused,
        a_backend_that_becomes_a_link_is_not_followed,
        a_port_is_1_to_65535,
        what_is_bound_is_what_was_asked,
        numbers_and_root_are_no_user,
        the_drop_is_complete,
    ]
}

fn config() -> Config {
    Config::new(Kind::Network)
}

fn a_state_path_that_is_a_link_leads_nowhere(lab: &Lab) {
    let network = lab.network();
    let elsewhere = lab.directory("elsewhere", 0o755);
    fs::remove_dir_all("/run/lab/neutron/external/pids").unwrap();
    lab.link(&elsewhere, "/run/lab/neutron/external/pids");
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("refused");
    assert!(started.stderr.contains("/run/lab/neutron/external/pids"), "{}", started.stderr);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing was written through the link");
    assert!(network.gate.listening().is_empty());
}

fn an_identifier_is_a_uuid_and_cannot_climb(lab: &Lab) {
    let network = lab.network();
    let mut config = config();
    config.rules = Some("    http-request set-header X-Neutron-Network-ID ../../../etc/cron.d/x\n".to_owned());
    let started = Gate::try_start(lab, &network.gate, &config).expect_err("refused");
    assert!(started.stderr.contains("../../../etc/cron.d/x") && started.stderr.contains("UUID"), "{}", started.stderr);
}

fn an_unknown_key_is_refused_and_nothing_is_remembered(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut wrong = config();
    wrong.extra[2] = "    metadata_access_mark 0x1\n".to_owned();
    let started = Gate::try_start(lab, &network.gate, &wrong).expect_err("refused");
    assert!(started.stderr.contains("metadata_access_mark"), "{}", started.stderr);
    let _gate = Gate::start(lab, &network.gate, &config());
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
}

fn two_gates_do_not_share_settings(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let other = "b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21";
    let second = config().with_id(other).with_binds(&["10.0.0.1:9697"]).with_rate("ip", 10, 1);
    let _gates = [Gate::start(lab, &network.gate, &config()), Gate::start(lab, &network.gate, &second)];
    let guest = Guest::talking(&network.guest, "10.0.0.11".parse().unwrap(), "10.0.0.1:9697".parse().unwrap());
    assert_eq!([guest.get("/").unwrap().status, guest.get("/").unwrap().status], [200, 429]);
    assert_eq!(agent.only().header("X-Neutron-Network-ID"), [other]);
    for _ in 0..3 {
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200, "the first gate has no limit");
    }
    assert_eq!(agent.nth(2).unwrap().header("X-Neutron-Network-ID"), [NETWORK]);
}

fn the_file_is_read_once(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &config());
    let forged = config().text().replace(NETWORK, "99999999-9999-4999-8999-999999999999");
    fs::write(&gate.file, forged).unwrap();
    gate.signal(nix::sys::signal::Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    assert_eq!(agent.only().header("X-Neutron-Network-ID"), [NETWORK], "what was validated is what runs");
    fs::remove_file(&gate.file).unwrap();
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
}

fn no_second_program_is_run(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    // The first `haproxy` of PATH is the program under test; the second would be what a wrapper executes.
    let trap = lab.directory("trap", 0o755).join("haproxy");
    fs::write(&trap, "#!/bin/sh\ntouch /run/lab/trapped\n").unwrap();
    fs::set_permissions(&trap, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let gate = Gate::start(lab, &network.gate, &config());
    let process = Process::new(gate.pid);
    assert_eq!(process.exe(), fs::canonicalize(lab.program.path()).unwrap(), "the program that was started");
    assert_eq!((process.status("Seccomp").as_str(), process.status("NoNewPrivs").as_str()), ("2", "1"));
    assert!(!std::path::Path::new("/run/lab/trapped").exists());
}

fn a_pid_file_that_is_a_link_is_not_followed(lab: &Lab) {
    let network = lab.network();
    let victim = lab.state().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, config().pid_file).unwrap();
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("refused");
    assert!(started.stderr.contains("link"), "{}", started.stderr);
    assert_eq!(text(&victim), "precious");
    assert!(fs::symlink_metadata(config().pid_file).unwrap().is_symlink(), "the link is not ours to remove");
}

fn only_what_was_created_is_removed(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let pid_file = config().pid_file;
    // A start that fails after the check of the pid file leaves the stale file of before as it was.
    fs::write(&pid_file, "4194000\n").unwrap();
    let before = fs::metadata(&pid_file).unwrap().ino();
    Gate::try_start(lab, &network.gate, &config().with_binds(&["192.0.2.77:80"])).expect_err("refused");
    assert_eq!((fs::metadata(&pid_file).unwrap().ino(), text(&pid_file).as_str()), (before, "4194000\n"));
    // A gate that ends does not remove the file another gate has put in its place.
    let gate = Gate::start(lab, &network.gate, &config());
    fs::remove_file(&pid_file).unwrap();
    fs::write(&pid_file, "12345\n").unwrap();
    gate.terminate(Duration::from_secs(1)).expect("it ends");
    assert_eq!(text(&pid_file), "12345\n");
}

fn a_backend_others_may_replace_is_refused(lab: &Lab) {
    let network = lab.network();
    let mut config = config();
    config.socket = lab.directory("open", 0o777).join("metadata_proxy");
    let _agent = RecordingAgent::start(&config.socket, Answer::ok("stolen"));
    let started = Gate::try_start(lab, &network.gate, &config).expect_err("refused");
    assert!(started.stderr.contains("/run/lab/open"), "{}", started.stderr);
    config.socket = lab.directory("sticky", 0o1777).join("own").join("metadata_proxy");
    lab.directory("sticky/own", 0o755);
    let _gate = Gate::start(lab, &network.gate, &config);
}

fn a_backend_that_becomes_a_link_is_not_followed(lab: &Lab) {
    let network = lab.network();
    let thief = RecordingAgent::start(&lab.directory("thief", 0o755).join("socket"), Answer::ok("stolen"));
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &config());
    let guest = Guest::new(&network.guest).patient(40);
    assert_eq!(guest.get("/").unwrap().text(), "hello");
    drop(agent);
    symlink(thief.path(), lab.socket()).unwrap();
    assert_eq!(guest.get("/").unwrap().status, 503);
    assert!(thief.seen().is_empty(), "a guest's request went through the link");
}

fn a_port_is_1_to_65535(lab: &Lab) {
    let network = lab.network();
    for port in ["0", "65536", "70000", "-1", "80x", "+80"] {
        let bind = format!("169.254.169.254:{port}");
        let started = Gate::try_start(lab, &network.gate, &config().with_binds(&[&bind])).expect_err(port);
        assert!(started.stderr.contains(port), "{port}: {}", started.stderr);
        assert!(network.gate.listening().is_empty(), "{port}");
    }
}

fn what_is_bound_is_what_was_asked(lab: &Lab) {
    let network = lab.network();
    let _gate = Gate::start(lab, &network.gate, &config().with_v6());
    let mut listening = network.gate.listening();
    listening.sort();
    let expected = [(METADATA_V4.into(), 80), ("fe80::a9fe:a9fe".parse().unwrap(), 80)];
    assert_eq!(listening, expected, "these and no others");
    assert!(network.guest.listening().is_empty());
}

fn numbers_and_root_are_no_user(lab: &Lab) {
    let network = lab.network();
    for (user, group) in
        [("root", "root"), ("0", "neutron"), ("64042", "neutron"), ("neutron", "0"), ("neutron", "root")]
    {
        let mut config = config();
        (config.user, config.group) = (user.into(), group.into());
        let started = Gate::try_start(lab, &network.gate, &config).expect_err(user);
        let named = if user == "neutron" { group } else { user };
        assert!(started.stderr.contains(named), "{user}:{group}: {}", started.stderr);
        assert!(network.gate.listening().is_empty());
    }
}

fn the_drop_is_complete(lab: &Lab) {
    let network = lab.network();
    let gate = Gate::start(lab, &network.gate, &config());
    let process = Process::new(gate.pid);
    let (uids, gids) = (process.status_numbers("Uid"), process.status_numbers("Gid"));
    assert!(uids.iter().all(|&id| id == uids[0] && id != 0) && gids.iter().all(|&id| id == gids[0] && id != 0));
    for set in CAPABILITY_SETS {
        assert_eq!(process.capabilities(set), 0, "{set}");
    }
    assert_eq!(process.status("NoNewPrivs"), "1", "no way back");
    assert!(wait_until(0.1, || procfs::having(NETWORK) == [gate.pid]), "one process and no helper");
}
