//! A pool under a service manager: networks that it keeps between two workers, and sockets that it has bound.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{Started, communicate};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::manager::Manager;
use nsgate_tests::pool::{Pool, channel, keeper, nsgate, receive, send, socket_path, words, world};
use nsgate_tests::procfs;
use nsgate_tests::{Config, Guest, Kind, Lab, Load, Network, suite};

fn main() {
    suite!["pool_store":
        kept_networks_need_no_process_and_outlive_their_worker,
        twenty_restarts_lose_no_request_to_kept_networks,
        tokens_of_a_kept_network_outlive_its_worker,
        a_worker_that_is_alive_says_so_and_a_stopped_one_does_not,
        root_adds_to_a_pool_that_takes_networks_from_root_alone,
        a_removed_network_is_kept_no_longer,
        what_a_manager_passes_back_is_judged_like_a_handover,
        what_cannot_be_kept_is_refused_with_a_reason,
        without_room_or_without_a_store_nothing_is_half_kept,
        a_bound_socket_is_used_and_left_where_it_is,
        a_bound_socket_of_another_kind_or_place_is_refused,
        what_is_kept_for_one_worker_is_not_lost_to_others,
    ]
}

const FIRST: u16 = 2000;

fn guest(network: &Network, port: u16) -> Guest {
    let to = SocketAddr::from((Ipv4Addr::new(169, 254, 169, 254), port));
    Guest::talking(&network.guest, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 11)), to)
}

fn served(network: &Network, port: u16) -> bool {
    guest(network, port).get("/").is_ok_and(|answer| answer.status == 200)
}

fn id(port: u16) -> String {
    format!("00000000-0000-4000-8000-{port:012}")
}

fn add(lab: &Lab, network: &Network, port: u16) -> Started {
    add_with(lab, network, port, &[])
}

fn add_with(lab: &Lab, network: &Network, port: u16, more: &[&str]) -> Started {
    let (netns, backend) = (network.gate.name(), lab.socket());
    let words = [
        "add".to_owned(),
        format!("--netns={netns}"),
        format!("--backend={}", backend.display()),
        format!("--network-id={}", id(port)),
        format!("--listen=169.254.169.254:{port}"),
        "--user=neutron".to_owned(),
        "--group=neutron".to_owned(),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).chain(more.iter().copied()).collect();
    nsgate(lab, &words)
}

fn listed(lab: &Lab) -> Vec<String> {
    let said = nsgate(lab, &["list", "--json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said.stdout).unwrap_or_default();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// A pool that takes networks from root alone, as the packaged one does, takes one whose processes are another user's.
fn root_adds_to_a_pool_that_takes_networks_from_root_alone(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let closed = bound(&socket_path(lab), SockType::SeqPacket);
    std::fs::set_permissions(socket_path(lab), PermissionsExt::from_mode(0o600)).unwrap();
    let words: Vec<String> = words(lab, &[]).into_iter().filter(|word| !word.starts_with("--handover-group")).collect();
    let (command, copies) = manager.command(lab, &words, &[("handover", &closed)]);
    let pool = Pool::spawn_as(lab, command);
    drop(copies);
    assert!(wait_until(10.0, || pool.said("Handovers are taken")), "{}", text(&pool.log));
    let said = add_with(lab, &world.network, FIRST, &[]);
    assert!(said.ok() && said.said().is_empty(), "{said:#?} {}", text(&pool.log));
    assert!(served(&world.network, FIRST) && listed(lab) == [id(FIRST)]);
    manager.hear();
    assert_eq!((keepers(), manager.store.len()), (0, 1), "no process stands for it");
}

/// Processes that stand for a network.
fn keepers() -> usize {
    procfs::having("nsgate")
        .into_iter()
        .filter(|pid| procfs::Process::new(*pid).cmdline().get(1).is_some_and(|word| word == "add"))
        .count()
}

fn kept_networks_need_no_process_and_outlive_their_worker(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let mut pool = manager.run(lab, &[], &[]);
    for port in FIRST..FIRST + 3 {
        let added = add(lab, &world.network, port);
        assert!(added.ok() && added.said().is_empty(), "{added:#?}");
        assert!(served(&world.network, port));
    }
    assert!(wait_until(2.0, || keepers() == 0), "no process stands for a kept network");
    // Their namespace has no process, and their listeners are not a stranger's for that.
    let mut attest = Command::new(lab.program.nsgate());
    attest.args(["attest", &pool.worker().to_string()]);
    let attested = communicate(attest, Duration::from_secs(10));
    assert!(attested.ok() && attested.stdout.contains("3 tcp in no table"), "{attested:#?}");
    manager.hear();
    let name = format!("network.{}", id(FIRST));
    assert_eq!((manager.store.len(), manager.store[&name].len()), (3, 2), "a record and a listener each");
    assert!(manager.heard.iter().any(|text| text.contains("FDPOLL=0")), "{:?}", manager.heard);
    // In order, and by kill: guests that come meanwhile wait.
    for kill in [false, true] {
        if kill {
            pool.crash();
        } else {
            pool.signal(Signal::SIGTERM);
            assert!(pool.ended_within(10.0));
        }
        assert!(!world.network.gate.listening().is_empty(), "the manager holds the listeners");
        let answer = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| guest(&world.network, FIRST).get("/"));
            std::thread::sleep(Duration::from_millis(100));
            pool = manager.run(lab, &[], &[]);
            waiting.join().unwrap()
        });
        assert_eq!(answer.unwrap().status, 200, "{}", text(&pool.log));
        assert!((FIRST..FIRST + 3).all(|port| served(&world.network, port)));
        assert_eq!(listed(lab), (FIRST..FIRST + 3).map(id).collect::<Vec<_>>());
    }
    // Another network beside them, with a keeper, as an agent has it.
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    assert!(served(&world.network, 80));
    manager.hear();
    assert_eq!(manager.store.len(), 3);
}

fn twenty_restarts_lose_no_request_to_kept_networks(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let mut pool = manager.run(lab, &[], &[]);
    for port in FIRST..FIRST + 3 {
        assert!(add(lab, &world.network, port).ok());
    }
    let guests = (0..6).map(|number| guest(&world.network, FIRST + number % 3).at(11 + number as u8));
    let load = Load::start(guests);
    for _ in 0..20 {
        pool.signal(Signal::SIGTERM);
        assert!(pool.ended_within(10.0), "{}", text(&pool.log));
        pool = manager.run(lab, &[], &[]);
        std::thread::sleep(Duration::from_millis(50));
    }
    let (asked, failed) = load.end();
    println!("{asked} requests");
    assert!(asked > 300 && failed == 0, "{failed} of {asked}");
}

fn tokens_of_a_kept_network_outlive_its_worker(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let mut pool = manager.run(lab, &[], &[]);
    let mut tokens = Vec::new();
    for port in FIRST..FIRST + 2 {
        let file = lab.state().join(format!("{port}.toml"));
        std::fs::write(&file, "user = \"neutron\"\n[guards]\ntokens = \"required\"\n").unwrap();
        let words = [format!("--config={}", file.display())];
        let added = add_with(lab, &world.network, port, &words.each_ref().map(String::as_str));
        assert!(added.ok(), "{added:#?}");
        let want = "PUT /latest/api/token HTTP/1.1\r\nHost: h\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n";
        let token = guest(&world.network, port).ask(&format!("{want}Connection: close\r\n\r\n")).unwrap();
        tokens.push(token.text().to_owned());
    }
    let ask = |port: u16, token: &str| {
        let shown = format!("X-aws-ec2-metadata-token: {token}\r\n");
        guest(&world.network, port).get_with("/", &shown).unwrap().status
    };
    for kill in [false, true] {
        assert_eq!((ask(FIRST, &tokens[0]), ask(FIRST + 1, &tokens[1])), (200, 200), "kill: {kill}");
        assert_eq!((ask(FIRST, &tokens[1]), ask(FIRST + 1, &tokens[0])), (401, 401), "each network has its own");
        manager.hear();
        if kill {
            pool.crash();
        } else {
            pool.signal(Signal::SIGTERM);
            assert!(pool.ended_within(10.0));
        }
        pool = manager.run(lab, &[], &[]);
    }
    assert_eq!((ask(FIRST, &tokens[0]), ask(FIRST + 1, &tokens[1])), (200, 200), "{}", text(&pool.log));
}

fn a_worker_that_is_alive_says_so_and_a_stopped_one_does_not(lab: &Lab) {
    let _world = world(lab);
    for (workers, kept) in [("--workers=1", 100), ("--workers=2", 0)] {
        let _ = std::fs::remove_file(lab.state().join("notify.sock"));
        let mut manager = Manager::start(lab, kept);
        let (mut command, _copies) = manager.command(lab, &words(lab, &[workers]), &[]);
        command.env("WATCHDOG_USEC", "400000");
        let pool = Pool::spawn_as(lab, command);
        let mut heard = |seconds: f64| {
            manager.heard.clear();
            std::thread::sleep(Duration::from_secs_f64(seconds));
            manager.hear();
            manager.heard.iter().filter(|text| *text == "WATCHDOG=1").count()
        };
        assert!(wait_until(10.0, || heard(0.2) > 0), "{workers}: {}", text(&pool.log));
        assert!((2..=6).contains(&heard(0.8)), "twice in what the manager waits for");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pool.worker()), Signal::SIGSTOP).unwrap();
        heard(0.3);
        assert_eq!(heard(1.0), 0, "{workers}");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pool.worker()), Signal::SIGCONT).unwrap();
        assert!(wait_until(5.0, || heard(0.2) > 0), "{workers}: {}", text(&pool.log));
    }
}

fn a_removed_network_is_kept_no_longer(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let mut pool = manager.run(lab, &[], &[]);
    for port in FIRST..FIRST + 2 {
        assert!(add(lab, &world.network, port).ok());
    }
    let removed = nsgate(lab, &["remove", &format!("--network-id={}", id(FIRST))]);
    assert!(removed.ok(), "{removed:#?}");
    let gone = || guest(&world.network, FIRST).connect().is_err();
    assert!(wait_until(2.0, || {
        manager.hear();
        manager.store.len() == 1 && gone()
    }));
    // The address is free, and a restart does not bring it back.
    pool.signal(Signal::SIGTERM);
    assert!(pool.ended_within(10.0));
    pool = manager.run(lab, &[], &[]);
    assert_eq!(listed(lab), [id(FIRST + 1)]);
    assert!(add(lab, &world.network, FIRST).ok() && served(&world.network, FIRST));
    assert_eq!(listed(lab), [id(FIRST), id(FIRST + 1)]);
    assert!(pool.worker() > 0);
}

/// A record as its documentation has it.
fn record(lab: &Lab, port: u16, cookies: &[u64], sealed: bool) -> OwnedFd {
    let numbers: Vec<String> = cookies.iter().map(ToString::to_string).collect();
    let gate = nsgate_tests::pool::gate(lab, &id(port), &format!("169.254.169.254:{port}"));
    let gate = gate.split_once('\n').unwrap().1;
    let memory = memfd_create("test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    let mut file = File::from(memory);
    file.write_all(format!("nsgate-pool 1 kept\n{}\n{gate}", numbers.join(" ")).as_bytes()).unwrap();
    if sealed {
        let all = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
        fcntl(&file, FcntlArg::F_ADD_SEALS(all)).unwrap();
    }
    file.into()
}

fn listener(network: &Network, port: u16) -> (OwnedFd, u64) {
    let listener = network.gate.inside(move || TcpListener::bind((Ipv4Addr::new(169, 254, 169, 254), port))).unwrap();
    listener.set_nonblocking(true).unwrap();
    let cookie = nsgate_tests::sys::cookie(&listener);
    (listener.into(), cookie)
}

fn what_a_manager_passes_back_is_judged_like_a_handover(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let mut pool = manager.run(lab, &[], &[]);
    assert!(add(lab, &world.network, FIRST).ok());
    manager.hear();
    pool.signal(Signal::SIGTERM);
    assert!(pool.ended_within(10.0));
    let mut cases: Vec<(u16, String, Vec<OwnedFd>, &str)> = Vec::new();
    let (mut next, name) = (FIRST + 10, |port: u16| format!("network.{}", id(port)));
    let mut case = |make: &dyn Fn(u16, OwnedFd, u64) -> (String, Vec<OwnedFd>), word| {
        let (socket, cookie) = listener(&world.network, next);
        let (kept_as, all) = make(next, socket, cookie);
        cases.push((next, kept_as, all, word));
        next += 1;
    };
    case(
        &|port, socket, cookie| (name(port + 500), vec![record(lab, port, &[cookie], true), socket]),
        "its record is that of",
    );
    case(&|port, socket, _| (name(port), vec![socket]), "no record");
    case(&|port, socket, cookie| (name(port), vec![record(lab, port, &[cookie], false), socket]), "not sealed");
    case(&|port, socket, _| (name(port), vec![File::open("/dev/null").unwrap().into(), socket]), "not a memfd");
    case(
        &|port, socket, cookie| (name(port), vec![record(lab, port, &[cookie + 1_000_000], true), socket]),
        "0 descriptors",
    );
    case(
        &|port, socket, cookie| (name(port), vec![record(lab, port + 400, &[cookie], true), socket]),
        "its record is that of",
    );
    case(
        &|_, socket, cookie| ("no-name-of-ours".to_owned(), vec![record(lab, FIRST, &[cookie], true), socket]),
        "its record is that of",
    );
    case(
        &|port, socket, cookie| {
            // Another user has written it: a worker that was taken over would be such a one.
            let record = record(lab, port, &[cookie], true);
            fchown(&record, Some(64043), Some(64043)).unwrap();
            (name(port), vec![record, socket])
        },
        "who wrote the record? uid 64043",
    );
    case(
        &|port, _, cookie| {
            let other = network_socket(&world.network);
            let number = nsgate_tests::sys::cookie(&other);
            let _ = cookie;
            (name(port), vec![record(lab, port, &[number], true), other])
        },
        "bound at",
    );
    let reasons: Vec<(String, &str)> = cases.iter().map(|(_, kept_as, _, word)| (kept_as.clone(), *word)).collect();
    for (_, kept_as, all, _) in cases {
        manager.store.insert(kept_as, all);
    }
    let pool = manager.run(lab, &[], &[]);
    for (kept_as, word) in reasons {
        let log = text(&pool.log);
        let line = log.lines().find(|line| line.contains(&format!("keeps as `{kept_as}`")));
        assert!(line.is_some_and(|line| line.contains(word)), "{kept_as}, {word}: {log}");
    }
    assert!(
        wait_until(2.0, || {
            manager.hear();
            manager.store.len() == 1
        }),
        "what is not served is not kept: {:?}",
        manager.store.keys()
    );
    assert!(served(&world.network, FIRST), "and nothing else is disturbed");
    assert_eq!(listed(lab), [id(FIRST)]);
}

/// A listener at another place than any gate names.
fn network_socket(network: &Network) -> OwnedFd {
    let listener = network.gate.inside(|| TcpListener::bind("10.0.0.1:0")).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener.into()
}

fn what_cannot_be_kept_is_refused_with_a_reason(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let pool = manager.run(lab, &[], &[]);
    assert!(add(lab, &world.network, FIRST).ok());
    let port = FIRST + 1;
    let (socket, cookie) = listener(&world.network, port);
    let message = format!("nsgate-pool 1 keep\nnetwork {}", id(port));
    let good = record(lab, port, &[cookie], true);
    let refused = |message: &str, all: &[&OwnedFd], word: &str| {
        let before = text(&pool.log).matches("is refused").count();
        let channel = channel(&pool.socket).unwrap();
        let all: Vec<_> = all.iter().map(|one| one.as_fd()).collect();
        send(&channel, message.as_bytes(), &all).unwrap();
        let answer = receive(&channel).unwrap_or_default();
        assert!(answer.starts_with("nsgate-pool 1 refused\n") && answer.contains(word), "{word}: {answer}");
        assert_eq!(text(&pool.log).matches("is refused").count(), before + 1, "{}", text(&pool.log));
    };
    refused(&message, &[], "no record");
    refused(&message, &[&good], "and 0 descriptors");
    refused(&message, &[&socket, &good], "not a memfd");
    refused(&message, &[&good, &socket, &socket], "and 2 descriptors");
    refused(&message, &[&record(lab, port, &[cookie], false), &socket], "not sealed");
    refused(&message, &[&record(lab, port, &[cookie + 1], true), &socket], "not those that the record was written for");
    refused(&message, &[&record(lab, port + 1, &[cookie], true), &socket], "its record is that of");
    refused("nsgate-pool 1 keep\nnetwork x", &[&good, &socket], "UUID");
    refused("nsgate-pool 1 stores\n", &[&good], "takes none");
    let other = network_socket(&world.network);
    let number = nsgate_tests::sys::cookie(&other);
    refused(&message, &[&record(lab, port, &[number], true), &other], "bound at");
    manager.hear();
    assert_eq!(manager.store.len(), 1, "nothing of it is kept");
    assert!(served(&world.network, FIRST) && listed(lab) == [id(FIRST)]);
}

fn without_room_or_without_a_store_nothing_is_half_kept(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 3);
    let mut pool = manager.run(lab, &[], &[]);
    assert!(add(lab, &world.network, FIRST).ok());
    let full = add(lab, &world.network, FIRST + 1);
    assert!(full.code() == Some(1) && full.stderr.contains("FileDescriptorStoreMax="), "{full:#?}");
    assert!(wait_until(2.0, || guest(&world.network, FIRST + 1).connect().is_err()), "and nothing listens there");
    assert!(keepers() == 0 && listed(lab) == [id(FIRST)]);
    manager.hear();
    assert_eq!(manager.store.len(), 1);
    assert!(nsgate(lab, &["remove", &format!("--network-id={}", id(FIRST))]).ok());
    pool.signal(Signal::SIGTERM);
    assert!(pool.ended_within(10.0));
    // A manager that keeps nothing: a process does.
    manager.hear();
    manager.most = 0;
    let _pool = manager.run(lab, &[], &[]);
    assert!(add(lab, &world.network, FIRST).ok() && served(&world.network, FIRST));
    assert!(keepers() > 0);
    manager.hear();
    assert!(manager.store.is_empty(), "{:?}", manager.store);
}

/// A UNIX socket that listens.
fn bound(path: &std::path::Path, kind: SockType) -> OwnedFd {
    let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&socket, Backlog::new(128).unwrap()).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
    socket
}

fn a_bound_socket_is_used_and_left_where_it_is(lab: &Lab) {
    let world = world(lab);
    let handover = bound(&socket_path(lab), SockType::SeqPacket);
    let inode = std::fs::metadata(socket_path(lab)).unwrap().ino();
    let mut manager = Manager::start(lab, 0);
    let mut pool = manager.run(lab, &[], &[("handover", &handover)]);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    assert!(served(&world.network, 80) && listed(lab) == [NETWORK]);
    pool.signal(Signal::SIGTERM);
    assert!(pool.ended_within(10.0));
    assert_eq!(std::fs::metadata(socket_path(lab)).unwrap().ino(), inode, "it is the manager's");
    // A process that asks meanwhile waits at the manager's socket, and is not refused.
    let listing = std::thread::scope(|scope| {
        let asking = scope.spawn(|| nsgate(lab, &["list"]));
        std::thread::sleep(Duration::from_millis(100));
        pool = manager.run(lab, &["--workers=2"], &[("handover", &handover)]);
        asking.join().unwrap()
    });
    assert!(listing.ok(), "{listing:#?}");
    assert!(wait_until(5.0, || listed(lab) == [NETWORK]) && served(&world.network, 80));
    assert!(keeper.alive());
    assert_eq!(std::fs::metadata(socket_path(lab)).unwrap().ino(), inode);
    assert_eq!(
        std::fs::read_dir(socket_path(lab).parent().unwrap()).unwrap().count(),
        2,
        "nothing beside it but metrics"
    );
}

fn a_bound_socket_of_another_kind_or_place_is_refused(lab: &Lab) {
    lab.needs_root("the worker is another user");
    let manager = Manager::start(lab, 0);
    let refused = |socket: &OwnedFd, word: &str| {
        let (command, copies) = manager.command(lab, &words(lab, &[]), &[("handover", socket)]);
        let said = communicate(command, Duration::from_secs(10));
        drop(copies);
        assert!(said.code() == Some(1) && said.stderr.contains(word), "{word}: {said:#?}");
    };
    let place = socket_path(lab);
    refused(&bound(&place, SockType::Stream), "ListenSequentialPacket=");
    std::fs::remove_file(&place).unwrap();
    // The socket at the place is not the one that was passed.
    let _other = bound(&place, SockType::SeqPacket);
    refused(&bound(&place.with_file_name("elsewhere"), SockType::SeqPacket), "elsewhere, not at");
    refused(&TcpListener::bind("127.0.0.1:0").unwrap().into(), "not a UNIX socket");
    refused(&File::open("/dev/null").unwrap().into(), "not a socket");
    // Nothing bound in its place: the pool binds it itself, and says what it has closed.
    std::fs::remove_file(&place).unwrap();
    let (command, _copies) =
        manager.command(lab, &words(lab, &[]), &[("handover", &File::open("/dev/null").unwrap().into())]);
    let pool = Pool::spawn_as(lab, command);
    assert!(wait_until(10.0, || pool.said("is not a socket") && channel(&place).is_ok()), "{}", text(&pool.log));
}

fn what_is_kept_for_one_worker_is_not_lost_to_others(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let mut pool = manager.run(lab, &[], &[]);
    assert!(add(lab, &world.network, FIRST).ok());
    manager.hear();
    // A worker that the manager knows nothing of would not get what is kept.
    let started = Pool::refused(lab, &["--replace"]);
    assert!(started.code() == Some(1) && started.stderr.contains("systemctl restart"), "{started:#?}");
    assert!(served(&world.network, FIRST));
    pool.signal(Signal::SIGTERM);
    assert!(pool.ended_within(10.0));
    let (command, copies) = manager.command(lab, &words(lab, &["--workers=2"]), &[]);
    let said = communicate(command, Duration::from_secs(10));
    drop(copies);
    assert!(said.code() == Some(1) && said.stderr.contains("go back to one worker"), "{said:#?}");
    pool = manager.run(lab, &[], &[]);
    assert!(served(&world.network, FIRST) && pool.worker() > 0);
    // With several workers nothing is kept, and a process is there for each network.
    assert!(nsgate(lab, &["remove", &format!("--network-id={}", id(FIRST))]).ok());
    pool.signal(Signal::SIGTERM);
    assert!(pool.ended_within(10.0));
    manager.hear();
    let _pool = manager.run(lab, &["--workers=2"], &[]);
    assert!(add(lab, &world.network, FIRST).ok() && served(&world.network, FIRST) && keepers() > 0);
}
