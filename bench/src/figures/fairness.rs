//! A neighbour beside a guest that takes all it can get: the neighbour's latency, and its failed requests.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nsgate_tests::network::{METADATA_V4, ip, prefixed};
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Namespace, Network, Program};

use super::load::{Backend, backend};
use crate::page;

/// What a hostile guest does until it is told to stop.
pub(super) type Attack = fn(&Attackers, &AtomicBool);

/// Every attack, in the order of the table.
pub(super) const ATTACKS: [(&str, Attack); 12] = [
    ("1,100 idle connections of one address", idle),
    ("1,100 unfinished heads of one address, a byte each second", heads),
    ("1,100 unfinished bodies of one address, a byte each second", bodies),
    ("1,000 answers of 3 MB that are never read", readers),
    ("connections that come and go at full speed", churn),
    ("eight connections with 500 pipelined requests each, again and again", pipelining),
    ("1,088 idle connections of 64 addresses of one /64", one_network),
    ("1,100 forged and malformed requests at a time", malformed),
    ("IPv6: 1,100 idle connections of one address, the neighbour in its /64", idle_v6),
    ("IPv6: 100 slow requests at a time of one address, the neighbour in its /64", slow_v6),
    ("IPv6: 1,100 idle connections of 1,100 addresses, the neighbour in their /64", whole_prefix),
    ("IPv6: addresses that come and go at full speed, the neighbour in their /64", changing),
];

/// From here on the neighbour is one of the attacker's own /64.
const SHARED: usize = 8;

/// How many of them, from the first on, hold slow connections of one address.
const SLOW: usize = 3;

/// Where an attack comes from.
pub(super) struct Attackers {
    guest: Guest,
    v6: Vec<Guest>,
    namespace: Namespace,
}

impl Attackers {
    /// An address of the /64 of which the attacker has all.
    fn prefixed(&self, host: u32) -> Guest {
        let to = (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), 8080);
        Guest::talking(&self.namespace, prefixed(host).into(), to.into()).patient(1)
    }
}

/// A network with a backend, an attacker with 65 addresses and room for a neighbour.
pub(super) struct Scene {
    pub(super) network: Network,
    pub(super) attackers: Attackers,
    _backend: Backend,
}

impl Scene {
    /// Raises the limit of descriptors: some 1,200 connections follow.
    pub(super) fn new(lab: &Lab, tag: &str) -> Scene {
        allow_descriptors();
        let network = Network::named(&format!("fair-{tag}"), &format!("fair-{tag}-guest"));
        let name = network.guest.name();
        let addresses = (0..64).map(|n| format!("-n {name} addr add fd00::1:{n:x}/64 dev eth0 nodad\n"));
        ip(&addresses.collect::<String>());
        network.route_whole_prefix();
        let v4 = Guest::talking(&network.guest, IpAddr::from([10, 0, 0, 11]), (METADATA_V4, 80).into());
        let to = (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), 8080);
        let v6 = (0..64)
            .map(|n| Guest::talking(&network.guest, Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, n).into(), to.into()));
        let attackers = Attackers { guest: v4.patient(60), v6: v6.collect(), namespace: network.guest.clone() };
        Scene { attackers, network, _backend: backend(lab) }
    }

    /// The address that the attackers ask.
    pub(super) fn config(&self, config: &Config) -> Config {
        config.clone().with_binds(&["169.254.169.254:80", ":::8080"])
    }

    /// Another guest of the network.
    pub(super) fn neighbour(&self) -> Guest {
        self.attackers.guest.at(12).patient(3)
    }

    /// One with an address of the attacker's /64.
    fn neighbour_of_the_prefix(&self) -> Guest {
        self.attackers.prefixed(0xaaaa_0001).patient(3)
    }
}

/// The neighbour's requests.
#[derive(Debug, Default, Clone)]
pub(super) struct Neighbour {
    /// Milliseconds, sorted.
    answered: Vec<f64>,
    failed: usize,
}

impl Neighbour {
    fn p99(&self) -> f64 {
        let last = self.answered.len().saturating_sub(1);
        let index = (last as f64 * 0.99).round() as usize;
        self.answered.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// One program: the neighbour alone, and under each attack.
pub(crate) struct Fairness {
    pub(crate) name: String,
    quiet: Neighbour,
    attacked: Vec<Neighbour>,
}

impl Fairness {
    /// Each attack's name, the neighbour's requests that failed, and all of them.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        ATTACKS.iter().zip(&self.attacked).map(|((name, _), seen)| (*name, seen.failed, count(seen)))
    }
}

/// This table alone, printed.
pub(crate) fn run(quick: bool) -> Result<(), String> {
    let seconds = if quick { super::QUICK.attack } else { super::WHOLE.attack };
    page::make(None, move || {
        let lab = Lab::enter(Program::under_test());
        let haproxy = Program::real_haproxy().expect("haproxy was found or installed before");
        let all = [("nsgate", lab.program.clone()), (&super::haproxy_name(), haproxy)]
            .map(|(name, program)| of(&lab, name, &program, seconds));
        table(&all, seconds)
    })
}

/// Measures one program under every attack.
pub(super) fn of(lab: &Lab, name: &str, program: &Program, seconds: u64) -> Fairness {
    under(lab, name, program, seconds, &ATTACKS)
}

/// Measures one program under the attacks that hold slow connections, the first of the table.
pub(crate) fn slow_connections(lab: &Lab, name: &str, program: &Program, seconds: u64) -> Fairness {
    under(lab, name, program, seconds, &ATTACKS[..SLOW])
}

fn under(lab: &Lab, name: &str, program: &Program, seconds: u64, attacks: &[(&str, Attack)]) -> Fairness {
    println!("fairness: {name} …");
    let scene = Scene::new(lab, name.split_whitespace().next().unwrap_or("x"));
    let config = scene.config(&Config::new(Kind::Network));
    let gate = Gate::start(&Lab::enter(program.clone()), &scene.network.gate, &config);
    let neighbour = scene.neighbour();
    ask(&neighbour, 1);
    let quiet = ask(&neighbour, seconds);
    let shared = scene.neighbour_of_the_prefix();
    let attacked = attacks.iter().enumerate().map(|(index, (_, attack))| {
        let neighbour = if index < SHARED { &neighbour } else { &shared };
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| attack(&scene.attackers, &stop));
            std::thread::sleep(Duration::from_millis(1500));
            let seen = ask(neighbour, seconds);
            stop.store(true, Ordering::Relaxed);
            seen
        })
    });
    let attacked = attacked.collect();
    drop(gate);
    Fairness { name: name.to_owned(), quiet, attacked }
}

/// As Markdown.
pub(super) fn table(all: &[Fairness], seconds: u64) -> String {
    let mut out = format!(
        "\n## A neighbour\n\nA guest asks once every 5 ms for {seconds} s, each time on a new connection, while another guest of the same\n\
         network attacks. 99th percentile in milliseconds, its ratio to the quiet value, and requests that failed or took\n\
         longer than 3 s. All run on the processors of one machine, attackers included.\n\n| attack |"
    );
    let columns = |out: &mut String, make: &dyn Fn(&Fairness) -> String| {
        for one in all {
            let _ = write!(out, " {} |", make(one));
        }
        out.push('\n');
    };
    columns(&mut out, &|one| format!("{0}: p99 | {0}: ratio | {0}: failed", one.name));
    out.push_str("|---|");
    columns(&mut out, &|_| "---:|---:|---:".to_owned());
    out.push_str("| none |");
    columns(&mut out, &|one| format!("{:.2} | 1.0 | {} of {}", one.quiet.p99(), one.quiet.failed, count(&one.quiet)));
    for (index, (name, _)) in ATTACKS.iter().enumerate() {
        let _ = write!(out, "| {name} |");
        columns(&mut out, &|one| match one.attacked.get(index) {
            Some(seen) if seen.answered.is_empty() => format!("none answered | – | {} of {}", seen.failed, count(seen)),
            Some(seen) => {
                format!("{:.2} | {:.1} | {} of {}", seen.p99(), seen.p99() / one.quiet.p99(), seen.failed, count(seen))
            }
            None => "– | – | –".to_owned(),
        });
    }
    out
}

fn count(seen: &Neighbour) -> usize {
    seen.answered.len() + seen.failed
}

fn ask(neighbour: &Guest, seconds: u64) -> Neighbour {
    let (end, mut seen) = (Instant::now() + Duration::from_secs(seconds), Neighbour::default());
    while Instant::now() < end {
        let start = Instant::now();
        match neighbour.get("/latest/meta-data/") {
            Ok(answer) if answer.status == 200 => seen.answered.push(start.elapsed().as_secs_f64() * 1000.0),
            _ => seen.failed += 1,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    seen.answered.sort_by(f64::total_cmp);
    seen
}

/// Opens connections as long as they are accepted, and says the same on each.
fn open(guest: &Guest, count: usize, words: &[u8]) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = guest.patient(1).connect().ok()?;
        stream.write_all(words).ok()?;
        Some(stream)
    };
    (0..count).map_while(open).collect()
}

fn until(stop: &AtomicBool, mut each: impl FnMut()) {
    while !stop.load(Ordering::Relaxed) {
        each();
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Holds connections and says a byte on each of them every second.
fn trickle(mut held: Vec<TcpStream>, stop: &AtomicBool) {
    let mut round = 0;
    until(stop, || {
        round += 1;
        if round % 10 == 0 {
            held.iter_mut().for_each(|stream| drop(stream.write(b"a")));
        }
    });
}

fn idle(attackers: &Attackers, stop: &AtomicBool) {
    let _held = open(&attackers.guest, 1100, b"");
    until(stop, || {});
}

fn heads(attackers: &Attackers, stop: &AtomicBool) {
    trickle(open(&attackers.guest, 1100, b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "), stop);
}

fn bodies(attackers: &Attackers, stop: &AtomicBool) {
    trickle(open(&attackers.guest, 1100, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n"), stop);
}

fn readers(attackers: &Attackers, stop: &AtomicBool) {
    let _held = open(&attackers.guest, 1000, b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    until(stop, || {});
}

fn churn(attackers: &Attackers, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let _ = attackers.guest.connect();
    }
}

fn pipelining(attackers: &Attackers, stop: &AtomicBool) {
    let requests = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(500);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut stream) = attackers.guest.patient(1).connect() else { continue };
                    let _ = stream.write_all(requests.as_bytes());
                    let mut bytes = [0; 65536];
                    while !stop.load(Ordering::Relaxed) && stream.read(&mut bytes).is_ok_and(|length| length > 0) {}
                }
            });
        }
    });
}

fn one_network(attackers: &Attackers, stop: &AtomicBool) {
    let _held: Vec<_> = attackers.v6.iter().map(|guest| open(guest, 17, b"")).collect();
    until(stop, || {});
}

fn idle_v6(attackers: &Attackers, stop: &AtomicBool) {
    let _held = open(&attackers.prefixed(1), 1100, b"");
    until(stop, || {});
}

/// As many connections as the proxy takes. Each asks for much and reads no answer.
fn slow_v6(attackers: &Attackers, stop: &AtomicBool) {
    let _held = open(&attackers.prefixed(1), 100, b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    until(stop, || {});
}

fn whole_prefix(attackers: &Attackers, stop: &AtomicBool) {
    let _held: Vec<_> = (1..=1100).map_while(|host| attackers.prefixed(host).connect().ok()).collect();
    until(stop, || {});
}

/// Each address opens a connection and keeps it, up to a thousand at a time.
fn changing(attackers: &Attackers, stop: &AtomicBool) {
    let mut held = std::collections::VecDeque::new();
    for host in (1..).take_while(|_| !stop.load(Ordering::Relaxed)) {
        held.extend(attackers.prefixed(host).connect().ok());
        if held.len() > 1000 {
            held.pop_front();
        }
    }
}

fn malformed(attackers: &Attackers, stop: &AtomicBool) {
    let words: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    let mut turn = words.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        let Some(words) = turn.next() else { return };
        drop(open(&attackers.guest, 275, words));
    }
}

fn allow_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard).expect("setrlimit");
}
