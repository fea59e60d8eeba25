//! A worker that is there and does nothing: it is stopped, or in a loop. Its sockets stay open, and nothing but silence
//! tells its keepers.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{
    OTHER, Pool, channel, gate, listed, metrics_path, nsgate, receive, send, served, socket_path, world,
};
use nsgate_tests::procfs::{Process, having};
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Load, Network, RecordingAgent, Response, SyslogReader, suite};

fn main() {
    suite!["pool_life":
        within_its_patience_a_keeper_serves_in_the_place_of_a_worker_that_is_stopped,
        a_network_that_was_added_is_served_by_its_keeper_while_its_worker_is_stopped_or_dead,
        a_keeper_that_may_not_serve_by_itself_waits_for_a_worker_and_doctor_says_so,
        a_pool_that_does_not_answer_is_said_with_the_process_that_is_stopped_and_what_to_do,
        each_silent_process_of_several_is_named_by_its_number,
        a_stopped_worker_that_wakes_up_accepts_nobody_where_a_keeper_serves,
        what_a_stopped_worker_had_under_way_is_finished_when_it_wakes_up,
        a_worker_that_is_alive_is_left_alone_under_load_and_at_its_bounds,
        a_stopped_worker_of_several_disturbs_its_own_networks_alone,
        a_stopped_dispatcher_or_zygote_disturbs_no_network,
        every_process_of_a_pool_goes_on_where_it_was_stopped,
        a_refusal_is_said_once_and_asked_again_when_the_worker_is_another_one,
        what_the_command_line_says_of_connections_is_handed_over,
    ]
}

/// A site whose keepers wait for two seconds.
fn impatient(lab: &Lab) {
    lab.site(&format!("pool = \"{}\"\npool_patience = \"2s\"\n", socket_path(lab).display()));
}

/// Stops a process, and lets it go on when dropped: a test that fails leaves none that cannot end.
struct Stopped(i32);

impl Stopped {
    fn new(pid: i32) -> Stopped {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        let state = || text(format!("/proc/{pid}/stat")).contains(") T ");
        assert!(wait_until(2.0, state), "it is stopped");
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGCONT);
    }
}

/// Whether this process has an event loop: a keeper that serves by itself has one.
fn serves_by_itself(pid: i32) -> bool {
    Process::new(pid).descriptors().unwrap().values().any(|target| target.contains("eventpoll"))
}

fn within_its_patience_a_keeper_serves_in_the_place_of_a_worker_that_is_stopped(lab: &Lab) {
    let world = world(lab);
    impatient(lab);
    let log = SyslogReader::bind("/dev/log".as_ref());
    let pool = Pool::start(lab);
    let gate = nsgate_tests::Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&world.network.guest);
    assert!(served(&guest) && !serves_by_itself(gate.pid), "the worker serves");
    let stopped = Stopped::new(pool.worker());
    let began = Instant::now();
    let answer = guest.patient(8).get("/").expect("an answer");
    assert!(answer.status == 200 && began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(serves_by_itself(gate.pid), "the keeper has answered");
    assert!(log.find("gives no sign of life while guests wait; serving by itself", 2.0).is_some());
    assert_eq!(world.agent.seen().last().unwrap().header("X-Neutron-Network-ID"), [NETWORK]);
    // The next ones do not wait.
    let began = Instant::now();
    assert!((0..10).all(|_| served(&guest)) && began.elapsed() < Duration::from_secs(2));
    drop(stopped);
    // And the network returns to a worker that has come to itself.
    assert!(wait_until(15.0, || listed(lab).len() == 1), "{}", text(&pool.log));
    assert!(wait_until(15.0, || !serves_by_itself(gate.pid)) && served(&guest));
    assert_eq!(listed(lab)[0]["requests"], 1, "the worker has served one");
    assert!(pool.said("was taken back"), "{}", text(&pool.log));
}

/// A listener in the gate's namespace, as a handover needs it.
/// Adds the network as a person does, by the site's settings, and returns its keeper.
fn added(lab: &Lab, network: &Network, more: &[&str]) -> i32 {
    let mut command = Command::new(lab.program.nsgate());
    command.arg("add").arg(format!("--netns={}", network.gate.name())).arg(format!("--network-id={NETWORK}"));
    command.arg(format!("--backend={}", lab.socket().display())).arg("--listen=169.254.169.254:80");
    command.args(["--user=neutron", "--group=neutron"]).args(more);
    let said = communicate(command, Duration::from_secs(20));
    assert!(said.ok() && said.said().is_empty(), "{said:#?}");
    let keepers: Vec<i32> =
        having(NETWORK).into_iter().filter(|pid| Process::new(*pid).cmdline()[1] == "add").collect();
    assert_eq!(keepers.len(), 1, "one keeper");
    keepers[0]
}

fn a_network_that_was_added_is_served_by_its_keeper_while_its_worker_is_stopped_or_dead(lab: &Lab) {
    let world = world(lab);
    impatient(lab);
    let mut pool = Pool::start(lab);
    let keeper = added(lab, &world.network, &[]);
    let guest = Guest::new(&world.network.guest).patient(8);
    assert!(served(&guest) && !serves_by_itself(keeper), "the worker serves");
    let stopped = Stopped::new(pool.worker());
    let began = Instant::now();
    assert!(served(&guest) && began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(serves_by_itself(keeper), "the keeper has answered");
    assert_eq!(world.agent.seen().last().unwrap().header("X-Neutron-Network-ID"), [NETWORK]);
    drop(stopped);
    assert!(wait_until(15.0, || listed(lab).len() == 1), "{}", text(&pool.log));
    assert!(wait_until(15.0, || !serves_by_itself(keeper)) && served(&guest));
    pool.crash();
    let began = Instant::now();
    assert!(served(&guest) && began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(serves_by_itself(keeper), "the keeper has answered");
    assert_eq!(nsgate(lab, &["remove", NETWORK]).code(), Some(1), "no worker is there to be asked");
    kill(Pid::from_raw(keeper), Signal::SIGTERM).unwrap();
}

fn a_keeper_that_may_not_serve_by_itself_waits_for_a_worker_and_doctor_says_so(lab: &Lab) {
    let world = world(lab);
    impatient(lab);
    let _log = SyslogReader::bind("/dev/log".as_ref());
    let mut pool = Pool::start(lab);
    let keeper = added(lab, &world.network, &["--no-fallback"]);
    let guest = Guest::new(&world.network.guest).patient(2);
    assert!(served(&guest));
    let doctor = || {
        let mut command = Command::new(lab.program.nsgate());
        command.args(["doctor", "--json", "--state"]).arg(lab.state());
        let said = communicate(command, Duration::from_secs(30));
        let all: Vec<serde_json::Value> = serde_json::from_str(&said.stdout).expect("JSON");
        all.into_iter()
            .find(|one| one["what"].as_str().is_some_and(|what| what.contains("1 network is served by no process")))
    };
    assert_eq!(doctor(), None, "a worker serves");
    pool.crash();
    assert!(wait_until(10.0, || doctor().is_some()), "the keeper neither serves nor has a worker");
    assert!(!served(&guest) && !serves_by_itself(keeper));
    let found = doctor().unwrap();
    let word = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    assert!(word("level") == "wrong" && word("about") == "pool", "{found:#}");
    assert!(word("do").contains("start the pool"), "{found:#}");
    let mut all = Command::new(lab.program.nsgate());
    all.args(["status", "--all"]);
    let all = communicate(all, Duration::from_secs(20));
    assert!(all.code() == Some(3) && all.stdout.contains("no worker serves its network"), "{all:#?}");
    assert!(all.stdout.contains(&format!("{keeper}: ")) && all.stdout.contains("`nsgate doctor` says"), "{all:#?}");
    // The line's advice mends it.
    let _pool = Pool::start(lab);
    assert!(wait_until(10.0, || served(&guest)));
    assert!(!serves_by_itself(keeper) && doctor().is_none(), "a worker serves");
}

fn a_pool_that_does_not_answer_is_said_with_the_process_that_is_stopped_and_what_to_do(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start(lab);
    let stopped = Stopped::new(pool.worker());
    let pid = pool.worker();
    let named = format!("--netns={}", world.network.gate.name());
    let (id, backend) = (format!("--network-id={NETWORK}"), format!("--backend={}", lab.socket().display()));
    let add = ["add", &named, &id, &backend, "--listen=169.254.169.254:80", "--user=neutron", "--group=neutron"];
    let pid_file = format!("--pid-file={}", lab.state().join("keeper.pid").display());
    let metrics = format!("--pool-metrics={}", metrics_path(lab).display());
    let with_file: Vec<&str> = add.into_iter().chain([pid_file.as_str()]).collect();
    let silent = |words: &[&str]| {
        let said = nsgate(lab, words);
        assert_eq!(said.code(), Some(1), "{words:?}: {said:#?}");
        for word in [format!("process {pid}"), "stopped, by a signal (state T)".to_owned(), format!("kill -CONT {pid}")]
        {
            assert!(said.stderr.contains(&word), "{word}: {words:?}: {said:#?}");
        }
        if words.contains(&"--json") {
            let found: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
            let part = &found["processes"][0];
            assert!(part["pid"] == pid && part["state"] == "T" && found["error"].is_string(), "{found:#}");
        }
    };
    let (list, remove) = (["list", "--json"], ["remove", id.as_str()]);
    // Each waits for five seconds.
    std::thread::scope(|scope| {
        for words in
            [&["list"][..], &list, &["status"], &["status", "--json"], &["remove", NETWORK], &remove, &add, &with_file]
        {
            scope.spawn(move || silent(words));
        }
    });
    assert!(world.network.gate.listening().is_empty(), "nothing is left behind");
    let mut command = Command::new(lab.program.nsgate());
    command.args(["metrics", &metrics]);
    let page = communicate(command, Duration::from_secs(10));
    assert!(page.ok() && page.stdout.contains("nsgate_pool_up 0"), "{page:#?}");
    assert!(page.stderr.contains(&format!("kill -CONT {pid}")), "{page:#?}");
    // A worker that takes over says so, and does.
    let next = Pool::start_with(lab, &["--replace"]);
    assert!(next.said(&format!("kill -CONT {pid}")) && listed(lab).is_empty(), "{}", text(&next.log));
    // The remedy.
    drop(stopped);
    assert!(pool.ended_within(10.0), "it leaves");
}

fn each_silent_process_of_several_is_named_by_its_number(lab: &Lab) {
    lab.needs_root("descriptors of other users' processes");
    let pool = Pool::start_with(lab, &["--workers=3"]);
    assert!(wait_until(10.0, || pool.crew().len() == 4), "{:?}", pool.crew());
    // Another one takes the place of the first: it is the last of the list.
    let [dispatcher, first, second, third] = pool.crew()[..] else { panic!("{:?}", pool.crew()) };
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    assert!(wait_until(10.0, || pool.crew().len() == 4 && !pool.crew().contains(&first)));
    let again = pool.crew()[3];
    // A process that has just been made is stopped only once it answers as a worker.
    assert!(wait_until(10.0, || nsgate(lab, &["list"]).ok()));
    for (number, pid) in [(1, again), (2, second), (3, third)] {
        let stopped = Stopped::new(pid);
        let said = nsgate(lab, &["list"]);
        let word = format!("worker {number} is process {pid}: it is stopped, by a signal (state T)");
        assert!(said.code() == Some(4) && said.stderr.contains(&word), "{word}: {said:#?}");
        assert!(said.stderr.contains(&format!("`kill -CONT {pid}`")), "{said:#?}");
        drop(stopped);
    }
    let stopped = Stopped::new(dispatcher);
    let said = nsgate(lab, &["list"]);
    let word = format!("its dispatcher is process {dispatcher}: it is stopped");
    assert!(said.code() == Some(1) && said.stderr.contains(&word), "{said:#?}");
    drop(stopped);
    assert!(nsgate(lab, &["list"]).ok());
}

fn listener(network: &Network) -> TcpListener {
    let address: SocketAddr = "169.254.169.254:80".parse().unwrap();
    let listener = network.gate.inside(move || TcpListener::bind(address)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn owner(lab: &Lab, listener: &TcpListener) -> OwnedFd {
    let owner = channel(&socket_path(lab)).unwrap();
    let message = gate(lab, NETWORK, "169.254.169.254:80").replace("serve\n", "serve\n#: asks\n");
    send(&owner, message.as_bytes(), &[listener.as_fd()]).unwrap();
    assert_eq!(receive(&owner).as_deref(), Some("nsgate-pool 1 serving\nanswers\n"));
    owner
}

fn a_stopped_worker_that_wakes_up_accepts_nobody_where_a_keeper_serves(lab: &Lab) {
    let world = world(lab);
    let listener = listener(&world.network);
    let guest = Guest::new(&world.network.guest);
    // With the owner's last word, and without: an owner that is killed says none.
    for (round, says) in (0..20).map(|round| (round, round % 2 == 0)) {
        let pool = Pool::start(lab);
        let owner = owner(lab, &listener);
        send(&owner, b"nsgate-pool 1 ping\n", &[]).unwrap();
        assert_eq!(receive(&owner).as_deref(), Some("nsgate-pool 1 pong\n"), "it is alive");
        assert!(served(&guest), "the worker serves");
        let stopped = Stopped::new(pool.worker());
        // A question that is never answered, a guest that waits, and the owner takes the network back.
        send(&owner, b"nsgate-pool 1 ping\n", &[]).unwrap();
        let waiting = guest.connect().unwrap();
        if says {
            send(&owner, b"nsgate-pool 1 took\n", &[]).unwrap();
        }
        drop(owner);
        drop(stopped);
        assert!(wait_until(5.0, || pool.said("is no longer served")), "it is awake: {}", text(&pool.log));
        let (accepted, from) = listener.accept().expect("the guest is still in the queue");
        assert_eq!(from, waiting.local_addr().unwrap(), "round {round}");
        drop((accepted, waiting));
        drop(pool);
    }
}

fn what_a_stopped_worker_had_under_way_is_finished_when_it_wakes_up(lab: &Lab) {
    lab.needs_root("keeper, worker and agents are different users");
    let network = lab.network();
    impatient(lab);
    let _agent = RecordingAgent::answering(&lab.socket(), |seen| {
        if seen.text().contains("/slow") {
            std::thread::sleep(Duration::from_secs(1));
        }
        Answer::ok("hello")
    });
    let pool = Pool::start(lab);
    let gate = nsgate_tests::Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&network.guest);
    let mut under_way = guest.patient(20).connect().unwrap();
    under_way.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(wait_until(2.0, || listed(lab)[0]["connections"] == 1));
    let stopped = Stopped::new(pool.worker());
    assert!(guest.patient(8).get("/").is_ok_and(|answer| answer.status == 200));
    assert!(serves_by_itself(gate.pid));
    drop(stopped);
    let answer = Response::read(&mut under_way).unwrap();
    assert_eq!((answer.status, answer.text().as_ref()), (200, "hello"));
    // The next request on the same connection is the last.
    under_way.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let last = Response::read(&mut under_way).unwrap();
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
}

fn a_worker_that_is_alive_is_left_alone_under_load_and_at_its_bounds(lab: &Lab) {
    let world = world(lab);
    impatient(lab);
    let log = SyslogReader::bind("/dev/log".as_ref());
    // One guest at a time: the next one waits in the queue. The keeper must not take that for death.
    let pool = Pool::start(lab);
    let config = Config { maxconn: 1, ..Config::new(Kind::Network) };
    let gate = nsgate_tests::Gate::start(lab, &world.network.gate, &config);
    let guest = Guest::new(&world.network.guest);
    let mut held = guest.connect().unwrap();
    held.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(Response::read(&mut held).unwrap().status, 200);
    let _waits = guest.connect().unwrap();
    assert_eq!(log.find("serving by itself", 6.0), None);
    assert!(!serves_by_itself(gate.pid));
    drop(held);
    drop(_waits);
    let load = Load::start([guest.at(12)]);
    std::thread::sleep(Duration::from_secs(5));
    let (asked, failed) = load.end();
    assert!(asked > 20 && failed == 0, "{failed} of {asked}");
    assert!(!serves_by_itself(gate.pid) && log.find("serving by itself", 0.1).is_none(), "{}", text(&pool.log));
}

fn a_stopped_worker_of_several_disturbs_its_own_networks_alone(lab: &Lab) {
    let world = world(lab);
    impatient(lab);
    let second = Network::named("gate2", "guest2");
    let pool = Pool::start_with(lab, &["--workers=2"]);
    let one = nsgate_tests::Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    let two = nsgate_tests::Gate::start(lab, &second.gate, &Config::new(Kind::Ovn).with_id(OTHER));
    let workers: Vec<u64> = listed(lab).iter().map(|row| row["worker"].as_u64().unwrap()).collect();
    let of = |id: &str| listed(lab).iter().find(|row| row["id"] == id).unwrap()["worker"].as_u64().unwrap();
    assert_ne!(of(NETWORK), of(OTHER), "{workers:?}: the test wants one network each");
    let stopped = Stopped::new(pool.crew()[usize::try_from(of(NETWORK)).unwrap()]);
    let (guest, neighbour) = (Guest::new(&world.network.guest), Guest::new(&second.guest));
    let load = Load::start([neighbour.at(12)]);
    assert!(guest.patient(8).get("/").is_ok_and(|answer| answer.status == 200));
    assert!(serves_by_itself(one.pid) && !serves_by_itself(two.pid));
    let (asked, failed) = load.end();
    assert!(asked > 10 && failed == 0, "{failed} of {asked}");
    drop(stopped);
    assert!(wait_until(20.0, || !serves_by_itself(one.pid)), "{}", text(&pool.log));
    assert!(served(&guest) && served(&neighbour));
}

fn a_stopped_dispatcher_or_zygote_disturbs_no_network(lab: &Lab) {
    let world = world(lab);
    impatient(lab);
    let second = Network::named("gate2", "guest2");
    let pool = Pool::start_with(lab, &["--workers=2"]);
    let one = nsgate_tests::Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    let (guest, neighbour) = (Guest::new(&world.network.guest), Guest::new(&second.guest));
    {
        let _zygote = Stopped::new(pool.worker());
        let _dispatcher = Stopped::new(pool.crew()[0]);
        assert!((0..5).all(|_| served(&guest)));
        std::thread::sleep(Duration::from_secs(3));
        assert!(served(&guest) && !serves_by_itself(one.pid), "its worker is alive, and is asked directly");
        // A network that comes now is served all the same, and its agent does not wait for long.
        let began = Instant::now();
        let two = nsgate_tests::Gate::start(lab, &second.gate, &Config::new(Kind::Ovn).with_id(OTHER));
        assert!(began.elapsed() < Duration::from_secs(5) && served(&neighbour));
        assert!(serves_by_itself(two.pid));
        std::mem::forget(two);
    }
    assert!(wait_until(20.0, || listed(lab).len() == 2), "{}", text(&pool.log));
    assert!(served(&guest) && served(&neighbour));
    for pid in nsgate_tests::procfs::having(OTHER) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

fn every_process_of_a_pool_goes_on_where_it_was_stopped(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=2"]);
    let gate = nsgate_tests::pool::keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&world.network.guest);
    assert!(served(&guest));
    let supervisor = Process::new(pool.worker()).status("PPid").parse().unwrap();
    let all: Vec<i32> = pool.crew().into_iter().chain([pool.worker(), supervisor, gate.pid]).collect();
    for pid in &all {
        for _ in 0..3 {
            drop(Stopped::new(*pid));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let now: Vec<i32> = pool.crew().into_iter().chain([pool.worker(), supervisor, gate.pid]).collect();
    assert_eq!(now, all, "none has died of it: {}", text(&pool.log));
    assert!(served(&guest) && listed(lab).len() == 1);
}

fn a_refusal_is_said_once_and_asked_again_when_the_worker_is_another_one(lab: &Lab) {
    let world = world(lab);
    impatient(lab);
    let log = SyslogReader::bind("/dev/log".as_ref());
    let mut pool = Pool::start(lab);
    let other = lab.state().join("another").join("metadata_proxy");
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    let _other = RecordingAgent::start(&other, Answer::ok("another"));
    let config = Config { socket: other.clone(), ..Config::new(Kind::Network) };
    let gate = nsgate_tests::Gate::start(lab, &world.network.gate, &config);
    let guest = Guest::new(&world.network.guest);
    assert_eq!(guest.get("/").unwrap().text(), "another", "the keeper serves by itself");
    assert!(serves_by_itself(gate.pid));
    std::thread::sleep(Duration::from_secs(6));
    let said = log.all(0.5);
    let told = said.iter().filter(|line| line.contains("is not one of this pool's")).count();
    assert_eq!(told, 1, "{said:#?}");
    assert_eq!(text(&pool.log).matches("a handover is refused").count(), 1, "{}", text(&pool.log));
    // The next worker knows that agent, and is asked at once.
    pool.crash();
    pool = Pool::start_with(lab, &[&format!("--backend={}", other.display())]);
    assert!(wait_until(5.0, || listed(lab).len() == 1), "{}", text(&pool.log));
    assert_eq!(guest.get("/").unwrap().text(), "another");
}

fn what_the_command_line_says_of_connections_is_handed_over(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start(lab);
    let file = nsgate_tests::gate::write_config(lab, &Config::new(Kind::Network));
    for number in ["1", "100", "255", "2000000", "4294967295"] {
        let words = [std::path::Path::new("-n"), number.as_ref(), "-f".as_ref(), &file];
        let mut command = nsgate_tests::gate::agent_command(lab, &world.network.gate, NETWORK, &words);
        command.env("NSGATE_POOL", socket_path(lab));
        let gate = nsgate_tests::Gate::with_command(lab, &Config::new(Kind::Network), command).unwrap();
        assert_eq!(listed(lab).len(), 1, "-n {number}: {}", text(&pool.log));
        assert!(!serves_by_itself(gate.pid) && served(&Guest::new(&world.network.guest)));
        let clamped = gate.started.stderr.contains("a gate has at most 1000000 connections");
        assert_eq!(clamped, number.len() > 6, "{}", gate.started.stderr);
        drop(gate);
        assert!(wait_until(2.0, || listed(lab).is_empty()));
    }
    assert!(!pool.said("is refused"), "{}", text(&pool.log));
}
