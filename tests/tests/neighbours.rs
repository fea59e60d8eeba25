//! Guests of one network, which share a /64 and a link-local prefix: what one of them takes, and what is left to the others.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nsgate_tests::lab::wait_until;
use nsgate_tests::network::{ip, prefixed};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Response, suite};

fn main() {
    suite!["neighbours":
        a_guest_with_one_address_takes_nothing_from_its_neighbours_of_the_same_64,
        slow_requests_of_one_address_leave_turns_to_neighbours_of_the_same_64,
        a_neighbours_requests_are_not_counted_with_those_of_the_same_64,
        guests_of_one_link_local_prefix_are_counted_apart,
        a_guest_with_thousands_of_addresses_does_not_shut_a_neighbour_of_the_same_64_out,
        addresses_that_come_and_go_cost_a_neighbour_no_request,
        idle_connections_of_a_neighbour_outlast_a_machine_with_many_addresses,
    ]
}

const PORT: u16 = 8080;

struct Served {
    network: Network,
    agent: RecordingAgent,
    _gate: Gate,
}

/// A network whose guests have one /64.
fn start(lab: &Lab, config: Config, answer: Answer) -> Served {
    let network = lab.network();
    network.route_whole_prefix();
    let agent = RecordingAgent::start(&lab.socket(), answer);
    let gate = Gate::start(lab, &network.gate, &config.with_binds(&["169.254.169.254:80", ":::8080"]));
    Served { network, agent, _gate: gate }
}

fn simple(lab: &Lab) -> Served {
    start(lab, Config::new(Kind::Network), Answer::ok("hello"))
}

impl Served {
    /// The guest with this address of the /64.
    fn guest(&self, host: u32) -> Guest {
        let to = SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), PORT));
        Guest::talking(&self.network.guest, prefixed(host).into(), to).patient(3)
    }
}

/// The guest is answered, and the agent was told the guest's own address.
#[track_caller]
fn assert_served(served: &Served, guest: &Guest) {
    served.agent.forget();
    let answer = guest.get("/").expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    let asked =
        |request: &nsgate_tests::agent::Seen| request.header("X-Forwarded-For") == [guest.address().to_string()];
    assert!(served.agent.seen().iter().any(asked), "{} is not among {:?}", guest.address(), served.agent.seen());
}

const NEIGHBOUR: u32 = 0xaaaa_0001;

fn a_guest_with_one_address_takes_nothing_from_its_neighbours_of_the_same_64(lab: &Lab) {
    lab.allow_descriptors();
    let served = simple(lab);
    let greedy = served.guest(1);
    let held: Vec<_> = (0..300).map_while(|_| greedy.connect().ok()).collect();
    assert!(held.len() >= 256, "only {} connections were made", held.len());
    for host in 0..10 {
        assert_served(&served, &served.guest(NEIGHBOUR + host));
    }
}

fn slow_requests_of_one_address_leave_turns_to_neighbours_of_the_same_64(lab: &Lab) {
    let network = lab.network();
    network.route_whole_prefix();
    let agent = RecordingAgent::answering(&lab.socket(), |request| match request.text().starts_with("GET /slow ") {
        true => Answer::Silence,
        false => Answer::ok("hello"),
    });
    let config = Config::new(Kind::Network).with_binds(&["169.254.169.254:80", ":::8080"]);
    let gate = Gate::start(lab, &network.gate, &config);
    let served = Served { network, agent, _gate: gate };
    let greedy = served.guest(1);
    let ask = |_| {
        let mut stream = greedy.connect().unwrap();
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        stream
    };
    let _held: Vec<TcpStream> = (0..60).map(ask).collect();
    assert!(served.agent.nth(16).is_some(), "the agent has all that one address may have there");
    assert_served(&served, &served.guest(NEIGHBOUR));
}

fn statuses(guest: &Guest, count: usize) -> Vec<u16> {
    (0..count).map(|_| guest.get("/").unwrap().status).collect()
}

fn a_neighbours_requests_are_not_counted_with_those_of_the_same_64(lab: &Lab) {
    let served = start(lab, Config::new(Kind::Network).with_rate("ipv6", 10, 5), Answer::ok("hello"));
    for host in [1, 2, NEIGHBOUR] {
        assert_eq!(statuses(&served.guest(host), 7), [vec![200; 5], vec![429; 2]].concat(), "{host:x}");
    }
    assert_eq!(served.agent.seen().len(), 15);
}

fn guests_of_one_link_local_prefix_are_counted_apart(lab: &Lab) {
    lab.allow_descriptors();
    let network = lab.network();
    let name = network.guest.name();
    ip(&format!("-n {name} addr add fe80::22/64 dev eth0 nodad\n"));
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network).with_v6().with_rate("ipv6", 10, 5);
    let gate = Gate::start(lab, &network.gate, &config);
    let greedy = Guest::link_local(&network.guest);
    let neighbour = Guest::link_local_at(&network.guest, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x22));
    let _held: Vec<_> = (0..300).map_while(|_| greedy.patient(3).connect().ok()).collect();
    let served = Served { network, agent, _gate: gate };
    assert_served(&served, &neighbour);
    assert_eq!(statuses(&neighbour, 6), [vec![200; 4], vec![429; 2]].concat());
    assert_eq!(statuses(&Guest::link_local(&served.network.guest), 5), [200; 5], "its own count");
}

/// Every connection that the gate has room for, each of an address of its own.
fn crowd(served: &Served, words: &[u8]) -> Vec<TcpStream> {
    let connect = |host| {
        let mut stream = served.guest(host).patient(1).connect().ok()?;
        let _ = stream.write_all(words);
        Some(stream)
    };
    (1..=1200).map_while(connect).collect()
}

fn a_guest_with_thousands_of_addresses_does_not_shut_a_neighbour_of_the_same_64_out(lab: &Lab) {
    lab.allow_descriptors();
    let served = simple(lab);
    for words in [
        b"".as_slice(),
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n",
    ] {
        let held = crowd(&served, words);
        assert!(held.len() > 1000, "only {} connections were made", held.len());
        for host in 0..10 {
            assert_served(&served, &served.guest(NEIGHBOUR + host));
            assert_served(&served, &Guest::new(&served.network.guest).at(12).patient(3));
        }
        drop(held);
    }
}

fn addresses_that_come_and_go_cost_a_neighbour_no_request(lab: &Lab) {
    lab.allow_descriptors();
    let served = simple(lab);
    let _held = crowd(&served, b"");
    let (stop, mut answers) = (AtomicBool::new(false), Vec::new());
    let came = std::thread::scope(|scope| {
        let coming = scope.spawn(|| {
            let mut came = 0;
            let mut held = std::collections::VecDeque::new();
            for host in (2000..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                held.extend(served.guest(host).patient(1).connect().ok());
                came += 1;
                if held.len() > 1000 {
                    held.pop_front();
                }
            }
            came
        });
        let begin = Instant::now();
        // On a busy machine both are slow: so many, and not so long.
        while answers.len() < 100 && begin.elapsed() < Duration::from_secs(40) {
            answers
                .push(served.guest(NEIGHBOUR).get("/").map(|answer| answer.status).map_err(|error| error.to_string()));
        }
        stop.store(true, Ordering::Relaxed);
        coming.join().unwrap()
    });
    println!("{came} addresses came, {} requests", answers.len());
    assert!(came > 100 && answers.len() == 100, "{came} addresses came, {} requests", answers.len());
    assert!(answers.iter().all(|answer| *answer == Ok(200)), "{:?}", answers.iter().find(|answer| **answer != Ok(200)));
}

/// A neighbour that keeps two connections, and uses them now and then, beside a machine that takes all it can get.
fn idle_connections_of_a_neighbour_outlast_a_machine_with_many_addresses(lab: &Lab) {
    lab.allow_descriptors();
    let served = simple(lab);
    let greedy = served.guest(1);
    let mut held: Vec<_> = (0..200).map_while(|_| greedy.connect().ok()).collect();
    let mut kept: Vec<_> = (0..2).map(|_| served.guest(NEIGHBOUR).connect().unwrap()).collect();
    let mut ask = |what: &str| {
        for stream in &mut kept {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
            assert_eq!(Response::read(stream).unwrap_or_else(|error| panic!("{what}: {error}")).status, 200);
        }
    };
    ask("before");
    // Five addresses with 200 connections each, and then 100 that come and find no room.
    for host in 2..=5 {
        let greedy = served.guest(host);
        held.extend((0..200).map_while(|_| greedy.connect().ok()));
    }
    held.extend((100..200).map_while(|host| served.guest(host).connect().ok()));
    assert!(held.len() > 1050, "only {} connections were made", held.len());
    ask("after");
    held.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    let lost = || held.iter().filter(|stream| matches!((&**stream).read(&mut [0; 8]), Ok(0))).count();
    assert!(wait_until(3.0, || lost() > 50), "{} of the holders of most gave way", lost());
    ask("at last");
}
