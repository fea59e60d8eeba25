//! A pool with several workers: a network has one of them and keeps it, and trouble of one concerns only its own networks.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{OTHER, Pool, channel, gate, keeper, metrics_path, receive, send, served, socket_path, world};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Load, Network, RecordingAgent, suite};

fn main() {
    suite!["pool_workers":
        fifty_networks_keep_their_workers_through_a_death_an_upgrade_and_a_restart,
        a_death_disturbs_the_networks_of_one_worker_alone,
        every_process_of_a_pool_is_confined_on_its_own,
        a_dispatcher_that_dies_disturbs_no_network,
        signals_that_haproxy_reloads_or_pauses_at_end_no_part_of_a_pool,
        what_is_refused_by_one_worker_is_refused_by_several,
        one_listener_under_two_identities_is_refused_by_several_workers,
        list_status_remove_and_metrics_show_every_worker,
        a_worker_that_hangs_is_named_and_the_others_are_listed,
        sigterm_ends_every_process_and_finishes_what_is_under_way,
        an_upgrade_to_another_number_of_workers_loses_no_request,
        twenty_networks_with_sixteen_places_and_nothing_open_are_all_served,
        each_network_has_its_reserve_while_every_other_is_at_its_worst,
    ]
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("a signal");
}

/// The guest that asks the network at this port.
fn guest(network: &Network, port: u16) -> Guest {
    let to = SocketAddr::from((Ipv4Addr::new(169, 254, 169, 254), port));
    Guest::talking(&network.guest, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 11)), to)
}

fn id(number: u16) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A network at a port of its own, with its keeper.
fn add(lab: &Lab, network: &Network, port: u16) {
    let mut command = Command::new(lab.program.nsgate());
    command.args(["add", "--user=neutron", "--group=neutron"]);
    command.arg(format!("--pool={}", socket_path(lab).display()));
    command.arg(format!("--netns={}", network.gate.name()));
    command.arg(format!("--backend={}", lab.socket().display()));
    command.args([format!("--network-id={}", id(port)), format!("--listen=169.254.169.254:{port}")]);
    let added = communicate(command, Duration::from_secs(10));
    assert!(added.ok(), "{added:#?}");
}

/// What `nsgate status` says.
fn status(lab: &Lab) -> Vec<serde_json::Value> {
    let mut command = Command::new(lab.program.nsgate());
    command.args(["status", "--json", "--pool"]).arg(socket_path(lab));
    let said = communicate(command, Duration::from_secs(10));
    serde_json::from_str(&said.stdout).unwrap_or_default()
}

/// The worker of every network.
fn map(lab: &Lab) -> BTreeMap<String, u64> {
    let row = |row: &serde_json::Value| Some((row["id"].as_str()?.to_owned(), row["worker"].as_u64()?));
    status(lab).iter().filter_map(row).collect()
}

/// The ports of the networks of one worker.
fn ports(map: &BTreeMap<String, u64>, worker: u64) -> Vec<u16> {
    let of = |(id, number): (&String, &u64)| (*number == worker).then(|| id[24..].parse().unwrap());
    map.iter().filter_map(of).collect()
}

const FIRST: u16 = 2000;

fn fifty_networks_keep_their_workers_through_a_death_an_upgrade_and_a_restart(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start_with(lab, &["--workers=3"]);
    (FIRST..FIRST + 50).for_each(|port| add(lab, &world.network, port));
    let before = map(lab);
    assert_eq!(before.len(), 50);
    for worker in 1..=3 {
        assert!(ports(&before, worker).len() >= 8, "{before:?}");
    }
    let as_before = |what: &str| {
        assert!(wait_until(10.0, || map(lab) == before), "{what}: {:?}", map(lab));
        let ask = |port| guest(&world.network, port).get("/").is_ok_and(|answer| answer.status == 200);
        assert!((FIRST..FIRST + 50).all(ask), "{what}");
    };
    as_before("at first");
    signal(pool.crew()[2], Signal::SIGKILL);
    as_before("after a death");
    let next = Pool::start_with(lab, &["--workers=3", "--replace"]);
    as_before("after an upgrade");
    assert!(pool.ended_within(20.0), "every process of the old one ends: {}", text(&pool.log));
    pool = next;
    pool.signal(Signal::SIGTERM);
    assert!(pool.ended_within(10.0));
    let _next = Pool::start_with(lab, &["--workers=3"]);
    as_before("after a restart");
}

fn a_death_disturbs_the_networks_of_one_worker_alone(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=3"]);
    (FIRST..FIRST + 12).for_each(|port| add(lab, &world.network, port));
    let map = map(lab);
    let others: Vec<u16> = [1, 3].iter().flat_map(|worker| ports(&map, *worker)).collect();
    let own = ports(&map, 2);
    assert!(others.len() >= 2 && !own.is_empty(), "{map:?}");
    let load = Load::start(others.iter().take(6).map(|port| guest(&world.network, *port)));
    let mut killed = pool.crew()[2];
    for _ in 0..5 {
        signal(killed, Signal::SIGKILL);
        assert!(wait_until(5.0, || pool.crew().len() == 4 && !pool.crew().contains(&killed)));
        for port in &own {
            let answer = guest(&world.network, *port).get("/");
            assert!(answer.is_ok_and(|answer| answer.status == 200), "it is served again");
        }
        killed = *pool.crew().last().unwrap();
    }
    let (asked, failed) = load.end();
    assert!(asked > 100 && failed == 0, "{failed} of {asked}");
    assert_eq!(pool.crew().len(), 4);
    assert!(pool.said("worker 2 has ended with status 137; another takes its place"), "{}", text(&pool.log));
    // A worker that was asked to end is replaced as well, and its requests are finished.
    signal(*pool.crew().last().unwrap(), Signal::SIGTERM);
    assert!(wait_until(5.0, || pool.said("worker 2 has ended as it was asked to")), "{}", text(&pool.log));
    assert!(guest(&world.network, own[0]).get("/").is_ok_and(|answer| answer.status == 200));
}

fn every_process_of_a_pool_is_confined_on_its_own(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=3"]);
    (FIRST..FIRST + 6).for_each(|port| add(lab, &world.network, port));
    // Also one that was made after the zygote had given everything up.
    signal(pool.crew()[1], Signal::SIGKILL);
    assert!(wait_until(5.0, || pool.crew().len() == 4 && map(lab).len() == 6));
    let zygote = Process::new(pool.worker());
    let filters: u32 = zygote.status("Seccomp_filters").parse().unwrap();
    for pid in pool.crew().into_iter().chain([pool.worker()]) {
        let process = Process::new(pid);
        for set in CAPABILITY_SETS {
            assert_eq!(process.capabilities(set), 0, "{set} of {pid}");
        }
        assert_eq!((process.status("NoNewPrivs"), process.status("Seccomp")), ("1".to_owned(), "2".to_owned()));
        assert!(process.status_numbers("Uid").iter().all(|uid| *uid != 0));
        let shown: Vec<String> =
            process.root_entries().into_iter().filter(|name| name != "log-directory" && name != "syslog").collect();
        assert_eq!(shown, ["agent", "backend"], "{pid}");
        let own: u32 = process.status("Seccomp_filters").parse().unwrap();
        assert_eq!(own, filters + u32::from(pid != pool.worker()), "each child has a filter of its own");
        let mut command = Command::new(lab.program.nsgate());
        command.arg("attest").arg(pid.to_string());
        let attested = communicate(command, Duration::from_secs(10));
        assert!(attested.ok(), "{attested:#?}");
    }
    let map = map(lab);
    let crew = pool.crew();
    let kinds = |pid: i32, word: &str| {
        let all = Process::new(pid).descriptors().unwrap();
        all.values().filter(|target| target.contains(word)).count()
    };
    // The dispatcher and the zygote hold no network; a worker those of its own.
    let networks: Vec<u64> = crew.iter().map(|pid| listeners(lab, *pid)).collect();
    let mut expected: Vec<u64> = (1..=3).map(|worker| ports(&map, worker).len() as u64).collect();
    assert_eq!((networks.iter().min().copied(), listeners(lab, pool.worker())), (Some(0), 0));
    expected.push(0);
    let mut found = networks;
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    // Each child has an event loop, and it is its own: two would wake each other.
    assert!(crew.iter().all(|pid| kinds(*pid, "eventpoll") >= 1) && kinds(pool.worker(), "eventpoll") == 0);
}

/// Listeners of guests that a process holds, in all namespaces.
fn listeners(lab: &Lab, pid: i32) -> u64 {
    let mut command = Command::new(lab.program.nsgate());
    command.args(["attest", "--json", &pid.to_string()]);
    let said = communicate(command, Duration::from_secs(10));
    let holdings: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    holdings["descriptors"]["tcp listener"].as_u64().unwrap_or(0)
}

fn a_dispatcher_that_dies_disturbs_no_network(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=2"]);
    (FIRST..FIRST + 4).for_each(|port| add(lab, &world.network, port));
    let before = map(lab);
    let load = Load::start((FIRST..FIRST + 4).map(|port| guest(&world.network, port)));
    // The first child, and then the last, which has taken its place.
    for dispatcher in [|crew: Vec<i32>| crew[0], |crew: Vec<i32>| crew[crew.len() - 1]] {
        signal(dispatcher(pool.crew()), Signal::SIGKILL);
        assert!(wait_until(5.0, || pool.crew().len() == 3 && map(lab) == before));
    }
    add(lab, &world.network, FIRST + 4);
    assert_eq!(map(lab).len(), 5);
    let (asked, failed) = load.end();
    assert!(asked > 20 && failed == 0, "{failed} of {asked}");
    assert!(pool.said("the dispatcher has ended with status 137; another takes its place"), "{}", text(&pool.log));
}

fn signals_that_haproxy_reloads_or_pauses_at_end_no_part_of_a_pool(lab: &Lab) {
    let world = world(lab);
    let network = &world.network;
    let pool = Pool::start_with(lab, &["--workers=2"]);
    add(lab, network, FIRST);
    let mut all = vec![pool.supervisor(), pool.worker()];
    all.extend(pool.crew());
    all.extend(nsgate_tests::procfs::having(&id(FIRST)));
    assert!(all.len() >= 6, "supervisor, zygote, dispatcher, two workers, keeper: {all:?}");
    for number in [Signal::SIGUSR2, Signal::SIGHUP, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGQUIT, Signal::SIGWINCH]
    {
        all.iter().for_each(|pid| signal(*pid, number));
    }
    std::thread::sleep(Duration::from_millis(300));
    for pid in all {
        let state = nsgate_tests::procfs::Process::new(pid).status("State");
        assert!(state.starts_with(['S', 'R']), "{pid} is {state}");
    }
    assert!(pool.said("SIGUSR2 changes nothing"), "{}", text(&pool.log));
    assert!(served(&guest(network, FIRST)));
}

fn what_is_refused_by_one_worker_is_refused_by_several(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=2"]);
    let neighbours = [FIRST, FIRST + 1, FIRST + 2];
    neighbours.iter().for_each(|port| add(lab, &world.network, *port));
    let message = gate(lab, NETWORK, "169.254.169.254:80");
    let file = std::fs::File::open("/dev/null").unwrap();
    let long = format!("{message}# {}\n", "x".repeat(16 * 1024));
    for (message, word) in [
        (message.as_str(), "not a socket"),
        (&message.replace("pool 1 ", "pool 2 "), "version `2`"),
        (&message[..message.len() / 2], "the gate is not right"),
        (&long, "longer than 16 KiB"),
        ("GET / HTTP/1.1\r\n\r\n", "does not begin"),
        ("nsgate-pool 1 finish\n", "takes none"),
        ("nsgate-pool 1 leave\n", "takes none"),
        ("nsgate-pool 1 list\n", "takes none"),
    ] {
        let before = text(&pool.log).matches("is refused").count();
        let channel = channel(&pool.socket).unwrap();
        send(&channel, message.as_bytes(), &[file.as_fd()]).unwrap();
        let answer = receive(&channel).unwrap_or_default();
        assert!(answer.starts_with("nsgate-pool 1 refused\n") && answer.contains(word), "{word}: {answer}");
        assert_eq!(text(&pool.log).matches("is refused").count(), before + 1, "{}", text(&pool.log));
    }
    // The worker judges a stranger: the kernel tells it the peer that connected, and not the dispatcher.
    std::fs::set_permissions(&pool.socket, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    for words in [["list", "--json"], ["remove", "--network-id=00000000-0000-4000-8000-000000002000"]] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "64043", "--regid", "64043", "--clear-groups"]).arg(lab.program.nsgate());
        command.args(words).arg("--pool").arg(&pool.socket);
        let said = communicate(command, Duration::from_secs(10));
        assert!(said.code() == Some(1) && said.stderr.contains("uid 64043, gid 64043 may not"), "{said:#?}");
    }
    assert_eq!(map(lab).len(), neighbours.len());
}

/// A listener at port 80 in the gate's namespace, as a handover needs it.
fn listener(network: &Network) -> TcpListener {
    let listener = network.gate.inside(|| TcpListener::bind((Ipv4Addr::new(169, 254, 169, 254), 80))).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// Hands it over under an identity: the answer, and the connection.
fn offer(lab: &Lab, id: &str, listener: &TcpListener) -> (String, OwnedFd) {
    let channel = channel(&socket_path(lab)).unwrap();
    send(&channel, gate(lab, id, "169.254.169.254:80").as_bytes(), &[listener.as_fd()]).unwrap();
    (receive(&channel).unwrap_or_default(), channel)
}

fn one_listener_under_two_identities_is_refused_by_several_workers(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=2"]);
    let (good, serving) = (listener(&world.network), "nsgate-pool 1 serving\n");
    let refused = |what: &str| {
        let (answer, channel) = offer(lab, OTHER, &good);
        let word = format!("a listener that comes with it is that of X-Neutron-Network-ID {NETWORK} already");
        assert!(answer.starts_with("nsgate-pool 1 refused\n") && answer.contains(&word), "{what}: {answer}");
        assert_eq!(receive(&channel), None, "and the connection is closed");
        assert_eq!(map(lab).len(), 1, "{what}");
        assert!(guest(&world.network, 80).get("/").is_ok_and(|answer| answer.status == 200), "{what}");
        assert_eq!(world.agent.seen().last().unwrap().header("X-Neutron-Network-ID"), [NETWORK], "{what}");
    };
    let (answer, mut owner) = offer(lab, NETWORK, &good);
    assert_eq!(answer, serving);
    let worker = map(lab)[NETWORK];
    refused("at first");
    // The dispatcher dies, and the next one knows as much.
    signal(pool.crew()[0], Signal::SIGKILL);
    assert!(wait_until(5.0, || pool.crew().len() == 3 && map(lab).len() == 1));
    refused("after the dispatcher's death");
    // The worker dies, and its owner hands the network over again.
    let crew = pool.crew();
    let of_network = crew.iter().find(|pid| has(**pid, &good));
    signal(*of_network.unwrap_or_else(|| panic!("the worker of the network: {crew:?}")), Signal::SIGKILL);
    assert_eq!(receive(&owner), None);
    assert!(wait_until(5.0, || pool.crew().len() == 3 && map(lab).is_empty()));
    (_, owner) = offer(lab, NETWORK, &good);
    assert!(wait_until(5.0, || map(lab).get(NETWORK) == Some(&worker)));
    refused("after the worker's death");
    // Once its owner has left, the socket is free.
    drop(owner);
    assert!(wait_until(2.0, || map(lab).is_empty()));
    let (answer, _owner) = offer(lab, OTHER, &good);
    assert_eq!(answer, serving);
    assert_ne!(map(lab)[OTHER], worker, "the test wants two identities of two workers");
    let (answer, _channel) = offer(lab, NETWORK, &good);
    assert!(answer.contains(&format!("is that of X-Neutron-Network-ID {OTHER} already")), "{answer}");
    // Neither the dispatcher nor the zygote has kept a copy.
    let held = pool.crew().into_iter().chain([pool.worker()]).filter(|pid| has(*pid, &good)).count();
    assert_eq!(held, 1);
}

/// Whether a process has this socket open.
fn has(pid: i32, socket: &TcpListener) -> bool {
    let inode = std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap().ino();
    let name = format!("socket:[{inode}]");
    Process::new(pid).descriptors().unwrap().values().any(|target| *target == name)
}

/// The page of metrics.
fn metrics(lab: &Lab) -> String {
    let mut stream = UnixStream::connect(metrics_path(lab)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page.split_once("\r\n\r\n").map(|(_, page)| page.to_owned()).unwrap_or_default()
}

fn list_status_remove_and_metrics_show_every_worker(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=3"]);
    (FIRST..FIRST + 9).for_each(|port| add(lab, &world.network, port));
    for port in FIRST..FIRST + 9 {
        assert_eq!(guest(&world.network, port).get("/").unwrap().status, 200);
    }
    let map = map(lab);
    let page = metrics(lab);
    for (id, worker) in &map {
        let line = format!(
            "{{worker=\"{worker}\",kind=\"X-Neutron-Network-ID\",network=\"{id}\",role=\"worker\",class=\"2xx\"}} 1\n"
        );
        assert!(page.contains(&line), "{line}\n{page}");
    }
    assert!((1..=3).all(|number| page.contains(&format!("nsgate_worker_up{{worker=\"{number}\"}} 1\n"))), "{page}");
    assert_eq!(page.matches("# TYPE nsgate_requests counter\n").count(), 1, "one family");
    assert!(page.ends_with("# EOF\n") && page.matches("# EOF").count() == 1);
    let mut command = Command::new(lab.program.nsgate());
    command.args(["list", "--pool"]).arg(socket_path(lab));
    let said = communicate(command, Duration::from_secs(10));
    assert!(said.stdout.lines().next().unwrap().ends_with("worker"), "{said:#?}");
    for worker in 1..=3 {
        let port = ports(&map, worker)[0];
        let mut command = Command::new(lab.program.nsgate());
        command.args(["remove", "--pool"]).arg(socket_path(lab)).arg(format!("--network-id={}", id(port)));
        let said = communicate(command, Duration::from_secs(10));
        assert!(said.ok(), "{said:#?}");
        assert!(wait_until(2.0, || guest(&world.network, port).connect().is_err()), "{worker}");
    }
    assert_eq!(status(lab).len(), 6);
    // A worker that hangs is not waited for: the others are shown, and that it does not answer.
    let hanging = pool.crew()[2];
    signal(hanging, Signal::SIGSTOP);
    let page = metrics(lab);
    signal(hanging, Signal::SIGCONT);
    assert!(page.contains("nsgate_worker_up{worker=\"2\"} 0\n") && page.contains("nsgate_worker_up{worker=\"3\"} 1\n"));
    assert!(!page.contains("worker=\"2\",kind") && page.contains("worker=\"3\",kind"), "{page}");
}

/// A question to all workers is answered by those that can. The answer names those that cannot.
fn a_worker_that_hangs_is_named_and_the_others_are_listed(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start_with(lab, &["--workers=5"]);
    (FIRST..FIRST + 15).for_each(|port| add(lab, &world.network, port));
    let (map, crew) = (map(lab), pool.crew());
    let say = |words: &[&str]| {
        let mut command = Command::new(lab.program.nsgate());
        command.args(words).arg("--pool").arg(socket_path(lab));
        communicate(command, Duration::from_secs(10))
    };
    let ids = |workers: &[u64]| {
        let of = |(id, worker): (&String, &u64)| workers.contains(worker).then(|| id.clone());
        map.iter().filter_map(of).collect::<Vec<String>>()
    };
    let all = say(&["list", "--names"]);
    assert!(all.ok() && all.stdout.lines().count() == 15 && all.stderr.is_empty(), "{all:#?}");
    // The first process of a crew is the dispatcher.
    let hanging = [2, 3, 4];
    hanging.iter().for_each(|number| signal(crew[*number], Signal::SIGSTOP));
    for words in [&["list"][..], &["list", "--names"], &["list", "--json"], &["status"], &["status", "--json"]] {
        let said = say(words);
        assert_eq!(said.code(), Some(4), "{words:?}: {said:#?}");
        for number in hanging {
            let named = format!("worker {number} does not answer (timed out)");
            assert!(said.stderr.contains(&named), "{words:?}: {said:#?}");
        }
        assert_eq!(said.stderr.lines().count(), 3, "{words:?}: {said:#?}");
        assert!(ids(&[1, 5]).iter().all(|id| said.stdout.contains(id)), "{words:?}: {said:#?}");
        assert!(!ids(&[2, 3, 4]).iter().any(|id| said.stdout.contains(id)), "{words:?}: {said:#?}");
        if words.contains(&"--json") {
            let rows: Vec<serde_json::Value> = serde_json::from_str(&said.stdout).unwrap();
            assert_eq!(rows.len(), ids(&[1, 5]).len(), "{words:?}");
        }
    }
    let page = metrics(lab);
    for number in 1..=5 {
        let up = u8::from(!hanging.contains(&number));
        assert!(page.contains(&format!("nsgate_worker_up{{worker=\"{number}\"}} {up}\n")), "{number}: {page}");
    }
    // A network that is served is removed, and one that is not shown is not said to be absent.
    let (served, unknown) = (ids(&[5])[0].clone(), ids(&[3])[0].clone());
    assert!(say(&["remove", &served]).ok());
    let said = say(&["remove", &unknown]);
    assert!(said.code() == Some(1) && said.stderr.contains("worker 3 does not answer"), "{said:#?}");
    assert!(!said.stderr.contains("serves no network"), "{said:#?}");
    hanging.iter().for_each(|number| signal(crew[*number], Signal::SIGCONT));
    let said = say(&["list", "--names"]);
    assert!(said.ok() && said.stdout.lines().count() == 14 && said.stderr.is_empty(), "{said:#?}");
}

fn sigterm_ends_every_process_and_finishes_what_is_under_way(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    let network = lab.network();
    let _agent = RecordingAgent::answering(&lab.socket(), |_| {
        std::thread::sleep(Duration::from_millis(800));
        Answer::ok("late")
    });
    let mut pool = Pool::start_with(lab, &["--workers=3"]);
    (FIRST..FIRST + 6).for_each(|port| add(lab, &network, port));
    let all: Vec<i32> = pool.crew().into_iter().chain([pool.worker()]).collect();
    std::thread::scope(|scope| {
        let asking: Vec<_> =
            (FIRST..FIRST + 6).map(|port| guest(&network, port)).map(|one| scope.spawn(move || one.get("/"))).collect();
        std::thread::sleep(Duration::from_millis(300));
        pool.signal(Signal::SIGTERM);
        for one in asking {
            assert_eq!(one.join().unwrap().unwrap().text(), "late");
        }
    });
    assert!(pool.ended_within(10.0));
    assert!(all.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()), "{all:?}");
    assert!(!text(&pool.log).contains("another takes its place"), "{}", text(&pool.log));
}

fn an_upgrade_to_another_number_of_workers_loses_no_request(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start(lab);
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    (FIRST..FIRST + 5).for_each(|port| add(lab, &world.network, port));
    let load = Load::start((FIRST..FIRST + 5).map(|port| guest(&world.network, port)));
    for words in [["--workers=3", "--replace"], ["--workers=2", "--replace"], ["--workers=1", "--replace"]] {
        let next = Pool::start_with(lab, &words);
        assert!(wait_until(10.0, || status(lab).len() == 6), "{}", text(&next.log));
        assert!(pool.ended_within(20.0), "the old one leaves: {}", text(&pool.log));
        pool = next;
        // An upgrade is over in a few milliseconds: the next one begins among requests, too.
        let asked = load.asked();
        assert!(wait_until(10.0, || load.asked() > asked + 50), "guests go on asking");
    }
    let (asked, failed) = load.end();
    assert!(asked > 100 && failed == 0, "{failed} of {asked}");
    assert!(Guest::new(&world.network.guest).get("/").is_ok_and(|answer| answer.status == 200));
}

/// Eight connections at once, which is more than a network's reserve; then they are gone.
fn burst(network: &Network, port: u16) {
    let mut all: Vec<_> = (0..8).filter_map(|_| guest(network, port).connect().ok()).collect();
    for stream in &mut all {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    std::thread::sleep(Duration::from_millis(30));
}

fn twenty_networks_with_sixteen_places_and_nothing_open_are_all_served(lab: &Lab) {
    let world = world(lab);
    let _pool = Pool::start_with(lab, &["--connections=16", "--reserved-connections=1"]);
    (FIRST..FIRST + 20).for_each(|port| add(lab, &world.network, port));
    (FIRST..FIRST + 20).for_each(|port| burst(&world.network, port));
    // Nothing is open any more.
    let open = || status(lab).iter().filter_map(|row| row["connections"].as_u64()).sum::<u64>();
    assert!(wait_until(5.0, || open() == 0), "{} are open", open());
    // In reverse order: the networks that came last ask first.
    for port in (FIRST..FIRST + 20).rev() {
        let answer = guest(&world.network, port).patient(3).get(&format!("/of-{port}"));
        assert!(answer.as_ref().is_ok_and(|answer| answer.status == 200), "{port}: {answer:?}");
        let asked = |seen: &nsgate_tests::agent::Seen| {
            seen.text().starts_with(&format!("GET /of-{port} ")) && seen.header("X-Neutron-Network-ID") == [id(port)]
        };
        assert!(world.agent.seen().iter().any(asked), "{port}");
    }
}

fn each_network_has_its_reserve_while_every_other_is_at_its_worst(lab: &Lab) {
    let world = world(lab);
    let _pool = Pool::start_with(lab, &["--connections=16", "--reserved-connections=2"]);
    (FIRST..FIRST + 6).for_each(|port| add(lab, &world.network, port));
    // All but one: bursts, and then as many idle connections as they get.
    let others = FIRST + 1..FIRST + 6;
    others.clone().for_each(|port| burst(&world.network, port));
    let mut held = Vec::new();
    for port in others {
        held.extend((0..20).map_while(|_| guest(&world.network, port).patient(1).connect().ok()));
    }
    for round in 0..5 {
        // A burst of its own before takes nothing away from it afterwards.
        burst(&world.network, FIRST);
        let mut kept: Vec<_> = (0..2).map(|_| guest(&world.network, FIRST).patient(3).connect().unwrap()).collect();
        for _ in 0..2 {
            for stream in &mut kept {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
                let answer = nsgate_tests::Response::read(stream);
                assert!(answer.as_ref().is_ok_and(|answer| answer.status == 200), "round {round}: {answer:?}");
            }
        }
    }
    assert!(held.len() > 30, "{}", held.len());
}
