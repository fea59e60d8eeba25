//! The command line of `neutron-ns-metadata-proxy`, and the seven flaws of the original (docs/threat-model.md) tried against it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, nsgate};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::world::{NEUTRON_ID, STRANGER_ID};
use nsgate_tests::{Answer, Gate, Guest, Lab, Network, RecordingAgent, Response, Started, suite};

fn main() {
    suite!["namespace_proxy":
        a_network_is_served_as_ocatas_agents_start_it,
        a_router_is_served_in_the_other_spelling,
        it_listens_on_one_port_of_every_ipv4_address,
        nodaemonize_stays_and_ends_with_sigterm,
        numbers_are_accounts_as_the_agents_write_them,
        a_stale_pid_file_is_replaced,
        a_log_file_gets_dated_lines_and_can_only_grow,
        use_syslog_reaches_the_system_log,
        no_file_is_written_but_the_pid_file,
        a_state_path_with_dots_is_refused,
        a_state_path_that_is_a_link_is_refused,
        a_world_writable_parent_is_refused,
        an_identifier_with_a_slash_is_refused,
        a_log_file_is_never_followed_out,
        an_unknown_option_is_refused_and_a_second_word_too,
        a_configuration_put_in_place_is_not_read,
        a_pid_file_that_is_a_link_or_a_strangers_is_left,
        cleanup_removes_leftovers_and_only_those,
        cleanup_follows_no_link_and_takes_nothing_of_strangers,
        cleanup_leaves_a_running_proxys_files,
        a_proxy_socket_that_is_a_file_or_a_link_is_refused,
        another_users_socket_directory_is_refused,
        a_port_that_is_not_1_to_65535_is_refused,
        a_user_that_is_root_or_unknown_is_refused,
        a_group_is_held_alone,
    ]
}

const PORT: u16 = 9697;
const PID_FILE: &str = "/run/lab/neutron/external/pids/7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10.pid";
const SOCKET: &str = "/run/lab/neutron/metadata_proxy";

/// What Ocata's agents write (`neutron/agent/metadata/driver.py`), with `changes` in the place of the same options.
fn words(changes: &[&str]) -> Vec<String> {
    let usual = [
        format!("--pid_file={PID_FILE}"),
        format!("--metadata_proxy_socket={SOCKET}"),
        format!("--network_id={NETWORK}"),
        "--state_path=/run/lab/neutron".to_owned(),
        format!("--metadata_port={PORT}"),
        "--metadata_proxy_user=neutron".to_owned(),
        "--metadata_proxy_group=neutron".to_owned(),
    ];
    let name = |word: &str| word.split('=').next().unwrap().to_owned();
    let changed: Vec<String> = changes.iter().map(|word| name(word)).collect();
    let kept = usual.into_iter().filter(|word| !changed.contains(&name(word)));
    // A change that ends in `=` only takes the option away.
    kept.chain(changes.iter().filter(|word| !word.ends_with('=')).map(|word| (*word).to_owned())).collect()
}

fn command(lab: &Lab, network: &Network, changes: &[&str]) -> Command {
    let program = lab.program.namespace_proxy();
    if !lab.program.is_nsgate() || !program.exists() {
        lab.skip(&format!("no program at {}", program.display()));
    }
    let mut command = network.gate.command(&program.to_string_lossy());
    command.args(words(changes)).current_dir("/");
    command
}

fn start(lab: &Lab, network: &Network, changes: &[&str]) -> Gate {
    let started = communicate(command(lab, network, changes), Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    Gate::adopt(PathBuf::new(), PID_FILE.into(), started).unwrap()
}

/// Nothing listens, runs or was written afterwards, and the message says `word`.
fn refused(lab: &Lab, network: &Network, changes: &[&str], word: &str) -> Started {
    let before = tree(&lab.state());
    let started = communicate(command(lab, network, changes), Duration::from_secs(10));
    assert!(started.closed && started.code() == Some(1), "{changes:?}: {started:#?}");
    assert!(started.stderr.contains(word), "{changes:?} should name {word:?}: {}", started.stderr);
    assert!(started.stderr.starts_with("neutron-ns-metadata-proxy (nsgate): "), "{}", started.stderr);
    assert!(network.gate.listening().is_empty(), "{changes:?}: something listens");
    assert_eq!(tree(&lab.state()), before, "{changes:?}: something was written");
    started
}

/// Every name below a directory.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found.sort();
    found
}

fn ask(network: &Network, path: &str) -> Response {
    Guest::talking(&network.guest, "10.0.0.11".parse().unwrap(), format!("10.0.0.1:{PORT}").parse().unwrap())
        .get(path)
        .unwrap()
}

fn serving(lab: &Lab) -> (Network, RecordingAgent) {
    (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")))
}

fn a_network_is_served_as_ocatas_agents_start_it(lab: &Lab) {
    let (network, agent) = serving(lab);
    let gate = start(lab, &network, &[]);
    assert_eq!(ask(&network, "/latest/meta-data/").status, 200);
    assert_eq!(agent.only().header("X-Neutron-Network-ID"), [NETWORK]);
    assert_eq!(agent.only().header("X-Forwarded-For"), ["10.0.0.11"]);
    let process = Process::new(gate.pid);
    assert!(process.cmdline().join(" ").contains(NETWORK), "by this the agent knows its process");
    assert!(process.exe().ends_with("neutron-ns-metadata-proxy"));
    assert!(gate.terminate(Duration::from_secs(1)).is_some());
}

fn a_router_is_served_in_the_other_spelling(lab: &Lab) {
    let (network, agent) = serving(lab);
    let mut command = command(lab, &network, &["--network_id=", "--pid_file=", "--metadata_port="]);
    command.args(["--router-id", NETWORK, "--pid-file", PID_FILE, "--metadata-port", "9697", "--verbose", "-d"]);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let _gate = Gate::adopt(PathBuf::new(), PID_FILE.into(), started).unwrap();
    assert_eq!(ask(&network, "/").status, 200);
    assert_eq!(agent.only().header("X-Neutron-Router-ID"), [NETWORK]);
    assert!(agent.only().header("X-Neutron-Network-ID").is_empty());
}

fn it_listens_on_one_port_of_every_ipv4_address(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let _gate = start(lab, &network, &["--metadata_port="]);
    assert_eq!(network.gate.listening(), [("0.0.0.0".parse().unwrap(), PORT)], "the original's default");
}

fn nodaemonize_stays_and_ends_with_sigterm(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let mut child = command(lab, &network, &["--nodaemonize"]).spawn().unwrap();
    assert!(wait_until(5.0, || text(PID_FILE).trim() == child.id().to_string()), "its own pid is in the file");
    assert_eq!(ask(&network, "/").status, 200);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(wait_until(2.0, || child.try_wait().unwrap().is_some()), "it ends");
    assert!(network.gate.listening().is_empty());
}

fn numbers_are_accounts_as_the_agents_write_them(lab: &Lab) {
    lab.needs_root("the numbers of a lab with several users");
    let (network, _agent) = serving(lab);
    let (user, group) = (format!("--metadata_proxy_user={NEUTRON_ID}"), format!("--metadata_proxy_group={NEUTRON_ID}"));
    let gate = start(lab, &network, &[&user, &group]);
    assert_eq!(Process::new(gate.pid).status_numbers("Uid"), [u64::from(NEUTRON_ID); 4]);
    assert_eq!(ask(&network, "/").status, 200);
}

fn a_stale_pid_file_is_replaced(lab: &Lab) {
    let (network, _agent) = serving(lab);
    fs::write(PID_FILE, "4194000").unwrap();
    let gate = start(lab, &network, &[]);
    assert_eq!(text(PID_FILE).trim(), gate.pid.to_string());
}

fn a_log_file_gets_dated_lines_and_can_only_grow(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let directory = lab.directory("log", 0o755);
    let log = directory.join("proxy.log");
    fs::write(&log, "a line of before\n").unwrap();
    let gate =
        start(lab, &network, &["--log-file=proxy.log", "--log-dir=/run/lab/log", "--nometadata_proxy_watch_log"]);
    assert_eq!(ask(&network, "/latest/user-data").status, 200);
    assert!(wait_until(2.0, || text(&log).contains("/latest/user-data")), "{}", text(&log));
    let lines = text(&log);
    assert!(lines.starts_with("a line of before\n"), "{lines}");
    let pid = gate.pid.to_string();
    for line in lines.lines().skip(1) {
        let parts: Vec<&str> = line.splitn(6, ' ').collect();
        assert!(parts[0].len() == 10 && parts[1].len() == 12 && parts[2] == pid && parts[4] == "nsgate", "{line}");
    }
    let attested = nsgate(lab, &network.gate, &["attest", &pid]);
    if lab.is_root() {
        assert_eq!(attested.code(), Some(0), "a log does not make it hold too much: {attested:#?}");
    }
    fs::write(&log, "").unwrap();
    assert_eq!(ask(&network, "/again").status, 200);
    assert!(wait_until(2.0, || text(&log).contains("/again")), "it goes on where the file ends, not where it was");
    assert!(!text(&log).contains('\0'));
    drop(gate);
    fs::remove_file(&log).unwrap();
    let _gate = start(lab, &network, &["--log-file=/run/lab/log/proxy.log"]);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o640);
}

fn use_syslog_reaches_the_system_log(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let log = nsgate_tests::SyslogReader::bind(Path::new("/dev/log"));
    let _gate = start(lab, &network, &["--use-syslog", "--syslog-log-facility=LOG_LOCAL3"]);
    assert_eq!(ask(&network, "/to-syslog").status, 200);
    let line = log.find("/to-syslog", 2.0).expect("a line of the request");
    // local3 is 19, info is 6: 19 * 8 + 6 (RFC 5424, 6.2.1).
    assert!(line.starts_with("<158>") && line.contains(&format!("neutron-ns-metadata-proxy-{NETWORK}[")), "{line}");
}

fn no_file_is_written_but_the_pid_file(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let before = tree(Path::new("/run/lab"));
    let gate = start(lab, &network, &[]);
    assert_eq!(ask(&network, "/").status, 200);
    let mut expected = before.clone();
    expected.push(PID_FILE.into());
    expected.sort();
    assert_eq!(tree(Path::new("/run/lab")), expected);
    drop(gate);
    fs::remove_file(PID_FILE).unwrap();
    let started = communicate(command(lab, &network, &["--pid_file="]), Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    assert_eq!(tree(Path::new("/run/lab")), before, "and not even that without a request");
}

fn a_state_path_with_dots_is_refused(lab: &Lab) {
    let network = lab.network();
    let socket = "--metadata_proxy_socket=";
    refused(lab, &network, &["--state_path=/run/lab/neutron/../../etc", socket], "`..`");
    refused(lab, &network, &["--state_path=run/lab/neutron", socket], "--state_path");
    refused(lab, &network, &["--pid_file=/run/lab/neutron/../escaped.pid"], "--pid_file");
    assert!(!Path::new("/run/lab/escaped.pid").exists());
}

fn a_state_path_that_is_a_link_is_refused(lab: &Lab) {
    let network = lab.network();
    let elsewhere = lab.directory("elsewhere", 0o755);
    lab.link(&elsewhere, "/run/lab/linked");
    refused(lab, &network, &["--state_path=/run/lab/linked", "--metadata_proxy_socket="], "/run/lab/linked");
    refused(lab, &network, &["--pid_file=/run/lab/linked/x.pid"], "/run/lab/linked");
    fs::remove_dir_all("/run/lab/neutron/external/pids").unwrap();
    lab.link(&elsewhere, "/run/lab/neutron/external/pids");
    refused(lab, &network, &[], "external/pids");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing was written through the link");
}

fn a_world_writable_parent_is_refused(lab: &Lab) {
    let network = lab.network();
    lab.directory("open", 0o777);
    lab.directory("open/neutron", 0o755);
    let word = "others may write";
    refused(lab, &network, &["--state_path=/run/lab/open/neutron", "--metadata_proxy_socket="], word);
    refused(lab, &network, &["--pid_file=/run/lab/open/neutron/x.pid"], word);
    refused(lab, &network, &["--log-file=/run/lab/open/neutron/x.log"], word);
    assert_eq!(fs::read_dir("/run/lab/open/neutron").unwrap().count(), 0);
}

fn an_identifier_with_a_slash_is_refused(lab: &Lab) {
    let network = lab.network();
    for id in ["../../../etc/cron.d/x", "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b1/", "7a1c4d2e"] {
        refused(lab, &network, &[&format!("--network_id={id}")], id);
        refused(lab, &network, &["--network_id=", &format!("--router_id={id}")], id);
    }
    let cleanup = nsgate(lab, &network.gate, &["cleanup", "--state-path=/run/lab/neutron", "--id=../../x"]);
    assert!(cleanup.code() != Some(0) && cleanup.stderr.contains("UUID"), "{cleanup:#?}");
    let cleanup = nsgate(lab, &network.gate, &["cleanup", "--state-path=/run/lab/none", "--id", NETWORK]);
    assert!(cleanup.code() == Some(1) && cleanup.stderr.contains("state_path of neutron.conf"), "{cleanup:#?}");
}

fn a_log_file_is_never_followed_out(lab: &Lab) {
    let network = lab.network();
    let log = lab.directory("log", 0o755);
    let victim = lab.directory("etc-victim", 0o755).join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, log.join("link.log")).unwrap();
    refused(lab, &network, &["--log-file=link.log", "--log-dir=/run/lab/log"], "symbolic link");
    fs::hard_link(&victim, log.join("hard.log")).unwrap();
    refused(lab, &network, &["--log-file=hard.log", "--log-dir=/run/lab/log"], "2 names");
    refused(lab, &network, &["--log-file=../etc-victim/victim", "--log-dir=/run/lab/log"], "leads out");
    nix::unistd::mkfifo(&log.join("fifo.log"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused(lab, &network, &["--log-file=fifo.log", "--log-dir=/run/lab/log"], "FIFO");
    if lab.is_root() {
        fs::write(log.join("theirs.log"), "").unwrap();
        lab.give(&log.join("theirs.log"), STRANGER_ID);
        refused(lab, &network, &["--log-file=theirs.log", "--log-dir=/run/lab/log"], &STRANGER_ID.to_string());
    }
    assert_eq!(text(&victim), "precious");
}

fn an_unknown_option_is_refused_and_a_second_word_too(lab: &Lab) {
    let network = lab.network();
    refused(lab, &network, &["--metadata_access_mark=0x1"], "metadata_access_mark");
    refused(lab, &network, &["--config-file=/etc/neutron/neutron.conf"], "config-file");
    refused(lab, &network, &[&format!("--router_id={NETWORK}")], "both said");
    let mut twice = command(lab, &network, &[]);
    twice.arg("--metadata-port=80");
    let started = communicate(twice, Duration::from_secs(10));
    assert!(started.code() == Some(1) && started.stderr.contains("twice"), "{started:#?}");
}

fn a_configuration_put_in_place_is_not_read(lab: &Lab) {
    let (network, agent) = serving(lab);
    let trap = "#!/bin/sh\ntouch /run/lab/trapped\n";
    let programs = lab.directory("trap", 0o755);
    for name in ["haproxy", "python", "sh"] {
        fs::write(programs.join(name), trap).unwrap();
        fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The reviewed program wrote this file and then executed it. Here it exists from the start, and is forged.
    let forged = "99999999-9999-4999-8999-999999999999";
    let file = format!("/run/lab/neutron/ns-metadata-proxy/{NETWORK}.conf");
    let config = nsgate_tests::Config::new(nsgate_tests::Kind::Network).with_id(forged).text();
    fs::write(&file, &config).unwrap();
    let mut command = command(lab, &network, &[]);
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display()));
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let gate = Gate::adopt(PathBuf::new(), PID_FILE.into(), started).unwrap();
    gate.signal(nix::sys::signal::Signal::SIGHUP);
    assert_eq!(ask(&network, "/").status, 200);
    assert_eq!(agent.only().header("X-Neutron-Network-ID"), [NETWORK]);
    assert_eq!(text(&file), config, "nor is it written");
    assert!(!Path::new("/run/lab/trapped").exists(), "no second program is run");
}

fn a_pid_file_that_is_a_link_or_a_strangers_is_left(lab: &Lab) {
    let network = lab.network();
    let victim = lab.state().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, PID_FILE).unwrap();
    refused(lab, &network, &[], "symbolic link");
    assert_eq!(text(&victim), "precious");
    fs::remove_file(PID_FILE).unwrap();
    fs::create_dir(PID_FILE).unwrap();
    refused(lab, &network, &[], "directory");
    if lab.is_root() {
        fs::remove_dir(PID_FILE).unwrap();
        fs::write(PID_FILE, "1\n").unwrap();
        lab.give(Path::new(PID_FILE), STRANGER_ID);
        refused(lab, &network, &[], &STRANGER_ID.to_string());
    }
}

fn clean(lab: &Lab, network: &Network) -> Started {
    let id = format!("--id={NETWORK}");
    nsgate(lab, &network.gate, &["cleanup", "--state-path=/run/lab/neutron", "--user=neutron", &id])
}

fn cleanup_removes_leftovers_and_only_those(lab: &Lab) {
    let network = lab.network();
    let none = clean(lab, &network);
    assert!(none.code() == Some(0) && none.stdout.is_empty(), "no directory is missed: {none:#?}");
    lab.directory("neutron/ovn-metadata-proxy", 0o755);
    let before = tree(&lab.state());
    let other = "b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21";
    let stay = [
        format!("ns-metadata-proxy/{other}.conf"),
        format!("ns-metadata-proxy/{NETWORK}.conf.bak"),
        format!("external/pids/{other}.pid"),
        format!("external/pids/{NETWORK}.pid.radvd"),
    ];
    let leave = [
        "ns-metadata-proxy/UUID.conf",
        "ovn-metadata-proxy/UUID.conf",
        "external/pids/UUID.pid",
        "external/pids/UUID.pid.haproxy",
    ];
    let leave = leave.map(|name| name.replace("UUID", NETWORK));
    for name in stay.iter().chain(&leave) {
        fs::write(lab.state().join(name), "x").unwrap();
    }
    let cleaned = clean(lab, &network);
    assert_eq!(cleaned.code(), Some(0), "{cleaned:#?}");
    assert_eq!(cleaned.stdout.matches("removed /run/lab/neutron/").count(), 4, "{cleaned:#?}");
    let mut expected = before;
    expected.extend(stay.iter().map(|name| lab.state().join(name)));
    expected.sort();
    assert_eq!(tree(&lab.state()), expected);
}

fn cleanup_follows_no_link_and_takes_nothing_of_strangers(lab: &Lab) {
    let network = lab.network();
    let victim = lab.state().join("victim");
    fs::write(&victim, "precious").unwrap();
    let conf = lab.state().join(format!("ns-metadata-proxy/{NETWORK}.conf"));
    symlink(&victim, &conf).unwrap();
    fs::create_dir(PID_FILE).unwrap();
    let cleaned = clean(lab, &network);
    assert_eq!(cleaned.code(), Some(1), "{cleaned:#?}");
    assert!(cleaned.stderr.contains("symbolic link") && cleaned.stderr.contains("directory"), "{cleaned:#?}");
    assert!(fs::symlink_metadata(&conf).unwrap().is_symlink() && Path::new(PID_FILE).is_dir());
    // A directory on the way that is a link to a victim of the same shape.
    let elsewhere = lab.directory("elsewhere", 0o755);
    fs::write(elsewhere.join(format!("{NETWORK}.pid")), "precious").unwrap();
    fs::remove_dir_all(lab.state().join("external/pids")).unwrap();
    lab.link(&elsewhere, lab.state().join("external/pids"));
    assert_eq!(clean(lab, &network).code(), Some(1));
    assert_eq!(text(elsewhere.join(format!("{NETWORK}.pid"))), "precious");
    if lab.is_root() {
        fs::remove_file(&conf).unwrap();
        fs::write(&conf, "theirs").unwrap();
        lab.give(&conf, STRANGER_ID);
        let cleaned = clean(lab, &network);
        assert!(cleaned.code() == Some(1) && cleaned.stderr.contains(&STRANGER_ID.to_string()), "{cleaned:#?}");
        assert_eq!(text(&conf), "theirs");
    }
    assert_eq!(text(&victim), "precious");
}

fn cleanup_leaves_a_running_proxys_files(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = start(lab, &network, &[]);
    let conf = lab.state().join(format!("ns-metadata-proxy/{NETWORK}.conf"));
    fs::write(&conf, "x").unwrap();
    let cleaned = clean(lab, &network);
    assert_eq!(cleaned.code(), Some(1), "{cleaned:#?}");
    assert!(cleaned.stderr.contains("still serves"), "{cleaned:#?}");
    assert!(conf.exists() && Path::new(PID_FILE).exists());
    drop(gate);
    assert_eq!(clean(lab, &network).code(), Some(0));
    assert!(!conf.exists() && !Path::new(PID_FILE).exists());
}

fn a_proxy_socket_that_is_a_file_or_a_link_is_refused(lab: &Lab) {
    let network = lab.network();
    fs::write(SOCKET, "").unwrap();
    refused(lab, &network, &[], "not a socket");
    fs::remove_file(SOCKET).unwrap();
    let thief = RecordingAgent::start(&lab.directory("thief", 0o755).join("socket"), Answer::ok("stolen"));
    symlink(thief.path(), SOCKET).unwrap();
    refused(lab, &network, &[], "symbolic link");
    fs::remove_file(SOCKET).unwrap();
    // Put in place later, it is not followed either.
    let _gate = start(lab, &network, &[]);
    symlink(thief.path(), SOCKET).unwrap();
    let guest =
        Guest::talking(&network.guest, "10.0.0.11".parse().unwrap(), format!("10.0.0.1:{PORT}").parse().unwrap());
    assert_eq!(guest.patient(40).get("/").unwrap().status, 503);
    assert!(thief.seen().is_empty());
}

fn another_users_socket_directory_is_refused(lab: &Lab) {
    lab.needs_root("a second user");
    let network = lab.network();
    let theirs = lab.directory("theirs", 0o755);
    let _thief = RecordingAgent::start(&theirs.join("metadata_proxy"), Answer::ok("stolen"));
    lab.give(&theirs, STRANGER_ID);
    let socket = "--metadata_proxy_socket=/run/lab/theirs/metadata_proxy";
    refused(lab, &network, &[socket], &STRANGER_ID.to_string());
    refused(lab, &network, &["--metadata_proxy_socket=", "--state_path=/run/lab/theirs"], &STRANGER_ID.to_string());
}

fn a_port_that_is_not_1_to_65535_is_refused(lab: &Lab) {
    let network = lab.network();
    for port in ["0", "65536", "80 ", "0x50", "-1", "+80", "08080808", "８０"] {
        refused(lab, &network, &[&format!("--metadata_port={port}")], port);
    }
}

fn a_user_that_is_root_or_unknown_is_refused(lab: &Lab) {
    let network = lab.network();
    for name in ["0", "root", "00", "-1", "4294967295", "4294967296", "12ab", "no-such-account", "nobody\n"] {
        let word = if name == "00" { "0" } else { name.trim() };
        refused(lab, &network, &[&format!("--metadata_proxy_user={name}")], word);
        refused(lab, &network, &[&format!("--metadata_proxy_group={name}")], word);
    }
    refused(lab, &network, &["--metadata_proxy_user="], "--metadata_proxy_user");
    refused(lab, &network, &["--metadata_proxy_user=7654321", "--metadata_proxy_group="], "7654321");
}

/// A group that the user is not in is the operator's word, as with the original; what counts is that nothing else comes
/// with it.
fn a_group_is_held_alone(lab: &Lab) {
    lab.needs_root("a second group");
    let (network, _agent) = serving(lab);
    let gate = start(lab, &network, &["--metadata_proxy_group=stranger"]);
    let process = Process::new(gate.pid);
    assert_eq!(process.status_numbers("Uid"), [u64::from(NEUTRON_ID); 4]);
    assert_eq!(process.status_numbers("Gid"), [u64::from(STRANGER_ID); 4]);
    assert!(process.status_numbers("Groups").is_empty(), "neither the user's own group nor root's");
    for set in CAPABILITY_SETS {
        assert_eq!(process.capabilities(set), 0, "{set}");
    }
    assert_eq!(process.status("NoNewPrivs"), "1");
    assert_ne!(fs::metadata(PID_FILE).unwrap().uid(), STRANGER_ID);
}
