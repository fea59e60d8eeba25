//! An agent, a pool or a log that is there, and that the process's user may not reach: it is said before a guest asks, and a
//! line about a request that failed says why and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nsgate_tests::gate::{communicate, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{self, Pool, channel, keeper, socket_path, words};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, SyslogReader, suite};
use serde_json::Value;

fn main() {
    suite!["reach":
        an_agent_that_the_gates_user_may_not_reach_is_said_before_a_guest_asks,
        a_gate_of_roots_without_a_capability_is_judged_as_any_user,
        an_agent_that_the_workers_user_may_not_reach_is_said,
        a_pool_that_the_keepers_user_may_not_reach_is_said,
        a_network_that_the_pool_does_not_take_is_not_said_to_be_kept,
        a_path_in_another_mount_namespace_is_said_as_this_one_finds_it,
        a_log_that_the_gates_user_may_not_reach_is_said,
    ]
}

const SOCKET: &str = "/run/lab/agents/metadata_proxy";

fn mode(path: &str, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

fn facl(words: &[&str], path: &str) {
    let status = Command::new("setfacl").args(words).arg(path).status().expect("setfacl");
    assert!(status.success(), "setfacl {words:?} {path:?}");
}

fn nsgate(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.args(words);
    communicate(command, Duration::from_secs(30))
}

fn check(lab: &Lab, config: &Config) -> Started {
    let checked = nsgate(lab, &["check", write_config(lab, config).to_str().unwrap()]);
    assert_eq!(checked.code(), Some(0), "a warning, since the agent may change it: {checked:#?}");
    checked
}

/// The doctor's wrong findings about networks: finding, and what to do.
fn wrong(lab: &Lab) -> Vec<(String, String)> {
    let said = nsgate(lab, &["doctor", "--json", &format!("--state={}", lab.state().display())]);
    let all: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:#?}"));
    let all = all.as_array().unwrap().iter().filter(|one| one["level"] == "wrong" && one["about"] == "networks");
    all.map(|one| (one["what"].as_str().unwrap().to_owned(), one["do"].as_str().unwrap().to_owned())).collect()
}

/// Types the first command of a remedy, as a person would.
#[track_caller]
fn typed(remedy: &str) {
    assert!(!remedy.contains(" /backend") && !remedy.contains(" /worker"), "a path of the host: {remedy}");
    let typed = remedy.split('`').nth(1).unwrap_or_else(|| panic!("no command in {remedy}"));
    let mut command = Command::new("sh");
    command.args(["-ec", typed]);
    let said = communicate(command, Duration::from_secs(10));
    assert!(said.ok() && said.stderr.is_empty(), "{typed}: {said:#?}");
}

fn config() -> Config {
    let mut config = Config::new(Kind::Network);
    config.socket = SOCKET.into();
    config
}

fn an_agent_that_the_gates_user_may_not_reach_is_said_before_a_guest_asks(lab: &Lab) {
    lab.needs_root("an account beside the agent's");
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let network = lab.network();
    let log = SyslogReader::bind(Path::new("/dev/log"));
    let directory = "/run/lab/agents";
    lab.directory("agents", 0o755);
    let agent = RecordingAgent::start(Path::new(SOCKET), Answer::ok("hello"));
    let (config, guest) = (config(), Guest::new(&network.guest).patient(40));
    let cases: [(&dyn Fn(), &[&str]); 5] = [
        (
            &|| mode(directory, 0o700),
            &["search the directory /run/lab/agents (mode 0700, uid 0, gid 0)", "setfacl -m u:64042:x"],
        ),
        (&|| mode(SOCKET, 0o600), &["write to the socket", "mode 0600, uid 0, gid 0", "metadata_proxy_socket_mode"]),
        (&|| facl(&["-m", "u:neutron:r"], directory), &["search the directory", "getfacl"]),
        (&|| facl(&["-m", "u:neutron:rwx,m::r"], SOCKET), &["write to the socket", "getfacl"]),
        // An owner has the owner's bits. An entry of the list for that user does not count.
        (
            &|| {
                lab.give(Path::new(directory), nsgate_tests::world::NEUTRON_ID);
                mode(directory, 0o055);
            },
            &["search the directory /run/lab/agents (mode 0055", "chmod u+x /run/lab/agents"],
        ),
    ];
    for (shut, said) in cases {
        shut();
        let checked = check(lab, &config);
        let gate = Gate::start(lab, &network.gate, &config);
        let line = log.find("may not", 5.0).expect("a warning in the first lines");
        for word in said.iter().chain(&["uid 64042 with gid 64042", "answered 503", "`user` or `group`"]) {
            assert!(checked.stderr.contains(word), "{word}: {checked:#?}");
            assert!(line.contains(word), "{word}: {line}");
        }
        assert_eq!(guest.get("/").unwrap().status, 503);
        let line = log.find("cannot be reached", 5.0).expect("a line about the request");
        for word in
            ["Permission denied", "may not write to the socket, or not search its directory", "nsgate check", "Let it"]
        {
            assert!(line.contains(word), "{word}: {line}");
        }
        let found = wrong(lab);
        let [(what, remedy)] = found.as_slice() else { panic!("{found:#?}") };
        let place = said[0].split(" /").next().unwrap();
        assert!(what.contains("the agent is out of its reach") && what.contains(place), "{found:#?}");
        assert!(remedy.contains("`user` or `group`"), "{found:#?}");
        assert!(what.contains(" /run/lab/agents"), "as the host has it: {what}");
        typed(remedy);
        assert_eq!((guest.get("/").unwrap().status, wrong(lab)), (200, Vec::new()), "{remedy}");
        // The agent's socket is open again: no gate needs a restart.
        lab.give(Path::new(directory), 0);
        facl(&["-b"], directory);
        facl(&["-b"], SOCKET);
        mode(directory, 0o755);
        mode(SOCKET, 0o666);
        let before = agent.seen().len();
        assert_eq!((guest.get("/").unwrap().status, agent.seen().len()), (200, before + 1));
        assert_eq!(wrong(lab), []);
        drop(gate);
        assert!(wait_until(5.0, || network.gate.listening().is_empty()));
    }
    let checked = check(lab, &config);
    assert!(!checked.stderr.contains("may not"), "{checked:#?}");
}

/// Root has no capability in a gate: what is another's and private is not root's to reach.
fn a_gate_of_roots_without_a_capability_is_judged_as_any_user(lab: &Lab) {
    lab.needs_root("an account beside root's");
    let network = lab.network();
    lab.site("allow_root = true\n");
    let log = SyslogReader::bind(Path::new("/dev/log"));
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let socket = lab.socket().display().to_string();
    lab.give(&lab.socket(), nsgate_tests::world::NEUTRON_ID);
    mode(&socket, 0o600);
    let mut config = Config::new(Kind::Network);
    (config.user, config.group) = ("root".into(), "root".into());
    let checked = check(lab, &config);
    let gate = Gate::start(lab, &network.gate, &config);
    let line = log.find("may not", 5.0).expect("a warning");
    let said = "uid 0 with gid 0 may not write to the socket";
    assert!(checked.stderr.contains(said) && line.contains(said), "{line}: {checked:#?}");
    assert_eq!(Guest::new(&network.guest).patient(40).get("/").unwrap().status, 503, "it is so");
    drop(gate);
}

fn an_agent_that_the_workers_user_may_not_reach_is_said(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let world = pool::world(lab);
    let socket = lab.socket().display().to_string();
    mode(&socket, 0o600);
    let file = lab.directory("settings", 0o755).join("pool.toml");
    let text = format!("socket = {:?}\nbackends = [{socket:?}]\nuser = \"neutron\"\n", socket_path(lab));
    fs::write(&file, text).unwrap();
    let checked = nsgate(lab, &["check", "--dialect", "pool", file.to_str().unwrap()]);
    assert_eq!(checked.code(), Some(0), "{checked:#?}");
    for workers in ["--workers=1", "--workers=2"] {
        let pool = Pool::start_with(lab, &[workers]);
        let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
        for said in [&checked.stderr, &self::text(&pool.log)] {
            for word in ["may not write to the socket", "mode 0600", "answered 503"] {
                assert!(said.contains(word), "{word}: {said}");
            }
        }
        assert_eq!(Guest::new(&world.network.guest).patient(40).get("/").unwrap().status, 503);
        let said = || pool.said("may not write to the socket, or not search its directory");
        assert!(wait_until(5.0, said), "{}", self::text(&pool.log));
        let found = wrong(lab);
        // Processes with one cause stand in one line, which names the first of them.
        let of_workers = found.iter().filter(|(what, _)| what.contains("of the worker") || what.contains(" more, "));
        assert!(of_workers.clone().count() >= 1, "{found:#?}");
        assert!(of_workers.clone().all(|(what, _)| what.contains("the agent is out of its reach")), "{found:#?}");
        assert!(found.iter().all(|(what, _)| what.contains(&format!(" {socket} "))), "as the host has it: {found:#?}");
        typed(&found[0].1);
        assert_eq!((Guest::new(&world.network.guest).get("/").unwrap().status, wrong(lab)), (200, Vec::new()));
        facl(&["-b"], &socket);
        mode(&socket, 0o600);
        drop((keeper, pool));
    }
}

fn a_pool_that_the_keepers_user_may_not_reach_is_said(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    let world = pool::world(lab);
    let log = SyslogReader::bind(Path::new("/dev/log"));
    // No group may hand over: root alone.
    let mut command = Command::new(lab.program.nsgate());
    command.args(words(lab, &[]).into_iter().filter(|word| !word.contains("group")));
    let pool = Pool::spawn_as(lab, command);
    let serves = || pool.said("Handovers are taken") && channel(&socket_path(lab)).is_ok();
    assert!(wait_until(10.0, serves), "{}", text(&pool.log));
    mode(&socket_path(lab).display().to_string(), 0o600);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let line = log.find("pool ", 5.0).expect("a warning");
    assert!(line.contains("may not write to the socket") && line.contains("no network is handed over"), "{line}");
    let line = log.find("serving by itself", 10.0).expect("a line about the handover");
    assert!(line.contains("Permission denied") && line.contains("may not connect to it"), "{line}");
    let before = world.agent.seen().len();
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200);
    assert_eq!(world.agent.seen().len(), before + 1);
    let found = wrong(lab);
    let kept = found.iter().find(|(what, _)| what.contains("the pool is out of its reach"));
    let (what, remedy) = kept.unwrap_or_else(|| panic!("{found:#?}"));
    assert!(what.contains(&format!(" {} ", socket_path(lab).display())), "as the host has it: {what}");
    // Its worker judges by the group: a right to write to the socket is not enough.
    for said in [&line, remedy] {
        assert!(said.contains("handover_group") && !said.contains("metadata_proxy_socket_mode"), "{said}");
    }
    drop((keeper, pool));
}

/// `nsgate add` of a network of this user's, in the foreground.
fn add(lab: &Lab, network: &Network, more: &[&str]) -> Command {
    let mut command = network.gate.command(lab.program.nsgate().to_str().unwrap());
    command.args(["add", "--foreground", "--listen=169.254.169.254:80", "--user=nobody", "--group=nogroup"]);
    command.args([
        format!("--network-id={}", nsgate_tests::config::NETWORK),
        format!("--backend={}", lab.socket().display()),
    ]);
    command.arg(format!("--pool={}", socket_path(lab).display())).args(more);
    command
}

fn a_network_that_the_pool_does_not_take_is_not_said_to_be_kept(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    let world = pool::world(lab);
    let mut command = Command::new(lab.program.nsgate());
    command.args(words(lab, &[]).into_iter().filter(|word| !word.contains("group")));
    let pool = Pool::spawn_as(lab, command);
    let serves = || pool.said("Handovers are taken") && channel(&socket_path(lab)).is_ok();
    assert!(wait_until(10.0, serves), "{}", text(&pool.log));
    for more in [&[][..], &["--no-fallback"]] {
        let said = communicate(add(lab, &world.network, more), Duration::from_secs(20));
        assert_eq!(said.code(), Some(1), "{said:#?}");
        assert!(!said.stderr.contains("Keeping"), "{said:#?}");
        assert!(
            said.stderr.contains("handover_group") && !said.stderr.contains("metadata_proxy_socket_mode"),
            "{said:#?}"
        );
    }
    // The keeper serves by itself, and says why before.
    let log = lab.directory("said", 0o755).join("add.log");
    let mut command = add(lab, &world.network, &["--fallback"]);
    let mut keeper = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    assert!(wait_until(10.0, || text(&log).contains("Keeping X-Neutron-Network-ID")), "{}", text(&log));
    let (said, before) = (text(&log), world.agent.seen().len());
    assert!(said.find("serving by itself") < said.find("Keeping"), "{said}");
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200);
    assert_eq!(world.agent.seen().len(), before + 1);
    keeper.kill().unwrap();
    keeper.wait().unwrap();
}

/// As in a container: the agent's directory is a volume, which has another path on the host.
fn a_path_in_another_mount_namespace_is_said_as_this_one_finds_it(lab: &Lab) {
    lab.needs_root("a mount namespace of the gate's own");
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let network = lab.network();
    let (volume, _) = (lab.directory("volume", 0o755), lab.directory("agents", 0o755));
    let agent = RecordingAgent::start(&volume.join("metadata_proxy"), Answer::ok("hello"));
    mode("/run/lab/volume", 0o700);
    let file = write_config(lab, &config());
    let mut command = network.gate.command("unshare");
    command.args(["--mount", "sh", "-ec", "mount --bind /run/lab/volume /run/lab/agents; exec \"$@\"", "sh"]);
    command.arg(lab.program.path()).args(["-db".as_ref(), "-f".as_ref(), file.as_os_str()]);
    let mut gate = command.spawn().unwrap();
    assert!(wait_until(10.0, || !network.gate.listening().is_empty()));
    let guest = Guest::new(&network.guest).patient(40);
    assert_eq!(guest.get("/").unwrap().status, 503);
    let found = wrong(lab);
    let [(what, remedy)] = found.as_slice() else { panic!("{found:#?}") };
    assert!(what.contains(&format!("/proc/{}/root/run/lab/agents ", gate.id())), "{what}");
    typed(remedy);
    assert_eq!((guest.get("/").unwrap().status, agent.seen().len()), (200, 1));
    assert_eq!(
        fs::metadata("/run/lab/agents").unwrap().permissions().mode() & 0o777,
        0o755,
        "the host's is left alone"
    );
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(gate.id().try_into().unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    gate.wait().unwrap();
}

/// Root connects before the drop, so lines arrive; a log that is made anew is the gate's user's to find.
fn a_log_that_the_gates_user_may_not_reach_is_said(lab: &Lab) {
    lab.needs_root("an account beside the log's");
    let network = lab.network();
    let log = SyslogReader::bind(Path::new("/dev/log"));
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    assert!(!check(lab, &config).stderr.contains("system log"));
    mode("/dev/log", 0o600);
    let checked = check(lab, &config);
    assert!(checked.stderr.contains("is not found again") && checked.stderr.contains("mode 0600"), "{checked:#?}");
    let gate = Gate::start(lab, &network.gate, &config);
    let line = log.find("is found once", 5.0).expect("a warning");
    assert!(line.contains("uid 64042 with gid 64042 may not write to the socket"), "{line}");
    assert!(log.find("Serving", 5.0).is_some(), "the connection is there");
    let found = wrong(lab);
    assert!(found.iter().any(|(what, _)| what.contains("the system log is out of its reach")), "{found:#?}");
    drop(gate);
}
