//! A start that finds its address taken: a gate of the same identity is succeeded without a lost request. Any other
//! process stays.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Gid, Uid, chdir, pivot_root, setgroups, setresgid, setresuid};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{agent_command, communicate, write_config};
use nsgate_tests::host::{self, Nova};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{Pool, keeper, listed, try_keeper};
use nsgate_tests::procfs::{self, Process};
use nsgate_tests::world::STRANGER_ID;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Load, Network, RecordingAgent, Started, suite, sys};

fn main() {
    suite!["succession":
        a_start_whose_pid_file_is_lost_takes_over_without_losing_a_request,
        a_listener_of_ipv6_is_taken_over_with_that_of_ipv4,
        a_start_that_may_not_copy_listeners_joins_them,
        a_gate_in_the_foreground_is_succeeded_and_its_supervisor_ends,
        a_gate_that_is_stopped_is_succeeded_and_ended,
        several_starts_at_once_leave_one_gate,
        a_start_waits_for_another_start_and_takes_nothing_over_before_it_has_ended,
        a_start_that_does_not_end_is_named_and_its_gates_stay_as_they_are,
        a_strangers_process_keeps_no_start_waiting,
        a_start_that_fails_leaves_its_predecessor_in_charge,
        a_keeper_is_succeeded_with_another_text,
        a_gate_is_succeeded_by_a_keeper_and_a_keeper_by_a_gate,
        a_host_proxy_is_succeeded,
        sf_loses_no_request,
        a_strangers_process_that_calls_itself_the_gate_is_left_alone,
        roots_process_that_calls_itself_the_gate_is_left_alone,
        a_gate_of_the_same_number_and_another_kind_is_left_alone,
        a_root_that_a_user_has_named_is_no_proof,
    ]
}

fn config() -> Config {
    Config::new(Kind::Network)
}

/// Descriptors of a confined process are root's to see.
fn root(lab: &Lab) {
    lab.needs_root("whose listener it is stands among the descriptors of a process that cannot be dumped");
}

/// The same network with another agent, which says who it is.
fn of(lab: &Lab, agent: &str) -> (Config, RecordingAgent) {
    let mut config = config();
    config.socket = lab.directory(agent, 0o755).join("metadata_proxy");
    lab.give(config.socket.parent().unwrap(), nsgate_tests::world::NEUTRON_ID);
    let agent = RecordingAgent::start(&config.socket, Answer::ok(agent));
    (config, agent)
}

/// As Neutron's agent: the pid file is removed without a look into it, and the proxy is started.
fn start_as_neutron(lab: &Lab, network: &Network, config: &Config) -> Gate {
    let _ = fs::remove_file(&config.pid_file);
    Gate::start(lab, &network.gate, config)
}

fn guests(network: &Network) -> impl Iterator<Item = Guest> {
    let guest = Guest::new(&network.guest);
    (11..19).map(move |host| guest.at(host))
}

fn who_answers(guest: &Guest) -> String {
    let answer = guest.get("/").unwrap();
    assert_eq!(answer.status, 200);
    answer.text()
}

/// The one gate that is left is the one in the pid file.
#[track_caller]
fn assert_alone(network: &Network, config: &Config, gate: &Gate) {
    let served_by = || procfs::having(&config.id);
    assert!(wait_until(10.0, || served_by() == [gate.pid]), "{:?} and not {} alone", served_by(), gate.pid);
    assert_eq!(text(&config.pid_file).trim(), gate.pid.to_string());
    assert_eq!(network.gate.listening().len(), config.binds.len());
}

fn a_start_whose_pid_file_is_lost_takes_over_without_losing_a_request(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let texts = [of(lab, "first"), of(lab, "second")];
    let mut gate = Gate::start(lab, &network.gate, &texts[0].0);
    let load = Load::start(guests(&network));
    for turn in 1..=12 {
        let (config, agent) = &texts[turn % 2];
        let next = start_as_neutron(lab, &network, config);
        // From now on a guest is served by the new text.
        agent.forget();
        assert_eq!(who_answers(&Guest::new(&network.guest)), ["first", "second"][turn % 2]);
        assert!(!agent.seen().is_empty());
        assert!(gate.ended_within(Duration::from_secs(10)), "the old one goes on");
        gate = next;
        assert_alone(&network, config, &gate);
    }
    let (asked, failed) = load.end();
    assert!(asked > 100, "{asked} requests");
    assert_eq!(failed, 0, "of {asked}");
}

fn a_listener_of_ipv6_is_taken_over_with_that_of_ipv4(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _agent) = of(lab, "first");
    let (second, agent) = of(lab, "second");
    let old = Gate::start(lab, &network.gate, &first.with_v6());
    let load = Load::start((0..4).map(|_| Guest::link_local(&network.guest)));
    let second = second.with_v6();
    let new = start_as_neutron(lab, &network, &second);
    assert!(old.ended_within(Duration::from_secs(10)));
    assert_eq!(load.end().1, 0);
    agent.forget();
    assert_eq!(who_answers(&Guest::link_local(&network.guest)), "second");
    assert_eq!(agent.only().header("X-Forwarded-For"), ["fe80::f816:3eff:fe00:1"], "over IPv6");
    assert_alone(&network, &second, &new);
}

fn a_start_that_may_not_copy_listeners_joins_them(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _first) = of(lab, "first");
    let (second, _second) = of(lab, "second");
    let old = Gate::start(lab, &network.gate, &first);
    // As a container engine's profile may have it.
    sys::instead_of_syscall(libc::SYS_pidfd_getfd, libc::EPERM).unwrap();
    let new = start_as_neutron(lab, &network, &second);
    assert!(old.ended_within(Duration::from_secs(10)));
    assert_eq!(who_answers(&Guest::new(&network.guest)), "second");
    assert_alone(&network, &second, &new);
}

fn a_gate_in_the_foreground_is_succeeded_and_its_supervisor_ends(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _first) = of(lab, "first");
    let (second, _second) = of(lab, "second");
    let file = write_config(lab, &first);
    let mut old = Gate::foreground(lab, &network.gate, &first, &["-Ws", "-f", file.to_str().unwrap()]).unwrap();
    assert!(wait_until(2.0, || text(&first.pid_file).trim() == old.pid.to_string()));
    let new = start_as_neutron(lab, &network, &second);
    assert!(old.ended_within(Duration::from_secs(10)));
    assert_eq!(old.wait_foreground().and_then(|status| status.code()), Some(0));
    assert_eq!(who_answers(&Guest::new(&network.guest)), "second");
    assert_alone(&network, &second, &new);
}

fn a_gate_that_is_stopped_is_succeeded_and_ended(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _first) = of(lab, "first");
    let (second, _second) = of(lab, "second");
    let old = Gate::start(lab, &network.gate, &first);
    old.signal(Signal::SIGSTOP);
    let new = start_as_neutron(lab, &network, &second);
    assert!(old.ended_within(Duration::from_secs(10)), "half of the guests would be its own");
    for _ in 0..20 {
        assert_eq!(who_answers(&Guest::new(&network.guest)), "second");
    }
    assert_alone(&network, &second, &new);
}

fn several_starts_at_once_leave_one_gate(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (config, _agent) = of(lab, "first");
    for before in [false, true] {
        if before {
            let _ = fs::remove_file(&config.pid_file);
        }
        let file = write_config(lab, &config);
        let arguments = ["-f", file.to_str().unwrap()];
        let all: Vec<Started> = std::thread::scope(|scope| {
            let one =
                || communicate(agent_command(lab, &network.gate, &config.id, &arguments), Duration::from_secs(10));
            let starts: Vec<_> = (0..5).map(|_| scope.spawn(one)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(all.iter().all(Started::ok), "{all:#?}");
        let gate = Gate::adopt(file, config.pid_file.clone(), all.into_iter().next().unwrap()).unwrap();
        assert_alone(&network, &config, &gate);
        assert_eq!(who_answers(&Guest::new(&network.guest)), "first");
        if !before {
            std::mem::forget(gate);
        }
    }
}

/// A process of `uid` in the gate's namespace that holds the name by which starts wait for each other, as a start does, until it
/// is killed.
fn holds_the_turn(network: &Network, uid: u32) -> Child {
    let name = format!("nsgate:X-Neutron-Network-ID:{NETWORK}:start");
    let script = format!(
        "import socket, time\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0{name}')\ns.listen()\nprint(flush=True)\ntime.sleep(60)"
    );
    let mut command = network.gate.command("setpriv");
    command.args([
        &format!("--reuid={uid}"),
        &format!("--regid={uid}"),
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        &script,
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let said = child.stdout.as_mut().unwrap().read(&mut [0; 1]).unwrap();
    assert_eq!(said, 1, "the name is held");
    child
}

/// Longer than a start waited once before it went on without its turn.
const LONG: Duration = Duration::from_secs(6);

fn a_start_waits_for_another_start_and_takes_nothing_over_before_it_has_ended(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _first) = of(lab, "first");
    let (second, _second) = of(lab, "second");
    let old = Gate::start(lab, &network.gate, &first);
    let mut other = holds_the_turn(&network, 0);
    fs::remove_file(&first.pid_file).unwrap();
    let file = write_config(lab, &second);
    let command = agent_command(lab, &network.gate, &second.id, &["-f", file.to_str().unwrap()]);
    let start = std::thread::spawn(move || communicate(command, Duration::from_secs(30)));
    std::thread::sleep(LONG);
    assert!(!start.is_finished(), "it goes on without its turn");
    assert_eq!(who_answers(&Guest::new(&network.guest)), "first");
    other.kill().unwrap();
    other.wait().unwrap();
    let started = start.join().unwrap();
    assert!(started.ok(), "{started:#?}");
    let new = Gate::adopt(file, second.pid_file.clone(), started).unwrap();
    assert!(old.ended_within(Duration::from_secs(10)));
    assert_alone(&network, &second, &new);
    assert_eq!(who_answers(&Guest::new(&network.guest)), "second");
}

fn a_start_that_does_not_end_is_named_and_its_gates_stay_as_they_are(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _first) = of(lab, "first");
    let old = Gate::start(lab, &network.gate, &first);
    let mut other = holds_the_turn(&network, 0);
    let arguments = ["-f", old.file.to_str().unwrap()];
    let started = communicate(agent_command(lab, &network.gate, &first.id, &arguments), Duration::from_secs(60));
    assert_eq!(started.code(), Some(1), "{started:#?}");
    let named =
        format!("another start of X-Neutron-Network-ID {NETWORK}, process {}, has not come to its end", other.id());
    assert!(started.stderr.contains(&named) && started.stderr.contains("kill -CONT"), "{started:#?}");
    assert!(old.alive());
    assert_eq!(who_answers(&Guest::new(&network.guest)), "first");
    other.kill().unwrap();
    other.wait().unwrap();
}

fn a_strangers_process_keeps_no_start_waiting(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _first) = of(lab, "first");
    let mut other = holds_the_turn(&network, STRANGER_ID);
    let gate = Gate::start(lab, &network.gate, &first);
    assert!(gate.started.took < LONG / 2, "{:#?}", gate.started);
    let said = format!("process {} of uid {STRANGER_ID} holds the name by which starts of", other.id());
    assert!(gate.started.stderr.contains(&said), "{:#?}", gate.started);
    other.kill().unwrap();
    other.wait().unwrap();
}

fn a_start_that_fails_leaves_its_predecessor_in_charge(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _first) = of(lab, "first");
    let (second, _second) = of(lab, "second");
    let old = Gate::start(lab, &network.gate, &first);
    let load = Load::start(guests(&network));
    fs::remove_file(&first.pid_file).unwrap();
    // The last step of the drop.
    let file = write_config(lab, &second);
    let started = network.gate.inside(|| {
        sys::instead_of_syscall(libc::SYS_seccomp, libc::ENOSYS).unwrap();
        let mut command = Command::new(lab.program.path());
        command.arg("-f").arg(&file);
        communicate(command, Duration::from_secs(10))
    });
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert_eq!(load.end().1, 0);
    assert!(old.alive() && !second.pid_file.exists());
    assert_eq!(procfs::having(NETWORK), [old.pid]);
    assert_eq!(who_answers(&Guest::new(&network.guest)), "first");
}

/// The pool's settings for this world, as a site has them.
fn keepers(lab: &Lab) -> (Network, RecordingAgent, Pool) {
    root(lab);
    (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")), Pool::start(lab))
}

fn a_keeper_is_succeeded_with_another_text(lab: &Lab) {
    let (network, _agent, _pool) = keepers(lab);
    let old = keeper(lab, &network.gate, &config());
    let load = Load::start(guests(&network));
    fs::remove_file(config().pid_file).unwrap();
    let second = config().with_rate("ip", 60, 2);
    let new = try_keeper(lab, &network.gate, &second).unwrap_or_else(|started| panic!("{started:#?}"));
    assert!(old.ended_within(Duration::from_secs(10)));
    assert_alone(&network, &second, &new);
    // The worker serves it, and by the new text.
    let networks = listed(lab);
    assert_eq!(networks.len(), 1, "{networks:#?}");
    let guest = Guest::new(&network.guest).at(30);
    let answers: Vec<u16> = (0..4).map(|_| guest.get("/").unwrap().status).collect();
    assert_eq!(answers, [200, 200, 429, 429]);
    let before = listed(lab)[0]["requests"].as_u64().unwrap();
    assert!(before >= 4, "the worker has answered: {networks:#?}");
    // The load is refused by the rate limit from then on, and by nothing else: no guest was left without an answer.
    let (asked, _) = load.end();
    assert!(asked > 0);
}

fn a_gate_is_succeeded_by_a_keeper_and_a_keeper_by_a_gate(lab: &Lab) {
    let (network, _agent, _pool) = keepers(lab);
    let alone = Gate::start(lab, &network.gate, &config());
    let load = Load::start(guests(&network));
    fs::remove_file(config().pid_file).unwrap();
    let kept = keeper(lab, &network.gate, &config());
    assert!(alone.ended_within(Duration::from_secs(10)));
    assert_alone(&network, &config(), &kept);
    assert_eq!(load.end().1, 0, "from a gate to the pool");
    assert_eq!(listed(lab).len(), 1);
    let load = Load::start(guests(&network));
    let alone = start_as_neutron(lab, &network, &config());
    assert!(kept.ended_within(Duration::from_secs(10)));
    assert_alone(&network, &config(), &alone);
    // A connection that is idle is closed there, so only those who ask for a new one each time are counted.
    let fresh = Guest::new(&network.guest);
    assert_eq!(who_answers(&fresh), "hello");
    assert!(wait_until(2.0, || listed(lab).is_empty()), "the pool has it no longer");
    drop(load);
}

fn a_host_proxy_is_succeeded(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let _nova = Nova::start(&network);
    let texts = [host::three_instances(), host::many_instances(20)];
    let mut proxy = host::start(lab, &network, &texts[0]);
    let guests = [11, 12].map(|machine| host::guest(&network, machine));
    let load = Load::start(guests);
    for turn in 1..=4 {
        let reader = host::reader_of(proxy.pid);
        fs::remove_file(host::PID_FILE).unwrap();
        let next = host::start(lab, &network, &texts[turn % 2]);
        assert!(proxy.ended_within(Duration::from_secs(10)));
        assert!(wait_until(10.0, || !Path::new(&format!("/proc/{reader}")).exists()), "its reader goes on");
        // The 13th machine is one of twenty, and none of three.
        let answer = host::guest(&network, 13).get("/").unwrap();
        assert_eq!(answer.status, if turn % 2 == 1 { 200 } else { 503 });
        proxy = next;
    }
    assert_eq!(load.end().1, 0);
}

fn sf_loses_no_request(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (config, _agent) = of(lab, "first");
    let mut gate = Gate::start(lab, &network.gate, &config);
    let load = Load::start(guests(&network));
    for _ in 0..10 {
        let arguments = ["-f", gate.file.to_str().unwrap(), "-sf", &gate.pid.to_string()];
        let next = Gate::with_arguments(lab, &network.gate, &config, &arguments).expect("the next one starts");
        assert!(gate.ended_within(Duration::from_secs(10)));
        gate = next;
    }
    let (asked, failed) = load.end();
    assert_eq!(failed, 0, "of {asked}");
    assert_alone(&network, &config, &gate);
}

/// A process that has the gate's name and its UUID on its command line, and listens where the gate shall.
struct Pretender(Child);

impl Pretender {
    fn start(lab: &Lab, network: &Network, place: &str, uid: u32) -> Pretender {
        lab.needs("/usr/bin/python3", "apt-get install python3");
        let script = "import socket, sys, time\n\
                      s = socket.socket()\n\
                      s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
                      s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n\
                      host, port = sys.argv[-1].split(':')\n\
                      s.bind((host, int(port)))\n\
                      s.listen()\n\
                      time.sleep(60)\n";
        let file = write_config(lab, &config());
        let before = network.gate.listening().len();
        let child = network.gate.inside(|| {
            let mut command = Command::new("/usr/bin/python3");
            command.arg0("haproxy").args(["-c", script, "-f"]).arg(&file).arg(place).uid(uid).gid(uid);
            command.spawn().unwrap()
        });
        assert!(wait_until(5.0, || network.gate.listening().len() > before));
        Pretender(child)
    }

    /// The gate was neither ended nor succeeded.
    #[track_caller]
    fn assert_left_alone(&mut self, network: &Network, started: &Started) {
        assert_eq!(started.code(), Some(1), "{started:#?}");
        let pid = self.0.id().to_string();
        assert!(started.stderr.contains(&pid) && started.stderr.contains("haproxy"), "{}", started.stderr);
        assert!(self.0.try_wait().unwrap().is_none(), "it was ended");
        assert_eq!(network.gate.listening().len(), 1, "another process has joined it");
        assert!(!config().pid_file.exists());
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_strangers_process_that_calls_itself_the_gate_is_left_alone(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let mut stranger = Pretender::start(lab, &network, "10.0.0.1:9697", STRANGER_ID);
    let started = Gate::try_start(lab, &network.gate, &config().with_binds(&["10.0.0.1:9697"])).expect_err("refused");
    stranger.assert_left_alone(&network, &started);
}

fn roots_process_that_calls_itself_the_gate_is_left_alone(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let mut other = Pretender::start(lab, &network, "169.254.169.254:80", 0);
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("refused");
    other.assert_left_alone(&network, &started);
}

fn a_gate_of_the_same_number_and_another_kind_is_left_alone(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let (first, _agent) = of(lab, "first");
    let old = Gate::start(lab, &network.gate, &first);
    fs::remove_file(&first.pid_file).unwrap();
    let mut second = first.clone();
    second.kind = Kind::Router;
    let started = Gate::try_start(lab, &network.gate, &second).expect_err("refused");
    assert!(started.stderr.contains(&format!("process {}", old.pid)), "{}", started.stderr);
    assert!(old.alive());
    assert_eq!(who_answers(&Guest::new(&network.guest)), "first");
}

/// What any user may do: a user namespace of their own, in it a small root with the gate's name, no capability, a filter;
/// and a listener that root has made and passed on, as a service manager does.
fn a_root_that_a_user_has_named_is_no_proof(lab: &Lab) {
    root(lab);
    let network = lab.network();
    let listener = network.gate.inside(|| std::net::TcpListener::bind("169.254.169.254:80").unwrap());
    let ready = lab.directory("ready", 0o777);
    let forger = match sys::fork_single().unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let _ = sys::die_with_parent();
            match forge_a_root(&ready) {
                Ok(()) => std::thread::sleep(Duration::from_secs(60)),
                Err(error) => println!("forging a root: {error}"),
            }
            sys::exit_now(1)
        }
    };
    drop(listener);
    assert!(
        wait_until(5.0, || fs::metadata(ready.join("made")).is_ok_and(|made| made.len() == 1)),
        "the root was not made"
    );
    let mounts = Process::new(forger.as_raw()).mounts();
    assert!(mounts.len() == 1 && mounts[0].contains(&format!("nsgate:X-Neutron-Network-ID:{NETWORK}")), "{mounts:?}");
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("refused");
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains(&format!("process {forger}")), "{}", started.stderr);
    assert!(nix::sys::signal::kill(forger, None).is_ok() && !config().pid_file.exists());
    nix::sys::signal::kill(forger, Signal::SIGKILL).unwrap();
}

fn forge_a_root(ready: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (uid, gid) = (Uid::from_raw(STRANGER_ID), Gid::from_raw(STRANGER_ID));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    // Dumpable again: the maps are the process's own to write.
    prctl::set_dumpable(true)?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    let done = fs::File::create(ready.join("made"))?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let name = format!("nsgate:X-Neutron-Network-ID:{NETWORK}");
    mount(Some(name.as_str()), "/run/lab/neutron", Some("tmpfs"), closed, none)?;
    chdir("/run/lab/neutron")?;
    mount(none, ".", none, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | closed, none)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    prctl::set_no_new_privs()?;
    for set in [caps::CapSet::Ambient, caps::CapSet::Bounding, caps::CapSet::Inheritable] {
        caps::clear(None, set)?;
    }
    caps::clear(None, caps::CapSet::Effective)?;
    caps::clear(None, caps::CapSet::Permitted)?;
    sys::instead_of_syscall(libc::SYS_ptrace, libc::EPERM)?;
    // The other root is out of reach; the descriptor is not.
    done.set_len(1)?;
    Ok(())
}
