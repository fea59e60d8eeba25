//! What a worker refuses to be handed, and what disturbs no network.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, setsockopt, socket, sockopt,
};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{
    OTHER, Pool, World, channel, gate, keeper, listed, metrics_path, receive, send, served, socket_path, world,
};
use nsgate_tests::procfs::Process;
use nsgate_tests::{Config, Guest, Kind, Lab, Namespace, Network, suite};

fn main() {
    suite!["pool_refusals":
        a_stranger_may_not_hand_over,
        what_is_not_the_gates_listener_is_refused_by_name,
        too_few_and_too_many_descriptors_are_refused,
        one_listener_under_two_identities_is_refused,
        who_finds_a_pools_network_at_its_address_is_told_to_end_that_network_and_not_the_pool,
        other_versions_and_half_messages_are_refused,
        a_backend_that_is_not_the_pools_is_refused,
        a_network_that_is_present_with_other_content_is_refused,
        a_process_with_a_networks_own_listener_succeeds_its_owner_with_other_content,
        ten_thousand_networks_disturb_nobody,
        peers_that_say_nothing_or_do_not_read_disturb_nobody,
        a_peer_that_stops_reading_is_left_with_a_line_in_the_log,
        a_message_out_of_turn_ends_the_network_it_belongs_to,
        a_second_worker_is_refused_and_leaves_nothing,
        a_start_without_the_pools_directory_says_that_no_pool_has_run_and_serves_by_itself,
        where_no_network_may_serve_by_itself_a_start_without_the_pools_directory_leaves_nothing,
        what_stands_in_the_sockets_place_is_left_alone,
    ]
}

/// As after a boot, if the agent comes first.
fn a_start_without_the_pools_directory_says_that_no_pool_has_run_and_serves_by_itself(lab: &Lab) {
    let world = world(lab);
    lab.site("pool = \"/run/absent/pool.sock\"\n");
    let gate = nsgate_tests::Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    for words in
        ["pool /run/absent/pool.sock: there is no such directory", "a gate of its own", "`systemctl start nsgate-pool`"]
    {
        assert!(gate.started.stderr.contains(words), "{words}: {:#?}", gate.started);
    }
    assert!(served(&Guest::new(&world.network.guest)));
    assert!(world.agent.only().header("X-Neutron-Network-ID") == [NETWORK]);
}

fn where_no_network_may_serve_by_itself_a_start_without_the_pools_directory_leaves_nothing(lab: &Lab) {
    let world = world(lab);
    lab.site("pool = \"/run/absent/pool.sock\"\npool_fallback = false\n");
    let started =
        nsgate_tests::Gate::try_start(lab, &world.network.gate, &Config::new(Kind::Network)).expect_err("no way");
    assert_eq!(started.code(), Some(1), "{started:#?}");
    for words in ["pool /run/absent: ", "no pool has run here since the host started", "`systemctl start nsgate-pool`"]
    {
        assert!(started.stderr.contains(words), "{words}: {started:#?}");
    }
    assert!(!Config::new(Kind::Network).pid_file.exists());
}

/// The worker holds the listener as well, and those of every other network.
fn who_finds_a_pools_network_at_its_address_is_told_to_end_that_network_and_not_the_pool(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let mut second = Command::new(lab.program.nsgate());
    second.arg("run").arg(format!("--netns={}", world.network.gate.name())).arg(format!("--network-id={OTHER}"));
    second.arg(format!("--backend={}", lab.socket().display())).arg("--listen=169.254.169.254:80");
    second.args(["--daemon", "--user=neutron", "--group=neutron"]);
    let started = communicate(second, Duration::from_secs(20));
    assert_eq!(started.code(), Some(1), "{started:#?}");
    for words in [
        format!("process {} (", keeper.pid),
        format!("`kill {}`", keeper.pid),
        format!("X-Neutron-Network-ID {NETWORK}"),
    ] {
        assert!(started.stderr.contains(&words), "{words}: {started:#?}");
    }
    assert!(!started.stderr.contains(&format!("process {} ", pool.worker())), "not the worker: {started:#?}");
    // What it says works, as it is typed.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(keeper.pid), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(wait_until(5.0, || listed(lab).is_empty()), "{}", text(&pool.log));
}

/// A listener in the gate's namespace, as a handover needs it.
fn listener(namespace: &Namespace, address: &str) -> TcpListener {
    let address: SocketAddr = address.parse().unwrap();
    let listener = namespace.inside(move || TcpListener::bind(address)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// The same, and others may be bound beside it.
fn listener_that_is_joined(namespace: &Namespace, address: &str) -> TcpListener {
    let address: std::net::SocketAddrV4 = address.parse().unwrap();
    let bound = namespace.inside(move || -> nix::Result<OwnedFd> {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None)?;
        setsockopt(&socket, sockopt::ReusePort, &true)?;
        bind(socket.as_raw_fd(), &SockaddrIn::from(address))?;
        listen(&socket, Backlog::MAXALLOWABLE)?;
        Ok(socket)
    });
    bound.unwrap().into()
}

/// The worker's answer to this handover, and the connection.
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
    let [good, beside] = [(); 2].map(|()| listener_that_is_joined(&world.network.gate, LISTEN));
    let message = gate(lab, NETWORK, LISTEN);
    let (answer, owner) = offer(lab, message.as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    let other = format!("{message}retries = 9\n");
    refused(lab, &pool, &guest, other.as_bytes(), &[&beside], "other settings");
    let other = format!("{message}[limits]\nconnections = 9\n");
    refused(lab, &pool, &guest, other.as_bytes(), &[&beside], "other limits");
    drop(beside);
    // A second handover of the same network succeeds the first: the first owner is told.
    let (answer, _next) = offer(lab, message.as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    assert!(receive(&owner).unwrap().starts_with("nsgate-pool 1 end\n"));
    assert!(served(&Guest::new(&world.network.guest)));
}

/// A process that brings the very listener of a network has taken it from the owner, with the right to: a keeper that
/// succeeds another one with a new text.
fn a_process_with_a_networks_own_listener_succeeds_its_owner_with_other_content(lab: &Lab) {
    let (world, _second, _pool, _keeper, neighbour) = neighbour(lab);
    let good = listener(&world.network.gate, LISTEN);
    let message = gate(lab, NETWORK, LISTEN);
    let (_, owner) = offer(lab, message.as_bytes(), &[&good]);
    let limits = "[[rate_limits]]\nwindow = \"60s\"\nrequests = 1\n";
    let (answer, _next) = offer(lab, format!("{message}{limits}").as_bytes(), &[&good]);
    assert_eq!(answer, "nsgate-pool 1 serving\n");
    assert!(receive(&owner).unwrap().starts_with("nsgate-pool 1 end\n"), "the first owner is told");
    let guest = Guest::new(&world.network.guest);
    assert_eq!([0; 3].map(|_| guest.get("/").unwrap().status), [200, 429, 429], "what came last is in force");
    assert!(served(&neighbour));
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
    // A peer that asks for lists and never reads them.
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
        // More than a socket holds: a list of so many is not sent to a peer that does not read.
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
        assert!(!pool.said("is refused"), "it is no other network's mistake: {}", text(&pool.log));
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
