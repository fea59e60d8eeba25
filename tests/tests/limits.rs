//! Trouble and load: an agent that is away, slow or overrun, guests that are slow or too many, and the answer to each.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::libc::linger;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use nsgate_tests::gate::write_config;
use nsgate_tests::guest::read_all;
use nsgate_tests::lab::wait_until;
use nsgate_tests::procfs::Process;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Response, suite};

fn main() {
    suite!["limits":
        no_agent_is_503_with_retry_after,
        an_agent_that_comes_a_moment_later_answers,
        an_agent_whose_socket_is_closed_to_others_for_a_moment_answers,
        an_agent_that_closes_without_a_byte_is_502,
        an_agent_that_answers_nonsense_is_502,
        a_silent_agent_is_504_after_the_configured_time,
        a_slow_client_is_408_after_the_configured_time,
        an_agent_that_pauses_within_its_body_has_timeout_servers_time,
        sixty_requests_at_once_against_a_queue_of_five,
        two_hundred_requests_at_once_against_a_queue_of_five,
        a_guest_that_goes_away_in_the_queue_leaves_it,
        a_guest_that_resets_leaves_the_agent_to_others,
        a_guest_that_has_said_all_it_had_to_say_hears_the_answer,
        the_rate_limit_answers_429,
        a_client_that_is_told_to_come_again_keeps_its_connection,
        the_rate_limit_counts_ipv6_too,
        the_rate_limit_counts_each_source_apart,
        idle_connections_of_one_source_do_not_starve_a_neighbour,
        slow_requests_of_one_source_do_not_starve_a_neighbour,
        every_connection_at_its_worst_fits_into_the_stated_memory,
        a_gate_with_one_place_serves_both_of_its_listeners_in_turn,
        a_gate_that_was_stopped_for_a_while_goes_on,
        a_gate_that_was_stopped_longer_than_every_timeout_goes_on,
        a_head_with_too_many_fields_is_431,
        a_neighbouring_gate_that_the_kernel_kills_disturbs_nobody,
    ]
}

struct Served {
    network: Network,
    agent: RecordingAgent,
    gate: Gate,
}

impl Served {
    fn guest(&self) -> Guest {
        Guest::new(&self.network.guest)
    }
}

fn start(lab: &Lab, config: &Config, answer: Answer) -> Served {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), answer);
    let gate = Gate::start(lab, &network.gate, config);
    Served { network, agent, gate }
}

fn simple(lab: &Lab) -> Served {
    start(lab, &Config::new(Kind::Network), Answer::ok("hello"))
}

#[track_caller]
fn assert_hello(answer: std::io::Result<Response>) {
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
}

fn raw(lab: &Lab, bytes: &[u8]) -> Served {
    start(lab, &Config::new(Kind::Network), Answer::Bytes(bytes.to_vec()))
}

fn no_agent_is_503_with_retry_after(lab: &Lab) {
    let network = lab.network();
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let answer = Guest::new(&network.guest).patient(40).get("/").unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.header("Retry-After").is_some_and(|value| value.parse::<u32>().is_ok()), "{:?}", answer.headers);
}

fn an_agent_that_comes_a_moment_later_answers(lab: &Lab) {
    let network = lab.network();
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&network.guest).patient(40);
    let asking = std::thread::spawn(move || guest.get("/"));
    std::thread::sleep(Duration::from_millis(700));
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    assert_hello(asking.join().unwrap());
}

/// An agent binds its socket and opens it to others afterwards; Neutron's does so at every start.
fn an_agent_whose_socket_is_closed_to_others_for_a_moment_answers(lab: &Lab) {
    let served = simple(lab);
    let set_mode = |mode| fs::set_permissions(served.agent.path(), Permissions::from_mode(mode)).unwrap();
    set_mode(0o700);
    let guest = served.guest().patient(40);
    let asking = std::thread::spawn(move || guest.get("/"));
    std::thread::sleep(Duration::from_millis(300));
    set_mode(0o666);
    assert_hello(asking.join().unwrap());
}

fn an_agent_that_closes_without_a_byte_is_502(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network), Answer::Nothing);
    assert_eq!(served.guest().get("/").unwrap().status, 502);
}

fn an_agent_that_answers_nonsense_is_502(lab: &Lab) {
    let served = raw(lab, b"nonsense\r\n\r\n");
    assert_eq!(served.guest().get("/").unwrap().status, 502);
}

fn timed(lab: &Lab, timeouts: [u32; 5], answer: Answer) -> Served {
    let mut config = Config::new(Kind::Network);
    config.timeouts = timeouts;
    start(lab, &config, answer)
}

fn a_silent_agent_is_504_after_the_configured_time(lab: &Lab) {
    let served = timed(lab, [30, 30, 32, 2, 30], Answer::Silence);
    let start = Instant::now();
    assert_eq!(served.guest().get("/").unwrap().status, 504);
    let took = start.elapsed().as_secs_f64();
    assert!((1.5..4.0).contains(&took), "{took}");
}

fn a_slow_client_is_408_after_the_configured_time(lab: &Lab) {
    let served = timed(lab, [2, 30, 32, 32, 30], Answer::ok("hello"));
    let mut stream = served.guest().connect().unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    let start = Instant::now();
    let answer = read_all(&mut stream).unwrap();
    let took = start.elapsed().as_secs_f64();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 408"), "{:?}", String::from_utf8_lossy(&answer));
    assert!((1.5..4.0).contains(&took), "{took}");
}

/// `timeout client` bounds the guest and `timeout server` the agent, also in the middle of an answer.
fn an_agent_that_pauses_within_its_body_has_timeout_servers_time(lab: &Lab) {
    let network = lab.network();
    let listener = std::os::unix::net::UnixListener::bind(lab.socket()).unwrap();
    fs::set_permissions(lab.socket(), Permissions::from_mode(0o666)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            std::thread::sleep(Duration::from_secs(3));
            let _ = stream.write_all(b"world");
        }
    });
    let mut config = Config::new(Kind::Network);
    // `connect`, `server` and the others wait, `client` does not.
    for (client, server, whole) in [(1, 30, true), (30, 1, false)] {
        config.timeouts = [30, 30, client, server, 30];
        let gate = Gate::start(lab, &network.gate, &config);
        let answer = Guest::new(&network.guest).get("/");
        assert_eq!(answer.is_ok_and(|answer| answer.text() == "helloworld"), whole, "client {client}, server {server}");
        drop(gate);
        assert!(wait_until(5.0, || network.gate.listening().is_empty()), "the gate is still there");
    }
}

/// An agent like Neutron's: a listen queue of five, one request at a time, 2 ms each.
fn busy_agent(lab: &Lab) {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
    use std::os::fd::AsRawFd;
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(fd.as_raw_fd(), &UnixAddr::new(&lab.socket()).unwrap()).unwrap();
    std::fs::set_permissions(lab.socket(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    listen(&fd, Backlog::new(5).unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::from(fd);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = std::io::Read::read(&mut stream, &mut request);
            std::thread::sleep(Duration::from_millis(2));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
}

fn assert_none_lost(lab: &Lab, count: usize) {
    let network = lab.network();
    busy_agent(lab);
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let answers = Guest::new(&network.guest).patient(30).storm(count, "/");
    let good = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)).count();
    assert_eq!(good, count, "the others: {:?}", answers.iter().find(|a| !a.as_ref().is_ok_and(|a| a.status == 200)));
}

fn sixty_requests_at_once_against_a_queue_of_five(lab: &Lab) {
    assert_none_lost(lab, 60);
}

fn two_hundred_requests_at_once_against_a_queue_of_five(lab: &Lab) {
    assert_none_lost(lab, 200);
}

/// Asks so often at once that no turn of this source is left; the agent says nothing to any.
fn all_turns(served: &Served) -> Vec<TcpStream> {
    let asked: Vec<_> = (0..TURNS).map(|_| asking(served, "/held")).collect();
    assert!(served.agent.nth(TURNS).is_some(), "the agent has them all");
    asked
}

/// `requests_per_source` where no configuration says another number.
const TURNS: usize = 16;

fn asking(served: &Served, path: &str) -> TcpStream {
    let mut stream = served.guest().connect().unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    stream
}

/// Closes with a reset.
fn reset(stream: TcpStream) {
    setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).unwrap();
}

fn a_guest_that_goes_away_in_the_queue_leaves_it(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network), Answer::Silence);
    let held = all_turns(&served);
    let mut waiting = asking(&served, "/gone");
    // Time to be in the queue.
    std::thread::sleep(Duration::from_millis(200));
    waiting.shutdown(Shutdown::Write).unwrap();
    waiting.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    assert_eq!(waiting.read(&mut [0; 100]).expect("the gate lets it go"), 0);
    held.into_iter().for_each(reset);
    let _next = asking(&served, "/next");
    let next = served.agent.nth(TURNS + 1).expect("the next one");
    assert!(next.text().starts_with("GET /next "), "{next:?}");
}

fn a_guest_that_resets_leaves_the_agent_to_others(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network), Answer::Silence);
    let mut held = all_turns(&served);
    let _next = asking(&served, "/next");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(served.agent.seen().len(), TURNS, "it waits");
    reset(held.remove(0));
    let next = served.agent.nth(TURNS + 1).expect("its turn has come");
    assert!(next.text().starts_with("GET /next "), "{next:?}");
}

fn a_guest_that_has_said_all_it_had_to_say_hears_the_answer(lab: &Lab) {
    let answer =
        Answer::Slow(Duration::from_millis(300), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec());
    let served = start(lab, &Config::new(Kind::Network), answer);
    let mut stream = asking(&served, "/");
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = String::from_utf8(read_all(&mut stream).unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
}

fn statuses(guest: &Guest, count: usize) -> Vec<u16> {
    (0..count).map(|_| guest.get("/").unwrap().status).collect()
}

fn the_rate_limit_answers_429(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network).with_rate("ip", 10, 10), Answer::ok("hello"));
    assert_eq!(statuses(&served.guest(), 13), [vec![200; 10], vec![429; 3]].concat());
    assert_eq!(served.agent.seen().len(), 10);
}

fn a_client_that_is_told_to_come_again_keeps_its_connection(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network).with_rate("ip", 1, 2), Answer::ok("hello"));
    let mut stream = served.guest().connect().unwrap();
    let mut ask = || {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        Response::read(&mut stream).unwrap().status
    };
    assert_eq!([ask(), ask(), ask()], [200, 200, 429]);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(ask(), 200, "on the same connection");
}

fn the_rate_limit_counts_ipv6_too(lab: &Lab) {
    let config = Config::new(Kind::Network).with_v6().with_rate("ip", 10, 5);
    let served = start(lab, &config, Answer::ok("hello"));
    let v6 = Guest::link_local(&served.network.guest);
    assert_eq!(statuses(&v6, 7), [vec![200; 5], vec![429; 2]].concat(), "a table of type ip limits IPv6 as well");
    assert_eq!(statuses(&served.guest(), 7), [vec![200; 5], vec![429; 2]].concat());
}

fn the_rate_limit_counts_each_source_apart(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network).with_rate("ip", 10, 3), Answer::ok("hello"));
    assert_eq!(statuses(&served.guest(), 4), [200, 200, 200, 429]);
    assert_eq!(statuses(&served.guest().at(12), 4), [200, 200, 200, 429]);
}

fn idle_connections_of_one_source_do_not_starve_a_neighbour(lab: &Lab) {
    let served = simple(lab);
    lab.allow_descriptors();
    let guest = served.guest();
    let held: Vec<_> = (0..1100).map_while(|_| guest.connect().ok()).collect();
    assert!(held.len() > 500, "only {} connections were made", held.len());
    assert_hello(guest.at(12).patient(3).get("/"));
}

fn slow_requests_of_one_source_do_not_starve_a_neighbour(lab: &Lab) {
    let served = simple(lab);
    lab.allow_descriptors();
    let guest = served.guest();
    let held: Vec<_> = (0..1100)
        .map_while(|_| {
            let mut stream = guest.connect().ok()?;
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
            Some(stream)
        })
        .collect();
    assert!(held.len() > 500, "only {} connections were made", held.len());
    assert_hello(guest.at(12).patient(3).get("/"));
}

/// What `docs/operations.md` states for the default limits, in MiB of address space: program and libraries included.
const CEILING: u32 = 64;

/// Four sources with every connection they may have, each in its most expensive state, in a gate that could not have
/// a byte more than stated: it is alive afterwards, and serves.
fn every_connection_at_its_worst_fits_into_the_stated_memory(lab: &Lab) {
    lab.allow_descriptors();
    let network = lab.network();
    let big = "x".repeat(3_000_000);
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok(&big));
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let (file, limit) = (file.to_str().unwrap().to_owned(), CEILING.to_string());
    let gate = Gate::with_arguments(lab, &network.gate, &config, &["-m", &limit, "-f", &file]).expect("it starts");
    assert_eq!(Process::new(gate.pid).limit("Max address space").0, (u64::from(CEILING) << 20).to_string());
    let guest = Guest::new(&network.guest).patient(1);
    let head = format!("GET /{} HTTP/1.1\r\nHost: h\r\nX: {}", "a".repeat(2500), "b".repeat(13_000));
    let body = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n{}", "c".repeat(2990));
    let pipelined = "GET /never-read HTTP/1.1\r\nHost: h\r\n\r\n".repeat(200);
    let worst = [head.as_str(), body.as_str(), pipelined.as_str(), "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"];
    let mut held = Vec::new();
    for host in 11..=14 {
        let guest = guest.at(host);
        for index in 0..256 {
            let Ok(mut stream) = guest.connect() else { break };
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(worst[index % worst.len()].as_bytes());
            held.push(stream);
        }
    }
    assert!(held.len() > 900, "only {} connections were made", held.len());
    std::thread::sleep(Duration::from_secs(2));
    let peak = nsgate_tests::lab::text(gate.proc().join("status"));
    let peak = peak.lines().find(|line| line.starts_with("VmPeak")).unwrap_or_default().to_owned();
    println!("{peak}");
    assert!(gate.alive(), "it ended under the attack");
    drop(held);
    let after = wait_until(10.0, || Guest::new(&network.guest).patient(2).get("/").is_ok_and(|a| a.status == 200));
    assert!(after, "it does not serve after the attack");
}

fn a_gate_with_one_place_serves_both_of_its_listeners_in_turn(lab: &Lab) {
    let mut config = Config::new(Kind::Network).with_v6();
    config.maxconn = 1;
    let served = start(lab, &config, Answer::ok("hello"));
    let guests = [served.guest(), Guest::link_local(&served.network.guest)].map(|guest| guest.patient(3));
    for _ in 0..10 {
        for guest in &guests {
            served.agent.forget();
            assert_hello(guest.get("/"));
            assert_eq!(served.agent.only().header("X-Forwarded-For"), [guest.address().to_string()]);
        }
    }
    // A connection that is kept and idle keeps no other out.
    for guest in guests.iter().chain(&guests) {
        let mut stream = guest.connect().unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_hello(Response::read(&mut stream));
        std::mem::forget(stream);
    }
    // All at once: each waits for its turn.
    for guest in &guests {
        let answers = guest.patient(20).storm(20, "/");
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)), "{answers:?}");
    }
}

fn a_gate_that_was_stopped_for_a_while_goes_on(lab: &Lab) {
    let served = simple(lab);
    let mut kept = served.guest().connect().unwrap();
    served.gate.signal(Signal::SIGSTOP);
    // Guests that come meanwhile wait in the kernel's queue.
    let mut waiting = served.guest().connect().unwrap();
    for stream in [&mut kept, &mut waiting] {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    }
    std::thread::sleep(Duration::from_secs(3));
    served.gate.signal(Signal::SIGCONT);
    for stream in [&mut kept, &mut waiting] {
        let answer = String::from_utf8(read_all(stream).unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    }
}

/// Three seconds are to these timeouts as a minute is to the usual ones: each has passed when the gate wakes.
fn a_gate_that_was_stopped_longer_than_every_timeout_goes_on(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut config = Config::new(Kind::Network);
    config.timeouts = [1; 5];
    let gate = Gate::start(lab, &network.gate, &config);
    let guest = Guest::new(&network.guest);
    let ask = |stream: &mut std::net::TcpStream, end: &str| {
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: h\r\n{end}\r\n").as_bytes())
    };
    let mut kept = guest.connect().unwrap();
    ask(&mut kept, "").unwrap();
    assert_eq!(nsgate_tests::Response::read(&mut kept).unwrap().status, 200);
    let mut half = guest.connect().unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
    gate.signal(Signal::SIGSTOP);
    let mut waiting: Vec<_> = (0..20).map(|_| guest.connect().unwrap()).collect();
    for stream in &mut waiting {
        ask(stream, "Connection: close\r\n").unwrap();
    }
    ask(&mut kept, "Connection: close\r\n").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    gate.signal(Signal::SIGCONT);
    for stream in &mut waiting {
        let answer = String::from_utf8(read_all(stream).unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    }
    // A connection whose time between two requests is over may be closed, as ever; what comes is whole.
    let answer = String::from_utf8(read_all(&mut kept).unwrap_or_default()).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    let answer = String::from_utf8(read_all(&mut half).unwrap_or_default()).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(guest.get("/").unwrap().status, 200);
}

/// The bound on their number, and not on their length.
fn a_head_with_too_many_fields_is_431(lab: &Lab) {
    let served = simple(lab);
    let ask = |count: usize| served.guest().get_with("/", &"A: b\r\n".repeat(count)).unwrap().status;
    // Four are the guest's usual ones.
    assert_eq!((ask(96), ask(97)), (200, 431));
}

/// As the kernel ends a process when the host is out of memory: SIGKILL, in the middle of what it does. Both gates have
/// the same agent.
fn a_neighbouring_gate_that_the_kernel_kills_disturbs_nobody(lab: &Lab) {
    let served = simple(lab);
    let other = Network::named("gate2", "guest2");
    let config = Config::new(Kind::Network).with_id("b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21");
    let neighbour = Gate::start(lab, &other.gate, &config);
    let mut held: Vec<_> = (0..40).map_while(|_| Guest::new(&other.guest).connect().ok()).collect();
    for stream in &mut held {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HT").unwrap();
    }
    let guest = served.guest();
    for turn in 0..200 {
        if turn == 50 {
            neighbour.signal(Signal::SIGKILL);
        }
        assert_hello(guest.get("/"));
    }
    assert!(!neighbour.alive() && served.gate.alive());
    // The files that it leaves do not keep it from being started again.
    drop((held, neighbour));
    let _again = Gate::start(lab, &other.gate, &config);
    assert_hello(Guest::new(&other.guest).get("/"));
}
