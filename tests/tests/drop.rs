//! The drop: one test per step, read from `/proc` of the running gate, so that leaving out any one step turns a test red.

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, run_flags, write_config};
use nsgate_tests::lab::text;
use nsgate_tests::procfs::{self, CAPABILITY_SETS, Process};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, SyslogReader, suite};

fn main() {
    suite!["drop":
        all_four_user_ids_are_the_gates,
        all_four_group_ids_are_the_gates,
        no_supplementary_group_is_left,
        the_inheritable_set_is_empty,
        the_permitted_set_is_empty,
        the_effective_set_is_empty,
        the_bounding_set_is_empty,
        the_ambient_set_is_empty,
        no_new_privileges_is_set,
        a_seccomp_filter_is_in_force,
        it_is_not_dumpable,
        there_is_no_core_dump,
        it_cannot_start_processes,
        the_number_of_descriptors_is_bounded,
        it_has_one_thread,
        the_network_namespace_is_the_one_it_was_started_in,
        the_mount_namespace_is_its_own,
        the_ipc_namespace_is_its_own,
        the_uts_namespace_is_its_own,
        the_pid_namespace_is_its_own,
        the_root_shows_only_the_backends_directory,
        the_root_shows_the_log_directory_when_there_is_a_log,
        in_dev_the_root_shows_the_log_by_a_short_name_and_nothing_else_by_one,
        everything_mounted_is_read_only_without_devices_programs_or_setuid,
        the_working_directory_is_the_root,
        every_descriptor_is_of_a_known_kind,
        inherited_descriptors_are_closed,
        the_environment_is_gone,
        the_umask_lets_nobody_else_write,
        it_has_a_session_of_its_own,
        the_supervisor_of_a_foreground_gate_holds_nothing_either,
        a_kernel_that_refuses_unshare_gets_no_gate,
        a_kernel_that_refuses_openat2_gets_no_gate,
        a_filter_that_answers_for_openat2_is_named_and_not_the_kernel,
        namespaces_that_are_used_up_are_named,
        a_landlock_domain_that_forbids_mounting_is_named,
        a_capability_that_is_missing_is_named,
        a_kernel_that_refuses_pivot_root_gets_no_gate,
        a_kernel_that_refuses_mount_setattr_gets_no_gate,
        a_kernel_that_refuses_setresgid_gets_no_gate,
        a_kernel_that_refuses_setresuid_gets_no_gate,
        a_kernel_that_refuses_capset_gets_no_gate,
        a_kernel_that_refuses_seccomp_gets_no_gate,
        a_kernel_that_pretends_close_range_gets_no_gate,
        a_kernel_that_pretends_unshare_gets_no_gate,
        a_kernel_that_pretends_pivot_root_gets_no_gate,
        a_kernel_that_pretends_move_mount_gets_no_gate,
        a_kernel_that_pretends_mount_setattr_gets_no_gate,
        a_kernel_that_pretends_setgroups_gets_no_gate,
        a_kernel_that_pretends_setresgid_gets_no_gate,
        a_kernel_that_pretends_setresuid_gets_no_gate,
        a_kernel_that_pretends_capset_gets_no_gate,
        a_kernel_that_pretends_prctl_gets_no_gate,
        a_kernel_that_pretends_seccomp_gets_no_gate,
        a_kernel_that_pretends_landlock_restrict_self_gets_no_gate,
        a_kernel_that_pretends_bind_gets_no_gate,
        a_kernel_that_pretends_listen_gets_no_gate,
        a_kernel_that_pretends_setns_gets_no_gate,
        a_kernel_that_pretends_the_other_namespaces_gets_no_gate,
        a_kernel_without_landlock_is_named,
        strict_refuses_a_kernel_without_landlock_and_names_it,
        strict_serves_where_the_kernel_gives_everything,
        the_default_says_what_the_kernel_could_not_give,
        it_still_serves,
        attest_finds_nothing_to_complain_about,
        attest_sees_what_a_root_shell_holds,
    ]
}

struct Running {
    network: Network,
    _agent: RecordingAgent,
    gate: Gate,
}

impl Running {
    fn start(lab: &Lab) -> Running {
        Running::with(lab, &Config::new(Kind::Network))
    }

    fn with(lab: &Lab, config: &Config) -> Running {
        let network = lab.network();
        let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
        let gate = Gate::start(lab, &network.gate, config);
        Running { network, _agent: agent, gate }
    }

    fn process(&self) -> Process {
        Process::new(self.gate.pid)
    }
}

/// uid and gid of the account `neutron` in this world.
fn neutron() -> (u64, u64) {
    let passwd = text("/etc/passwd");
    let line = passwd.lines().find(|line| line.starts_with("neutron:")).unwrap();
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

fn all_four_user_ids_are_the_gates(lab: &Lab) {
    let running = Running::start(lab);
    assert_eq!(running.process().status_numbers("Uid"), [neutron().0; 4]);
}

fn all_four_group_ids_are_the_gates(lab: &Lab) {
    let running = Running::start(lab);
    assert_eq!(running.process().status_numbers("Gid"), [neutron().1; 4]);
}

fn no_supplementary_group_is_left(lab: &Lab) {
    lab.needs_root("setgroups(2) is denied in a user namespace that maps one id");
    let groups = [0, 4, 27].map(nix::unistd::Gid::from_raw);
    nix::unistd::setgroups(&groups).unwrap();
    let running = Running::start(lab);
    assert_eq!(running.process().status("Groups"), "");
}

fn assert_empty_set(lab: &Lab, set: &str) {
    let running = Running::start(lab);
    assert!(CAPABILITY_SETS.contains(&set));
    assert_eq!(running.process().capabilities(set), 0, "{set}");
}

fn the_inheritable_set_is_empty(lab: &Lab) {
    raise_everything();
    assert_empty_set(lab, "CapInh");
}

fn the_permitted_set_is_empty(lab: &Lab) {
    assert_empty_set(lab, "CapPrm");
}

fn the_effective_set_is_empty(lab: &Lab) {
    assert_empty_set(lab, "CapEff");
}

fn the_bounding_set_is_empty(lab: &Lab) {
    assert_empty_set(lab, "CapBnd");
}

fn the_ambient_set_is_empty(lab: &Lab) {
    raise_everything();
    assert_empty_set(lab, "CapAmb");
}

/// As a container engine may do: the starter inherits full inheritable and ambient sets.
fn raise_everything() {
    let all = caps::read(None, caps::CapSet::Permitted).unwrap();
    caps::set(None, caps::CapSet::Inheritable, &all).unwrap();
    caps::set(None, caps::CapSet::Ambient, &all).unwrap();
}

fn no_new_privileges_is_set(lab: &Lab) {
    assert_eq!(Running::start(lab).process().status("NoNewPrivs"), "1");
}

fn a_seccomp_filter_is_in_force(lab: &Lab) {
    let process = Running::start(lab);
    assert_eq!(process.process().status("Seccomp"), "2");
    assert_ne!(process.process().status("Seccomp_filters"), "0");
}

fn it_is_not_dumpable(lab: &Lab) {
    // proc(5): the files of a process that is not dumpable belong to root, with any ids.
    let running = Running::start(lab);
    let owner = u64::from(std::fs::metadata(format!("/proc/{}/status", running.gate.pid)).unwrap().uid());
    assert_ne!(owner, neutron().0, "the gate's user may trace it");
}

fn there_is_no_core_dump(lab: &Lab) {
    assert_eq!(Running::start(lab).process().limit("Max core file size"), ("0".to_owned(), "0".to_owned()));
}

fn it_cannot_start_processes(lab: &Lab) {
    let (soft, hard) = Running::start(lab).process().limit("Max processes");
    assert_eq!((soft.as_str(), hard.as_str()), ("0", "0"), "RLIMIT_NPROC");
}

fn the_number_of_descriptors_is_bounded(lab: &Lab) {
    let (_, hard) = Running::start(lab).process().limit("Max open files");
    let hard: u64 = hard.parse().expect("a number and not unlimited");
    assert!((64..=8192).contains(&hard), "{hard}");
}

fn it_has_one_thread(lab: &Lab) {
    assert_eq!(Running::start(lab).process().threads(), 1);
}

fn the_network_namespace_is_the_one_it_was_started_in(lab: &Lab) {
    let running = Running::start(lab);
    assert_eq!(running.process().namespace("net"), running.network.gate.inode());
}

fn assert_own_namespace(lab: &Lab, kind: &str) {
    let running = Running::start(lab);
    let (its, ours) = (running.process().namespace(kind), Process::new(1).namespace(kind));
    assert!(its != 0 && its != ours, "{kind}: {its} and {ours}");
}

fn the_mount_namespace_is_its_own(lab: &Lab) {
    // `ip netns exec` makes a mount namespace too: so what is mounted there must be gone as well (see the root's test).
    assert_own_namespace(lab, "mnt");
}

fn the_ipc_namespace_is_its_own(lab: &Lab) {
    assert_own_namespace(lab, "ipc");
}

fn the_uts_namespace_is_its_own(lab: &Lab) {
    assert_own_namespace(lab, "uts");
}

fn the_pid_namespace_is_its_own(lab: &Lab) {
    assert_own_namespace(lab, "pid");
    let pid = text(&Config::new(Kind::Network).pid_file);
    assert!(pid.trim().parse::<i32>().is_ok());
}

fn the_root_shows_only_the_backends_directory(lab: &Lab) {
    let _log = SyslogReader::held_by_systemd();
    let running = Running::start(lab);
    assert_eq!(running.process().root_entries(), ["agent", "backend"]);
    let inside = format!("/proc/{}/root/backend/metadata_proxy", running.gate.pid);
    assert!(std::fs::metadata(&inside).is_ok(), "the agent's socket is found there");
}

fn the_root_shows_the_log_directory_when_there_is_a_log(lab: &Lab) {
    let mut config = Config::new(Kind::Network);
    config.log = lab.directory("log", 0o755).join("socket");
    let _log = SyslogReader::bind(&config.log);
    let running = Running::with(lab, &config);
    assert_eq!(running.process().root_entries(), ["agent", "backend", "log-directory", "syslog"]);
}

/// `/dev` holds more than a log. What is beside it has a name that no address fits which the filter lets pass.
fn in_dev_the_root_shows_the_log_by_a_short_name_and_nothing_else_by_one(lab: &Lab) {
    let _log = SyslogReader::bind(std::path::Path::new("/dev/log"));
    let running = Running::start(lab);
    let process = running.process();
    assert_eq!(process.root_entries(), ["agent", "backend", "log-directory", "syslog"]);
    let root = format!("/proc/{}/root", running.gate.pid);
    let link = std::fs::read_link(format!("{root}/syslog")).unwrap();
    assert_eq!(link.to_str(), Some("log-directory/log"));
    // A family, a path and its NUL: fewer than 16 bytes.
    let shortest = ["log-directory/x", "/log-directory/x"].map(|path| 2 + path.len());
    assert!(shortest.iter().all(|length| *length >= 16), "{shortest:?}");
    // Nothing that is mounted in it is there, and no device is one.
    let mounts = process.mounts();
    assert_eq!(mounts.len(), 3, "{mounts:#?}");
    assert!(std::fs::read_dir(format!("{root}/log-directory/shm")).is_ok_and(|mut inside| inside.next().is_none()));
    if lab.is_root() {
        use nix::sys::stat::{Mode, SFlag, makedev, mknod};
        mknod("/dev/own-null", SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
        assert!(std::fs::File::open("/dev/own-null").is_ok());
        let device = std::fs::File::open(format!("{root}/log-directory/own-null"));
        assert_eq!(device.err().and_then(|error| error.raw_os_error()), Some(libc::EACCES), "nodev");
    }
}

fn everything_mounted_is_read_only_without_devices_programs_or_setuid(lab: &Lab) {
    let _log = SyslogReader::held_by_systemd();
    let running = Running::start(lab);
    let mounts = running.process().mounts();
    assert_eq!(mounts.len(), 2, "the root and the backend's directory: {mounts:#?}");
    for mount in mounts {
        let options: Vec<&str> = mount.split_whitespace().nth(5).unwrap().split(',').collect();
        for needed in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(options.contains(&needed), "{needed} is missing: {mount}");
        }
    }
}

fn the_working_directory_is_the_root(lab: &Lab) {
    assert_eq!(Running::start(lab).process().cwd().to_str(), Some("/"));
}

fn every_descriptor_is_of_a_known_kind(lab: &Lab) {
    let running = Running::start(lab);
    Guest::new(&running.network.guest).get("/").unwrap().served();
    for (number, target) in lab.descriptors(&running.process()) {
        let known = target.starts_with("socket:[")
            || ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[signalfd]"].contains(&target.as_str())
            || (number < 3 && target.ends_with("/null"));
        assert!(known, "descriptor {number} is {target}");
    }
}

fn inherited_descriptors_are_closed(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let mut command = network.gate.command("bash");
    let script = "exec 7</etc/passwd 300>/run/lab/secret; exec haproxy -f \"$0\"";
    command.args([OsStr::new("-c"), OsStr::new(script), file.as_os_str()]).env("PATH", lab.program.search_path());
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let pid = text(&config.pid_file).trim().parse().unwrap();
    let left = lab.descriptors(&Process::new(pid));
    assert!(!left.values().any(|target| target.contains("passwd") || target.contains("secret")), "{left:#?}");
    assert!(!left.contains_key(&300), "{left:#?}");
}

fn the_environment_is_gone(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let arguments = [OsStr::new("-f"), file.as_os_str()];
    let mut command = nsgate_tests::gate::agent_command(lab, &network.gate, &config.id, &arguments);
    command.env("OS_PASSWORD", "the password of the cloud");
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let pid = text(&config.pid_file).trim().parse().unwrap();
    let environ = Process::new(pid).environ();
    assert!(!environ.iter().any(|entry| entry.contains("password of the cloud")), "{environ:?}");
    // The one variable that has a reader: the kill scripts of container deployments look for it.
    if lab.is_root() {
        assert_eq!(environ, [format!("PROCESS_TAG=haproxy-{}", config.id)]);
    }
}

fn the_umask_lets_nobody_else_write(lab: &Lab) {
    // SAFETY of the test: this world has one thread here, and the umask is inherited by the starter.
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let running = Running::start(lab);
    let umask = u32::from_str_radix(&running.process().status("Umask"), 8).unwrap();
    assert_eq!(umask & 0o022, 0o022, "{umask:o}");
}

fn it_has_a_session_of_its_own(lab: &Lab) {
    let running = Running::start(lab);
    let stat = text(format!("/proc/{}/stat", running.gate.pid));
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let session: i32 = fields[3].parse().unwrap();
    let ours = nix::unistd::getsid(None).unwrap().as_raw();
    assert_ne!(session, ours, "a signal to the agent's terminal would reach it");
    assert_eq!(fields[4], "0", "it has no terminal");
}

fn the_supervisor_of_a_foreground_gate_holds_nothing_either(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let arguments = [OsStr::new("-Ws"), OsStr::new("-f"), file.as_os_str()];
    let _gate = Gate::foreground(lab, &network.gate, &config, &arguments).expect("it starts");
    let all = procfs::having(&config.id);
    assert!(!all.is_empty());
    for pid in all {
        let process = Process::new(pid);
        assert_eq!(process.status_numbers("Uid"), [neutron().0; 4], "{pid}");
        for set in CAPABILITY_SETS {
            assert_eq!(process.capabilities(set), 0, "{set} of {pid}");
        }
        assert_eq!((process.status("NoNewPrivs").as_str(), process.status("Seccomp").as_str()), ("1", "2"), "{pid}");
    }
}

/// Starts the gate on a kernel that answers this system call with `errno` and does nothing, straight in the namespace
/// (`ip netns exec` needs some of them itself).
fn start_on(lab: &Lab, network: &Network, syscall: i64, errno: i32) -> Started {
    let file = write_config(lab, &Config::new(Kind::Network));
    nsgate_tests::sys::instead_of_syscall(syscall, errno).unwrap();
    network.gate.inside(|| {
        let mut command = Command::new(lab.program.path());
        command.arg("-f").arg(&file);
        communicate(command, Duration::from_secs(10))
    })
}

/// A step that fails is never passed over: no gate, the step named, nothing left.
fn assert_step_is_needed(lab: &Lab, syscall: i64, words: &[&str]) {
    assert_no_gate(lab, syscall, libc::ENOSYS, words);
}

/// A step that the kernel only pretends to have taken is noticed: nsgate asks for the state, and does not trust the answer.
fn assert_step_is_read_back(lab: &Lab, syscall: i64, words: &[&str]) {
    assert_no_gate(lab, syscall, 0, words);
}

fn assert_no_gate(lab: &Lab, syscall: i64, errno: i32, words: &[&str]) {
    let network = lab.network();
    let started = start_on(lab, &network, syscall, errno);
    assert!(started.closed && started.code().is_some_and(|code| code != 0), "{started:#?}");
    let named = words.iter().any(|word| started.stderr.contains(word));
    assert!(named, "the message should name one of {words:?}: {}", started.stderr);
    assert!(network.gate.listening().is_empty(), "something listens");
    assert!(!Config::new(Kind::Network).pid_file.exists(), "a pid file is left");
    assert!(procfs::having(&Config::new(Kind::Network).id).is_empty(), "a process is left");
}

fn a_kernel_that_refuses_unshare_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_unshare, &["unshare"]);
}

fn a_kernel_that_refuses_openat2_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_openat2, &["openat2"]);
}

/// As `RestrictSUIDSGID=` of a unit, or a container engine's profile that is older than the call.
fn a_filter_that_answers_for_openat2_is_named_and_not_the_kernel(lab: &Lab) {
    for errno in [libc::ENOSYS, libc::EPERM] {
        let network = Network::named(&format!("gate{errno}"), &format!("guest{errno}"));
        let file = write_config(lab, &Config::new(Kind::Network));
        let started = network.gate.inside(|| {
            nsgate_tests::sys::instead_of_syscall(libc::SYS_openat2, errno).unwrap();
            let mut command = Command::new(lab.program.path());
            command.arg("-f").arg(&file);
            communicate(command, Duration::from_secs(10))
        });
        assert_eq!(started.code(), Some(1), "{started:#?}");
        for word in ["RestrictSUIDSGID=", "container", "let it pass"] {
            assert!(started.stderr.contains(word), "{errno}: {word}: {}", started.stderr);
        }
        assert!(!started.stderr.contains("older than Linux"), "{}", started.stderr);
    }
}

fn namespaces_that_are_used_up_are_named(lab: &Lab) {
    assert_no_gate(lab, libc::SYS_unshare, libc::ENOSPC, &["user.max_pid_namespaces"]);
}

fn a_landlock_domain_that_forbids_mounting_is_named(lab: &Lab) {
    lab.needs_root("without root a user namespace may be why");
    let network = lab.network();
    let file = write_config(lab, &Config::new(Kind::Network));
    let started = network.gate.inside(|| {
        // A domain that allows everything but what no domain allows.
        if nsgate_tests::sys::landlock_abi() == 0 || !nsgate_tests::sys::enter_landlock_domain() {
            lab.skip("this kernel has no Landlock");
        }
        let mut command = Command::new(lab.program.path());
        command.arg("-f").arg(&file);
        communicate(command, Duration::from_secs(10))
    });
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("a Landlock domain that it was started in"), "{}", started.stderr);
    assert!(procfs::having(NETWORK).is_empty() && network.gate.listening().is_empty());
}

fn a_capability_that_is_missing_is_named(lab: &Lab) {
    lab.needs_root("capabilities are taken away from root");
    let network = lab.network();
    lab.give(&lab.state().join("external/pids"), nsgate_tests::world::NEUTRON_ID);
    let file = write_config(lab, &Config::new(Kind::Network));
    for (number, (name, call)) in [("sys_admin", "unshare"), ("dac_override", "pid file")].into_iter().enumerate() {
        let mut command = network.gate.command("setpriv");
        command.arg(format!("--bounding-set=-{name}")).arg(format!("--inh-caps=-{name}"));
        let started = communicate(
            {
                command.arg(lab.program.path()).arg("-f").arg(&file);
                command
            },
            Duration::from_secs(10),
        );
        assert_eq!(started.code(), Some(1), "{number}: {started:#?}");
        for word in [call, &format!("this process has no CAP_{}", name.to_uppercase())] {
            assert!(started.stderr.contains(word), "{word}: {}", started.stderr);
        }
    }
}

fn a_kernel_that_refuses_pivot_root_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_pivot_root, &["pivot_root"]);
}

fn a_kernel_that_refuses_mount_setattr_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_mount_setattr, &["mount_setattr"]);
}

fn a_kernel_that_refuses_setresgid_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_setresgid, &["setresgid"]);
}

fn a_kernel_that_refuses_setresuid_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_setresuid, &["setresuid"]);
}

fn a_kernel_that_refuses_capset_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_capset, &["capset"]);
}

fn a_kernel_that_refuses_seccomp_gets_no_gate(lab: &Lab) {
    assert_step_is_needed(lab, libc::SYS_seccomp, &["seccomp"]);
}

fn a_kernel_that_pretends_close_range_gets_no_gate(lab: &Lab) {
    // dup(2) gives a descriptor that programs started from here inherit.
    let inherited = nix::unistd::dup(std::io::stderr()).unwrap();
    assert!(inherited.as_raw_fd() > 2);
    assert_step_is_read_back(lab, libc::SYS_close_range, &["descriptor"]);
}

fn a_kernel_that_pretends_unshare_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_unshare, &["namespace"]);
}

fn a_kernel_that_pretends_pivot_root_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_pivot_root, &["root"]);
}

fn a_kernel_that_pretends_move_mount_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_move_mount, &["backend"]);
}

fn a_kernel_that_pretends_mount_setattr_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_mount_setattr, &["RDONLY"]);
}

fn a_kernel_that_pretends_setgroups_gets_no_gate(lab: &Lab) {
    if !lab.is_root() {
        lab.skip("without root there are no other groups to lose");
    }
    nix::unistd::setgroups(&[nix::unistd::Gid::from_raw(nsgate_tests::world::STRANGER_ID)]).unwrap();
    assert_step_is_read_back(lab, libc::SYS_setgroups, &["groups"]);
}

fn a_kernel_that_pretends_setresgid_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_setresgid, &["group", "setresgid"]);
}

fn a_kernel_that_pretends_setresuid_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_setresuid, &["user", "setresuid"]);
}

fn a_kernel_that_pretends_capset_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_capset, &["capset", "capabilit"]);
}

fn a_kernel_that_pretends_prctl_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_prctl, &["PR_"]);
}

fn a_kernel_that_pretends_seccomp_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_seccomp, &["seccomp", "Seccomp"]);
}

fn a_kernel_that_pretends_landlock_restrict_self_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_landlock_restrict_self, &["Landlock"]);
}

fn a_kernel_that_pretends_bind_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_bind, &["asked to listen on 169.254.169.254:80"]);
}

fn a_kernel_that_pretends_listen_gets_no_gate(lab: &Lab) {
    assert_step_is_read_back(lab, libc::SYS_listen, &["asked to listen on 169.254.169.254:80"]);
}

fn a_kernel_that_pretends_setns_gets_no_gate(lab: &Lab) {
    let network = lab.network();
    let identity = format!("--network-id={NETWORK}");
    let words = run_flags(&["--user=neutron", "--group=neutron", "--freebind", "--netns=gate", &identity]);
    nsgate_tests::sys::instead_of_syscall(libc::SYS_setns, 0).unwrap();
    let mut command = Command::new(lab.program.nsgate());
    command.args(words);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.closed && started.code() == Some(1), "{started:#?}");
    assert!(started.stderr.contains("another namespace"), "{started:#?}");
    assert!(procfs::having(NETWORK).is_empty() && network.gate.listening().is_empty());
}

fn a_kernel_that_pretends_the_other_namespaces_gets_no_gate(lab: &Lab) {
    let network = lab.network();
    let file = write_config(lab, &Config::new(Kind::Network));
    let flags = u32::try_from(libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS).unwrap();
    nsgate_tests::sys::instead_of_syscall_with(libc::SYS_unshare, Some(flags), 0).unwrap();
    let started = network.gate.inside(|| {
        let mut command = Command::new(lab.program.path());
        command.arg("-f").arg(&file);
        communicate(command, Duration::from_secs(10))
    });
    assert!(started.closed && started.code() == Some(1), "{started:#?}");
    assert!(started.stderr.contains("namespace"), "{started:#?}");
    assert!(procfs::having(NETWORK).is_empty() && network.gate.listening().is_empty());
}

fn a_kernel_without_landlock_is_named(lab: &Lab) {
    // Refused, or served with a warning: but never passed over in silence.
    let network = lab.network();
    let started = start_on(lab, &network, libc::SYS_landlock_restrict_self, libc::ENOSYS);
    assert!(started.closed, "{started:#?}");
    assert!(started.stderr.to_lowercase().contains("landlock"), "{started:#?}");
}

fn strict_refuses_a_kernel_without_landlock_and_names_it(lab: &Lab) {
    lab.site("sandbox = \"strict\"\n");
    assert_step_is_needed(lab, libc::SYS_landlock_create_ruleset, &["Landlock is not there"]);
}

fn strict_serves_where_the_kernel_gives_everything(lab: &Lab) {
    let running = Running::start(lab);
    let (_, report) = attest(lab, running.gate.pid);
    if report["kernel"]["missing"] != serde_json::json!([]) || !lab.is_root() {
        lab.skip(&format!("this host cannot give everything: {}", report["kernel"]["missing"]));
    }
    drop(running);
    lab.site("sandbox = \"strict\"\n");
    let network = Network::named("strict-gate", "strict-guest");
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
}

fn the_default_says_what_the_kernel_could_not_give(lab: &Lab) {
    let network = lab.network();
    let mut config = Config::new(Kind::Network);
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    write_config(lab, &config);
    let file = write_config(lab, &config);
    nsgate_tests::sys::instead_of_syscall(libc::SYS_landlock_create_ruleset, libc::ENOSYS).unwrap();
    let started = network.gate.inside(|| {
        let mut command = Command::new(lab.program.path());
        command.arg("-f").arg(&file);
        communicate(command, Duration::from_secs(10))
    });
    assert!(started.ok(), "{started:#?}");
    let line = log.find("Serving", 5.0).expect("the first line");
    assert!(line.contains("no Landlock; ") && line.contains("Landlock is not there"), "{line}");
}

fn it_still_serves(lab: &Lab) {
    let running = Running::start(lab);
    for _ in 0..50 {
        assert_eq!(Guest::new(&running.network.guest).get("/").unwrap().status, 200);
    }
}

fn attest(lab: &Lab, pid: i32) -> (Option<i32>, serde_json::Value) {
    let program = lab.program.nsgate();
    if !program.exists() {
        lab.skip(&format!("no program at {}", program.display()));
    }
    let out = Command::new(program).args(["attest", &pid.to_string(), "--json"]).output().unwrap();
    let json = serde_json::from_slice(&out.stdout);
    (out.status.code(), json.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stdout))))
}

fn attest_finds_nothing_to_complain_about(lab: &Lab) {
    let running = Running::start(lab);
    let (status, report) = attest(lab, running.gate.pid);
    // Without root the descriptors of another process cannot be read: 4 says so.
    assert_eq!(status, Some(if lab.is_root() { 0 } else { 4 }), "{report:#}");
    let rows = report["verdict"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["ok"] != false), "{report:#}");
}

fn attest_sees_what_a_root_shell_holds(lab: &Lab) {
    let mut child = Command::new("sleep").arg("30").spawn().unwrap();
    let (status, report) = attest(lab, i32::try_from(child.id()).unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(status, Some(0), "{report:#}");
}
