//! A keeper: what Neutron watches, how it comes, waits, serves by itself and ends.

use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{
    OTHER, Pool, World, in_the_pool, keeper, listed, nsgate, served, socket_path, try_keeper, world,
};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::world::NEUTRON_ID;
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Network, RecordingAgent, Response, SyslogReader, suite};

fn main() {
    suite!["pool_keepers":
        a_keeper_is_what_neutron_watches_and_the_worker_serves,
        a_worker_holds_nothing_but_descriptors,
        a_sleeping_keeper_has_given_back_what_starting_took,
        a_network_ends_with_its_keeper_within_a_second,
        sigusr1_lets_a_keeper_finish_its_requests,
        a_worker_that_dies_loses_no_connection_made_meanwhile,
        without_a_worker_a_keeper_serves_by_itself_and_returns_to_the_pool,
        a_keeper_waits_for_the_patience_that_the_site_says,
        without_fallback_a_network_is_not_added_where_no_worker_is,
        a_keeper_that_never_serves_says_so_each_time_that_no_worker_does,
        a_worker_of_another_protocol_version_is_refused_and_the_keeper_serves,
        nothing_is_added_to_a_worker_of_another_protocol_version,
        a_keeper_that_may_not_connect_says_who_it_is_and_who_may,
        a_keeper_copies_the_mounts_of_the_worker_and_not_of_the_host,
        whoever_is_no_worker_lends_no_mounts,
    ]
}

fn a_keeper_is_what_neutron_watches_and_the_worker_serves(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start(lab);
    let config = Config::new(Kind::Network);
    let keeper = keeper(lab, &world.network.gate, &config);
    assert!(served(&Guest::new(&world.network.guest)));
    let process = Process::new(keeper.pid);
    assert_eq!(process.cmdline()[1..], ["-f".to_owned(), keeper.file.display().to_string()]);
    assert!(process.environ().iter().any(|one| one == &format!("PROCESS_TAG=haproxy-{NETWORK}")));
    // The worker has the connection while a request is under way, and the worker's root shows the agent.
    assert!(pool.said(&format!("X-Neutron-Network-ID {NETWORK} is served")), "{}", text(&pool.log));
    assert_eq!(listed(lab)[0]["served"], 1);
    assert!(
        !process.descriptors().unwrap().values().any(|target| target.contains("eventpoll")),
        "it has no event loop"
    );
}

fn a_worker_holds_nothing_but_descriptors(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    assert!(served(&Guest::new(&world.network.guest)));
    for (pid, root) in
        [(pool.worker(), &["agent", "backend"][..]), (keeper.pid, &["agent", "backend", "pool", "worker"])]
    {
        let process = Process::new(pid);
        for set in CAPABILITY_SETS {
            assert_eq!(process.capabilities(set), 0, "{set} of {pid}");
        }
        assert_eq!(process.status("NoNewPrivs"), "1");
        assert_eq!(process.status("Seccomp"), "2");
        assert!(process.status_numbers("Uid").iter().all(|uid| *uid != 0));
        let shown: Vec<String> =
            process.root_entries().into_iter().filter(|name| name != "log-directory" && name != "syslog").collect();
        assert_eq!(shown, root, "{pid}");
    }
    for pid in [pool.worker(), keeper.pid] {
        let mut command = Command::new(lab.program.nsgate());
        command.arg("attest").arg(pid.to_string());
        let attested = communicate(command, Duration::from_secs(10));
        assert!(attested.ok(), "{attested:#?}");
    }
}

fn a_sleeping_keeper_has_given_back_what_starting_took(lab: &Lab) {
    let world = world(lab);
    let _pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    // Pages, not time: about ten are left of what is about seventeen when it has just been started.
    let dirty = || Process::new(keeper.pid).private_dirty_of(&["[heap]", "[stack]"]);
    assert!(wait_until(5.0, || (1..=52).contains(&dirty())), "{} KiB of heap and stack", dirty());
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200);
}

fn a_network_ends_with_its_keeper_within_a_second(lab: &Lab) {
    let world = world(lab);
    let _pool = Pool::start(lab);
    let guest = Guest::new(&world.network.guest);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
        assert!(served(&guest));
        let mut kept = guest.connect().unwrap();
        kept.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(Response::read(&mut kept).unwrap().status, 200);
        keeper.signal(signal);
        assert!(wait_until(1.0, || guest.connect().is_err() && world.network.gate.listening().is_empty()), "{signal}");
        assert!(wait_until(1.0, || listed(lab).is_empty()), "{signal}");
        // A connection that was kept ends as well.
        assert_eq!(kept.read(&mut [0; 10]).unwrap_or(0), 0);
    }
}

fn sigusr1_lets_a_keeper_finish_its_requests(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    let network = lab.network();
    let _agent = RecordingAgent::answering(&lab.socket(), |_| {
        std::thread::sleep(Duration::from_millis(600));
        Answer::ok("late")
    });
    let _pool = Pool::start(lab);
    let keeper = keeper(lab, &network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    let guest = Guest::new(&network.guest);
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| guest.get("/slow"));
        std::thread::sleep(Duration::from_millis(200));
        keeper.signal(Signal::SIGUSR1);
        asking.join().unwrap()
    });
    assert_eq!(answer.unwrap().text(), "late");
    assert!(keeper.ended_within(Duration::from_secs(3)));
    assert!(guest.connect().is_err());
}

fn a_worker_that_dies_loses_no_connection_made_meanwhile(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    let guest = Guest::new(&world.network.guest);
    assert!(served(&guest));
    pool.crash();
    let waiting = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..10).map(|_| scope.spawn(|| guest.get("/"))).collect();
        std::thread::sleep(Duration::from_millis(500));
        let next = Pool::start(lab);
        let answers: Vec<_> = asking.into_iter().map(|one| one.join().unwrap()).collect();
        drop(next);
        answers
    });
    assert!(waiting.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)), "{waiting:?}");
    assert!(keeper.alive());
}

fn without_a_worker_a_keeper_serves_by_itself_and_returns_to_the_pool(lab: &Lab) {
    let world = world(lab);
    let log = SyslogReader::bind("/dev/log".as_ref());
    let began = Instant::now();
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    assert!(began.elapsed() < Duration::from_secs(3), "an agent is not kept waiting");
    let guest = Guest::new(&world.network.guest);
    assert!(served(&guest));
    assert_eq!(world.agent.only().header("X-Neutron-Network-ID"), [NETWORK]);
    assert!(log.find("serving by itself", 3.0).is_some());
    // Kept connections survive the way into the pool: each answer until then is one.
    let mut kept = guest.connect().unwrap();
    let mut ask = || {
        kept.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        Response::read(&mut kept).unwrap()
    };
    assert_eq!(ask().status, 200);
    let pool = Pool::start(lab);
    assert!(wait_until(10.0, || listed(lab).len() == 1));
    let last = ask();
    assert_eq!((last.status, last.header("connection")), (200, Some("close")), "the last answer says so");
    assert!(served(&guest));
    assert_eq!(listed(lab)[0]["requests"], 1, "the worker has served one");
    let process = Process::new(keeper.pid);
    assert!(wait_until(12.0, || !process.descriptors().unwrap().values().any(|target| target.contains("eventpoll"))));
    drop(pool);
}

fn a_keeper_waits_for_the_patience_that_the_site_says(lab: &Lab) {
    let world = world(lab);
    lab.site("pool_patience = \"2s\"\n");
    // A site without a pool has no use for patience; with one it has.
    site_again(&format!("pool = \"{}\"\npool_patience = \"2s\"\n", socket_path(lab).display()));
    let log = SyslogReader::bind("/dev/log".as_ref());
    let mut pool = Pool::start(lab);
    // Not by the environment: the site's settings alone.
    let gate = nsgate_tests::Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    assert_eq!(listed(lab).len(), 1);
    pool.crash();
    assert_eq!(log.find("serving by itself", 1.0), None, "before its patience ends it waits");
    assert!(log.find("serving by itself", 6.0).is_some());
    assert!(served(&Guest::new(&world.network.guest)));
    assert!(gate.alive());
}

fn site_again(text: &str) {
    std::fs::write("/etc/nsgate/nsgate.toml", text).unwrap();
}

fn without_fallback_a_network_is_not_added_where_no_worker_is(lab: &Lab) {
    let world = world(lab);
    lab.site(&format!("pool = \"{}\"\npool_fallback = false\n", socket_path(lab).display()));
    let started = try_keeper(lab, &world.network.gate, &Config::new(Kind::Network)).unwrap_err();
    assert!(started.code() == Some(1) && started.stderr.contains("pool.sock"), "{started:#?}");
    assert!(world.network.gate.listening().is_empty());
    assert!(!Config::new(Kind::Network).pid_file.exists(), "nothing is left behind");
}

fn a_keeper_that_never_serves_says_so_each_time_that_no_worker_does(lab: &Lab) {
    let world = world(lab);
    let socket = socket_path(lab).display().to_string();
    lab.site(&format!("pool = \"{socket}\"\npool_patience = \"1s\"\npool_fallback = false\n"));
    let log = SyslogReader::bind("/dev/log".as_ref());
    let mut pool = Pool::start(lab);
    let gate = nsgate_tests::Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    for time in 1..=2 {
        assert!(wait_until(10.0, || listed(lab).len() == 1), "{}", text(&pool.log));
        log.all(0.5);
        pool.crash();
        assert!(log.find("no process serves the network until a worker answers", 10.0).is_some(), "time {time}");
        let more = log.all(1.0).iter().filter(|line| line.contains("no process serves")).count();
        assert_eq!(more, 0, "once each time");
        pool = Pool::start(lab);
    }
    assert!(gate.alive());
}

/// What a worker of the next version says to a message of this one, and a word that only it knows.
const NEXT: [&str; 2] =
    ["nsgate-pool 2 refused\nversion `1` of the protocol is not spoken here, version 2 is", "nsgate-pool 2 serving\n"];

fn a_worker_of_another_protocol_version_is_refused_and_the_keeper_serves(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    lab.site(&format!("pool = \"{}\"\npool_patience = \"2s\"\n", socket_path(lab).display()));
    let log = SyslogReader::bind("/dev/log".as_ref());
    let neighbour = nsgate_tests::Gate::start(lab, &second.gate, &Config::new(Kind::Ovn).with_id(OTHER));
    assert!(log.find("serving by itself", 3.0).is_some(), "there is no worker yet");
    let gate = nsgate_tests::Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    let (guest, other) = (Guest::new(&world.network.guest), Guest::new(&second.guest));
    for answer in NEXT {
        let mut pool = Pool::start(lab);
        assert!(wait_until(10.0, || listed(lab).len() == 2), "{}", text(&pool.log));
        log.all(0.5);
        pool.crash();
        let next = nsgate_tests::pool::Stranger::start(lab, answer);
        // Patience first, with guests that wait; then both serve by themselves, and say why.
        let waiting = guest.patient(8).get("/");
        assert!(waiting.as_ref().is_ok_and(|answer| answer.status == 200), "{waiting:?}");
        assert!(served(&other));
        let said = log.all(1.0);
        let why = said.iter().filter(|line| line.contains("serving by itself")).collect::<Vec<_>>();
        let named = |line: &&&String| line.contains("version `2` of the protocol is not spoken here, version 1 is");
        assert!(why.len() == 2 && why.iter().filter(named).count() == 2, "each says it once: {said:#?}");
        assert!(gate.alive() && neighbour.alive());
        let asked = next.end();
        let serve = |message: &String| message.starts_with("nsgate-pool 1 serve\n");
        assert!(asked.len() > 2 && asked.iter().all(serve), "{} of them", asked.len());
    }
    // And they return to one that speaks as they do.
    let _pool = Pool::start(lab);
    assert!(wait_until(10.0, || listed(lab).len() == 2));
    assert!(served(&guest) && served(&other));
}

fn nothing_is_added_to_a_worker_of_another_protocol_version(lab: &Lab) {
    let world = world(lab);
    let words = add_words(lab, &world);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for answer in NEXT {
        let next = nsgate_tests::pool::Stranger::start(lab, answer);
        for command in [&words[..], &["list"], &["status"], &["remove", &format!("--network-id={NETWORK}")]] {
            let said = nsgate(lab, command);
            let reason = said.stderr.contains("version `2` of the protocol is not spoken here, version 1 is");
            assert!(said.code() == Some(1) && reason, "{said:#?}");
        }
        assert!(world.network.gate.listening().is_empty(), "nothing is left behind");
        assert!(next.end().iter().all(|message| message.starts_with("nsgate-pool 1 ")));
    }
    let again = Pool::start(lab);
    assert!(nsgate(lab, &words).ok(), "{}", text(&again.log));
    assert!(served(&Guest::new(&world.network.guest)));
}

fn a_keeper_that_may_not_connect_says_who_it_is_and_who_may(lab: &Lab) {
    let world = world(lab);
    let agent = lab.directory("agent", 0o755).join("socket");
    let named = format!("--netns={}", world.network.gate.name());
    let (id, backend) = (format!("--network-id={NETWORK}"), format!("--backend={}", agent.display()));
    let add = ["add", &named, &id, &backend, "--listen=169.254.169.254:80", "--user=nobody", "--group=nogroup"];
    let refused = |mode: &str, group: &str| {
        let said = nsgate(lab, &add);
        assert_eq!(said.code(), Some(1), "{said:#?}");
        for word in ["uid 65534 and gid 65534 may not connect", mode, group, "`handover_group`", "--group"] {
            assert!(said.stderr.contains(word), "{word}: {said:#?}");
        }
        assert!(world.network.gate.listening().is_empty(), "nothing is left behind");
    };
    let pool = Pool::start(lab);
    refused("its mode is 0660", &format!("its group gid {NEUTRON_ID}"));
    drop(pool);
    // Without a group that may.
    let words = nsgate_tests::pool::words(lab, &[]).into_iter().filter(|word| !word.starts_with("--handover-group"));
    let mut command = Command::new(lab.program.nsgate());
    command.args(words);
    let pool = Pool::spawn_as(lab, command);
    assert!(wait_until(10.0, || nsgate(lab, &["list"]).ok()), "{}", text(&pool.log));
    refused("its mode is 0600", "its group gid 0");
    // Under the haproxy name the log says it, and the keeper serves.
    let log = SyslogReader::bind("/dev/log".as_ref());
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let line = log.find("serving by itself", 5.0).expect("a line");
    assert!(line.contains("may not connect to it: its mode is 0600") && line.contains("`handover_group`"), "{line}");
    assert!(served(&Guest::new(&world.network.guest)) && keeper.alive());
}

/// Words of `nsgate add` for the network.
fn add_words(lab: &Lab, world: &World) -> [String; 7] {
    [
        "add".to_owned(),
        format!("--netns={}", world.network.gate.name()),
        format!("--network-id={NETWORK}"),
        format!("--backend={}", lab.socket().display()),
        "--listen=169.254.169.254:80".to_owned(),
        "--user=neutron".to_owned(),
        "--group=neutron".to_owned(),
    ]
}

/// Calls of `nsgate add` and its child that change namespaces.
fn namespaces_of_add(lab: &Lab, world: &World) -> String {
    lab.needs("/usr/bin/strace", "apt-get install --no-install-recommends strace");
    let trace = lab.state().join("trace");
    let mut command = Command::new("/usr/bin/strace");
    command.args(["-f", "-e", "trace=setns,unshare", "-o"]).arg(&trace).arg(lab.program.nsgate());
    command.arg("add").arg(format!("--pool={}", socket_path(lab).display())).args(&add_words(lab, world)[1..]);
    command.arg("--fallback").stdin(std::process::Stdio::null());
    // strace ends with the last that it follows, which is the keeper.
    let mut strace = command.spawn().expect("strace");
    assert!(wait_until(20.0, || served(&Guest::new(&world.network.guest))), "{}", text(&trace));
    let said = text(&trace);
    let keepers = nsgate_tests::procfs::having("--fallback").into_iter();
    for pid in keepers.filter(|pid| text(format!("/proc/{pid}/comm")).trim() == "nsgate") {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM);
    }
    let _ = strace.wait();
    said
}

fn a_keeper_copies_the_mounts_of_the_worker_and_not_of_the_host(lab: &Lab) {
    let world = world(lab);
    for workers in ["--workers=1", "--workers=2"] {
        let _pool = Pool::start_with(lab, &[workers]);
        let calls = namespaces_of_add(lab, &world);
        let at = |found: fn(&str) -> bool| calls.lines().position(found);
        let (entered, copied) = (at(entered), at(|line| line.contains("unshare(CLONE_NEWNS")));
        assert!(entered.is_some() && entered < copied, "{calls}");
    }
}

/// Whether this call enters a mount namespace.
fn entered(line: &str) -> bool {
    line.contains("setns(") && line.contains("CLONE_NEWNS)") && line.ends_with("= 0")
}

fn whoever_is_no_worker_lends_no_mounts(lab: &Lab) {
    let world = world(lab);
    // The test itself has a root like a host's.
    let stranger = nsgate_tests::pool::Stranger::start(lab, NEXT[0]);
    let calls = namespaces_of_add(lab, &world);
    assert!(calls.contains("unshare(CLONE_NEWNS") && !calls.lines().any(entered), "{calls}");
    assert!(!stranger.end().is_empty());
}
