//! Many networks in one worker: requests, deaths, upgrades, and the operator's view.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nsgate_tests::config::NETWORK;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{
    OTHER, Pool, channel, in_the_pool, keeper, listed, metrics_path, nsgate, served, socket_path, world,
};
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Load, Network, RecordingAgent, SyslogReader, suite};

fn main() {
    suite!["pool":
        each_network_is_served_in_its_own_name,
        twenty_upgrades_lose_no_request,
        twenty_deaths_lose_only_what_was_under_way,
        a_plain_restart_finishes_what_is_under_way,
        add_list_status_and_remove_do_what_they_say,
        metrics_are_openmetrics_and_hold_no_guests_words,
        each_network_has_its_own_lines_in_the_log,
        an_agent_that_hangs_stops_its_own_network_alone,
        a_crowded_network_leaves_room_for_its_neighbour,
    ]
}

fn each_network_is_served_in_its_own_name(lab: &Lab) {
    let world = world(lab);
    let second = Network::named("gate2", "guest2");
    let _pool = Pool::start(lab);
    let _one = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let _two = keeper(lab, &second.gate, &Config::new(Kind::Ovn).with_id(OTHER));
    in_the_pool(lab, 2);
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
    in_the_pool(lab, 1);
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
    // Another one in the same place: the address is taken. The same one takes over from its keeper.
    let other = format!("--network-id={OTHER}");
    let again = nsgate(lab, &words.map(|word| if word == id { &other } else { word }));
    assert!(again.code() == Some(1) && again.stderr.contains("169.254.169.254:80"), "{again:#?}");
    let again = nsgate(lab, &words);
    assert!(again.ok() && again.said().is_empty(), "{again:#?}");
    assert!(served(&Guest::new(&world.network.guest)) && listed(lab).len() == 1);
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
    let network = format!("kind=\"X-Neutron-Network-ID\",network=\"{NETWORK}\",role=\"worker\"");
    for line in [
        "nsgate_networks 1".to_owned(),
        format!("nsgate_requests_total{{{network},class=\"2xx\"}} 1"),
        format!("nsgate_rejections_total{{{network},reason=\"two-hosts\"}} 1"),
        "nsgate_handovers_total{outcome=\"served\"} 1".to_owned(),
        "nsgate_request_duration_seconds_count 2".to_owned(),
    ] {
        assert!(page.contains(&line), "{line}\n{page}");
    }
    assert!(!page.contains("guests-own-word"));
    assert!(metrics(lab, "/else").starts_with("HTTP/1.1 404"));
    // Readers that say nothing do not keep others out for long, and no network waits.
    let idle: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(metrics_path(lab)).unwrap()).collect();
    assert_eq!(guest.get("/").unwrap().status, 503, "the agent is away");
    drop(idle);
    assert!(metrics(lab, "/metrics").contains("reason=\"agent-away\"} 1"));
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
    in_the_pool(lab, 2);
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
