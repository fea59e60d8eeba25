//! Bad input: every refusal names the thing, exits non-zero, starts nothing and leaves nothing behind.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{agent_command, communicate, nsgate, run_flags, write_config};
use nsgate_tests::network::Network;
use nsgate_tests::procfs;
use nsgate_tests::world::{NEUTRON_ID, STRANGER_ID};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Program, RecordingAgent, Started, suite, sys};

fn main() {
    suite!["bad_input":
        refused_an_unknown_word_in_global,
        refused_an_unknown_word_in_defaults,
        refused_an_unknown_word_in_listen,
        refused_an_unknown_section,
        refused_an_unknown_native_key,
        refused_an_unknown_native_flag,
        refused_without_an_identity,
        refused_with_both_identities,
        refused_an_identity_that_is_not_a_uuid,
        refused_port_0,
        refused_port_70000,
        refused_a_taken_port_after_the_retry,
        refused_an_address_another_gate_holds,
        refused_an_ipv4_address_the_namespace_does_not_have,
        refused_a_relative_backend,
        refused_a_backend_that_is_no_socket,
        refused_a_backend_below_a_directory_of_others,
        refused_a_backend_below_a_directory_others_may_write,
        refused_a_backend_reached_through_a_link,
        refused_an_unknown_user,
        refused_an_unknown_group,
        refused_a_name_that_looks_like_a_number,
        refused_root,
        refused_root_natively,
        refused_a_pid_file_that_is_a_link,
        refused_a_pid_file_that_is_a_directory,
        refused_a_pid_file_of_another_user,
        refused_a_pid_file_in_a_directory_that_is_a_link,
        refused_a_pid_file_in_a_directory_others_may_write,
        refused_a_namespace_that_does_not_exist,
        refused_an_unreadable_configuration,
        refused_a_missing_configuration,
        refused_a_directory_as_configuration,
        refused_a_fifo_as_configuration,
        refused_a_device_as_configuration,
        refused_a_configuration_of_4_megabytes,
        refused_a_configuration_that_is_not_utf8,
        refused_a_kernel_without_seccomp,
        refused_a_pool_without_privileges_that_nobody_has_prepared,
        refused_beside_a_running_haproxy_on_the_same_port,
        refused_a_full_disk_under_the_pid_file,
        a_user_who_is_deleted_is_missed_by_the_next_gate_and_not_by_the_running_one,
    ]
}

fn config() -> Config {
    Config::new(Kind::Network)
}

/// Starts `config` and expects a refusal that contains every one of `words`.
#[track_caller]
fn refused(lab: &Lab, config: &Config, words: &[&str]) {
    let network = lab.network();
    let before = residue(config);
    let started = match Gate::try_start(lab, &network.gate, config) {
        Err(started) => started,
        Ok(gate) => panic!("it was accepted, pid {}: {}", gate.pid, gate.started.said()),
    };
    assert_refused(lab, &network, &started, words);
    assert_eq!(residue(config), before, "something was left behind");
}

#[track_caller]
fn assert_refused(lab: &Lab, network: &Network, started: &Started, words: &[&str]) {
    assert!(started.closed, "the starter hangs: {started:#?}");
    assert!(started.code().is_some_and(|code| code != 0), "it should exit with a status that is not 0: {started:#?}");
    for word in words {
        assert!(started.stderr.contains(word), "the message should name {word:?}:\n{}", started.stderr);
    }
    assert!(!started.stderr.contains("panicked"), "{}", started.stderr);
    assert!(network.gate.listening().is_empty(), "something listens");
    let name = lab.program.path().file_name().and_then(OsStr::to_str).unwrap();
    let left: Vec<i32> = procfs::having(NETWORK).into_iter().chain(procfs::having(name)).collect();
    assert!(left.is_empty(), "processes are left: {left:?}");
}

/// Everything in the pid file's directory: name, inode and content.
fn residue(config: &Config) -> Vec<(PathBuf, u64, String)> {
    let directory = config.pid_file.parent().unwrap();
    let mut all: Vec<_> = fs::read_dir(directory)
        .map(|dir| dir.flatten().collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .map(|entry| {
            let inode = fs::symlink_metadata(entry.path()).map(|meta| meta.ino()).unwrap_or(0);
            (entry.path(), inode, nsgate_tests::lab::text(entry.path()))
        })
        .collect();
    all.sort();
    all
}

#[track_caller]
fn unknown_word(lab: &Lab, section: usize) {
    let mut config = config();
    config.extra[section] = "    frobnicate 7\n".to_owned();
    let line = 1 + config.text().lines().position(|line| line.contains("frobnicate")).unwrap();
    refused(lab, &config, &["frobnicate", &format!("{NETWORK}.conf:{line}")]);
}

fn refused_an_unknown_word_in_global(lab: &Lab) {
    unknown_word(lab, 0);
}

fn refused_an_unknown_word_in_defaults(lab: &Lab) {
    unknown_word(lab, 1);
}

fn refused_an_unknown_word_in_listen(lab: &Lab) {
    unknown_word(lab, 2);
}

fn refused_an_unknown_section(lab: &Lab) {
    let mut config = config();
    config.rules = Some("    http-request set-header X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n\ncache mine\n    total-max-size 4\n".into());
    refused(lab, &config, &["cache"]);
}

fn refused_an_unknown_native_key(lab: &Lab) {
    let network = lab.network();
    let file = lab.state().join("gate.toml");
    fs::write(&file, "frobnicate = 7\n").unwrap();
    let started = nsgate(lab, &network.gate, &["run", "--config", file.to_str().unwrap()]);
    assert_refused(lab, &network, &started, &["frobnicate", "gate.toml"]);
}

fn refused_an_unknown_native_flag(lab: &Lab) {
    let network = lab.network();
    let started = nsgate(lab, &network.gate, &["run", "--frobnicate"]);
    assert_refused(lab, &network, &started, &["--frobnicate"]);
}

fn refused_without_an_identity(lab: &Lab) {
    let mut config = config();
    config.rules = Some(String::new());
    refused(lab, &config, &["X-Neutron-Network-ID"]);
}

fn refused_with_both_identities(lab: &Lab) {
    let mut config = config();
    config.rules = Some(format!(
        "    http-request set-header X-Neutron-Network-ID {NETWORK}\n    http-request set-header X-Neutron-Router-ID {NETWORK}\n"
    ));
    refused(lab, &config, &["X-Neutron-Router-ID"]);
}

fn refused_an_identity_that_is_not_a_uuid(lab: &Lab) {
    for id in ["../../etc/passwd", "7a1c4d2e", "not-a-uuid"] {
        let network = Network::named(&format!("g{}", id.len()), &format!("v{}", id.len()));
        let mut config = config();
        config.rules = Some(format!("    http-request set-header X-Neutron-Network-ID {id}\n"));
        let started = Gate::try_start(lab, &network.gate, &config).expect_err("refused");
        assert_refused(lab, &network, &started, &[id]);
    }
}

fn refused_port_0(lab: &Lab) {
    refused(lab, &config().with_binds(&["169.254.169.254:0"]), &["169.254.169.254:0"]);
}

fn refused_port_70000(lab: &Lab) {
    refused(lab, &config().with_binds(&["169.254.169.254:70000"]), &["70000"]);
}

fn refused_a_taken_port_after_the_retry(lab: &Lab) {
    let network = lab.network();
    let _taken = network.gate.inside(|| std::net::TcpListener::bind("169.254.169.254:80").unwrap());
    let start = Instant::now();
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("the port is taken");
    let took = start.elapsed().as_secs_f64();
    assert!(started.code().is_some_and(|code| code != 0), "{started:#?}");
    assert!(started.stderr.contains("169.254.169.254:80"), "{}", started.stderr);
    assert!((0.5..4.0).contains(&took), "it should try again for about a second: {took}");
    assert!(!config().pid_file.exists());
}

/// A gate lets a successor in that is told to replace it, and no other process.
fn refused_an_address_another_gate_holds(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _first = Gate::start(lab, &network.gate, &config());
    let second = config().with_id("b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21");
    let started = Gate::try_start(lab, &network.gate, &second).expect_err("the address is taken");
    assert!(started.stderr.contains("169.254.169.254:80"), "{started:#?}");
    for _ in 0..10 {
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    }
}

fn refused_an_ipv4_address_the_namespace_does_not_have(lab: &Lab) {
    refused(lab, &config().with_binds(&["192.0.2.77:80"]), &["192.0.2.77"]);
}

fn refused_a_relative_backend(lab: &Lab) {
    let mut config = config();
    config.socket = "metadata_proxy".into();
    refused(lab, &config, &["metadata_proxy", "absolute"]);
}

fn refused_a_backend_that_is_no_socket(lab: &Lab) {
    fs::write(lab.socket(), "a file").unwrap();
    refused(lab, &config(), &["metadata_proxy", "socket"]);
}

fn refused_a_backend_below_a_directory_of_others(lab: &Lab) {
    lab.needs_root("a directory that belongs to a third user");
    let directory = lab.directory("theirs", 0o755);
    lab.give(&directory, STRANGER_ID);
    let mut config = config();
    config.socket = directory.join("metadata_proxy");
    refused(lab, &config, &["/run/lab/theirs"]);
}

fn refused_a_backend_below_a_directory_others_may_write(lab: &Lab) {
    let mut config = config();
    config.socket = lab.directory("open", 0o777).join("metadata_proxy");
    refused(lab, &config, &["/run/lab/open"]);
}

fn refused_a_backend_reached_through_a_link(lab: &Lab) {
    let real = lab.directory("real", 0o755);
    lab.link(real, "/run/lab/link");
    let mut config = config();
    config.socket = "/run/lab/link/metadata_proxy".into();
    refused(lab, &config, &["/run/lab/link"]);
}

fn refused_an_unknown_user(lab: &Lab) {
    let mut config = config();
    config.user = "nobody-of-that-name".into();
    refused(lab, &config, &["nobody-of-that-name"]);
}

fn refused_an_unknown_group(lab: &Lab) {
    let mut config = config();
    config.group = "no-such-group".into();
    refused(lab, &config, &["no-such-group"]);
}

fn refused_a_name_that_looks_like_a_number(lab: &Lab) {
    for (n, user) in ["64042", "0", "0x0", "+0"].into_iter().enumerate() {
        let network = Network::named(&format!("g{n}"), &format!("v{n}"));
        let mut config = config();
        config.user = user.into();
        let started = Gate::try_start(lab, &network.gate, &config).expect_err("refused");
        assert_refused(lab, &network, &started, &[user]);
    }
}

fn refused_root(lab: &Lab) {
    let mut config = config();
    (config.user, config.group) = ("root".into(), "root".into());
    refused(lab, &config, &["root", "allow_root"]);
}

fn refused_root_natively(lab: &Lab) {
    let network = lab.network();
    let id = format!("--network-id={NETWORK}");
    let started = nsgate(lab, &network.gate, &run_flags(&[&id, "--user=root", "--group=neutron"]));
    assert_refused(lab, &network, &started, &["root", "allow"]);
}

fn refused_a_pid_file_that_is_a_link(lab: &Lab) {
    let victim = lab.state().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, config().pid_file).unwrap();
    refused(lab, &config(), &[config().pid_file.to_str().unwrap(), "link"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

fn refused_a_pid_file_that_is_a_directory(lab: &Lab) {
    fs::create_dir(config().pid_file).unwrap();
    refused(lab, &config(), &[config().pid_file.to_str().unwrap(), "directory"]);
}

fn refused_a_pid_file_of_another_user(lab: &Lab) {
    lab.needs_root("a file that belongs to a third user");
    fs::write(config().pid_file, "12\n").unwrap();
    lab.give(&config().pid_file, STRANGER_ID);
    refused(lab, &config(), &[config().pid_file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(config().pid_file).unwrap(), "12\n");
}

fn refused_a_pid_file_in_a_directory_that_is_a_link(lab: &Lab) {
    let real = lab.directory("real", 0o755);
    lab.link(real, "/run/lab/link");
    let mut config = config();
    config.pid_file = "/run/lab/link/gate.pid".into();
    refused(lab, &config, &["/run/lab/link"]);
}

fn refused_a_pid_file_in_a_directory_others_may_write(lab: &Lab) {
    let mut config = config();
    config.pid_file = lab.directory("open", 0o777).join("gate.pid");
    refused(lab, &config, &["/run/lab/open"]);
}

fn refused_a_namespace_that_does_not_exist(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let id = format!("--network-id={NETWORK}");
    for name in ["absent", "/run/netns/absent", "/etc/passwd"] {
        let netns = format!("--netns={name}");
        let started = nsgate(lab, &network.gate, &run_flags(&[&id, "--user=neutron", "--group=neutron", &netns]));
        assert_refused(lab, &network, &started, &[name]);
    }
}

fn file_refused(lab: &Lab, path: &Path, words: &[&str]) {
    let network = lab.network();
    let arguments = [OsStr::new("-f"), path.as_os_str()];
    let started = communicate(agent_command(lab, &network.gate, NETWORK, &arguments), Duration::from_secs(10));
    assert_refused(lab, &network, &started, words);
}

fn refused_an_unreadable_configuration(lab: &Lab) {
    lab.needs_root("starting as a user who may not read it");
    let network = lab.network();
    let file = write_config(lab, &config());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let copy = lab.directory("bin", 0o755).join("haproxy");
    fs::copy(lab.program.path(), &copy).unwrap();
    let mut command = Command::new(copy);
    command.arg("-f").arg(&file).uid(STRANGER_ID).gid(STRANGER_ID);
    let started = communicate(command, Duration::from_secs(10));
    assert_refused(lab, &network, &started, &[file.to_str().unwrap()]);
}

fn refused_a_missing_configuration(lab: &Lab) {
    file_refused(lab, Path::new("/run/lab/neutron/absent.conf"), &["/run/lab/neutron/absent.conf"]);
}

fn refused_a_directory_as_configuration(lab: &Lab) {
    file_refused(lab, &lab.directory("folder.conf", 0o755), &["/run/lab/folder.conf", "directory"]);
}

fn refused_a_fifo_as_configuration(lab: &Lab) {
    let fifo = lab.state().join("fifo.conf");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    file_refused(lab, &fifo, &["fifo.conf"]);
}

fn refused_a_device_as_configuration(lab: &Lab) {
    file_refused(lab, Path::new("/dev/zero"), &["/dev/zero"]);
}

fn refused_a_configuration_of_4_megabytes(lab: &Lab) {
    let file = write_config(lab, &config());
    let text = config().text() + &"# a comment that goes on and on\n".repeat(131_072);
    fs::write(&file, text).unwrap();
    file_refused(lab, &file, &[file.to_str().unwrap()]);
}

fn refused_a_configuration_that_is_not_utf8(lab: &Lab) {
    let file = write_config(lab, &config());
    let mut bytes = config().text().into_bytes();
    bytes.extend_from_slice(b"# \xff\xfe\n");
    fs::write(&file, bytes).unwrap();
    file_refused(lab, &file, &[file.to_str().unwrap(), "UTF-8"]);
}

fn refused_a_kernel_without_seccomp(lab: &Lab) {
    let network = lab.network();
    let file = write_config(lab, &config());
    let arguments = [OsStr::new("-f"), file.as_os_str()];
    sys::instead_of_syscall(libc::SYS_seccomp, libc::ENOSYS).unwrap();
    let started = communicate(agent_command(lab, &network.gate, NETWORK, &arguments), Duration::from_secs(10));
    assert_refused(lab, &network, &started, &["seccomp"]);
    assert!(residue(&config()).is_empty(), "a pid file is left");
}

/// Each in turn: who it is, the manager's directory, its socket. What the root must be, the suite `packages` shows.
fn refused_a_pool_without_privileges_that_nobody_has_prepared(lab: &Lab) {
    lab.needs_root("the pool's user is another one than the caller");
    // Where every user may start it.
    let copy = lab.directory("bin", 0o755).join("nsgate");
    fs::copy(lab.program.nsgate(), &copy).unwrap();
    let start = |id: u32, directory: Option<&Path>| {
        let mut command = Command::new(&copy);
        command.args(nsgate_tests::pool::words(lab, &[])).uid(id).gid(id);
        command.envs(directory.map(|directory| ("RUNTIME_DIRECTORY", directory)));
        let started = communicate(command, Duration::from_secs(10));
        assert_eq!(started.code(), Some(1), "{started:#?}");
        started.stderr
    };
    let said = start(STRANGER_ID, None);
    assert!(said.contains("user `neutron`") && said.contains("without privileges as uid"), "{said}");
    let said = start(NEUTRON_ID, None);
    assert!(said.contains("no service manager has given it a directory"), "{said}");
    let own = lab.directory("own", 0o755);
    let said = start(NEUTRON_ID, Some(&own.join("absent")));
    assert!(said.contains("RUNTIME_DIRECTORY") && said.contains("no such directory"), "{said}");
    lab.give(&own, NEUTRON_ID);
    let said = start(NEUTRON_ID, Some(&own));
    assert!(said.contains("a socket unit does, with `ListenSequentialPacket="), "{said}");
    assert!(fs::read_dir(&own).unwrap().next().is_none(), "something is left in its directory");
}

/// What was installed beside it, and whose gate is started without the agent having ended haproxy's.
fn refused_beside_a_running_haproxy_on_the_same_port(lab: &Lab) {
    let Some(haproxy) = Program::real_haproxy() else { lab.skip("no haproxy: apt-get install haproxy") };
    lab.needs_root("haproxy changes to a user of its own");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let theirs = Lab::enter(haproxy);
    let mut running = Gate::start(&theirs, &network.gate, &config());
    let second = config().with_id("b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21");
    let started = Gate::try_start(lab, &network.gate, &second).expect_err("the address is haproxy's");
    assert!(started.closed && started.code() == Some(1), "{started:#?}");
    for word in ["169.254.169.254:80", "EADDRINUSE", "another process listens there", "`ip netns exec gate ss -ltnp`"] {
        assert!(started.stderr.contains(word), "the message should name {word:?}:\n{}", started.stderr);
    }
    assert!(!second.pid_file.exists() || second.pid_file == config().pid_file);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200, "haproxy serves as before");
    // Once haproxy has ended, it is not in the way.
    assert!(running.terminate(Duration::from_secs(5)).is_some());
    running.pid_file = second.pid_file.clone();
    let _gate = Gate::start(lab, &network.gate, &second);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
}

/// A file system of two pages, one of which another file fills and the other is the directory's.
fn refused_a_full_disk_under_the_pid_file(lab: &Lab) {
    use nix::mount::{MsFlags, mount};
    let directory = config().pid_file.parent().unwrap().to_owned();
    let size = Some("size=4k,mode=0755");
    mount(Some("lab"), &directory, Some("tmpfs"), MsFlags::empty(), size).expect("a tiny file system");
    lab.give(&directory, if lab.is_root() { NEUTRON_ID } else { nix::unistd::getuid().as_raw() });
    fs::write(directory.join("full"), [b'x'; 4096]).unwrap();
    let network = lab.network();
    let before = residue(&config());
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("the disk is full");
    let path = config().pid_file;
    assert_refused(lab, &network, &started, &[path.to_str().unwrap(), "ENOSPC", "make room there"]);
    assert_eq!(residue(&config()), before, "something was left behind");
    fs::remove_file(directory.join("full")).unwrap();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &config());
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
}

fn a_user_who_is_deleted_is_missed_by_the_next_gate_and_not_by_the_running_one(lab: &Lab) {
    lab.needs_root("the gate's user is another one than the caller");
    let network = lab.network();
    let other = Network::named("gate2", "guest2");
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &config());
    for file in ["/etc/passwd", "/etc/group"] {
        // Bound over the file by the world, so it is written and not replaced.
        let text = fs::read_to_string(file).unwrap();
        let kept: String =
            text.lines().filter(|line| !line.starts_with("neutron:")).map(|l| format!("{l}\n")).collect();
        fs::write(file, kept).unwrap();
    }
    // A number was all that it needed.
    for _ in 0..10 {
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    }
    assert_eq!(procfs::Process::new(gate.pid).status_numbers("Uid")[0], u64::from(NEUTRON_ID));
    let second = config().with_id("b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21");
    let started = Gate::try_start(lab, &other.gate, &second).expect_err("no user of that name is left");
    for word in ["user `neutron`", "there is no such user", "getent passwd"] {
        assert!(started.stderr.contains(word), "the message should name {word:?}:\n{}", started.stderr);
    }
    assert!(other.gate.listening().is_empty() && procfs::having(&second.id).is_empty(), "something was started");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200, "the running gate is as it was");
}
