//! A pool's networks that are bound to `nsgate agent`: each brings a door with it, and the worker asks in no other network's name.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_agent::binding::{Door, Taken, line};
use nsgate_config::Identity;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::manager::Manager;
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::pool::{
    OTHER, Pool, channel, in_the_pool, keeper, listed, nsgate, receive, send, served, socket_path, try_keeper,
};
use nsgate_tests::procfs::Process;
use nsgate_tests::second_hop::{INSTANCE, SecondHop, SecondHopFiles};
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Load, Network, suite};

fn main() {
    suite!["agent_pool":
        requests_through_a_pool_arrive_bound_whatever_a_guest_says,
        a_pool_whose_networks_all_have_a_door_shows_no_agent,
        several_workers_have_the_doors_of_their_own_networks,
        a_door_of_one_network_asks_for_no_other,
        what_is_no_door_is_refused_by_name,
        upgrades_and_deaths_of_the_worker_lose_what_they_lose_without_a_door,
        a_keeper_that_serves_by_itself_has_a_door_of_its_own,
        a_keeper_whose_agent_ends_ends_with_status_75_and_is_bound_anew,
        a_keeper_alone_whose_agent_ends_answers_503_and_ends,
        an_agent_that_hangs_delays_a_handover_and_no_more,
        without_the_agent_no_network_is_handed_over,
        added_networks_with_a_door_have_a_keeper_beside_a_manager_too,
        a_site_may_name_agent_and_pool,
    ]
}

/// One network, a small Nova, and an agent that serves bound connections alone.
struct World {
    network: Network,
    nova: SmallNova,
    hop: SecondHop,
}

fn world(lab: &Lab) -> World {
    lab.needs_root("keeper, worker and agent are different users");
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let hop = agent(lab, &nova);
    lab.site(&format!("agent = \"{}\"\npool_patience = \"1s\"\n", hop.files.socket.display()));
    World { network, nova, hop }
}

fn agent(lab: &Lab, nova: &SmallNova) -> SecondHop {
    let files = SecondHopFiles::write(lab, &[nova.address.to_string()], "");
    let bound_alone = text(&files.config).replace("plain = true\n", "");
    files.replace(&files.config, &bound_alone);
    files.start(lab)
}

fn body(network: &Network) -> String {
    let answer = Guest::new(&network.guest).get("/latest").unwrap();
    format!("{} {}", answer.status, answer.text())
}

fn attested(lab: &Lab, pid: i32, role: &str) {
    let mut command = Command::new(lab.program.nsgate());
    command.args(["attest", "--json", &pid.to_string()]);
    let said = communicate(command, Duration::from_secs(20));
    assert!(said.code() == Some(0) && said.stdout.contains(&format!("\"{role}\"")), "{said:#?}");
}

/// What a process's root shows, without the system log.
fn shown(pid: i32) -> Vec<String> {
    let log = ["log-directory", "syslog"];
    Process::new(pid).root_entries().into_iter().filter(|name| !log.contains(&name.as_str())).collect()
}

fn requests_through_a_pool_arrive_bound_whatever_a_guest_says(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    let forged = format!(
        "X-Neutron-Network-ID: {OTHER}\r\nX-OVN-Network-ID: {OTHER}\r\nX-Instance-ID: {OTHER}\r\nX-Forwarded-For: 1.2.3.4\r\n"
    );
    for _ in 0..5 {
        let answer = Guest::new(&world.network.guest).get_with("/latest", &forged).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "{}", text(&world.hop.log));
    }
    let seen = world.nova.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|seen| seen.field("x-instance-id") == Some(INSTANCE)), "{seen:?}");
    assert_eq!(listed(lab)[0]["served"], 5, "the worker serves");
    assert_eq!(shown(keeper.pid), ["door", "pool", "worker"]);
    attested(lab, keeper.pid, "keeper");
    attested(lab, pool.worker(), "worker");
    assert!(!Process::new(keeper.pid).descriptors().unwrap().values().any(|target| target.contains("eventpoll")));
    // Many at once.
    let answers = Guest::new(&world.network.guest).storm(40, "/many");
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)), "{answers:?}");
}

fn a_pool_whose_networks_all_have_a_door_shows_no_agent(lab: &Lab) {
    let world = world(lab);
    let file = lab.state().join("pool.toml");
    let socket = socket_path(lab);
    let content =
        format!("socket = \"{}\"\nbackends = []\nuser = \"neutron\"\nhandover_group = \"neutron\"\n", socket.display());
    fs::write(&file, content).unwrap();
    let mut command = Command::new(lab.program.nsgate());
    command.arg("pool").arg("--config").arg(&file);
    let pool = Pool::spawn_as(lab, command);
    assert!(wait_until(10.0, || pool.said("Handovers are taken") && channel(&socket).is_ok()), "{}", text(&pool.log));
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    assert_eq!(body(&world.network), "200 hello");
    assert!(shown(pool.worker()).is_empty());
    attested(lab, pool.worker(), "worker");
}

fn several_workers_have_the_doors_of_their_own_networks(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let instances = text(&world.hop.files.instances);
    let more = instances.replace(NETWORK, OTHER);
    world.hop.files.replace(&world.hop.files.instances, &format!("{instances}{more}"));
    let pool = Pool::start_with(lab, &["--workers=3"]);
    let first = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let _second = keeper(lab, &second.gate, &Config::new(Kind::Network).with_id(OTHER));
    in_the_pool(lab, 2);
    assert_eq!(body(&world.network), "200 hello");
    assert!(wait_until(10.0, || body(&second) == "200 hello"), "{}", text(&world.hop.log));
    for worker in pool.crew().into_iter().skip(1) {
        attested(lab, worker, "worker");
    }
    // Handed over again and again, to a dispatcher that remembers listeners.
    for _ in 0..3 {
        let worker = pool.crew()[1];
        kill(Pid::from_raw(worker), Signal::SIGKILL).unwrap();
        assert!(wait_until(10.0, || body(&world.network) == "200 hello" && body(&second) == "200 hello"));
    }
    drop(first);
}

/// A door of `network`, as root has it bound.
fn door(hop: &SecondHop, network: &str) -> Door {
    use std::io::{Read, Write};
    let mut stream = UnixStream::connect(&hop.files.socket).unwrap();
    stream.write_all(line(&Identity::Network(network.parse().unwrap())).as_bytes()).unwrap();
    let mut said = [0; 6];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"bound\n");
    stream.set_nonblocking(true).unwrap();
    Door::bound(OwnedFd::from(stream))
}

/// A door that this one brings.
fn another(door: &Door) -> OwnedFd {
    door.ask_door().unwrap();
    let mut brought = None;
    assert!(wait_until(5.0, || {
        if let Ok(Taken::Door(door)) = door.take() {
            brought = Some(door.into());
        }
        brought.is_some()
    }));
    brought.unwrap()
}

/// A listener in the gate's namespace, as a handover needs it.
fn listener(network: &Network) -> TcpListener {
    let listener = network.gate.inside(|| TcpListener::bind("169.254.169.254:80")).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// A gate of `network` that is bound to the agent, as it is handed over.
fn bound(hop: &SecondHop, network: &str) -> String {
    format!(
        "nsgate-pool 1 serve\nnetwork_id = \"{network}\"\nlisten = [\"169.254.169.254:80\"]\nagent = \"{}\"\n\
         user = \"neutron\"\n",
        hop.files.socket.display()
    )
}

fn offer(lab: &Lab, message: &str, descriptors: &[&dyn AsFd]) -> (String, OwnedFd) {
    let channel = channel(&socket_path(lab)).unwrap();
    let descriptors: Vec<_> = descriptors.iter().map(|one| one.as_fd()).collect();
    send(&channel, message.as_bytes(), &descriptors).unwrap();
    (receive(&channel).unwrap_or_default(), channel)
}

fn a_door_of_one_network_asks_for_no_other(lab: &Lab) {
    let world = world(lab);
    let instances = text(&world.hop.files.instances);
    let more = instances.replace(NETWORK, OTHER);
    world.hop.files.replace(&world.hop.files.instances, &format!("{instances}{more}"));
    let _pool = Pool::start(lab);
    // Code in a worker, or in a keeper, that says another network than its door's.
    let root = door(&world.hop, NETWORK);
    let listener = listener(&world.network);
    let (said, channel) = offer(lab, &bound(&world.hop, OTHER), &[&listener, &another(&root)]);
    assert!(said.contains("serving"), "{said}");
    for _ in 0..3 {
        assert!(body(&world.network).starts_with("403 "), "{}", text(&world.hop.log));
    }
    assert!(world.nova.seen().is_empty(), "nothing went on in the other's name");
    assert!(world.hop.said(OTHER) && world.hop.said(NETWORK), "{}", text(&world.hop.log));
    drop(channel);
    assert!(wait_until(5.0, || listed(lab).is_empty()));
    let (said, _channel) = offer(lab, &bound(&world.hop, NETWORK), &[&listener, &another(&root)]);
    assert!(said.contains("serving"), "{said}");
    assert_eq!(body(&world.network), "200 hello");
}

fn what_is_no_door_is_refused_by_name(lab: &Lab) {
    let world = world(lab);
    let pool = Pool::start(lab);
    let root = door(&world.hop, NETWORK);
    let listener = listener(&world.network);
    let message = bound(&world.hop, NETWORK);
    let (datagram, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let (waits, _far) = UnixStream::pair().unwrap();
    let null = fs::File::open("/dev/null").unwrap();
    let answers = std::os::unix::net::UnixListener::bind(lab.state().join("listens")).unwrap();
    let cases: [(&[&dyn AsFd], &str); 6] = [
        (&[&listener], "1 listeners and a door behind them, and 1 descriptors"),
        (&[&listener, &null], "agent's door is not a socket"),
        (&[&listener, &datagram], "not a UNIX stream socket"),
        (&[&listener, &listener], "not a UNIX stream socket"),
        (&[&listener, &answers], "a socket that listens"),
        (&[&listener, &waits], "in blocking mode"),
    ];
    for (descriptors, word) in cases {
        let (said, _channel) = offer(lab, &message, descriptors);
        assert!(said.contains("refused") && said.contains(word), "{word}: {said}");
    }
    // Of a gate that connects by itself no door is taken.
    let plain = message.replace("agent =", "backend =");
    let (said, _channel) = offer(lab, &plain, &[&listener, &another(&root)]);
    assert!(said.contains("1 listeners, and 2 descriptors"), "{said}");
    assert!(pool.worker() > 0 && listed(lab).is_empty());
}

/// Four guests of the network: two with kept connections, two with fresh ones.
fn load(network: &Network) -> Load {
    Load::start((0..4).map(|number| Guest::new(&network.guest).at(11 + number)))
}

/// Every address that asks has an instance.
fn instances_for_all(hop: &SecondHop) {
    let one = text(&hop.files.instances);
    let all: String = (11..15).map(|host| one.replace("10.0.0.11", &format!("10.0.0.{host}"))).collect();
    hop.files.replace(&hop.files.instances, &all);
}

fn upgrades_and_deaths_of_the_worker_lose_what_they_lose_without_a_door(lab: &Lab) {
    let world = world(lab);
    instances_for_all(&world.hop);
    let mut pool = Pool::start(lab);
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    let fourth = Guest::new(&world.network.guest).at(14);
    assert!(wait_until(10.0, || served(&fourth)), "{}", text(&world.hop.log));
    let load = load(&world.network);
    for _ in 0..10 {
        let next = Pool::start_with(lab, &["--replace"]);
        assert!(wait_until(5.0, || next.said("is served")), "{}", text(&next.log));
        assert!(pool.ended_within(20.0), "the old one leaves: {}", text(&pool.log));
        pool = next;
    }
    assert_eq!(load.failed(), 0, "upgrades lose nothing");
    let mut worst = 0;
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(100));
        let before = load.failed();
        pool.crash();
        pool = Pool::start(lab);
        assert!(wait_until(5.0, || pool.said("is served")), "{}", text(&pool.log));
        std::thread::sleep(Duration::from_millis(100));
        worst = worst.max(load.failed() - before);
    }
    let (asked, _) = load.end();
    assert!(asked > 200, "{asked}");
    assert!(worst <= 4, "each guest has one request under way at most: {worst}");
}

fn a_keeper_that_serves_by_itself_has_a_door_of_its_own(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    assert_eq!(body(&world.network), "200 hello");
    pool.crash();
    let forged = format!("X-Neutron-Network-ID: {OTHER}\r\n");
    let answer = Guest::new(&world.network.guest).patient(10).get_with("/latest", &forged).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert!(Process::new(keeper.pid).descriptors().unwrap().values().any(|target| target.contains("eventpoll")));
    attested(lab, keeper.pid, "keeper");
    let _next = Pool::start(lab);
    in_the_pool(lab, 1);
    assert_eq!(body(&world.network), "200 hello");
    assert!(world.nova.seen().iter().all(|seen| seen.field("x-instance-id") == Some(INSTANCE)));
}

/// A keeper in the foreground, so that its status is seen.
fn foreground(lab: &Lab, world: &World) -> Gate {
    let (agent, pool) = (world.hop.files.socket.display().to_string(), socket_path(lab));
    lab.site(&format!("agent = \"{agent}\"\npool = \"{}\"\npool_patience = \"1s\"\n", pool.display()));
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    Gate::foreground(lab, &world.network.gate, &config, &["-db", "-f", file.to_str().unwrap()]).unwrap()
}

fn a_keeper_whose_agent_ends_ends_with_status_75_and_is_bound_anew(lab: &Lab) {
    let World { network, nova, hop } = world(lab);
    let world = World { network, nova, hop };
    let _pool = Pool::start(lab);
    let mut first = foreground(lab, &world);
    in_the_pool(lab, 1);
    assert_eq!(body(&world.network), "200 hello");
    let World { network, nova, hop } = world;
    drop(hop);
    let status = first.wait_foreground().unwrap();
    assert_eq!(status.code(), Some(75), "{status:?}");
    assert!(wait_until(5.0, || listed(lab).is_empty() && network.gate.listening().is_empty()));
    // As a process monitor does.
    let hop = agent(lab, &nova);
    let world = World { network, nova, hop };
    let _second = foreground(lab, &world);
    in_the_pool(lab, 1);
    assert_eq!(body(&world.network), "200 hello");
}

fn a_keeper_alone_whose_agent_ends_answers_503_and_ends(lab: &Lab) {
    let world = world(lab);
    let mut keeper = foreground(lab, &world);
    assert_eq!(body(&world.network), "200 hello", "no worker is there");
    let World { network, hop, .. } = world;
    drop(hop);
    assert!(body(&network).starts_with("503 "));
    let status = keeper.wait_foreground().unwrap();
    assert_eq!(status.code(), Some(75), "{status:?}");
}

fn an_agent_that_hangs_delays_a_handover_and_no_more(lab: &Lab) {
    let world = world(lab);
    let mut pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    let hop = Pid::from_raw(world.hop.pid());
    kill(hop, Signal::SIGSTOP).unwrap();
    pool.crash();
    let next = Pool::start(lab);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| Guest::new(&world.network.guest).patient(20).get("/latest"));
        // Beyond the patience of the site: the keeper serves, without a door.
        std::thread::sleep(Duration::from_millis(2500));
        assert!(!next.said("is served") && keeper.alive());
        kill(hop, Signal::SIGCONT).unwrap();
        let _ = asking.join().unwrap();
    });
    assert!(wait_until(10.0, || next.said("is served")), "{}", text(&next.log));
    in_the_pool(lab, 1);
    assert!(wait_until(10.0, || body(&world.network) == "200 hello"), "{}", text(&world.hop.log));
}

fn without_the_agent_no_network_is_handed_over(lab: &Lab) {
    let World { network, hop, .. } = world(lab);
    drop(hop);
    let pool = Pool::start(lab);
    let mut config = Config::new(Kind::Network);
    config.extra[1] = "    retries 0\n".to_owned();
    let started = try_keeper(lab, &network.gate, &config).expect_err("it has no agent");
    for word in ["agent /run/lab/", "no process listens", "start `nsgate agent`"] {
        assert!(started.stderr.contains(word), "{word}: {started:#?}");
    }
    assert!(network.gate.listening().is_empty() && !pool.said("is served"));
}

fn added_networks_with_a_door_have_a_keeper_beside_a_manager_too(lab: &Lab) {
    let world = world(lab);
    let mut manager = Manager::start(lab, 100);
    let _pool = manager.run(lab, &[], &[]);
    let (netns, agent) = (world.network.gate.name(), world.hop.files.socket.display());
    let words = [
        "add".to_owned(),
        format!("--netns={netns}"),
        format!("--agent={agent}"),
        format!("--network-id={NETWORK}"),
        "--listen=169.254.169.254:80".to_owned(),
        "--user=neutron".to_owned(),
        "--group=neutron".to_owned(),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let added = nsgate(lab, &words);
    assert!(added.ok() && added.said().is_empty(), "{added:#?}");
    in_the_pool(lab, 1);
    assert_eq!(body(&world.network), "200 hello");
    manager.hear();
    assert!(manager.store.is_empty(), "it keeps nothing of it: {:?}", manager.store.keys());
    let removed = nsgate(lab, &["remove", NETWORK]);
    assert!(removed.ok(), "{removed:#?}");
    assert!(wait_until(5.0, || world.network.gate.listening().is_empty()), "its keeper ends");
}

fn a_site_may_name_agent_and_pool(lab: &Lab) {
    let file = lab.state().join("nsgate.toml");
    fs::write(&file, "agent = \"/run/nsgate/agent.sock\"\npool = \"/run/nsgate/pool.sock\"\n").unwrap();
    let mut command = Command::new(lab.program.nsgate());
    command.args(["check", "--dialect", "site"]).arg(&file);
    let checked = communicate(command, Duration::from_secs(10));
    assert!(checked.ok(), "{checked:#?}");
    assert!(checked.stdout.contains("agent =") && checked.stdout.contains("pool ="), "{checked:#?}");
}
