//! Packages on a clean Debian machine whose first process is systemd: installed, run, upgraded while guests ask, removed
//! and purged. `cargo xtask test dist` builds them and says where they are.

use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::write_config;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::ovn::{self, Binding, Server};
use nsgate_tests::program::{target, workspace};
use nsgate_tests::second_hop::{INSTANCE, SECRET, instance};
use nsgate_tests::world::NEUTRON_ID;
use nsgate_tests::{Answer, Asking, Config, Guest, Kind, Lab, Machine, Namespace, Network, RecordingAgent, suite};

fn main() {
    suite!["packages":
        installed_it_makes_an_account_and_starts_nothing,
        the_pool_goes_over_to_the_next_version_while_guests_ask,
        the_pool_holds_nothing_from_its_first_moment,
        a_pool_that_could_do_more_than_it_should_does_not_start,
        the_first_handover_starts_the_pool_and_what_it_was_handed_outlives_it,
        several_workers_need_no_privilege_either,
        a_drop_in_starts_the_pool_as_root_and_another_goes_back,
        a_pool_on_a_host_without_landlock_says_so_and_serves,
        a_pool_whose_user_is_deleted_goes_on_until_its_next_start,
        the_first_gate_starts_the_agent_whose_secret_is_roots_alone,
        the_units_agent_follows_ovns_database_at_the_socket_of_its_packages,
        a_haproxy_that_runs_is_not_in_the_way_of_the_package_nor_the_package_in_its,
        on_debian_12_packages_come_change_and_go_beside_a_haproxy_that_runs,
        on_debian_13_packages_come_change_and_go_beside_a_haproxy_that_runs,
        on_a_host_of_rpm_packages_come_change_and_go_beside_a_haproxy_that_runs,
        a_namespace_is_served_by_name,
        metrics_reach_tcp_and_a_shell_completes_networks,
        an_ansible_role_goes_there_twice_and_back,
        removed_gates_go_on_and_purged_nothing_is_left,
        neutron_finds_nsgate_with_the_package_and_haproxy_without_it,
        neutrons_rootwrap_lets_nsgate_start_and_end_where_no_haproxy_is,
        an_agent_in_a_virtual_environment_keeps_the_path_that_its_own_sudoers_file_sets,
        an_agent_in_a_virtual_environment_finds_a_file_in_usr_local_and_haproxy_without_it,
    ]
}

/// Where systemd and dpkg keep what they know of packages, which is theirs.
const DIRECTORIES: [&str; 6] = ["/etc", "/usr", "/opt", "/srv", "/var/lib", "/var/cache"];

/// Directories of the packages to begin with, and of the next version.
fn packages(version: &str) -> PathBuf {
    let place = std::env::var_os("NSGATE_PACKAGES").expect("NSGATE_PACKAGES: run this as `cargo xtask test dist`");
    Path::new(&place).join(version)
}

/// The roots of machines, as `cargo xtask test dist` has made them.
fn root(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name}: run this as `cargo xtask test dist`")).into()
}

fn machine(lab: &Lab, shown: &[&Path]) -> Machine {
    machine_of(lab, "NSGATE_DEBIAN", shown)
}

fn machine_of(lab: &Lab, name: &str, shown: &[&Path]) -> Machine {
    let packages = packages("");
    let shown: Vec<&Path> = shown.iter().copied().chain([packages.as_path()]).collect();
    let root = root(name);
    lab.needs(
        &root.join("usr/bin/env").display().to_string(),
        "cargo xtask test dist, as root and with a mirror in reach",
    );
    let machine = Machine::boot(lab, &root, &shown);
    let id = NEUTRON_ID;
    machine.script(&format!("groupadd -g {id} neutron; useradd -u {id} -g {id} -s /usr/sbin/nologin neutron"));
    machine
}

/// Installs packages of a version, by their names.
#[track_caller]
fn install(machine: &Machine, version: &str, names: &[&str]) {
    let place = packages(version);
    let files = fs::read_dir(&place).expect("packages").flatten().map(|entry| entry.path());
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".deb") && names.iter().any(|package| name.starts_with(&format!("{package}_")))
    };
    let files: Vec<String> = files.filter(wanted).map(|path| path.display().to_string()).collect();
    assert_eq!(files.len(), names.len(), "{} should hold {names:?}", place.display());
    machine.run(&[vec!["dpkg".to_owned(), "--install".to_owned()], files].concat());
}

const BOTH: [&str; 2] = ["nsgate", "nsgate-haproxy-compat"];

#[track_caller]
fn served(namespace: &Namespace) {
    assert_eq!(Guest::new(namespace).get("/").expect("an answer").status, 200);
}

/// The program of a process, as the machine's root shows it.
fn program(pid: i32) -> String {
    fs::read_link(format!("/proc/{pid}/exe")).map(|path| path.display().to_string()).unwrap_or_default()
}

fn installed_it_makes_an_account_and_starts_nothing(lab: &Lab) {
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    assert!(machine.run(&["getent", "passwd", "nsgate"]).ends_with(":/usr/sbin/nologin\n"));
    let unit = "nsgate-pool.service";
    assert_eq!(machine.ask(&["systemctl", "is-enabled", unit]).stdout.trim(), "disabled");
    assert_eq!(machine.property(unit, "ActiveState"), "inactive");
    assert_eq!(machine.ask(&["pgrep", "-l", "nsgate|haproxy"]).stdout, "", "something was started");
    assert!(machine.run(&["nsgate", "--version"]).starts_with("nsgate "));
    machine.run(&["dpkg", "--verify", "nsgate", "nsgate-haproxy-compat"]);
    machine.run(&["nsgate", "check", "--dialect", "site", "/etc/nsgate/nsgate.toml"]);
    // The check says what a start would: Neutron's directory is not there yet.
    let pool = ["nsgate", "check", "--dialect", "pool", "/etc/nsgate/pool.toml"];
    assert!(machine.ask(&pool).stderr.contains("/var/lib/neutron: there is no such directory"));
    machine.run(&["mkdir", "/var/lib/neutron"]);
    machine.run(&pool);
    // A credential is there when its unit runs.
    let instances = "/etc/nsgate/instances.toml";
    machine.run(&["sh", "-c", &format!("touch {instances}")]);
    let agent = machine.ask(&["nsgate", "check", "--dialect", "agent", "/etc/nsgate/agent.toml"]);
    assert!(agent.ok() && agent.said().contains("systemd makes it when it starts nsgate-agent.service"), "{agent:#?}");
    machine.run(&["rm", instances]);
    machine.script(
        "systemd-analyze verify --man=no nsgate-pool.service nsgate-pool.socket nsgate@gate.service nsgate-agent.service \
         nsgate-agent.socket",
    );
}

const POOL: &str = "nsgate-pool.service";
const SOCKETS: [&str; 2] = ["nsgate-pool.socket", "nsgate-pool-metrics.socket"];

/// The pool of the laboratory's networks, as an operator sets it up.
fn configure(lab: &Lab, machine: &Machine) {
    let agent = lab.socket();
    machine.script(&format!(
        "sed -i -e 's|^user = .*|user = \"neutron\"|' -e 's|^#handover_group|handover_group|' \
             -e 's|^backends = .*|backends = [\"{}\"]|' /etc/nsgate/pool.toml
         printf 'pool = \"/run/nsgate/pool.sock\"\\n' >/etc/nsgate/nsgate.toml
         cp -r /usr/share/doc/nsgate/docs/examples/systemd/nsgate-pool.*.d /etc/systemd/system/
         cd /etc/systemd/system/nsgate-pool.service.d
         mv root.conf root.conf.not
         sed -i 's|^#BindReadOnlyPaths=.*|BindReadOnlyPaths={}|' neutron.conf
         systemctl daemon-reload",
        agent.display(),
        lab.state().display()
    ));
}

/// The same, and the unit runs.
fn pool(lab: &Lab, machine: &Machine) {
    configure(lab, machine);
    start(machine, POOL);
}

/// The children of a service's main process: of a pool, its worker or its zygote.
fn children(machine: &Machine, unit: &str) -> Vec<String> {
    let main = machine.property(unit, "MainPID");
    let children = machine.run(&["cat", &format!("/proc/{main}/task/{main}/children")]);
    children.split_whitespace().map(str::to_owned).collect()
}

/// What `nsgate attest` says of a process that is not as a gate's: names of the rows, and the exit status.
fn not_as_a_gates(machine: &Machine, pid: &str) -> (Vec<String>, Option<i32>) {
    let attested = machine.ask(&["nsgate", "attest", pid]);
    let rows = attested.stdout.lines().filter_map(|line| line.trim_start().strip_prefix("NO  "));
    let names: Vec<String> = rows.map(|row| row.split("  ").next().unwrap_or_default().to_owned()).collect();
    println!("{}", attested.stdout);
    (names, attested.code())
}

/// An `nsgate add` of the laboratory's first network, as root.
#[track_caller]
fn add(lab: &Lab, machine: &Machine) {
    let backend = lab.socket().display().to_string();
    let words = ["nsgate", "add", "--netns", "gate", "--network-id", NETWORK, "--listen", "169.254.169.254:80"];
    let more = ["--backend", &backend, "--user", "neutron", "--group", "neutron"];
    machine.run(&[&words[..], &more].concat());
}

/// Starts a service that must come up.
#[track_caller]
fn start(machine: &Machine, unit: &str) {
    let started = machine.ask(&["systemctl", "start", unit]);
    assert!(started.ok(), "{unit}: {}{}", started.stderr, machine.journal(unit));
}

/// Starts a gate or keeper as an agent does, and returns its pid as the world sees it.
#[track_caller]
fn spawn(lab: &Lab, machine: &Machine, namespace: &Namespace, config: &Config, haproxy: &str) -> i32 {
    let file = write_config(lab, config);
    let words = ["ip", "netns", "exec", namespace.name(), "env", "PROCESS_TAG=test", haproxy, "-f"];
    machine.run(&[&words[..], &[&file.display().to_string()]].concat());
    found(&config.id)
}

/// The process that has this identity on its command line, and is no shell.
#[track_caller]
fn found(id: &str) -> i32 {
    let pids = nsgate_tests::procfs::having(id);
    *pids.first().unwrap_or_else(|| panic!("no process has {id} on its command line"))
}

const HAPROXY: &str = "/usr/lib/nsgate/bin/haproxy";

fn the_pool_goes_over_to_the_next_version_while_guests_ask(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    pool(lab, &machine);
    let keeper = spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), HAPROXY);
    served(&network.guest);
    let list = || machine.run(&["nsgate", "list"]);
    assert!(list().contains(NETWORK), "{}", machine.journal("nsgate-pool.service"));
    // Nothing that the unit's own limits took away is missing from the worker's confinement.
    let started = machine.journal("nsgate-pool.service");
    let line = started.lines().find(|line| line.contains("Handovers are taken")).unwrap_or_default();
    let full = text("/proc/sys/kernel/osrelease").split('.').next().is_some_and(|major| major >= "6");
    assert!(!full || !line.contains(" not ") && line.contains("Landlock ABI"), "{started}");
    assert!(line.contains("the root directory is the service manager's: ") && line.contains(" etc lib "), "{line}");
    let before = machine.property("nsgate-pool.service", "MainPID");
    let guest = Asking::start(&network.guest);
    guest.more(50);
    install(&machine, "next", &BOTH);
    guest.more(50);
    assert!(wait_until(10.0, || list().contains(NETWORK)), "the next worker serves it: {}", list());
    guest.more(50);
    let asked = guest.end();
    let after = machine.property("nsgate-pool.service", "MainPID");
    assert!(after != "0" && after != before, "the worker is {after}, was {before}; {asked} requests");
    assert!(machine.run(&["readlink", &format!("/proc/{after}/exe")]).starts_with("/usr/bin/nsgate\n"));
    assert_eq!(found(NETWORK), keeper, "the process that Neutron watches is the same");
}

fn the_pool_holds_nothing_from_its_first_moment(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    pool(lab, &machine);
    spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), HAPROXY);
    served(&network.guest);
    assert!(machine.run(&["nsgate", "list"]).contains(NETWORK));
    let worker = children(&machine, POOL).remove(0);
    let main = machine.property(POOL, "MainPID");
    let less = ["pid namespace", "root shows", "writable mounts"].map(str::to_owned).to_vec();
    // A supervisor keeps the root and the namespaces that it was started in: the host's or a service manager's.
    for (pid, expected) in [(&main, (Vec::new(), Some(0))), (&worker, (less, Some(3)))] {
        assert_eq!(not_as_a_gates(&machine, pid), expected, "as docs/hardened.md has it");
        let status = machine.run(&["cat", &format!("/proc/{pid}/status")]);
        let lines: Vec<String> = status.lines().map(|line| line.replace('\t', " ")).collect();
        let ids = format!("Uid: {NEUTRON_ID} {NEUTRON_ID} {NEUTRON_ID} {NEUTRON_ID}");
        for line in [&ids, "CapBnd: 0000000000000000", "CapPrm: 0000000000000000"] {
            assert!(lines.iter().any(|found| found == line), "{line}: {status}");
        }
    }
    // Its user could write only its own directory of two links, and only before it was confined.
    let root = format!("/proc/{worker}/root");
    let write = "find . -xdev -writable ! -type l; ls run/nsgate-pool";
    let written = machine.script(&format!("cd {root} && runuser -u neutron -- sh -c '{write}'"));
    assert_eq!(written.lines().collect::<Vec<_>>(), ["agent", "backend"], "{written}");
}

fn a_pool_that_could_do_more_than_it_should_does_not_start(lab: &Lab) {
    let machine = machine(lab, &[]);
    install(&machine, "first", &["nsgate"]);
    configure(lab, &machine);
    let refused = |words: &str, said: &str| {
        let place = "/run/systemd/system/nsgate-pool.service.d";
        let file = format!("[Service]\nRestart=no\n{words}\n");
        machine.script(&format!("mkdir -p {place}; printf '{file}' >{place}/zz.conf; systemctl daemon-reload"));
        machine.ask(&["systemctl", "reset-failed", POOL]);
        let started = machine.ask(&["systemctl", "start", POOL]);
        let journal = machine.journal(POOL);
        assert!(!started.ok() && journal.contains(said), "{words}: {journal}");
    };
    let none =
        ["RootDirectory", "TemporaryFileSystem", "InaccessiblePaths", "BindPaths", "BindReadOnlyPaths", "MountAPIVFS"];
    let whole: Vec<String> = none.iter().map(|word| format!("{word}=")).collect();
    refused(&whole.join("\n"), "is a whole overlay, and not one that was put together for it");
    refused("TemporaryFileSystem=/var:mode=1777", "can be written at /var;");
    refused("User=nsgate", "this process was started without privileges as uid");
    refused("RuntimeDirectoryMode=0777", "others may write in this directory");
    refused("UnsetEnvironment=RUNTIME_DIRECTORY", "no service manager has given it a directory");
    refused(
        "CapabilityBoundingSet=CAP_CHOWN",
        "start it with an empty bounding set (CapabilityBoundingSet= of the unit)",
    );
    refused(
        "UnsetEnvironment=LISTEN_FDS LISTEN_FDNAMES",
        "a socket unit does, with `ListenSequentialPacket=/run/nsgate/pool.sock`",
    );
    machine.script("sed -i '1i sandbox = \"strict\"' /etc/nsgate/pool.toml");
    refused("", "sandbox = \"strict\", and this host cannot give everything");
    let journal = machine.journal(POOL);
    assert!(journal.contains("the root directory is the service manager's: "), "{journal}");
}

fn the_first_handover_starts_the_pool_and_what_it_was_handed_outlives_it(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    configure(lab, &machine);
    SOCKETS.iter().for_each(|socket| start(&machine, socket));
    assert_eq!(machine.property(POOL, "ActiveState"), "inactive", "no network was handed over");
    add(lab, &machine);
    served(&network.guest);
    assert_eq!(machine.property(POOL, "ActiveState"), "active");
    assert_eq!(machine.property(POOL, "NFileDescriptorStore"), "2", "a record and a listener");
    assert!(nsgate_tests::procfs::having(NETWORK).is_empty(), "no process stands for it");
    let guest = Asking::start(&network.guest);
    for round in 0..3 {
        guest.more(20);
        let before = machine.property(POOL, "MainPID");
        machine.run(&["systemctl", "restart", POOL]);
        assert_ne!(machine.property(POOL, "MainPID"), before);
        guest.more(20);
        assert!(machine.run(&["nsgate", "list"]).contains(NETWORK), "restart {round}");
    }
    // The next version, while it serves.
    install(&machine, "next", &BOTH);
    guest.more(20);
    guest.end();
    // A worker that is killed takes with it what it was answering, and no network.
    let worker = children(&machine, POOL).remove(0);
    machine.run(&["kill", "-KILL", &worker]);
    assert!(wait_until(20.0, || machine.property(POOL, "NRestarts") == "1"));
    served(&network.guest);
    assert!(!children(&machine, POOL).contains(&worker));
    machine.run(&["nsgate", "remove", "--network-id", NETWORK]);
    assert_eq!(machine.property(POOL, "NFileDescriptorStore"), "0");
    assert!(network.gate.listening().is_empty(), "its address is free");
}

fn several_workers_need_no_privilege_either(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    machine.script("sed -i '/^user/i workers = 2' /etc/nsgate/pool.toml");
    pool(lab, &machine);
    spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), HAPROXY);
    served(&network.guest);
    let zygote = children(&machine, POOL).remove(0);
    let crew = machine.run(&["cat", &format!("/proc/{zygote}/task/{zygote}/children")]);
    assert_eq!(crew.split_whitespace().count(), 3, "a dispatcher and two workers");
    for pid in crew.split_whitespace() {
        assert_eq!(not_as_a_gates(&machine, pid).0, ["pid namespace", "root shows", "writable mounts"]);
    }
    assert!(machine.run(&["nsgate", "list"]).contains(NETWORK));
}

fn a_drop_in_starts_the_pool_as_root_and_another_goes_back(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    pool(lab, &machine);
    add(lab, &machine);
    let guest = Asking::start(&network.guest);
    let switch = |from: &str, to: &str| {
        guest.more(20);
        machine.script(&format!(
            "cd /etc/systemd/system/nsgate-pool.service.d; mv {from}.conf {from}.conf.not; mv {to}.conf.not {to}.conf
             systemctl daemon-reload; systemctl restart {POOL}"
        ));
        guest.more(20);
        assert!(machine.run(&["nsgate", "list"]).contains(NETWORK), "what was handed over stays");
    };
    switch("neutron", "root");
    let worker = children(&machine, POOL).remove(0);
    assert_eq!(not_as_a_gates(&machine, &worker), (vec![], Some(0)), "a root and a PID namespace of its own");
    switch("root", "neutron");
    guest.end();
    let worker = children(&machine, POOL).remove(0);
    assert_eq!(not_as_a_gates(&machine, &worker).0, ["pid namespace", "root shows", "writable mounts"]);
}

fn a_pool_on_a_host_without_landlock_says_so_and_serves(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &["nsgate"]);
    machine.script(
        "mkdir -p /run/systemd/system/nsgate-pool.service.d
         printf '[Service]\\nSystemCallFilter=~landlock_create_ruleset:ENOSYS\\n' \
             >/run/systemd/system/nsgate-pool.service.d/old.conf",
    );
    pool(lab, &machine);
    let journal = machine.journal(POOL);
    assert!(journal.contains("no Landlock; ") && journal.contains("Landlock is not there"), "{journal}");
    add(lab, &machine);
    served(&network.guest);
}

fn a_pool_whose_user_is_deleted_goes_on_until_its_next_start(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    pool(lab, &machine);
    spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), HAPROXY);
    machine.script("userdel --force neutron");
    let guest = Asking::start(&network.guest);
    guest.more(20);
    assert!(machine.run(&["nsgate", "list"]).contains(NETWORK), "a worker holds a number");
    // The next has no user, and the keeper serves by itself.
    assert!(!machine.ask(&["systemctl", "restart", POOL]).ok());
    let journal = machine.journal(POOL);
    assert!(journal.contains("status=217/USER"), "{journal}");
    guest.more(20);
    machine.script(&format!("groupadd -f -g {NEUTRON_ID} neutron; useradd -u {NEUTRON_ID} -g {NEUTRON_ID} neutron; systemctl reset-failed {POOL}"));
    start(&machine, POOL);
    let again = wait_until(20.0, || machine.run(&["nsgate", "list"]).contains(NETWORK));
    assert!(again, "it is the pool's again: {}", machine.journal(POOL));
    guest.end();
}

const AGENT: &str = "nsgate-agent.service";

/// The second hop of the laboratory's guest, as an operator sets it up beside gates of Neutron's.
fn second_hop(lab: &Lab, machine: &Machine, nova: &SmallNova) {
    let instances = lab.state().join("instances.toml");
    fs::write(&instances, instance("10.0.0.11", INSTANCE)).expect("instances");
    machine.script(&format!(
        "sed -i 's|127.0.0.1:8775|{}|' /etc/nsgate/agent.toml
         cp {} /etc/nsgate/instances.toml
         (umask 077; echo {SECRET} >/etc/nsgate/nova-secret)
         printf 'agent = \"/run/nsgate/agent.sock\"\n' >/etc/nsgate/nsgate.toml
         nsgate check --dialect agent /etc/nsgate/agent.toml",
        nova.address,
        instances.display()
    ));
}

fn the_first_gate_starts_the_agent_whose_secret_is_roots_alone(lab: &Lab) {
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    second_hop(lab, &machine, &nova);
    start(&machine, "nsgate-agent.socket");
    assert_eq!(machine.property(AGENT, "ActiveState"), "inactive", "no gate was there");
    let file = write_config(lab, &Config::new(Kind::Network)).display().to_string();
    let gate = machine.ask(&["ip", "netns", "exec", network.gate.name(), HAPROXY, "-f", &file]);
    assert!(gate.ok(), "{gate:#?}{}", machine.journal(AGENT));
    served(&network.guest);
    assert_eq!(machine.property(AGENT, "ActiveState"), "active");
    assert_eq!(nova.seen().last().and_then(|seen| seen.field("x-instance-id")), Some(INSTANCE));
    let journal = machine.journal(AGENT);
    let line = journal.lines().find(|line| line.contains("Serving gates")).unwrap_or_default();
    let full = text("/proc/sys/kernel/osrelease").split('.').next().is_some_and(|major| major >= "6");
    assert!(!full || !line.contains(" not ") && line.contains("Landlock ABI"), "{journal}");
    assert!(!journal.contains(SECRET), "{journal}");
    for pid in children(&machine, AGENT) {
        assert_eq!(not_as_a_gates(&machine, &pid), (vec![], Some(0)));
    }
    let all = machine.ask(&["nsgate", "attest", "--all"]);
    assert!(all.ok() && ["agent", "signer", "reader"].iter().all(|role| all.stdout.contains(role)), "{all:#?}");
    let credential = "/run/credentials/nsgate-agent.service/nova-secret";
    assert!(
        !machine.ask(&["runuser", "-u", "nsgate", "--", "cat", credential]).ok(),
        "the agent's user reads the secret"
    );
    // systemd hears that it is alive, and ends it when it does not.
    let before = machine.property(AGENT, "MainPID");
    std::thread::sleep(std::time::Duration::from_secs(12));
    assert_eq!(machine.property(AGENT, "MainPID"), before, "{}", machine.journal(AGENT));
}

fn the_units_agent_follows_ovns_database_at_the_socket_of_its_packages(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema());
    let here = server.insert(&ovn::chassis("host-1")).remove(1);
    let datapath = server.insert(&[ovn::datapath(&format!("neutron-{NETWORK}"), 1)]).remove(0);
    let port = Binding::of("port-1", 1, &datapath, &here, "fa:16:3e:00:00:01 10.0.0.11", "first");
    server.transact(&[port.insert()]);
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    second_hop(lab, &machine, &nova);
    let socket = server.socket();
    let (directory, name) = (socket.parent().expect("a directory").display(), socket.file_name().expect("a name"));
    machine.script(&format!(
        "mkdir /run/ovn && mount --bind {directory} /run/ovn
         sed -i '/^.directory.$/,/^path/d' /etc/nsgate/agent.toml
         printf '[directory]\\nkind = \"ovn\"\\nremotes = [\"unix:/run/ovn/{}\"]\\nchassis = \"host-1\"\\n' >>/etc/nsgate/agent.toml
         nsgate check --dialect agent /etc/nsgate/agent.toml",
        name.to_string_lossy()
    ));
    start(&machine, AGENT);
    let config = Config::new(Kind::Ovn);
    let gate = machine.ask(&[
        "ip",
        "netns",
        "exec",
        network.gate.name(),
        HAPROXY,
        "-f",
        &write_config(lab, &config).display().to_string(),
    ]);
    assert!(gate.ok(), "{gate:#?}{}", machine.journal(AGENT));
    let guest = Guest::new(&network.guest);
    let served = || guest.get("/").is_ok_and(|answer| answer.status == 200);
    assert!(wait_until(10.0, served), "{}", machine.journal(AGENT));
    assert_eq!(nova.seen().last().and_then(|seen| seen.field("x-instance-id")), Some("first"));
    let all = machine.ask(&["nsgate", "attest", "--all"]);
    assert!(all.ok() && all.stdout.contains("signer"), "{all:#?}");
}

fn a_haproxy_that_runs_is_not_in_the_way_of_the_package_nor_the_package_in_its(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    let theirs = spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), "/usr/sbin/haproxy");
    let guest = Asking::start(&network.guest);
    guest.more(20);
    install(&machine, "first", &BOTH);
    guest.more(20);
    assert_eq!(program(theirs), "/usr/sbin/haproxy", "installing ends no process");
    let second = Config::new(Kind::Network).with_id(THIRD);
    let file = write_config(lab, &second).display().to_string();
    let started = machine.ask(&["ip", "netns", "exec", network.gate.name(), HAPROXY, "-f", &file]);
    assert_eq!(started.code(), Some(1), "{started:?}");
    for word in ["169.254.169.254:80", "EADDRINUSE", "another process listens there", "ss -ltnp"] {
        assert!(started.stderr.contains(word), "the message should name {word:?}: {}", started.stderr);
    }
    guest.more(20);
    guest.end();
    machine.run(&["kill", &machine.run(&["pgrep", "-f", NETWORK]).lines().next().unwrap_or_default().to_owned()]);
    assert!(wait_until(5.0, || network.gate.listening().is_empty()), "haproxy ends");
    spawn(lab, &machine, &network.gate, &second, HAPROXY);
    served(&network.guest);
}

/// A package manager, with the scripts of the packages.
struct Manager<'a> {
    machine: &'a Machine,
    rpm: bool,
}

impl Manager<'_> {
    #[track_caller]
    fn install(&self, version: &str) {
        if !self.rpm {
            return install(self.machine, version, &BOTH);
        }
        let entries = fs::read_dir(packages(version)).expect("packages").flatten();
        let names = entries.map(|entry| entry.path().display().to_string());
        // Of this architecture, not the source, not for images; and the policy, which is for every architecture.
        let wanted =
            |name: &String| name.ends_with(".rpm") && !name.ends_with(".src.rpm") && !name.contains("/nsgate-image-");
        let files: Vec<String> = names.filter(wanted).collect();
        assert_eq!(files.len(), 3, "{files:?}");
        // What they depend on was not installed by rpm here.
        let words = ["rpm", "--force-debian", "--upgrade", "--oldpackage", "--nodeps"].map(str::to_owned);
        let said = self.machine.ask(&[words.to_vec(), files].concat());
        assert!(said.ok() && !said.stderr.contains("scriptlet failed"), "{said:#?}");
    }

    /// Takes them away, and with dpkg what an operator changed as well.
    #[track_caller]
    fn remove(&self) {
        if self.rpm {
            let words = ["rpm", "--force-debian", "--erase", "nsgate", "nsgate-haproxy-compat", "nsgate-selinux"];
            let said = self.machine.ask(&words);
            assert!(said.ok() && !said.stderr.contains("scriptlet failed"), "{said:#?}");
        } else {
            self.machine.run(&["dpkg", "--remove", "nsgate-haproxy-compat", "nsgate"]);
        }
    }

    /// Every file is as the package has it.
    #[track_caller]
    fn verify(&self) {
        if self.rpm {
            let words = ["rpm", "--force-debian", "--verify", "--nodeps", "nsgate", "nsgate-haproxy-compat"];
            self.machine.run(&words);
        } else {
            self.machine.run(&["dpkg", "--verify", "nsgate", "nsgate-haproxy-compat"]);
        }
    }

    fn version(&self) -> String {
        let words: &[&str] = if self.rpm {
            &["rpm", "--force-debian", "--query", "nsgate"]
        } else {
            &["dpkg-query", "--show", "nsgate"]
        };
        self.machine.run(words)
    }
}

fn on_debian_12_packages_come_change_and_go_beside_a_haproxy_that_runs(lab: &Lab) {
    packages_come_change_and_go(lab, "NSGATE_DEBIAN", false);
}

fn on_debian_13_packages_come_change_and_go_beside_a_haproxy_that_runs(lab: &Lab) {
    packages_come_change_and_go(lab, "NSGATE_DEBIAN_13", false);
}

fn on_a_host_of_rpm_packages_come_change_and_go_beside_a_haproxy_that_runs(lab: &Lab) {
    packages_come_change_and_go(lab, "NSGATE_RPM_HOST", true);
}

/// One network's haproxy was there before the packages and is there after them, the same process, and its guest notices
/// nothing. Another network is served by a gate meanwhile, which no package's change ends. What is left is what was there.
fn packages_come_change_and_go(lab: &Lab, root: &str, rpm: bool) {
    let (network, other) = (lab.network(), Network::named("gate3", "guest3"));
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let machine = machine_of(lab, root, &[]);
    let manager = Manager { machine: &machine, rpm };
    let (files_before, accounts_before) = (files(&machine), accounts(&machine));
    let theirs = spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), "/usr/sbin/haproxy");
    let guest = Asking::start(&network.guest);
    let untouched = |when: &str| {
        guest.more(20);
        assert_eq!((found(NETWORK), program(theirs)), (theirs, "/usr/sbin/haproxy".to_owned()), "{when}");
    };
    manager.install("first");
    manager.verify();
    untouched("installed");
    assert_eq!(machine.ask(&["systemctl", "is-enabled", POOL]).stdout.trim(), "disabled");
    assert_eq!(machine.property(POOL, "ActiveState"), "inactive");
    assert!(machine.run(&["getent", "passwd", "nsgate"]).ends_with(":/usr/sbin/nologin\n"));
    configure(lab, &machine);
    let settings = || machine.run(&["cat", "/etc/nsgate/pool.toml"]);
    let own = settings();
    start(&machine, POOL);
    let keeper = spawn(lab, &machine, &other.gate, &Config::new(Kind::Network).with_id(THIRD), HAPROXY);
    served(&other.guest);
    // Up, and down again: the pool goes over each time, and neither process of an agent's ends.
    for (version, next) in [("next", true), ("first", false)] {
        let before = machine.property(POOL, "MainPID");
        manager.install(version);
        assert_eq!(manager.version().contains("+next"), next, "{}", manager.version());
        let after = machine.property(POOL, "MainPID");
        assert!(after != "0" && after != before, "{version}: the worker is {after}, was {before}");
        assert_eq!((settings(), found(THIRD)), (own.clone(), keeper), "{version}");
        untouched(version);
        served(&other.guest);
    }
    manager.remove();
    for unit in [&[POOL][..], &SOCKETS].concat() {
        assert_ne!(machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    untouched("removed");
    served(&other.guest);
    assert_eq!(found(THIRD), keeper, "a gate is its agent's");
    let kept = if rpm { "/etc/nsgate/pool.toml.rpmsave" } else { "/etc/nsgate/pool.toml" };
    assert_eq!(machine.run(&["cat", kept]), own, "what an operator wrote outlives the package");
    machine.script("rm -r /etc/systemd/system/nsgate-pool.service.d /etc/systemd/system/nsgate-pool.socket.d");
    if rpm {
        // rpm has no purge, and its distributions keep accounts.
        machine.script("rm -r /etc/nsgate; userdel nsgate");
    } else {
        machine.run(&["dpkg", "--purge", "nsgate-haproxy-compat", "nsgate"]);
    }
    untouched("purged");
    let left: Vec<String> = files(&machine).into_iter().filter(|line| !files_before.contains(line)).collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
    let after = files(&machine);
    let gone: Vec<String> = files_before.into_iter().filter(|line| !after.contains(line)).collect();
    assert!(gone.is_empty(), "not there any more: {gone:#?}");
    assert_eq!(accounts(&machine), accounts_before);
    // A second time: nothing is left of the first time that could hinder it.
    manager.install("first");
    untouched("installed again");
    guest.end();
}

/// Files on a machine but for the books of package managers and of systemd, and the backups that useradd(8) writes.
fn files(machine: &Machine) -> Vec<String> {
    let books = [
        "/var/lib/dpkg",
        "/var/lib/rpm",
        "/etc/passwd-",
        "/etc/group-",
        "/etc/shadow-",
        "/etc/gshadow-",
        "/etc/subuid",
        "/etc/subgid",
        "/var/lib/systemd",
    ];
    let all = machine.files(&DIRECTORIES).into_iter();
    all.filter(|line| !books.iter().any(|book| line.contains(&format!(" {book}")))).collect()
}

fn accounts(machine: &Machine) -> String {
    machine.run(&["cat", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"])
}

fn metrics_reach_tcp_and_a_shell_completes_networks(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &BOTH);
    pool(lab, &machine);
    spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), HAPROXY);
    served(&network.guest);
    machine.script(
        "cp /usr/share/doc/nsgate/docs/examples/systemd/nsgate-metrics.* /etc/systemd/system/
         systemctl daemon-reload
         systemctl start nsgate-metrics.socket",
    );
    let fetch = "import urllib.request
print(urllib.request.urlopen('http://127.0.0.1:9517/metrics', timeout=20).read().decode())";
    let metrics = machine.run(&["python3", "-c", fetch]);
    assert!(metrics.contains("nsgate_networks 1\n"), "{metrics}");
    let complete = "source /usr/share/bash-completion/completions/nsgate
COMP_WORDS=(nsgate remove --network-id ''); COMP_CWORD=3; _nsgate_networks nsgate '' --network-id; echo \"${COMPREPLY[*]}\"
COMP_WORDS=(nsgate remove --router-id ''); COMP_CWORD=3; _nsgate_networks nsgate '' --router-id; echo \"${COMPREPLY[*]}\"
COMP_WORDS=(nsgate att); COMP_CWORD=1; _nsgate_networks nsgate att nsgate; echo \"${COMPREPLY[*]}\"";
    assert_eq!(machine.run(&["bash", "-c", complete]), format!("{NETWORK}\n\nattest\n"));
}

fn an_ansible_role_goes_there_twice_and_back(lab: &Lab) {
    let (venv, role) = (target().join("dist/venv"), workspace().join("docs/examples/ansible"));
    let ansible = venv.join("bin/ansible-playbook");
    lab.needs(&ansible.display().to_string(), "cargo xtask test dist, with PyPI in reach");
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[&venv, &role]);
    let inventory = "/run/lab/neutron/inventory";
    let words = "[network_nodes]\nhere ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n";
    fs::write(inventory, words).expect("an inventory");
    let packages = packages("first");
    let play = |more: &str| {
        let socket = lab.socket();
        machine.script(&format!(
            "HOME=/root ANSIBLE_PIPELINING=1 ANSIBLE_GATHERING=explicit \
                 {} --inventory {inventory} --extra-vars 'nsgate_packages={} nsgate_pool=true' \
                 --extra-vars '{{\"nsgate_backends\": [\"{}\"]}}' {more} {}/site.yml",
            ansible.display(),
            packages.display(),
            socket.display(),
            role.display()
        ))
    };
    let first = play("");
    assert!(first.contains("failed=0") && !first.contains("changed=0"), "{first}");
    assert_eq!(machine.property("nsgate-pool.service", "ActiveState"), "active");
    spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), HAPROXY);
    served(&network.guest);
    assert!(machine.run(&["nsgate", "list"]).contains(NETWORK), "its keeper found the pool");
    let again = play("");
    assert!(again.contains("changed=0") && again.contains("failed=0"), "{again}");
    let back = play("--extra-vars nsgate_for_neutron=false");
    assert!(back.contains("failed=0"), "{back}");
    assert!(!machine.ask(&["test", "-e", HAPROXY]).ok(), "nsgate is no haproxy any more");
    served(&network.guest);
}

fn a_namespace_is_served_by_name(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    install(&machine, "first", &["nsgate"]);
    let example = "/usr/share/doc/nsgate/examples/gate.toml.example";
    machine.script(&format!(
        "mkdir -p /etc/nsgate/gates
         sed 's|^backend = .*|backend = \"{}\"|' {example} >/etc/nsgate/gates/gate.toml",
        lab.socket().display()
    ));
    start(&machine, "nsgate@gate.service");
    assert_eq!(machine.property("nsgate@gate.service", "ActiveState"), "active");
    served(&network.guest);
    // The template's own limits left the gate what it takes to be confined.
    let main = machine.property("nsgate@gate.service", "MainPID");
    machine.script(&format!("nsgate attest $(cat /proc/{main}/task/{main}/children)"));
    machine.run(&["systemctl", "stop", "nsgate@gate.service"]);
    assert!(network.gate.listening().is_empty(), "its address is free");
    let refused = machine.ask(&["systemctl", "start", "nsgate@absent.service"]);
    assert_eq!(machine.property("nsgate@absent.service", "ActiveState"), "inactive", "{refused:?}");
}

fn removed_gates_go_on_and_purged_nothing_is_left(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = machine(lab, &[]);
    let (files_before, accounts_before) = (files(&machine), accounts(&machine));
    install(&machine, "first", &BOTH);
    pool(lab, &machine);
    machine.run(&["systemctl", "enable", POOL]);
    assert_eq!(machine.ask(&["systemctl", "is-enabled", SOCKETS[0]]).stdout.trim(), "enabled", "with its sockets");
    let keeper = spawn(lab, &machine, &network.gate, &Config::new(Kind::Network), HAPROXY);
    let guest = Asking::start(&network.guest);
    guest.more(20);
    machine.run(&["dpkg", "--remove", "nsgate-haproxy-compat", "nsgate"]);
    for unit in [&[POOL][..], &SOCKETS].concat() {
        assert_ne!(machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    // An operator's own text stays.
    machine.script("rm -r /etc/systemd/system/nsgate-pool.service.d /etc/systemd/system/nsgate-pool.socket.d");
    // Without a worker the keeper serves by itself: a gate is its agent's, and no package's.
    guest.more(20);
    machine.run(&["dpkg", "--purge", "nsgate-haproxy-compat", "nsgate"]);
    guest.more(20);
    guest.end();
    assert_eq!(found(NETWORK), keeper);
    let left: Vec<String> = files(&machine).into_iter().filter(|line| !files_before.contains(line)).collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
    assert_eq!(accounts(&machine), accounts_before, "the account is gone");
    assert_eq!(machine.ask(&["ls", "/run/nsgate"]).code(), Some(2), "its directory in /run is gone");
    assert_eq!(machine.ask(&["ls", "/run/nsgate-pool"]).code(), Some(2));
}

/// Neutron's own driver, run as a service called neutron-l3-agent.
struct Neutron<'a> {
    machine: &'a Machine,
    helper: &'a str,
}

const ROUTER: &str = "2f6c0b1e-8d3a-4c57-9b7e-5a1d0c9e8f42";
const THIRD: &str = "c3a9e7d5-1b2f-4e60-8a4c-7d6b5e4f3a21";

impl Neutron<'_> {
    fn venv() -> PathBuf {
        target().join("neutron/venv")
    }

    fn install(&self) {
        let (python, script) = (Neutron::venv().join("bin/python"), workspace().join("tests/neutron/switch.py"));
        self.machine.script(&format!(
            "cat >/etc/systemd/system/neutron-l3-agent.service <<END
[Service]
Type=oneshot
KillMode=process
Environment=PYTHONDONTWRITEBYTECODE=1 NSGATE_ROOT_HELPER=\"{}\"
ExecStart={} -W ignore {} /run/lab/neutron/task
END
systemctl daemon-reload",
            self.helper,
            python.display(),
            script.display()
        ));
    }

    /// One life of the agent, in which it does this.
    #[track_caller]
    fn does(&self, task: &str) {
        fs::write("/run/lab/neutron/task", task).expect("a task");
        let started = self.machine.ask(&["systemctl", "start", "neutron-l3-agent.service"]);
        assert!(started.ok(), "{task}: {}", self.machine.journal("neutron-l3-agent.service"));
    }
}

/// What of this workspace a machine shows for it.
fn neutron(lab: &Lab) -> Machine {
    let (venv, scripts) = (Neutron::venv(), workspace().join("tests/neutron"));
    lab.needs(&venv.join("bin/python").display().to_string(), "cargo xtask test neutron");
    let machine = machine(lab, &[&venv, &scripts]);
    lab.give(&lab.state(), NEUTRON_ID);
    lab.give(&lab.state().join("ns-metadata-proxy"), NEUTRON_ID);
    lab.give(&lab.state().join("external"), NEUTRON_ID);
    lab.give(&lab.state().join("external/pids"), NEUTRON_ID);
    machine
}

fn neutron_finds_nsgate_with_the_package_and_haproxy_without_it(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let third = Network::named("gate3", "guest3");
    let machine = neutron(lab);
    let agent = Neutron { machine: &machine, helper: "env" };
    agent.install();
    let (first, other) = (Asking::start, |guest: &Network| served(&guest.guest));
    // Before: haproxy.
    agent.does(&format!("spawn gate network {NETWORK}"));
    assert_eq!(program(found(NETWORK)), "/usr/sbin/haproxy");
    let guest = first(&network.guest);
    guest.more(20);
    // With the package: nsgate for the next, and haproxy goes on.
    install(&machine, "first", &BOTH);
    agent.does(&format!("spawn gate router {ROUTER}"));
    assert_eq!(program(found(ROUTER)), HAPROXY);
    assert_eq!(program(found(NETWORK)), "/usr/sbin/haproxy");
    guest.more(20);
    // The network's next proxy is nsgate.
    guest.end();
    agent.does(&format!("destroy gate network {NETWORK}\nspawn gate network {NETWORK}"));
    assert_eq!(program(found(NETWORK)), HAPROXY);
    let guest = first(&network.guest);
    guest.more(20);
    // Without it: haproxy again for the next, and nsgate goes on, until the agent ends it.
    machine.run(&["dpkg", "--remove", "nsgate-haproxy-compat"]);
    guest.more(20);
    agent.does(&format!("spawn gate3 network {THIRD}"));
    assert_eq!(program(found(THIRD)), "/usr/sbin/haproxy");
    other(&third);
    guest.more(20);
    guest.end();
    assert!(program(found(NETWORK)).starts_with(HAPROXY), "{}", program(found(NETWORK)));
    agent.does(&format!("destroy gate network {NETWORK}\nspawn gate network {NETWORK}"));
    assert_eq!(program(found(NETWORK)), "/usr/sbin/haproxy");
    served(&network.guest);
}

fn neutrons_rootwrap_lets_nsgate_start_and_end_where_no_haproxy_is(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = neutron(lab);
    let venv = Neutron::venv();
    let rootwrap = "/usr/bin/neutron-rootwrap";
    machine.script(&format!(
        "dpkg --purge haproxy
         mkdir -p /etc/neutron/rootwrap.d
         cp {venv}/etc/neutron/rootwrap.conf /etc/neutron/
         cp {venv}/etc/neutron/rootwrap.d/* /etc/neutron/rootwrap.d/
         printf '#!{venv}/bin/python\\nfrom oslo_rootwrap.cmd import main\\nmain()\\n' >{rootwrap}
         chmod 0755 {rootwrap}
         printf 'neutron ALL=(root) NOPASSWD: {rootwrap} /etc/neutron/rootwrap.conf *\\n' >/etc/sudoers.d/neutron
         chmod 0440 /etc/sudoers.d/neutron",
        venv = venv.display()
    ));
    let helper = format!("runuser -u neutron -- sudo -n {rootwrap} /etc/neutron/rootwrap.conf");
    let agent = Neutron { machine: &machine, helper: &helper };
    agent.install();
    let task = format!("spawn gate network {NETWORK}");
    fs::write("/run/lab/neutron/task", &task).expect("a task");
    assert!(!machine.ask(&["systemctl", "start", "neutron-l3-agent.service"]).ok(), "there is nothing to be found yet");
    let said = text("/run/lab/driver.log");
    assert!(said.contains("no filter matched"), "{said}");
    install(&machine, "first", &BOTH);
    machine.run(&["visudo", "--check"]);
    agent.does(&task);
    assert_eq!(program(found(NETWORK)), HAPROXY);
    served(&network.guest);
    let pid = found(NETWORK).to_string();
    // Neutron up to Victoria ended it so.
    let own = machine.run(&["pgrep", "-f", NETWORK]);
    let own = own.lines().next().unwrap_or_default();
    let kill = format!("{helper} kill -15 {own}");
    machine.run(&kill.split(' ').collect::<Vec<_>>());
    assert!(wait_until(5.0, || !Path::new(&format!("/proc/{pid}")).exists()), "{}", text(format!("/proc/{pid}/stat")));
    // The filters do not match a program of that name at another path.
    machine.script("mkdir /opt/other; cp /usr/bin/sleep /opt/other/haproxy; /opt/other/haproxy 60 >/dev/null 2>&1 & echo $! >/run/lab/neutron/other");
    let other = text("/run/lab/neutron/other");
    let kill = format!("{helper} kill -15 {}", other.trim());
    assert!(!machine.ask(&kill.split(' ').collect::<Vec<_>>()).ok(), "a stranger's process was ended");
}

fn an_agent_in_a_virtual_environment_keeps_the_path_that_its_own_sudoers_file_sets(lab: &Lab) {
    let machine = machine(lab, &[]);
    // As kolla and openstack-ansible set it: rootwrap is found in the environment, and by no other way.
    let path = "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    machine.script(&format!(
        "mkdir -p /opt/venv/bin; printf '#!/bin/sh\\necho $PATH\\n' >/opt/venv/bin/neutron-rootwrap
         chmod 0755 /opt/venv/bin/neutron-rootwrap; cp /opt/venv/bin/neutron-rootwrap /usr/bin/neutron-rootwrap
         printf 'Defaults:neutron secure_path=\"{path}\"\\nneutron ALL=(root) NOPASSWD: /opt/venv/bin/neutron-rootwrap\\n\
             neutron ALL=(root) NOPASSWD: /usr/bin/neutron-rootwrap\\n' >/etc/sudoers.d/neutron_sudoers
         chmod 0440 /etc/sudoers.d/neutron_sudoers"
    ));
    let sudo =
        |program: &str| machine.run(&["runuser", "-u", "neutron", "--", "sudo", "-n", program]).trim().to_owned();
    assert_eq!(sudo("neutron-rootwrap"), path);
    install(&machine, "first", &BOTH);
    machine.run(&["visudo", "--check"]);
    assert_eq!(sudo("neutron-rootwrap"), path, "the package sets another path for every agent");
    assert!(
        sudo("/usr/bin/neutron-rootwrap").starts_with("/usr/lib/nsgate/bin:"),
        "the distribution's rootwrap finds nsgate"
    );
}

/// docs/containers/openstack-ansible.md, forward and back.
fn an_agent_in_a_virtual_environment_finds_a_file_in_usr_local_and_haproxy_without_it(lab: &Lab) {
    let (network, _agent) = (lab.network(), RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let machine = neutron(lab);
    let venv = Neutron::venv();
    let bin = "/openstack/venvs/neutron-1/bin";
    let files = [
        (
            "/etc/neutron/rootwrap.conf",
            format!(
                "[DEFAULT]\nfilters_path = /etc/neutron/rootwrap.d,/usr/share/neutron/rootwrap\n\
                 exec_dirs = {bin},/sbin,/usr/sbin,/bin,/usr/bin,/usr/local/bin,/usr/local/sbin,/etc/neutron/kill_scripts"
            ),
        ),
        (
            "/etc/sudoers.d/neutron_sudoers",
            format!(
                "Defaults:neutron !requiretty\n\
                 Defaults:neutron secure_path=\"{bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n\
                 neutron ALL = (root) NOPASSWD: {bin}/neutron-rootwrap"
            ),
        ),
        (
            "/openstack/venvs/neutron-1/bin/neutron-rootwrap",
            format!("#!{}/bin/python\nfrom oslo_rootwrap.cmd import main\nmain()", venv.display()),
        ),
    ];
    machine
        .script(&format!("mkdir -p /etc/neutron {bin}; cp -r {}/etc/neutron/rootwrap.d /etc/neutron/", venv.display()));
    for (path, file) in files {
        machine.script(&format!("cat >{path} <<'END'\n{file}\nEND\n"));
    }
    machine.script(&format!(
        "chmod 0755 {bin}/neutron-rootwrap; chmod 0440 /etc/sudoers.d/neutron_sudoers; visudo --check"
    ));
    let helper = format!("runuser -u neutron -- sudo -n {bin}/neutron-rootwrap /etc/neutron/rootwrap.conf");
    let agent = Neutron { machine: &machine, helper: &helper };
    agent.install();
    let (spawn, destroy) = (format!("spawn gate network {NETWORK}\n"), format!("destroy gate network {NETWORK}\n"));
    agent.does(&spawn);
    assert_eq!(program(found(NETWORK)), "/usr/sbin/haproxy");
    install(&machine, "first", &["nsgate"]);
    let compat = packages("first").display().to_string();
    machine.script(&format!(
        "dpkg-deb --extract {compat}/nsgate-haproxy-compat_*.deb /tmp/compat
         install -m 0755 /tmp/compat/usr/lib/nsgate/bin/haproxy /usr/local/sbin/haproxy; /usr/local/sbin/haproxy -v"
    ));
    agent.does(&(destroy.clone() + &spawn));
    assert_eq!(program(found(NETWORK)), "/usr/local/sbin/haproxy");
    served(&network.guest);
    machine.run(&["nsgate", "attest", "--all"]);
    machine.script("rm /usr/local/sbin/haproxy");
    served(&network.guest);
    agent.does(&(destroy + &spawn));
    assert_eq!(program(found(NETWORK)), "/usr/sbin/haproxy");
    served(&network.guest);
}
