//! Many networks in one worker: keepers, handovers, deaths and upgrades, and what is refused.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{channel, gate, keeper, metrics_path, receive, send, socket_path, try_keeper};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::{
    Answer, Config, Guest, Kind, Lab, Load, Namespace, Network, RecordingAgent, Response, Started, SyslogReader,
    pool::Pool, suite,
};

fn main() {
    suite!["pool":
        a_keeper_is_what_neutron_watches_and_the_worker_serves,
        each_network_is_served_in_its_own_name,
        a_worker_holds_nothing_but_descriptors,
        a_sleeping_keeper_has_given_back_what_starting_took,
        a_network_ends_with_its_keeper_within_a_second,
        sigusr1_lets_a_keeper_finish_its_requests,
        a_worker_that_dies_loses_no_connection_made_meanwhile,
        without_a_worker_a_keeper_serves_by_itself_and_returns_to_the_pool,
        a_keeper_waits_for_the_patience_that_the_site_says,
        without_fallback_a_network_is_not_added_where_no_worker_is,
        a_worker_of_another_protocol_version_is_refused_and_the_keeper_serves,
        nothing_is_added_to_a_worker_of_another_protocol_version,
        a_keeper_copies_the_mounts_of_the_worker_and_not_of_the_host,
        whoever_is_no_worker_lends_no_mounts,
        twenty_upgrades_lose_no_request,
        twenty_deaths_lose_only_what_was_under_way,
        a_plain_restart_finishes_what_is_under_way,
        add_list_status_and_remove_do_what_they_say,
        metrics_are_openmetrics_and_hold_no_guests_words,
        each_network_has_its_own_lines_in_the_log,
        an_agent_that_hangs_stops_its_own_network_alone,
        a_crowded_network_leaves_room_for_its_neighbour,
        a_stranger_may_not_hand_over,
        what_is_not_the_gates_listener_is_refused_by_name,
        too_few_and_too_many_descriptors_are_refused,
        one_listener_under_two_identities_is_refused,
        other_versions_and_half_messages_are_refused,
        a_backend_that_is_not_the_pools_is_refused,
        a_network_that_is_present_with_other_content_is_refused,
        ten_thousand_networks_disturb_nobody,
        peers_that_say_nothing_or_do_not_read_disturb_nobody,
        a_peer_that_stops_reading_is_left_with_a_line_in_the_log,
        a_message_out_of_turn_ends_the_network_it_belongs_to,
        a_second_worker_is_refused_and_leaves_nothing,
        what_stands_in_the_sockets_place_is_left_alone,
    ]
}

const OTHER: &str = "0b5e6d1c-3f0a-4f44-8f0e-1c2d3e4f5a6b";

struct World {
    network: Network,
    agent: RecordingAgent,
}

/// One network and an agent; the pool is the test's own.
fn world(lab: &Lab) -> World {
    lab.needs_root("keeper, worker and agents are different users");
    World { network: lab.network(), agent: RecordingAgent::start(&lab.socket(), Answer::ok("hello")) }
}

fn nsgate(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    let pool = format!("--pool={}", socket_path(lab).display());
    command.args(&words[..1]).arg(pool).args(&words[1..]);
    communicate(command, Duration::from_secs(10))
}

fn listed(lab: &Lab) -> Vec<serde_json::Value> {
    let started = nsgate(lab, &["status", "--json"]);
    assert!(started.ok(), "{started:#?}");
    serde_json::from_str(&started.stdout).unwrap()
}

fn served(guest: &Guest) -> bool {
    guest.get("/").is_ok_and(|answer| answer.status == 200)
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
    // It is the worker that has a connection while a request is under way, and its root that shows the agent.
    assert!(pool.said(&format!("X-Neutron-Network-ID {NETWORK} is served")), "{}", text(&pool.log));
    assert_eq!(listed(lab)[0]["served"], 1);
    assert!(
        !process.descriptors().unwrap().values().any(|target| target.contains("eventpoll")),
        "it has no event loop"
    );
}

fn each_network_is_served_in_its_own_name(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let _pool = Pool::start(lab);
    let _one = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let _two = keeper(lab, &second.gate, &Config::new(Kind::Ovn).with_id(OTHER));
    for (network, header, id) in
        [(&world.network, "X-Neutron-Network-ID", NETWORK), (&second, "X-OVN-Network-ID", OTHER)]
    {
        world.agent.forget();
        let forged =
            format!("X-Neutron-Network-ID: {OTHER}\r\nX-OVN-Network-ID: {NETWORK}\r\nX-Forwarded-For: 1.2.3.4\r\n");
        assert_eq!(Guest::new(&network.guest).get_with("/", &forged).unwrap().status, 200);
        let seen = world.agent.only();
        assert_eq!(
            (seen.header(header), seen.header("X-Forwarded-For")),
            (vec![id.to_owned()], vec!["10.0.0.11".to_owned()])
        );
        let others = ["X-Neutron-Network-ID", "X-OVN-Network-ID"].into_iter().filter(|name| *name != header);
        assert!(others.map(|name| seen.header(name)).all(|values| values.is_empty()));
    }
}

fn a_worker_holds_nothing_but_descriptors(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
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
            process.root_entries().into_iter().filter(|name| name != "log" && name != "syslog").collect();
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

/// A site's settings, which only this world sees.
fn site(lab: &Lab, text: &str) {
    lab.private_etc();
    std::fs::create_dir_all("/etc/nsgate").unwrap();
    std::fs::write("/etc/nsgate/nsgate.toml", text).unwrap();
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
    site(lab, "pool_patience = \"2s\"\n");
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
    site(lab, &format!("pool = \"{}\"\npool_fallback = false\n", socket_path(lab).display()));
    let started = try_keeper(lab, &world.network.gate, &Config::new(Kind::Network)).unwrap_err();
    assert!(started.code() == Some(1) && started.stderr.contains("pool.sock"), "{started:#?}");
    assert!(world.network.gate.listening().is_empty());
    assert!(!Config::new(Kind::Network).pid_file.exists(), "nothing is left behind");
}

/// What a worker of the next version says to a message of this one, and a word that only it knows.
const NEXT: [&str; 2] =
    ["nsgate-pool 2 refused\nversion `1` of the protocol is not spoken here, version 2 is", "nsgate-pool 2 serving\n"];

fn a_worker_of_another_protocol_version_is_refused_and_the_keeper_serves(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    site(lab, &format!("pool = \"{}\"\npool_patience = \"2s\"\n", socket_path(lab).display()));
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
    // The test itself stands in a root like a host's.
    let stranger = nsgate_tests::pool::Stranger::start(lab, NEXT[0]);
    let calls = namespaces_of_add(lab, &world);
    assert!(calls.contains("unshare(CLONE_NEWNS") && !calls.lines().any(entered), "{calls}");
    assert!(!stranger.end().is_empty());
}

/// Six guests of the network: three with kept connections, three with fresh ones.
fn load(network: &Network) -> Load {
    Load::start((0..6).map(|number| Guest::new(&network.guest).at(11 + number)))
}

fn twenty_upgrades_lose_no_request(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start(lab);
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let load = load(&world.network);
    for _ in 0..20 {
        let next = Pool::start_with(lab, &["--replace"]);
        assert!(wait_until(5.0, || next.said("is served")), "{}", text(&next.log));
        assert!(pool.ended_within(20.0), "the old one leaves: {}", text(&pool.log));
        pool = next;
        std::thread::sleep(Duration::from_millis(100));
    }
    let (asked, failed) = load.end();
    println!("{asked} requests");
    assert!(asked > 500, "{asked}");
    assert_eq!(failed, 0, "of {asked}");
}

fn twenty_deaths_lose_only_what_was_under_way(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start(lab);
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let load = load(&world.network);
    let mut worst = 0;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        let before = load.failed();
        pool.crash();
        pool = Pool::start(lab);
        assert!(wait_until(5.0, || pool.said("is served")), "{}", text(&pool.log));
        std::thread::sleep(Duration::from_millis(100));
        worst = worst.max(load.failed() - before);
    }
    let (asked, failed) = load.end();
    println!("{asked} requests, {failed} failed, {worst} at most at once");
    assert!(asked > 500, "{asked}");
    // Six guests: each has at most one request, or one kept connection, at the instant of a death.
    assert!(worst <= 6, "{worst} at once");
}

fn a_plain_restart_finishes_what_is_under_way(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    let network = lab.network();
    let _agent = RecordingAgent::answering(&lab.socket(), |_| {
        std::thread::sleep(Duration::from_millis(800));
        Answer::ok("late")
    });
    let mut pool = Pool::start(lab);
    let _keeper = keeper(lab, &network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&network.guest);
    std::thread::scope(|scope| {
        let under_way = scope.spawn(|| guest.get("/slow"));
        std::thread::sleep(Duration::from_millis(200));
        pool.signal(Signal::SIGTERM);
        std::thread::sleep(Duration::from_millis(100));
        let meanwhile = scope.spawn(|| guest.get("/later"));
        assert!(pool.ended_within(10.0));
        assert_eq!(under_way.join().unwrap().unwrap().text(), "late");
        let _next = Pool::start(lab);
        assert_eq!(meanwhile.join().unwrap().unwrap().text(), "late");
    });
}

fn add_list_status_and_remove_do_what_they_say(lab: &Lab) {
    let world = world(lab);
    let _pool = Pool::start(lab);
    let (backend, id) = (format!("--backend={}", lab.socket().display()), format!("--network-id={NETWORK}"));
    let netns = format!("--netns={}", world.network.gate.name());
    let words = ["add", &netns, &id, &backend, "--listen=169.254.169.254:80", "--user=neutron", "--group=neutron"];
    let started = nsgate(lab, &words);
    assert!(started.ok() && started.said().is_empty(), "{started:#?}");
    assert!(served(&Guest::new(&world.network.guest)));
    let list = nsgate(lab, &["list"]);
    assert!(list.ok() && list.stdout.contains(NETWORK) && list.stdout.contains("169.254.169.254:80"), "{list:#?}");
    assert!(!list.stdout.contains('\u{1b}'), "no colours into a pipe");
    let status = nsgate(lab, &["status"]);
    assert!(
        status.stdout.contains("1 networks, 0 connections, 1 requests: 1 served, 0 rejected, 0 failed"),
        "{status:#?}"
    );
    let row = &listed(lab)[0];
    assert_eq!((&row["id"], &row["identity"]), (&NETWORK.into(), &"X-Neutron-Network-ID".into()));
    let json = nsgate(lab, &["list", "--json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&json.stdout).is_ok(), "{json:#?}");
    // A second one in the same place: the address is taken.
    let again = nsgate(lab, &words);
    assert!(again.code() == Some(1) && again.stderr.contains("169.254.169.254:80"), "{again:#?}");
    let absent = nsgate(lab, &["remove", &format!("--network-id={OTHER}")]);
    assert!(absent.code() == Some(1) && absent.stderr.contains("is not served here"), "{absent:#?}");
    let unknown = nsgate(lab, &["remove", OTHER]);
    assert!(unknown.code() == Some(1) && unknown.stderr.contains("serves no network"), "{unknown:#?}");
    assert!(unknown.stderr.contains("^^^^"), "{unknown:#?}");
    let removed = nsgate(lab, &["remove", NETWORK]);
    assert!(removed.ok(), "{removed:#?}");
    assert!(wait_until(2.0, || world.network.gate.listening().is_empty()));
    assert!(listed(lab).is_empty());
    let nobody = nsgate(lab, &["list", "--pool=/run/lab/nowhere.sock"]);
    assert_eq!(nobody.code(), Some(2), "the flag is said twice: {nobody:#?}");
}

/// The page of metrics.
fn metrics(lab: &Lab, path: &str) -> String {
    let mut stream = UnixStream::connect(metrics_path(lab)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: nsgate\r\n\r\n").as_bytes()).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

fn metrics_are_openmetrics_and_hold_no_guests_words(lab: &Lab) {
    let world = world(lab);
    let _pool = Pool::start(lab);
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&world.network.guest);
    assert!(served(&guest));
    let _ = guest.exchange(b"GET /guests-own-word HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    drop(world.agent);
    let _ = std::fs::remove_file(lab.socket());
    let page = metrics(lab, "/metrics");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("application/openmetrics-text"), "{page}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    for line in [
        "nsgate_networks 1".to_owned(),
        format!("nsgate_requests_total{{kind=\"X-Neutron-Network-ID\",id=\"{NETWORK}\",class=\"2xx\"}} 1"),
        format!("nsgate_rejections_total{{kind=\"X-Neutron-Network-ID\",id=\"{NETWORK}\",reason=\"400\"}} 1"),
        "nsgate_handovers_total{outcome=\"served\"} 1".to_owned(),
        "nsgate_request_duration_seconds_count 2".to_owned(),
    ] {
        assert!(page.contains(&line), "{line}\n{page}");
    }
    assert!(!page.contains("guests-own-word"));
    assert!(metrics(lab, "/else").starts_with("HTTP/1.1 404"));
    // Readers that say nothing do not keep others out for long, and nobody's network waits.
    let idle: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(metrics_path(lab)).unwrap()).collect();
    assert_eq!(guest.get("/").unwrap().status, 503, "the agent is away");
    drop(idle);
    assert!(metrics(lab, "/metrics").contains("reason=\"503\"} 1"));
}

fn each_network_has_its_own_lines_in_the_log(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let log = SyslogReader::bind("/dev/log".as_ref());
    let file = lab.state().join("pool.toml");
    std::fs::write(&file, "[log]\ntag = \"nsgate-pool\"\n").unwrap();
    let _pool = Pool::spawn(lab, &["--config", file.to_str().unwrap()]);
    assert!(wait_until(5.0, || channel(&socket_path(lab)).is_ok()));
    let _one = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let _two = keeper(lab, &second.gate, &Config::new(Kind::Network).with_id(OTHER));
    assert!(served(&Guest::new(&world.network.guest)));
    assert!(Guest::new(&second.guest).get("/second").is_ok());
    let lines = log.all(2.0);
    let has = |tag: &str, word: &str| lines.iter().any(|line| line.contains(tag) && line.contains(word));
    assert!(has(&format!("haproxy-metadata-proxy-{NETWORK}["), "\"GET / HTTP/1.1\""), "{lines:?}");
    assert!(has(&format!("haproxy-metadata-proxy-{OTHER}["), "\"GET /second HTTP/1.1\""), "{lines:?}");
    assert!(has("nsgate-pool[", "is served"), "{lines:?}");
}

fn an_agent_that_hangs_stops_its_own_network_alone(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let hanging = lab.directory("hanging", 0o755).join("agent");
    let _hangs = RecordingAgent::answering(&hanging, |_| {
        std::thread::sleep(Duration::from_secs(20));
        Answer::ok("late")
    });
    let _pool = Pool::start_with(lab, &[&format!("--backend={}", hanging.display())]);
    let mut config = Config::new(Kind::Network).with_id(OTHER);
    config.socket = hanging;
    let _one = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let _two = keeper(lab, &second.gate, &config);
    let stuck: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut one = Guest::new(&second.guest).connect().unwrap();
            one.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
            one
        })
        .collect();
    let guest = Guest::new(&world.network.guest);
    for _ in 0..50 {
        let began = Instant::now();
        assert!(served(&guest));
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    drop(stuck);
}

fn a_crowded_network_leaves_room_for_its_neighbour(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let _pool = Pool::start_with(lab, &["--connections=32", "--reserved-connections=4"]);
    let _one = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let _two = keeper(lab, &second.gate, &Config::new(Kind::Network).with_id(OTHER));
    let crowd: Vec<TcpStream> = (0..200).map(|_| Guest::new(&second.guest).connect().unwrap()).collect();
    std::thread::sleep(Duration::from_millis(300));
    let rows = listed(lab);
    let crowded = rows.iter().find(|row| row["id"] == OTHER).unwrap();
    assert_eq!(crowded["connections"], 36, "all that is shared and its own part");
    let guest = Guest::new(&world.network.guest);
    assert!((0..20).all(|_| served(&guest)));
    let four = guest.storm(4, "/");
    assert!(four.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)), "{four:?}");
    drop(crowd);
}

/// A listener in the gate's namespace, as a handover needs it.
fn listener(namespace: &Namespace, address: &str) -> TcpListener {
    let address: SocketAddr = address.parse().unwrap();
    let listener = namespace.inside(move || TcpListener::bind(address)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// What the worker answers to this handover, and the connection.
fn offer(lab: &Lab, message: &[u8], descriptors: &[&dyn AsFd]) -> (String, OwnedFd) {
    let channel = channel(&socket_path(lab)).unwrap();
    let descriptors: Vec<_> = descriptors.iter().map(|one| one.as_fd()).collect();
    send(&channel, message, &descriptors).unwrap();
    (receive(&channel).unwrap_or_default(), channel)
}

const LISTEN: &str = "169.254.169.254:80";

/// A refusal for a reason, which the log tells once, and the neighbour is served as before.
fn refused(lab: &Lab, pool: &Pool, neighbour: &Guest, message: &[u8], descriptors: &[&dyn AsFd], word: &str) {
    let before = text(&pool.log).matches("is refused").count();
    let (answer, channel) = offer(lab, message, descriptors);
    assert!(answer.starts_with("nsgate-pool 1 refused\n") && answer.contains(word), "{word}: {answer}");
    assert_eq!(receive(&channel), None, "and the connection is closed");
    assert_eq!(text(&pool.log).matches("is refused").count(), before + 1, "{}", text(&pool.log));
    assert!(served(neighbour));
}

/// A network of the pool, beside which others are refused.
fn neighbour(lab: &Lab) -> (World, Network, Pool, nsgate_tests::Gate, Guest) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &second.gate, &Config::new(Kind::Network).with_id(OTHER));
    let guest = Guest::new(&second.guest);
    assert!(served(&guest));
    (world, second, pool, keeper, guest)
}

fn a_stranger_may_not_hand_over(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    // The socket's mode keeps strangers out before the worker is asked.
    let words = ["-c", "exec setpriv --reuid 64043 --regid 64043 --clear-groups \"$@\"", "sh"];
    let mut command = Command::new("sh");
    command.args(words).arg(lab.program.nsgate()).args(["list", "--pool"]).arg(&pool.socket);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.code() == Some(1) && started.stderr.contains("Permission denied"), "{started:#?}");
    // And where the mode lets them pass, the kernel's word on who they are does not.
    std::fs::set_permissions(&pool.socket, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut command = Command::new("sh");
    command.args(words).arg(lab.program.nsgate()).args(["list", "--pool"]).arg(&pool.socket);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.code() == Some(1) && started.stderr.contains("uid 64043, gid 64043 may not"), "{started:#?}");
    assert!(pool.said("uid 64043, gid 64043 may not hand over"), "{}", text(&pool.log));
    assert!(served(&guest));
    drop(world);
}

fn what_is_not_the_gates_listener_is_refused_by_name(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let message = gate(lab, NETWORK, LISTEN).into_bytes();
    let space = &world.network.gate;
    let refused = |descriptor: &dyn AsFd, word: &str| refused(lab, &pool, &guest, &message, &[descriptor], word);
    refused(&File::open("/dev/null").unwrap(), "not a socket");
    let udp = space.inside(|| UdpSocket::bind("169.254.169.254:80")).unwrap();
    refused(&udp, "not a TCP socket");
    let good = listener(space, LISTEN);
    let connected = space.inside(|| TcpStream::connect(LISTEN)).unwrap();
    refused(&connected, "does not listen");
    refused(&listener(space, "169.254.169.254:81"), "bound at 169.254.169.254:81");
    refused(&listener(space, "10.0.0.1:80"), "bound at 10.0.0.1:80");
    refused(&listener(space, "0.0.0.0:8080"), "bound at 0.0.0.0:8080");
    refused(&listener(space, "[::1]:80"), "another address family");
    refused(&UnixStream::pair().unwrap().0, "another address family");
    good.set_nonblocking(false).unwrap();
    refused(&good, "O_NONBLOCK");
    good.set_nonblocking(true).unwrap();
    let (answer, _owner) = offer(lab, &message, &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    assert!(served(&Guest::new(&world.network.guest)));
}

fn too_few_and_too_many_descriptors_are_refused(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let message = gate(lab, NETWORK, LISTEN).into_bytes();
    let good = listener(&world.network.gate, LISTEN);
    refused(lab, &pool, &guest, &message, &[], "names 1 listeners, and 0 descriptors");
    refused(lab, &pool, &guest, &message, &[&good, &good], "and 2 descriptors");
    refused(lab, &pool, &guest, &message, &[&good, &good, &good], "and 3 descriptors");
    let many: Vec<&dyn AsFd> = (0..253).map(|_| &good as &dyn AsFd).collect();
    refused(lab, &pool, &guest, &message, &many, "and 253 descriptors");
    refused(lab, &pool, &guest, b"nsgate-pool 1 list\n", &[&good], "takes none");
    // None of them stays open.
    let open = || Process::new(pool.worker()).descriptors().unwrap().len();
    let before = open();
    for _ in 0..20 {
        let _ = offer(lab, &message, &many);
    }
    assert!(wait_until(2.0, || open() <= before), "{} of {before}", open());
}

fn one_listener_under_two_identities_is_refused(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let good = listener(&world.network.gate, LISTEN);
    let (answer, owner) = offer(lab, gate(lab, NETWORK, LISTEN).as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    let third = "11111111-2222-4333-8444-555555555555";
    refused(lab, &pool, &guest, gate(lab, third, LISTEN).as_bytes(), &[&good], "already");
    drop(owner);
    assert!(wait_until(2.0, || listed(lab).len() == 1));
    let (answer, _owner) = offer(lab, gate(lab, third, LISTEN).as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n", "once its owner has left, the socket is free");
}

fn other_versions_and_half_messages_are_refused(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let message = gate(lab, NETWORK, LISTEN);
    let good = listener(&world.network.gate, LISTEN);
    let refused = |message: &str, word: &str| refused(lab, &pool, &guest, message.as_bytes(), &[&good], word);
    refused(&message.replace("pool 1 ", "pool 2 "), "version `2`");
    refused(&message.replace("pool 1 ", "pool one "), "version `one`");
    refused(&message[..10], "first line");
    refused(&message[..message.len() / 2], "the gate is not right");
    refused("nsgate-pool 1 serve\n", "missing");
    refused(&message.replace(":80", ":0"), "port 0");
    refused(&message.replace(NETWORK, "../../etc"), "UUID");
    refused(&format!("{message}surprise = 1\n"), "surprise");
    refused(&format!("{message}# {}\n", "x".repeat(16 * 1024)), "longer than 16 KiB");
    refused("GET / HTTP/1.1\r\n\r\n", "does not begin");
    refused("nsgate-pool 1 finish\n", "takes none");
}

fn a_backend_that_is_not_the_pools_is_refused(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let message = gate(lab, NETWORK, LISTEN);
    let good = listener(&world.network.gate, LISTEN);
    let elsewhere = message.replace(lab.socket().to_str().unwrap(), "/run/docker.sock");
    refused(lab, &pool, &guest, elsewhere.as_bytes(), &[&good], "/run/docker.sock is not one of this pool's");
    let named = format!("{message}backend_owner = \"neutron\"\n");
    refused(lab, &pool, &guest, named.as_bytes(), &[&good], "says its number");
}

fn a_network_that_is_present_with_other_content_is_refused(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let good = listener(&world.network.gate, LISTEN);
    let message = gate(lab, NETWORK, LISTEN);
    let (answer, owner) = offer(lab, message.as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    let other = format!("{message}retries = 9\n");
    refused(lab, &pool, &guest, other.as_bytes(), &[&good], "other settings");
    let other = format!("{message}[limits]\nconnections = 9\n");
    refused(lab, &pool, &guest, other.as_bytes(), &[&good], "other limits");
    // The same once more is its successor: the first owner is told.
    let (answer, _next) = offer(lab, message.as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    assert!(receive(&owner).unwrap().starts_with("nsgate-pool 1 end\n"));
    assert!(served(&Guest::new(&world.network.guest)));
}

fn ten_thousand_networks_disturb_nobody(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let pool = Pool::start_with(lab, &["--networks=500"]);
    let _keeper = keeper(lab, &second.gate, &Config::new(Kind::Network).with_id(OTHER));
    let guest = Guest::new(&second.guest);
    let mut owners = Vec::new();
    for number in 0..10_000u32 {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let port = 1024 + number;
        let (answer, owner) = if number < 600 {
            let listen = format!("169.254.169.254:{port}");
            let listener = listener(&world.network.gate, &listen);
            offer(lab, gate(lab, &id, &listen).as_bytes(), &[&listener])
        } else {
            // The worker looks at the descriptor first: one socket will do for all that are refused.
            offer(lab, gate(lab, &id, LISTEN).as_bytes(), &[&guest.connect().unwrap()])
        };
        if answer == "nsgate-pool 1 serving\n" {
            owners.push(owner);
        } else {
            assert!(answer.contains("refused"), "{answer}");
            assert!(number >= 600 || answer.contains("500 networks already"), "{answer}");
        }
        if number % 500 == 0 {
            assert!(served(&guest), "{number}");
        }
    }
    assert_eq!(owners.len(), 499);
    assert_eq!(listed(lab).len(), 500);
    drop(owners);
    assert!(wait_until(5.0, || listed(lab).len() == 1));
    assert!(served(&guest) && pool.worker() != 0);
}

fn peers_that_say_nothing_or_do_not_read_disturb_nobody(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let silent: Vec<OwnedFd> = (0..200).map(|_| channel(&pool.socket).unwrap()).collect();
    let good = listener(&world.network.gate, LISTEN);
    let (answer, owner) = offer(lab, gate(lab, NETWORK, LISTEN).as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    // One that asks for lists and never reads them.
    let deaf: Vec<OwnedFd> = (0..50)
        .map(|_| {
            let channel = channel(&pool.socket).unwrap();
            send(&channel, b"nsgate-pool 1 list\n", &[]).unwrap();
            channel
        })
        .collect();
    assert!(served(&guest) && served(&Guest::new(&world.network.guest)));
    assert!(receive(&silent[0]).unwrap().contains("nothing was said within 5 s"));
    let fewer = || Process::new(pool.worker()).descriptors().unwrap().len() < 100;
    drop(deaf);
    assert!(wait_until(8.0, fewer), "they are left");
    assert!(served(&guest));
    drop(owner);
}

fn a_peer_that_stops_reading_is_left_with_a_line_in_the_log(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    for workers in ["--workers=1", "--workers=2"] {
        let pool = Pool::start_with(lab, &[workers]);
        let keeper = keeper(lab, &second.gate, &Config::new(Kind::Network).with_id(OTHER));
        let guest = Guest::new(&second.guest);
        // More than a socket holds: a list of so many is not told to somebody who does not read.
        let owners: Vec<OwnedFd> = (0..400u32)
            .map(|number| {
                let listen = format!("169.254.169.254:{}", 1024 + number);
                let listener = listener(&world.network.gate, &listen);
                let id = format!("00000000-0000-4000-8000-{number:012}");
                let (answer, owner) = offer(lab, gate(lab, &id, &listen).as_bytes(), &[&listener]);
                assert_eq!(answer, "nsgate-pool 1 serving\n");
                owner
            })
            .collect();
        let began = Instant::now();
        let silent = UnixStream::connect(metrics_path(lab)).unwrap();
        let deaf: Vec<OwnedFd> = (0..20)
            .map(|_| {
                let channel = channel(&pool.socket).unwrap();
                send(&channel, b"nsgate-pool 1 list\n", &[]).unwrap();
                channel
            })
            .collect();
        // Others are served, listed and taken in meanwhile.
        assert!(served(&guest));
        assert_eq!(listed(lab).len(), 401);
        let good = listener(&world.network.gate, LISTEN);
        let (answer, owner) = offer(lab, gate(lab, NETWORK, LISTEN).as_bytes(), &[&good]);
        assert!(answer == "nsgate-pool 1 serving\n" && began.elapsed() < Duration::from_secs(4), "{answer}");
        assert!(!pool.said("has not read"), "too early to say so");
        let told = || text(&pool.log).matches("a peer has not read what it is told for 5 s: it is left").count();
        assert!(wait_until(10.0, || told() == deaf.len()), "{} of {}", told(), deaf.len());
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(told(), deaf.len(), "once for each");
        let left = "a reader of metrics has not asked, or not read all, within 5 s: it is left";
        assert_eq!(text(&pool.log).matches(left).count(), 1);
        assert!(!pool.said("is refused"), "it is nobody else's mistake: {}", text(&pool.log));
        assert!(served(&guest) && served(&Guest::new(&world.network.guest)));
        drop((silent, deaf, owners, owner, keeper, pool));
    }
}

fn a_message_out_of_turn_ends_the_network_it_belongs_to(lab: &Lab) {
    let (world, _second, pool, _keeper, guest) = neighbour(lab);
    let good = listener(&world.network.gate, LISTEN);
    let message = gate(lab, NETWORK, LISTEN);
    for word in [message.as_str(), "nsgate-pool 1 list\n", "nonsense"] {
        let (answer, owner) = offer(lab, message.as_bytes(), &[&good]);
        assert_eq!(answer, "nsgate-pool 1 serving\n");
        send(&owner, word.as_bytes(), &[]).unwrap();
        assert_eq!(receive(&owner), None, "{word}");
        assert!(wait_until(1.0, || listed(lab).len() == 1), "{word}");
        assert!(served(&guest));
    }
    assert!(pool.said("may not say now"), "{}", text(&pool.log));
}

fn a_second_worker_is_refused_and_leaves_nothing(lab: &Lab) {
    let (_world, _second, pool, _keeper, guest) = neighbour(lab);
    let started = Pool::refused(lab, &[]);
    assert!(started.code() == Some(1) && started.stderr.contains("--replace"), "{started:#?}");
    let names: Vec<_> =
        std::fs::read_dir(pool.socket.parent().unwrap()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(served(&guest));
}

fn what_stands_in_the_sockets_place_is_left_alone(lab: &Lab) {
    lab.needs_root("the worker is another user");
    let path = socket_path(lab);
    std::fs::write(&path, "mine").unwrap();
    let started = Pool::refused(lab, &[]);
    assert!(started.code() == Some(1) && started.stderr.contains("this is a file, not a socket"), "{started:#?}");
    assert_eq!(text(&path), "mine");
    std::fs::remove_file(&path).unwrap();
    // A worker that cannot be confined as asked leaves no socket either.
    let started = Pool::refused(lab, &["--group=no-such-group"]);
    assert!(started.code() == Some(1) && started.stderr.contains("no-such-group"), "{started:#?}");
    let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 0);
}
