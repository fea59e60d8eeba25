//! Guards as an operator switches them on: one line of a gate's TOML, or of the site's settings for gates that an agent
//! starts, by themselves or in a pool. What is refused reaches no agent.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{agent_command, communicate, nsgate};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::manager::Manager;
use nsgate_tests::network::{Namespace, ip};
use nsgate_tests::pool::{Pool, channel, keeper, metrics_path, receive, send};
use nsgate_tests::{
    Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Response, SyslogReader, pool, procfs, suite,
};

fn main() {
    suite!["guards":
        what_came_through_a_proxy_is_refused_with_403,
        a_foreign_host_is_misdirected_with_421,
        a_header_that_is_demanded_must_be_there_or_403,
        only_the_methods_that_are_named_pass_the_others_are_405,
        only_plain_paths_below_a_prefix_pass_the_others_are_403,
        hidden_paths_are_404_and_the_agent_gets_single_slashes,
        user_data_is_there_for_a_while_after_the_first_request,
        required_tokens_are_given_out_and_without_one_it_is_401,
        optional_tokens_let_pass_who_has_none_and_count_them,
        a_token_is_good_for_its_address_and_its_network_only,
        tokens_outlive_a_worker_its_upgrade_and_a_time_without_one,
        tokens_outlive_a_gate_whose_service_manager_keeps_the_key,
        a_token_is_in_no_log_and_its_process_leaves_no_core,
        a_guest_one_router_further_gets_no_answer_beyond_the_hop_limit,
        a_hop_limit_holds_for_both_families_of_one_listener,
        a_listener_without_the_hop_limit_is_refused_by_a_worker,
        without_guards_all_of_this_passes,
        the_site_speaks_for_neutron_ns_metadata_proxy_too,
        the_site_speaks_for_the_host_wide_proxy_too,
        check_shows_the_guards_that_are_on,
        what_is_wrong_in_guards_is_refused_and_nothing_listens,
    ]
}

const OTHER: &str = "0b5e6d1c-3f0a-4f44-8f0e-1c2d3e4f5a6b";
const CONFIG: &str = "/run/lab/neutron/gate.toml";
const PID_FILE: &str = "/run/lab/neutron/external/pids/native.pid";
const SITE: &str = "/etc/nsgate/nsgate.toml";

/// How a gate comes to its guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `nsgate run --config`: its own text.
    Own,
    /// Started as `haproxy`: the site's settings.
    Site,
    /// Started as `haproxy` where there is a pool: the site's settings, carried over to the worker.
    Pool,
}

const WAYS: [Way; 3] = [Way::Own, Way::Site, Way::Pool];

/// A gate that serves, with its pool if it has one.
struct Served {
    gate: Gate,
    pool: Option<Pool>,
}

struct World<'a> {
    lab: &'a Lab,
    network: Network,
    agent: RecordingAgent,
}

impl<'a> World<'a> {
    fn new(lab: &'a Lab) -> World<'a> {
        lab.needs_root("/etc is private, keeper and worker are different users");
        if !lab.program.is_nsgate() {
            lab.skip("haproxy has no guards");
        }
        fs::create_dir_all("/etc/nsgate").unwrap();
        World { lab, network: lab.network(), agent: RecordingAgent::start(&lab.socket(), Answer::ok("hello")) }
    }

    fn serve(&self, way: Way, guards: &str) -> Served {
        self.serve_at(way, guards, "169.254.169.254:80")
    }

    fn serve_at(&self, way: Way, guards: &str, listen: &str) -> Served {
        let (lab, gate) = (self.lab, &self.network.gate);
        let guards = format!("[guards]\n{guards}\n");
        fs::write(SITE, if way == Way::Own { "" } else { &guards }).unwrap();
        let config = Config::new(Kind::Network).with_binds(&[&listen.replace("[::]:80", ":::80 v4v6")]);
        match way {
            Way::Own => {
                fs::write(CONFIG, own(lab, listen) + &guards).unwrap();
                let started = nsgate(lab, gate, &["run", "--config", CONFIG]);
                assert!(started.ok(), "{started:#?}");
                Served { gate: Gate::adopt(CONFIG.into(), PID_FILE.into(), started).unwrap(), pool: None }
            }
            Way::Site => Served { gate: Gate::start(lab, gate, &config), pool: None },
            Way::Pool => {
                let pool = Pool::start(lab);
                Served { gate: keeper(lab, gate, &config), pool: Some(pool) }
            }
        }
    }

    /// Sends each request to a gate started in each way: line, headers, and the status it must have.
    fn judge(&self, guards: &str, cases: &[(&str, &str, u16)]) {
        for way in WAYS {
            let served = self.serve(way, guards);
            for (line, fields, expected) in cases {
                self.agent.forget();
                let answer = self.ask(line, fields);
                assert_eq!(answer.status, *expected, "{way:?}: {line} {fields}: {answer:?}");
                let reached = usize::from(*expected == 200);
                assert_eq!(self.agent.seen().len(), reached, "{way:?}: {line} {fields}: {:?}", self.agent.seen());
            }
            served.end(self);
        }
    }

    fn ask(&self, line: &str, fields: &str) -> Response {
        self.ask_as(11, line, fields)
    }

    fn ask_as(&self, guest: u8, line: &str, fields: &str) -> Response {
        let answer = Guest::new(&self.network.guest).at(guest).ask(&request(line, fields));
        answer.unwrap_or_else(|error| panic!("{line} {fields}: {error}"))
    }

    fn token(&self, guest: u8) -> String {
        let answer = self.ask_as(guest, "PUT /latest/api/token", WANT);
        assert_eq!((answer.status, answer.header("x-aws-ec2-metadata-token-ttl-seconds")), (200, Some("60")));
        format!("X-aws-ec2-metadata-token: {}\r\n", answer.text())
    }
}

impl Served {
    fn end(self, world: &World<'_>) {
        drop(self.gate);
        drop(self.pool);
        assert!(wait_until(5.0, || world.network.gate.listening().is_empty()), "the gate is still there");
    }
}

/// A gate of its own, in TOML.
fn own(lab: &Lab, listen: &str) -> String {
    format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"{listen}\"]\nbackend = \"{}\"\nuser = \"neutron\"\ngroup = \"neutron\"\n\
         daemon = true\npid_file = \"{PID_FILE}\"\n",
        lab.socket().display()
    )
}

fn request(line: &str, fields: &str) -> String {
    let host = if fields.contains("Host:") { "" } else { "Host: 169.254.169.254\r\n" };
    format!("{line} HTTP/1.1\r\n{host}{fields}Connection: close\r\n\r\n")
}

fn what_came_through_a_proxy_is_refused_with_403(lab: &Lab) {
    World::new(lab).judge(
        "refuse_forwarded = true",
        &[
            ("GET /", "", 200),
            ("GET /", "X-Forwarded-For: 10.0.0.12\r\n", 403),
            ("GET /", "x_forwarded_for: 10.0.0.12\r\n", 403),
            ("GET /", "Forwarded: for=10.0.0.12\r\n", 403),
            ("GET /", "X-Real_IP: 10.0.0.12\r\n", 403),
        ],
    );
}

fn a_foreign_host_is_misdirected_with_421(lab: &Lab) {
    World::new(lab).judge(
        "hosts = [\"169.254.169.254\", \"fe80::a9fe:a9fe\"]",
        &[
            ("GET /", "", 200),
            ("GET /", "Host: 169.254.169.254:80\r\n", 200),
            ("GET /", "Host: 169.254.169.254:\r\n", 200),
            ("GET /", "Host: [fe80::a9fe:a9fe%25eth0]:80\r\n", 200),
            ("GET /", "Host: rebound.example\r\n", 421),
            ("GET /", "Host: 169.254.169.254.rebound.example\r\n", 421),
        ],
    );
}

fn a_header_that_is_demanded_must_be_there_or_403(lab: &Lab) {
    World::new(lab).judge(
        "require_header = { name = \"Metadata-Flavor\", value = \"Google\" }",
        &[
            ("GET /", "Metadata-Flavor: Google\r\n", 200),
            ("GET /", "", 403),
            ("GET /", "Metadata-Flavor: Mozilla\r\n", 403),
            ("GET /", "Metadata_Flavor: Google\r\n", 403),
        ],
    );
}

fn only_the_methods_that_are_named_pass_the_others_are_405(lab: &Lab) {
    World::new(lab).judge(
        "methods = [\"GET\", \"POST\"]",
        &[
            ("GET /", "", 200),
            ("POST /openstack/2013-04-04/password", "Content-Length: 0\r\n", 200),
            ("DELETE /", "", 405),
            ("get /", "", 405),
        ],
    );
}

fn only_plain_paths_below_a_prefix_pass_the_others_are_403(lab: &Lab) {
    World::new(lab).judge(
        "paths = [\"/openstack/\", \"/latest/meta-data/\"]",
        &[
            ("GET /openstack", "", 200),
            ("GET /openstack/latest/meta_data.json", "", 200),
            ("GET /latest/user-data", "", 403),
            ("GET /latest/meta-data/../user-data", "", 403),
            ("GET /latest/meta-data/%2e%2e/user-data", "", 403),
            ("GET //latest//meta-data/", "", 200),
            ("GET //latest//user-data", "", 403),
            ("GET /latest/meta-data;/user-data", "", 403),
            ("GET /LATEST/meta-data/", "", 403),
        ],
    );
}

fn hidden_paths_are_404_and_the_agent_gets_single_slashes(lab: &Lab) {
    let world = World::new(lab);
    for way in WAYS {
        let served = world.serve(way, "paths = [\"/latest/meta-data/\"]\nhide_paths = true");
        assert_eq!(world.ask("GET /latest/user-data", "").status, 404, "{way:?}");
        assert_eq!(world.ask("GET /latest/meta-data/../user-data", "").status, 403, "{way:?}");
        assert!(world.agent.seen().is_empty(), "{way:?}: {:?}", world.agent.seen());
        assert_eq!(world.ask("GET //latest//meta-data///instance-id", "").status, 200, "{way:?}");
        let seen = world.agent.only().text();
        assert!(seen.starts_with("GET /latest/meta-data/instance-id HTTP/1.1\r\n"), "{way:?}: {seen}");
        world.agent.forget();
        served.end(&world);
    }
}

fn user_data_is_there_for_a_while_after_the_first_request(lab: &Lab) {
    let world = World::new(lab);
    const PATH: &str = "GET /openstack/latest/user_data";
    for way in WAYS {
        let served = world.serve(way, "expiring = { names = [\"user_data\"], after = \"2s\" }");
        assert_eq!(world.ask(PATH, "").status, 200, "{way:?}");
        std::thread::sleep(Duration::from_millis(2100));
        assert_eq!(world.ask(PATH, "").status, 403, "{way:?}");
        assert_eq!(world.ask("GET /openstack/latest/meta_data.json", "").status, 200, "{way:?}");
        assert_eq!(world.ask_as(12, PATH, "").status, 200, "{way:?}: a neighbour has just come");
        served.end(&world);
    }
}

const WANT: &str = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n";

fn required_tokens_are_given_out_and_without_one_it_is_401(lab: &Lab) {
    let world = World::new(lab);
    for way in WAYS {
        let served = world.serve(way, "tokens = \"required\"");
        let token = world.token(11);
        assert_eq!(world.agent.seen().len(), 0, "{way:?}: the agent has nothing to do with tokens");
        assert_eq!(world.ask("GET /", &token).status, 200, "{way:?}");
        assert!(!world.agent.only().text().contains("token"), "{way:?}: {:?}", world.agent.seen());
        for (line, fields, expected) in [
            ("GET /", String::new(), 401),
            ("GET /", token.replace("\r\n", "0\r\n"), 401),
            ("GET /", token.replace(": 01", ": 02"), 401),
            ("GET /", format!("{token}{token}"), 401),
            ("PUT /latest/api/token", String::new(), 400),
            ("PUT /latest/api/token", WANT.replace("60", "0"), 400),
            ("PUT /latest/api/token", format!("{WANT}X-Forwarded-For: 10.0.0.12\r\n"), 403),
        ] {
            assert_eq!(world.ask(line, &fields).status, expected, "{way:?}: {line} {fields}");
        }
        let short = world.ask("PUT /latest/api/token", &WANT.replace("60", "1"));
        let short = format!("X-aws-ec2-metadata-token: {}\r\n", short.text());
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(world.ask("GET /", &short).status, 401, "{way:?}: expired");
        assert_eq!(world.agent.seen().len(), 1, "{way:?}");
        world.agent.forget();
        served.end(&world);
    }
}

fn optional_tokens_let_pass_who_has_none_and_count_them(lab: &Lab) {
    let world = World::new(lab);
    let served = world.serve(Way::Pool, "tokens = \"optional\"");
    let token = world.token(11);
    for (fields, expected) in [("", 200), ("", 200), (token.as_str(), 200), ("X-aws-ec2-metadata-token: x\r\n", 401)] {
        assert_eq!(world.ask("GET /", fields).status, expected, "{fields}");
    }
    let pool = served.pool.as_ref().unwrap();
    for how in ["{token:asked}", "{token:absent}", "{token:good}", "{token:bad}"] {
        assert!(wait_until(3.0, || pool.said(how)), "{how} is in the log: {}", text(&pool.log));
    }
    let metrics = metrics(lab);
    for (how, count) in [("asked", 1), ("absent", 2), ("good", 1), ("bad", 1)] {
        let sample = format!(
            "nsgate_token_requests_total{{kind=\"X-Neutron-Network-ID\",network=\"{NETWORK}\",role=\"worker\",token=\"{how}\"}} {count}"
        );
        assert!(metrics.contains(&sample), "{sample}:\n{metrics}");
    }
    served.end(&world);
}

fn metrics(lab: &Lab) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(metrics_path(lab)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn a_token_is_good_for_its_address_and_its_network_only(lab: &Lab) {
    let world = World::new(lab);
    for way in WAYS {
        let mut served = world.serve(way, "tokens = \"required\"");
        let token = world.token(11);
        assert_eq!(world.ask_as(12, "GET /", &token).status, 401, "{way:?}: another guest's");
        if way == Way::Pool {
            // Another network of the same worker, with a guest of the same address.
            let other = Network::named("gate2", "guest2");
            let gate = keeper(lab, &other.gate, &Config::new(Kind::Network).with_id(OTHER));
            let ask = |token: &str| Guest::new(&other.guest).ask(&request("GET /", token)).unwrap().status;
            assert_eq!(ask(&token), 401, "another network's");
            let own = Guest::new(&other.guest).ask(&request("PUT /latest/api/token", WANT)).unwrap().text();
            assert_eq!(ask(&format!("X-aws-ec2-metadata-token: {own}\r\n")), 200);
            drop(gate);
        }
        // A gate that ends takes its key with it, and so does a keeper: an agent's next start is another process.
        served.end(&world);
        served = world.serve(way, "tokens = \"required\"");
        assert_eq!(world.ask("GET /", &token).status, 401, "{way:?}: the next process's");
        assert_eq!(world.ask("GET /", &world.token(11)).status, 200, "{way:?}: who asks anew is served");
        served.end(&world);
    }
}

/// Whether the keeper serves by itself: it has an event loop then.
fn alone(gate: &Gate) -> bool {
    let all = procfs::Process::new(gate.pid).descriptors().unwrap();
    all.values().any(|target| target.contains("eventpoll"))
}

fn tokens_outlive_a_worker_its_upgrade_and_a_time_without_one(lab: &Lab) {
    let world = World::new(lab);
    for workers in ["--workers=1", "--workers=2"] {
        let mut served = world.serve(Way::Pool, "tokens = \"required\"");
        let token = world.token(11);
        let good = |what: &str| {
            let answer = Guest::new(&world.network.guest).at(11).patient(10).ask(&request("GET /", &token)).unwrap();
            assert_eq!(answer.status, 200, "{workers}, {what}");
        };
        good("at first");
        // An upgrade: the keeper hands over to the next worker, and the one before ends.
        let next = Pool::start_with(lab, &[workers, "--replace"]);
        assert!(served.pool.as_mut().unwrap().ended_within(20.0));
        good("after an upgrade");
        // A worker's death, and the next one.
        let mut pool = next;
        pool.crash();
        good_while_starting(lab, &good, &mut pool, workers);
        // A time without any: the keeper serves, and gives tokens that the next worker knows.
        pool.crash();
        assert!(wait_until(10.0, || alone(&served.gate)), "the keeper serves by itself");
        good("while the keeper serves");
        let its = world.token(11);
        pool = Pool::start_with(lab, &[workers]);
        assert!(wait_until(10.0, || pool::listed(lab).len() == 1) && wait_until(15.0, || !alone(&served.gate)));
        good("back in the pool");
        assert_eq!(world.ask("GET /", &its).status, 200, "{workers}: the keeper's own token");
        assert_eq!(world.ask_as(12, "GET /", &token).status, 401, "still for one guest only");
        served.pool = Some(pool);
        served.end(&world);
    }
}

/// A token is good with the next worker as well, for a guest that asks while there is none.
fn good_while_starting(lab: &Lab, good: &(dyn Fn(&str) + Sync), pool: &mut Pool, workers: &str) {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| good("after a death"));
        std::thread::sleep(Duration::from_millis(300));
        *pool = Pool::start_with(lab, &[workers]);
        asking.join().unwrap();
    });
}

fn tokens_outlive_a_gate_whose_service_manager_keeps_the_key(lab: &Lab) {
    let world = World::new(lab);
    let mut manager = Manager::start(lab, 5);
    fs::write(SITE, "").unwrap();
    let text = own(lab, "169.254.169.254:80").replace("daemon = true\n", "") + "[guards]\ntokens = \"required\"\n";
    fs::write(CONFIG, text).unwrap();
    let words = ["run", "--config", CONFIG, "--netns", world.network.gate.name()].map(str::to_owned);
    let mut token = None;
    for round in 0..3 {
        let (command, copies) = manager.command(lab, &words, &[]);
        let mut gate = Service::start(command);
        drop(copies);
        assert!(wait_until(5.0, || !world.network.gate.listening().is_empty()), "{}", gate.said());
        manager.hear();
        assert_eq!(manager.store.len(), 1, "one secret is kept: {:?}", manager.heard);
        assert_eq!(manager.store["secret"].len(), 1, "{:?}", manager.heard);
        let token = token.get_or_insert_with(|| world.token(11));
        assert_eq!(world.ask("GET /", token).status, 200, "round {round}");
        assert_eq!(world.ask_as(12, "GET /", token).status, 401, "round {round}: another guest's");
        // Sealed, and in no process but the gate: neither it nor its supervisor has the memory open.
        let sealed = fcntl(&manager.store["secret"][0], FcntlArg::F_GET_SEALS).unwrap();
        assert!(SealFlag::from_bits_truncate(sealed).contains(SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL));
        for pid in [gate.pid(), gate.child()] {
            let all = procfs::Process::new(pid).descriptors().unwrap();
            assert!(!all.values().any(|target| target.contains("memfd")), "{all:?}");
        }
        // In order, and by kill.
        gate.end(if round == 0 { Signal::SIGTERM } else { Signal::SIGKILL });
        assert!(wait_until(5.0, || world.network.gate.listening().is_empty()), "the gate ends with its supervisor");
    }
    // A secret that another process could have changed is replaced, and tokens with it.
    let forged = memfd_create("x", MFdFlags::MFD_CLOEXEC).unwrap();
    let copy = std::io::copy(&mut fs::File::open(CONFIG).unwrap(), &mut fs::File::from(forged.try_clone().unwrap()));
    assert!(copy.unwrap() > 0);
    manager.store.insert("secret".to_owned(), vec![forged]);
    let (command, copies) = manager.command(lab, &words, &[]);
    let mut gate = Service::start(command);
    drop(copies);
    assert!(wait_until(5.0, || !world.network.gate.listening().is_empty()), "{}", gate.said());
    assert_eq!(world.ask("GET /", &token.unwrap()).status, 401, "the key is another one");
    assert!(wait_until(2.0, || gate.said().contains("the secret that the service manager keeps is not sealed")));
    manager.hear();
    assert_eq!(manager.store["secret"].len(), 1);
    assert_eq!(world.ask("GET /", &world.token(11)).status, 200);
    gate.end(Signal::SIGTERM);
}

/// A gate in the foreground, as a service manager starts it.
struct Service {
    child: std::process::Child,
    log: std::path::PathBuf,
}

impl Service {
    fn start(mut command: std::process::Command) -> Service {
        let log = std::path::PathBuf::from("/run/lab/neutron/service.log");
        let output = fs::File::create(&log).unwrap();
        let child = command.stdin(std::process::Stdio::null()).stderr(output).spawn().unwrap();
        Service { child, log }
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// The gate itself, whose supervisor the service manager knows.
    fn child(&self) -> i32 {
        let pid = self.pid();
        text(format!("/proc/{pid}/task/{pid}/children")).trim().parse().unwrap()
    }

    fn said(&self) -> String {
        text(&self.log)
    }

    fn end(&mut self, signal: Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn a_token_is_in_no_log_and_its_process_leaves_no_core(lab: &Lab) {
    let world = World::new(lab);
    let log = SyslogReader::bind("/dev/log".as_ref());
    let served = world.serve(Way::Site, "tokens = \"required\"");
    let token = world.token(11);
    assert_eq!(world.ask("GET /", &token).status, 200);
    assert_eq!(world.ask("GET /", &token.replace(": 01", ": 02")).status, 401);
    let secret = token.split(": ").nth(1).unwrap().trim().to_owned();
    let mut lines = Vec::new();
    while let Some(line) = log.next(0.5) {
        lines.push(format!("{line:?}"));
    }
    assert!(lines.iter().any(|line| line.contains("{token:good}")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains(&secret[20..40])), "{lines:#?}");
    // Only root may look at the process's memory, and it leaves no core file behind.
    let limits = text(served.gate.proc().join("limits"));
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
    assert!(core.split_whitespace().filter(|word| *word == "0").count() == 2, "{core}");
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(served.gate.proc().join("maps")).unwrap());
    assert_eq!(owner, 0, "not dumpable: /proc/PID belongs to root");
    served.end(&world);
}

/// A namespace behind the guest's, which forwards for it.
fn far(network: &Network) -> Namespace {
    let far = Namespace::create("far");
    let (f, v, g) = (far.name(), network.guest.name(), network.gate.name());
    ip(&format!(
        "-n {v} link add far0 type veth peer name eth0 netns {f}\n\
         -n {v} addr add 10.0.9.1/24 dev far0\n-n {v} addr add fd09::1/64 dev far0 nodad\n-n {v} link set far0 up\n\
         -n {f} addr add 10.0.9.2/24 dev eth0\n-n {f} addr add fd09::2/64 dev eth0 nodad\n-n {f} link set eth0 up\n\
         -n {f} route add default via 10.0.9.1\n-n {f} route add default via fd09::1\n\
         -n {g} route add 10.0.9.0/24 via 10.0.0.11\n-n {g} route add fd09::/64 via fd00::11\n"
    ));
    network.guest.inside(|| {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
    });
    far
}

/// Whether a guest at `from` in this namespace gets an answer from `to`, or none where none is expected. Neighbours that
/// have just appeared may take a second to find each other.
fn is_answered(namespace: &Namespace, from: &str, to: &str, expected: bool) -> bool {
    let (from, to): (IpAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let guest = Guest::talking(namespace, from, to).patient(1);
    let answered = || guest.ask(&request("GET /", "")).is_ok_and(|answer| answer.status == 200);
    if expected { wait_until(10.0, answered) } else { !answered() }
}

fn a_guest_one_router_further_gets_no_answer_beyond_the_hop_limit(lab: &Lab) {
    let world = World::new(lab);
    let far = far(&world.network);
    for way in WAYS {
        for (guards, reaches) in [("", true), ("hop_limit = 1", false), ("hop_limit = 2", true)] {
            let served = world.serve(way, guards);
            assert!(is_answered(&far, "10.0.9.2", "169.254.169.254:80", reaches), "{way:?}: {guards}");
            let direct = is_answered(&world.network.guest, "10.0.0.11", "169.254.169.254:80", true);
            assert!(direct, "{way:?}: {guards}: a guest of the network itself is answered");
            served.end(&world);
        }
    }
}

fn a_hop_limit_holds_for_both_families_of_one_listener(lab: &Lab) {
    let world = World::new(lab);
    let far = far(&world.network);
    for (guards, reaches) in [("", true), ("hop_limit = 1", false)] {
        let served = world.serve_at(Way::Own, guards, "[::]:80");
        for (from, to) in [("10.0.9.2", "10.0.0.1:80"), ("fd09::2", "[fd00::1]:80")] {
            assert!(is_answered(&far, from, to, reaches), "{guards}: {from}");
        }
        for (from, to) in [("10.0.0.11", "10.0.0.1:80"), ("fd00::11", "[fd00::1]:80")] {
            assert!(is_answered(&world.network.guest, from, to, true), "{guards}: {from}");
        }
        served.end(&world);
    }
}

fn a_listener_without_the_hop_limit_is_refused_by_a_worker(lab: &Lab) {
    let world = World::new(lab);
    let pool = Pool::start(lab);
    let listener = world.network.gate.inside(|| TcpListener::bind("10.0.0.1:8080")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let offer = |guards: &str| {
        let message = pool::gate(lab, OTHER, "10.0.0.1:8080") + guards;
        let channel = channel(&pool.socket).unwrap();
        send(&channel, message.as_bytes(), &[listener.as_fd()]).unwrap();
        receive(&channel).unwrap_or_default()
    };
    let refused = offer("[guards]\nhop_limit = 1\n");
    assert!(refused.contains("refused") && refused.contains("hop limit of 64"), "{refused}");
    assert!(offer("").contains("serving"));
}

fn without_guards_all_of_this_passes(lab: &Lab) {
    World::new(lab).judge(
        "",
        &[
            ("GET /", "X-Forwarded-For: 10.0.0.12\r\n", 200),
            ("GET /", "Host: rebound.example\r\n", 200),
            ("DELETE /latest/meta-data/%2e%2e/user-data", "", 200),
            ("PUT /latest/api/token", WANT, 200),
            ("GET /", "X-aws-ec2-metadata-token: x\r\n", 200),
        ],
    );
}

fn the_site_speaks_for_neutron_ns_metadata_proxy_too(lab: &Lab) {
    let world = World::new(lab);
    let program = lab.program.namespace_proxy();
    fs::write(SITE, "[guards]\ntokens = \"required\"\nhop_limit = 1\n").unwrap();
    let mut command = world.network.gate.command(&program.to_string_lossy());
    command.args([
        &format!("--pid_file={PID_FILE}"),
        &format!("--metadata_proxy_socket={}", lab.socket().display()),
        &format!("--network_id={NETWORK}"),
        "--state_path=/run/lab/neutron",
        "--metadata_port=80",
        "--metadata_proxy_user=neutron",
        "--metadata_proxy_group=neutron",
    ]);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let _gate = Gate::adopt(SITE.into(), PID_FILE.into(), started).unwrap();
    assert_eq!(world.ask("GET /", "").status, 401);
    assert_eq!(world.ask("GET /", &world.token(11)).status, 200);
    assert!(is_answered(&far(&world.network), "10.0.9.2", "169.254.169.254:80", false));
}

fn the_site_speaks_for_the_host_wide_proxy_too(lab: &Lab) {
    let world = World::new(lab);
    let fixture = include_str!("../../crates/nsgate-config/tests/fixtures/2026.2-hostproxy-3-instances.cfg");
    let config = fixture.replace("240.0.0.2", "10.0.0.11").replace("240.0.0.3", "10.0.0.12");
    let config = config.replace("240.0.0.4", "10.0.0.14").replace("192.0.2.10:8775", "127.0.0.1:8775");
    let nova = world.network.gate.inside(|| TcpListener::bind("127.0.0.1:8775")).unwrap();
    std::thread::spawn(move || {
        for mut stream in nova.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    fs::write(SITE, "[guards]\ntokens = \"required\"\nrefuse_forwarded = true\n").unwrap();
    let file = lab.state().join("host.conf");
    fs::write(&file, config).unwrap();
    let words = ["-f", &file.to_string_lossy(), "-p", PID_FILE];
    let started =
        communicate(agent_command(lab, &world.network.gate, "host_metadata_proxy", &words), Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let gate = Gate::adopt(file, PID_FILE.into(), started).unwrap();
    let ask = |last: u8, line: &str, fields: &str| {
        let guest = Guest::talking(&world.network.guest, "10.0.0.11".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        guest.at(last).ask(&request(line, fields)).unwrap()
    };
    let want = |last| format!("X-aws-ec2-metadata-token: {}\r\n", ask(last, "PUT /latest/api/token", WANT).text());
    let (one, other) = (want(11), want(12));
    assert_eq!(ask(11, "GET /", &one).status, 200);
    assert_eq!(ask(11, "GET /", &other).status, 401, "another instance's");
    assert_eq!(ask(11, "GET /", "").status, 401);
    assert_eq!(ask(12, "GET /", &format!("{other}X-Forwarded-For: x\r\n")).status, 403);
    assert_eq!(ask(13, "PUT /latest/api/token", WANT).status, 503, "a stranger gets no token");
    assert_eq!(ask(13, "GET /monitoruri", "").status, 200, "a monitor's request is answered");
    // Read again after SIGHUP, it has the same guards and the same key.
    fs::write(&gate.file, text(&gate.file).replace("10.0.0.14", "10.0.0.13")).unwrap();
    gate.signal(nix::sys::signal::Signal::SIGHUP);
    assert!(wait_until(5.0, || ask(13, "GET /", "").status == 401), "a stranger no more, and without a token");
    assert_eq!(ask(11, "GET /", &one).status, 200);
    drop(gate);
}

fn check_shows_the_guards_that_are_on(lab: &Lab) {
    let world = World::new(lab);
    fs::write(CONFIG, own(lab, "169.254.169.254:80") + "[guards]\nhosts = [\"FE80::1\"]\ntokens = \"optional\"\n")
        .unwrap();
    let said = nsgate(lab, &world.network.gate, &["check", CONFIG]);
    assert!(said.ok(), "{said:#?}");
    for line in ["[guards]", "hosts = [\"fe80::1\"]", "tokens = \"optional\"", "refuse_forwarded = false"] {
        assert!(said.stdout.contains(line), "{line}: {}", said.stdout);
    }
    // What an agent writes has no words for guards; the program says what the site adds.
    fs::write(SITE, "[guards]\nhop_limit = 1\n").unwrap();
    let file = nsgate_tests::gate::write_config(lab, &Config::new(Kind::Network));
    let words = ["-c", "-f", &file.to_string_lossy()];
    let said = communicate(agent_command(lab, &world.network.gate, NETWORK, &words), Duration::from_secs(10));
    assert!(said.ok() && said.stdout.contains("hop_limit = 1"), "{said:#?}");
}

fn what_is_wrong_in_guards_is_refused_and_nothing_listens(lab: &Lab) {
    let world = World::new(lab);
    for (line, word) in [
        ("refuse_forwardd = true", "unknown field `refuse_forwardd`"),
        ("hosts = [\"169.254.169.254:80\"]", "without a port"),
        ("tokens = \"yes\"", "\"optional\""),
        ("hop_limit = 0", "1 to 255"),
        ("paths = [\"/a/../b\"]", "not the beginning of a path"),
        ("methods = []", "1 to 16"),
    ] {
        let place = if line.starts_with("hosts") { "2:10" } else { "2:" };
        fs::write(SITE, format!("[guards]\n{line}\n")).unwrap();
        let refused = Gate::try_start(lab, &world.network.gate, &Config::new(Kind::Network)).unwrap_err();
        assert_eq!(refused.code(), Some(1), "{line}: {refused:#?}");
        for word in [word, &format!("{SITE}:{place}"), "^"] {
            assert!(refused.stderr.contains(word), "{line} should name {word}: {}", refused.stderr);
        }
        fs::write(CONFIG, own(lab, "169.254.169.254:80") + &format!("[guards]\n{line}\n")).unwrap();
        let refused = nsgate(lab, &world.network.gate, &["run", "--config", CONFIG]);
        assert!(refused.code() == Some(1) && refused.stderr.contains(word), "{line}: {refused:#?}");
        assert!(world.network.gate.listening().is_empty(), "{line}: something listens");
        assert!(!std::path::Path::new(PID_FILE).exists(), "{line}: something was written");
    }
}
