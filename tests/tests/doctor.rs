//! `nsgate doctor`: each fault of a host is said with what to do, and a host without one is said to have none.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::libc::linger;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use nsgate_tests::config::NETWORK;
use nsgate_tests::doctor::{doctor, found, obeyed, only, world};
use nsgate_tests::gate::{communicate, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::network::{GATE_INTERFACE, METADATA_V4};
use nsgate_tests::pool::{OTHER, Pool, keeper, socket_path};
use nsgate_tests::program::{target, workspace};
use nsgate_tests::world::STRANGER_ID;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, suite};

fn main() {
    suite!["doctor":
        a_host_without_a_fault_has_none_and_nothing_is_changed,
        a_log_that_is_missing_dangling_or_unread_is_said,
        settings_of_another_owner_or_without_sense_are_said,
        an_agents_directory_that_was_replaced_is_said,
        an_agent_that_is_away_is_said_and_so_are_the_requests_it_has_cost,
        pid_files_that_are_lost_stale_or_anothers_are_said,
        a_haproxy_that_is_left_in_a_namespace_is_said,
        a_network_that_nobody_serves_is_said,
        a_gate_that_is_stopped_is_said_everywhere,
        a_gate_whose_network_has_lost_its_address_is_said,
        a_gate_at_every_address_of_a_namespace_without_an_interface_is_said,
        the_haproxy_that_each_agent_would_start_is_judged,
        a_wrapper_that_starts_a_container_is_no_fault,
        an_agent_with_a_title_is_seen_and_its_path_is_not,
        an_agent_with_neutrons_own_title_is_seen,
        an_allocator_that_is_preloaded_and_too_few_descriptors_are_said,
        a_state_directory_that_is_not_there_or_not_the_gates_is_said,
        a_pool_that_is_stopped_or_gone_is_said,
        what_was_refused_last_is_shown,
        an_ordinary_user_is_told_what_was_not_seen,
    ]
}

fn listing(directory: &str) -> Vec<String> {
    let mut command = Command::new("find");
    command.args([directory, "-printf", "%p %y %m %U %G %i %T@ %l\n"]);
    communicate(command, Duration::from_secs(10)).stdout.lines().map(str::to_owned).collect()
}

fn a_host_without_a_fault_has_none_and_nothing_is_changed(lab: &Lab) {
    let world = world(lab);
    let before = listing("/run/lab");
    let said = doctor(lab, &[]);
    assert_eq!(said.code(), Some(0), "{said:#?}");
    assert!(said.stdout.ends_with("nothing is wrong\n"), "{said:#?}");
    for word in [
        "Linux ",
        "a process reads /dev/log",
        "a process listens at /run/lab/neutron/metadata_proxy",
        "1 gate, 0 keepers, 0 proxies of a host, 0 haproxies",
    ] {
        assert!(said.stdout.contains(word), "{word}: {said:#?}");
    }
    assert_eq!(listing("/run/lab"), before);
    drop(world);
}

fn a_log_that_is_missing_dangling_or_unread_is_said(lab: &Lab) {
    let mut world = world(lab);
    drop(world.log.take());
    let _ = fs::remove_file("/dev/log");
    let remedy = only_about_log(lab, "nothing is at /dev/log: lines of gates that start here are lost");
    // A container has none that could be started: it is mounted, and with sidecars into another container than the agent's.
    assert!(remedy.contains("in a container, mount the host's /dev/log") && remedy.contains("sidecars"), "{remedy}");
    symlink("/run/lab/nowhere", "/dev/log").unwrap();
    only_about_log(lab, "a link to /run/lab/nowhere");
    fs::remove_file("/dev/log").unwrap();
    fs::write("/dev/log", "").unwrap();
    only_about_log(lab, "is no socket");
    fs::remove_file("/dev/log").unwrap();
    drop(UnixDatagram::bind("/dev/log").unwrap());
    only_about_log(lab, "no process reads /dev/log");
}

/// The doctor finds only the log wrong, and says what to do. Returns that.
#[track_caller]
fn only_about_log(lab: &Lab, word: &str) -> String {
    let wrong = found(lab, "wrong");
    let log: Vec<_> = wrong.iter().filter(|one| one.0 == "log").collect();
    assert!(log.len() == 1 && log[0].1.contains(word) && !log[0].2.is_empty(), "{word}: {wrong:#?}");
    log[0].2.clone()
}

fn settings_of_another_owner_or_without_sense_are_said(lab: &Lab) {
    let world = world(lab);
    lab.site("sandbox = \"default\"\n");
    assert_eq!(doctor(lab, &[]).code(), Some(0));
    lab.give(Path::new("/etc/nsgate/nsgate.toml"), STRANGER_ID);
    only(lab, "settings", "/etc/nsgate/nsgate.toml");
    fs::remove_file("/etc/nsgate/nsgate.toml").unwrap();
    lab.site("sandbox = \"cardboard\"\n");
    only(lab, "settings", "sandbox");
    drop(world);
}

fn an_agents_directory_that_was_replaced_is_said(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let agents = lab.directory("agents", 0o755);
    let mut config = Config::new(Kind::Network).with_id(OTHER);
    config.socket = agents.join("metadata_proxy");
    let agent = RecordingAgent::start(&config.socket, Answer::ok("hello"));
    let _gate = Gate::start(lab, &second.gate, &config);
    assert_eq!(doctor(lab, &[]).code(), Some(0), "{:#?}", found(lab, "wrong"));
    drop(agent);
    fs::remove_dir_all(&agents).unwrap();
    fs::create_dir(&agents).unwrap();
    let _agent = RecordingAgent::start(&config.socket, Answer::ok("hello"));
    only(lab, "networks", "sees a directory that was removed or replaced");
    drop(world);
}

fn an_agent_that_is_away_is_said_and_so_are_the_requests_it_has_cost(lab: &Lab) {
    let mut world = world(lab);
    drop(world.agent.take());
    let _ = fs::remove_file(lab.socket());
    only(lab, "agent", "metadata_proxy: No such file");
    drop(std::os::unix::net::UnixListener::bind(lab.socket()).unwrap());
    only(lab, "agent", "no process listens at /run/lab/neutron/metadata_proxy");
    fs::remove_file(lab.socket()).unwrap();
    let other = UnixDatagram::bind(lab.socket()).unwrap();
    fs::set_permissions(lab.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    only(lab, "agent", "a socket of another program: it is not for streams");
    obeyed(lab);
    drop(other);
    fs::remove_file(lab.socket()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(lab.socket()).unwrap());
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 503);
    // What it costs is said, and has no remedy of its own.
    only(lab, "agent", "no process listens at /run/lab/neutron/metadata_proxy");
    let notes = found(lab, "note");
    let costs = notes.iter().find(|one| one.0 == "requests").unwrap_or_else(|| panic!("{notes:#?}"));
    assert!(costs.1.contains("agent-away 1") && costs.1.contains(NETWORK) && costs.2.is_empty(), "{notes:#?}");
    world.agent = Some(RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    only(lab, "requests", "agent-away 1");
}

fn pid_files_that_are_lost_stale_or_anothers_are_said(lab: &Lab) {
    let world = world(lab);
    let file = &world.gate.pid_file;
    let pid = text(file);
    fs::remove_file(file).unwrap();
    only(lab, "pid files", "has lost its pid file");
    obeyed(lab);
    assert_eq!((text(file), doctor(lab, &[]).code()), (pid.clone(), Some(0)), "what it says mends it");
    fs::write(file, "999999\n").unwrap();
    only(lab, "pid files", "stale: it names process 999999");
    fs::write(file, "no number").unwrap();
    only(lab, "pid files", "holds no number: it names no process");
    fs::remove_file(file).unwrap();
    for (make, target) in [("mkfifo", ""), ("mkdir", ""), ("ln", "/dev/watchdog")] {
        let words: &[&str] = if target.is_empty() { &[] } else { &["-s", target] };
        assert!(Command::new(make).args(words).arg(file).status().unwrap().success());
        // It is not opened: a FIFO never would be, and a device might do something.
        only(lab, "configurations", "a pid file is a plain file");
        let other = file.with_file_name(format!("{OTHER}.pid.haproxy"));
        fs::rename(file, &other).unwrap();
        fs::write(file, &pid).unwrap();
        only(lab, "pid files", "this is no plain file");
        obeyed(lab);
        assert!(!other.exists() && !other.is_symlink());
        assert_eq!(doctor(lab, &[]).code(), Some(0), "{make}");
        fs::remove_file(file).unwrap();
    }
    fs::write(file, &pid).unwrap();
    let stranger = file.with_file_name(format!("{OTHER}.pid.haproxy"));
    fs::write(&stranger, &pid).unwrap();
    only(lab, "pid files", "of another network");
    obeyed(lab);
    assert!(!stranger.exists());
    assert_eq!(doctor(lab, &[]).code(), Some(0));
}

fn a_haproxy_that_is_left_in_a_namespace_is_said(lab: &Lab) {
    lab.needs("/usr/sbin/haproxy", "apt-get install haproxy");
    let world = world(lab);
    let second = Network::named("qdhcp-gate", "guest2");
    let config = Config::new(Kind::Network).with_id(OTHER);
    let file = write_config(lab, &config);
    let mut command = second.gate.command("/usr/sbin/haproxy");
    command.args(["-f".as_ref(), file.as_os_str()]);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let _haproxy = Gate::adopt(file, config.pid_file.clone(), started).unwrap();
    only(lab, "networks", &format!("the haproxy of X-Neutron-Network-ID {OTHER}"));
    let page = doctor(lab, &[]);
    assert!(page.stdout.contains("1 qdhcp-… served by haproxy"), "{page:#?}");
    drop(world);
}

fn a_network_that_nobody_serves_is_said(lab: &Lab) {
    let world = world(lab);
    world.gate.signal(Signal::SIGKILL);
    assert!(world.gate.ended_within(Duration::from_secs(5)));
    fs::remove_file(&world.gate.pid_file).unwrap();
    only(lab, "networks", &format!("no process serves {NETWORK}"));
}

/// How `nsgate status --all` and the metrics show a gate that runs and serves no guest.
#[track_caller]
fn said_everywhere(lab: &Lab, word: &str) {
    let run = |words: &[&str]| {
        let mut command = Command::new(lab.program.nsgate());
        command.args(words);
        communicate(command, Duration::from_secs(20))
    };
    let status = run(&["status", "--all"]);
    assert!(status.code() == Some(3) && status.stdout.contains(word), "{status:#?}");
    let row = status.stdout.lines().find(|line| line.contains(NETWORK)).unwrap_or_else(|| panic!("{status:#?}"));
    assert!(row.starts_with("NO "), "{row}");
    let state = format!("--state={}", lab.state().display());
    let metrics = run(&["metrics", &state]).stdout;
    let labels = format!("{{kind=\"X-Neutron-Network-ID\",network=\"{NETWORK}\",role=\"gate\"}}");
    assert!(metrics.contains(&format!("nsgate_serving{labels} 0\n")), "{metrics}");
    assert!(metrics.contains(&format!("nsgate_unreachable{labels} 1\n")), "{metrics}");
    assert!(metrics.contains(&format!("nsgate_confined{labels} 1\n")), "{metrics}");
}

fn attested(lab: &Lab, pid: i32) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.arg("attest").arg(pid.to_string());
    communicate(command, Duration::from_secs(10))
}

fn a_gate_that_is_stopped_is_said_everywhere(lab: &Lab) {
    let world = world(lab);
    let guest = world.network.guest.inside(|| std::net::TcpStream::connect((METADATA_V4, 80)).unwrap());
    // The gate has it open when it has answered another one.
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200);
    world.gate.signal(Signal::SIGSTOP);
    let stopped = || found(lab, "wrong").iter().any(|one| one.1.contains("it is stopped"));
    assert!(wait_until(5.0, stopped), "{:#?}", found(lab, "wrong"));
    // A connection that the guest reset is in no table of sockets. That does not make it a stranger's.
    setsockopt(&guest, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).unwrap();
    drop(guest);
    // One, or two where the gate was stopped before it had closed the other guest's.
    let arrived = || attested(lab, world.gate.pid).stdout.contains(" tcp in no table");
    assert!(wait_until(5.0, arrived), "{:#?}", attested(lab, world.gate.pid));
    let attested = attested(lab, world.gate.pid);
    assert!(attested.ok(), "{attested:#?}");
    assert!(attested.stdout.contains("its other end has reset the connection"), "{attested:#?}");
    only(lab, "networks", &format!("the gate of X-Neutron-Network-ID {NETWORK}"));
    said_everywhere(lab, "kill -CONT");
    obeyed(lab);
    assert!(wait_until(5.0, || doctor(lab, &[]).code() == Some(0)), "{:#?}", found(lab, "wrong"));
}

fn a_gate_whose_network_has_lost_its_address_is_said(lab: &Lab) {
    let world = world(lab);
    let ip = |words: &str| {
        let mut command = world.network.gate.command("ip");
        command.args(words.split(' '));
        let said = communicate(command, Duration::from_secs(10));
        assert!(said.ok(), "{words}: {said:#?}");
    };
    let address = format!("{METADATA_V4}/32 dev {GATE_INTERFACE}");
    ip(&format!("address del {address}"));
    assert!(Guest::new(&world.network.guest).get("/").is_err(), "no guest is served");
    only(lab, "networks", &format!("no address {METADATA_V4}, at which it listens"));
    said_everywhere(lab, "ip address add");
    obeyed(lab);
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200);
    assert_eq!(doctor(lab, &[]).code(), Some(0), "{:#?}", found(lab, "wrong"));
    // On the loop it is the address of the namespace's own processes, which are served.
    ip(&format!("address add {METADATA_V4}/32 dev lo"));
    ip(&format!("link del {GATE_INTERFACE}"));
    world.network.gate.inside(|| drop(std::net::TcpStream::connect((METADATA_V4, 80)).unwrap()));
    assert_eq!(doctor(lab, &[]).code(), Some(0), "{:#?}", found(lab, "wrong"));
}

/// A router's gate listens at every address. Its interface is taken away: as where an agent has deleted the namespace.
fn a_gate_at_every_address_of_a_namespace_without_an_interface_is_said(lab: &Lab) {
    let _world = world(lab);
    let network = Network::named("gate2", "guest2");
    let mut config = Config::new(Kind::Router).with_id(OTHER);
    config.binds = vec!["0.0.0.0:80".to_owned()];
    let _gate = Gate::start(lab, &network.gate, &config);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    assert_eq!(doctor(lab, &[]).code(), Some(0), "{:#?}", found(lab, "wrong"));
    let mut command = network.gate.command("ip");
    command.args(["link", "del", GATE_INTERFACE]);
    assert!(communicate(command, Duration::from_secs(10)).ok());
    only(lab, "networks", "no interface that leads to a guest");
}

/// A process that is called like one of Neutron's agents, with this environment. Ended when dropped.
struct Agent(Child);

impl Agent {
    fn start(lab: &Lab, variables: &[(&str, &str)], descriptors: u32) -> Agent {
        let program = lab.directory("agents-own", 0o755).join("neutron-dhcp-agent");
        let agent = Agent::with("/usr/bin/python3", &program, "import time\ntime.sleep(300)\n", variables, descriptors);
        let line = format!("/proc/{}/cmdline", agent.0.id());
        assert!(wait_until(5.0, || text(&line).starts_with("/usr/bin/python3\0/run/lab")), "{}", text(&line));
        agent
    }

    /// A program with this text, run by this interpreter.
    fn with(python: &str, program: &Path, text: &str, variables: &[(&str, &str)], descriptors: u32) -> Agent {
        fs::write(program, text).unwrap();
        let mut command = Command::new("/usr/bin/prlimit");
        command.arg(format!("--nofile={descriptors}")).args(["/usr/bin/env", "-i"]);
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(python).arg(program).stdin(Stdio::null()).stderr(Stdio::null());
        Agent(command.spawn().unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn the_haproxy_that_each_agent_would_start_is_judged(lab: &Lab) {
    let world = world(lab);
    let with = |path: &str| Agent::start(lab, &[("PATH", path)], 4096);
    let own = lab.program.path().parent().unwrap().display().to_string();
    {
        let _agent = with(&format!("{own}:/usr/sbin"));
        let page = doctor(lab, &[]);
        assert!(page.code() == Some(0) && page.stdout.contains("/haproxy, which is nsgate"), "{page:#?}");
    }
    let other = lab.directory("other", 0o755);
    // A program, and another one than nsgate.
    fs::copy("/usr/bin/true", other.join("haproxy")).unwrap();
    {
        let _agent = with(&format!("/run/lab/none:/run/lab/other:{own}"));
        only(lab, "agents", "starts /run/lab/other/haproxy, which is not nsgate");
    }
    let links = lab.directory("links", 0o755);
    symlink(lab.program.nsgate(), links.join("haproxy")).unwrap();
    {
        let _agent = with("/run/lab/links");
        // The operator's program has the same in it, under another name.
        only(lab, "agents", "/run/lab/links/haproxy, ");
    }
    {
        let _agent = with("/run/lab/none");
        only(lab, "agents", "finds no haproxy in its PATH");
    }
    drop(world);
}

/// The wrappers of kolla and EDPM start haproxy beside the agent: which one, their image says.
fn a_wrapper_that_starts_a_container_is_no_fault(lab: &Lab) {
    let world = world(lab);
    let own = lab.program.path().parent().unwrap().display().to_string();
    let directory = lab.directory("wrappers", 0o755);
    let path = format!("{}:{own}", directory.display());
    let put = |text: &str| {
        fs::write(directory.join("haproxy"), text).unwrap();
        fs::set_permissions(directory.join("haproxy"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let containers = workspace().join("tests/containers");
    for wrapper in ["edpm/haproxy", "kolla/kolla/usr/local/lib/neutron-wrappers/haproxy"] {
        put(&text(containers.join(wrapper)));
        let _agent = Agent::start(lab, &[("PATH", &path)], 4096);
        let page = doctor(lab, &[]);
        assert_eq!(page.code(), Some(0), "{wrapper}: {page:#?}");
        let notes = found(lab, "note");
        let one = notes.iter().find(|one| one.0 == "agents").unwrap_or_else(|| panic!("{wrapper}: {notes:#?}"));
        assert!(one.1.contains("a wrapper") && one.2.contains("docs/containers"), "{wrapper}: {one:?}");
    }
    // Another script may start what it likes.
    put("#!/bin/sh\n# not podman\nexec /opt/something \"$@\"\n");
    let _agent = Agent::start(lab, &[("PATH", &path)], 4096);
    let unseen = found(lab, "unseen");
    let [one] = unseen.as_slice() else { panic!("{unseen:#?}") };
    assert!(one.0 == "agents" && one.1.contains("a script"), "{one:?}");
    assert_eq!(doctor(lab, &[]).code(), Some(4));
    drop(world);
}

/// Writes a title over the command line and the environment, as setproctitle does (`spt_setup` and PostgreSQL's `ps_status.c`).
const TITLE: &str = r#"
import ctypes, sys, time
words = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
begin, end = int(words[45]), int(words[48])
title = b"neutron-l3-agent (/usr/bin/python3 /usr/bin/neutron-l3-agent --config-file=/etc/neutron/neutron.conf)"
ctypes.memset(begin, 0, end - begin)
ctypes.memmove(begin, title, len(title))
time.sleep(300)
"#;

/// As `neutron/cmd/agents/l3.py` has it.
const NEUTRONS: &str = r#"
import setproctitle, time
setproctitle.setproctitle("neutron-l3-agent ({})".format(setproctitle.getproctitle()))
time.sleep(300)
"#;

/// Starts an agent that gives itself a title. The doctor no longer reads its environment, and reads all else.
fn with_a_title(lab: &Lab, python: &str, program_text: &str) {
    let world = world(lab);
    let library = lab.directory("preload", 0o755).join("libjemalloc.so.2");
    fs::copy("/lib/x86_64-linux-gnu/libutil.so.1", &library)
        .or_else(|_| fs::copy("/lib/aarch64-linux-gnu/libutil.so.1", &library))
        .expect("a library that does nothing");
    let room = "x".repeat(300);
    let preload = library.display().to_string();
    let start = |variables: &[(&str, &str)], descriptors: u32| {
        let program = lab.directory("agents-own", 0o755).join("neutron-l3-agent");
        let agent = Agent::with(python, &program, program_text, variables, descriptors);
        let line = format!("/proc/{}/cmdline", agent.0.id());
        assert!(wait_until(10.0, || text(&line).starts_with("neutron-l3-agent (/")), "{}", text(&line));
        assert!(!text(format!("/proc/{}/environ", agent.0.id())).contains("PATH="));
        agent
    };
    {
        let agent = start(&[("PATH", "/run/lab/none"), ("ROOM", &room)], 4096);
        let who = format!("neutron-l3-agent ({})", agent.0.id());
        let unseen = found(lab, "unseen");
        let [one] = unseen.as_slice() else { panic!("{unseen:#?}") };
        assert!(
            one.0 == "agents" && one.1.contains(&who) && one.2.contains("systemctl show -p Environment"),
            "{one:?}"
        );
        let page = doctor(lab, &[]);
        assert!(page.code() == Some(4) && page.stdout.contains("?? agents"), "{page:#?}");
        assert!(!page.stdout.contains("none of Neutron's agents"), "{page:#?}");
    }
    {
        let _agent = start(&[("PATH", "/run/lab/none"), ("ROOM", &room)], 256);
        only(lab, "descriptors", "may have 256 descriptors");
    }
    let _agent = start(&[("PATH", "/run/lab/none"), ("ROOM", &room), ("LD_PRELOAD", &preload)], 4096);
    only(lab, "preloaded", "libjemalloc.so.2 is loaded into neutron-l3-agent");
    drop(world);
}

fn an_agent_with_a_title_is_seen_and_its_path_is_not(lab: &Lab) {
    with_a_title(lab, "/usr/bin/python3", TITLE);
}

fn an_agent_with_neutrons_own_title_is_seen(lab: &Lab) {
    let python = target().join("neutron/venv/bin/python");
    if !python.exists() {
        lab.skip("no setproctitle: `cargo xtask test neutron` makes target/neutron/venv");
    }
    with_a_title(lab, &python.display().to_string(), NEUTRONS);
}

fn an_allocator_that_is_preloaded_and_too_few_descriptors_are_said(lab: &Lab) {
    let world = world(lab);
    let path = lab.program.path().parent().unwrap().display().to_string();
    {
        let _agent = Agent::start(
            lab,
            &[("PATH", &path), ("LD_PRELOAD", "/usr/lib/libjemalloc.so.2:/usr/lib/libother.so")],
            4096,
        );
        only(lab, "preloaded", "libjemalloc.so.2 is loaded into neutron-dhcp-agent");
        assert!(found(lab, "note").iter().any(|one| one.1.contains("libother.so")));
    }
    let _agent = Agent::start(lab, &[("PATH", &path)], 256);
    only(lab, "descriptors", "may have 256 descriptors");
    drop(world);
}

fn a_state_directory_that_is_not_there_or_not_the_gates_is_said(lab: &Lab) {
    let world = world(lab);
    let at = |words: &[&str]| {
        let mut command = Command::new(lab.program.nsgate());
        command.arg("doctor").args(words);
        communicate(command, Duration::from_secs(20))
    };
    let said = at(&["--state", "/no/such/dir"]);
    assert_eq!(said.code(), Some(3), "{said:#?}");
    for word in ["NO state", "/no/such/dir: No such file", "state_path of neutron.conf"] {
        assert!(said.stdout.contains(word), "{word}: {said:#?}");
    }
    // The gate's command line says where its configuration is: not there.
    let elsewhere = "?? state";
    assert!(said.stdout.contains(elsewhere) && said.stdout.contains("--state /run/lab/neutron;"), "{said:#?}");
    let empty = lab.directory("empty", 0o755).display().to_string();
    let said = at(&["--state", &empty]);
    assert!(said.code() == Some(4) && said.stdout.contains(elsewhere), "{said:#?}");
    // The same files under another name, as a container's volume has it.
    let volume = lab.directory("volume", 0o755);
    fs::create_dir(volume.join("ns-metadata-proxy")).unwrap();
    let file = format!("ns-metadata-proxy/{NETWORK}.conf");
    fs::copy(lab.state().join(&file), volume.join(&file)).unwrap();
    let said = at(&["--state", &volume.display().to_string()]);
    assert!(!said.stdout.contains(elsewhere), "{said:#?}");
    // Where none is said, a host may have none.
    let said = at(&[]);
    assert!(!said.stdout.contains("NO state"), "{said:#?}");
    drop(world);
}

fn a_pool_that_is_stopped_or_gone_is_said(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let mut pool = Pool::start(lab);
    let _keeper = keeper(lab, &second.gate, &Config::new(Kind::Network).with_id(OTHER));
    lab.site(&format!("pool = \"{}\"\n", socket_path(lab).display()));
    let page = doctor(lab, &[]);
    assert!(page.code() == Some(0) && page.stdout.contains("and serves 1 network\n"), "{page:#?}");
    pool.crash();
    let wrong = || found(lab, "wrong").into_iter().map(|one| format!("{}: {}", one.0, one.1)).collect::<Vec<_>>();
    assert!(wrong().iter().any(|one| one.starts_with("pool: no worker answers at")), "{:#?}", wrong());
    let alone = || wrong().iter().any(|one| one.contains("; 1 keeper serves by itself"));
    assert!(wait_until(20.0, alone), "{:#?}", wrong());
    let _ = fs::remove_file(socket_path(lab));
    assert!(wrong().iter().any(|one| one.contains("No such file")), "{:#?}", wrong());
    fs::write(socket_path(lab), "").unwrap();
    assert!(wrong().iter().any(|one| one.contains("is no socket")), "{:#?}", wrong());
    drop(world);
}

fn what_was_refused_last_is_shown(lab: &Lab) {
    let world = world(lab);
    let _ = Guest::new(&world.network.guest).exchange(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
    let page = doctor(lab, &[]);
    assert_eq!(page.code(), Some(0), "{page:#?}");
    let line = page.stdout.lines().find(|line| line.contains("two-hosts 1")).unwrap_or_else(|| panic!("{page:#?}"));
    assert!(line.contains(NETWORK) && line.contains(" s ago"), "{line}");
}

fn an_ordinary_user_is_told_what_was_not_seen(lab: &Lab) {
    let world = world(lab);
    let path = lab.program.path().parent().unwrap().display().to_string();
    let _agent = Agent::start(lab, &[("PATH", &path)], 4096);
    let mut command = Command::new(lab.program.nsgate());
    command.arg("doctor").arg(format!("--state={}", lab.state().display())).uid(STRANGER_ID).gid(STRANGER_ID);
    let said = communicate(command, Duration::from_secs(20));
    assert_eq!(said.code(), Some(4), "{said:#?}");
    for word in ["neutron-dhcp-agent", "do: ask as root", "could not be looked at"] {
        assert!(said.stdout.contains(word), "{word}: {said:#?}");
    }
    assert_eq!(fs::metadata("/run/lab/neutron").unwrap().uid(), 0);
    drop(world);
}
