//! The same work for each program, in turns: processor time of the proxy alone, throughput and latency.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::procfs::Process;
use nsgate_tests::{Config, Kind, Lab, Network, Program, SyslogReader};

use super::cgroup::Cgroup;
use super::ocata::{OCATA, Ocata};
use super::spent::processor_time;

/// Guests in a table of many connections: nsgate bounds the connections of one source address, so they have several.
const SOURCES: usize = 4;
/// Bytes of the canned answer.
const ANSWER: usize = 440;

/// Greenthreads of the Python proxy (`wsgi_default_pool_size` of Neutron): a connection that is kept holds one.
const OCATA_MOST: usize = 100;

/// One kind of work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) name: &'static str,
    connections: usize,
    path: &'static str,
    headers: &'static [&'static str],
    post: bool,
}

const fn work(name: &'static str, connections: usize) -> Work {
    Work { name, connections, path: "/latest/meta-data/", headers: &[], post: false }
}

const CLOSE: &[&str] = &["Connection: close"];

/// Every kind, in the order of the table.
pub(super) const WORKS: [Work; 11] = [
    work("kept connections, 1", 1),
    work("kept connections, 32", 32),
    work("kept connections, 512", 512),
    Work { headers: CLOSE, ..work("a connection for each request, 1", 1) },
    Work { headers: CLOSE, ..work("a connection for each request, 32", 32) },
    Work { headers: CLOSE, ..work("a connection for each request, 512", 512) },
    Work { post: true, ..work("password posts, 1", 1) },
    Work { post: true, ..work("password posts, 32", 32) },
    Work { post: true, ..work("password posts, 512", 512) },
    Work { path: "/big", ..work("answers of 3 MB, 1", 1) },
    Work { path: "/big", ..work("answers of 3 MB, 32", 32) },
];

/// A proxy that runs.
pub(super) struct Peer {
    pub(super) name: String,
    port: u16,
    pids: Vec<i32>,
    /// Connections beyond which it serves no more of them at a time.
    most: usize,
    /// With everything that it started.
    cgroup: Cgroup,
}

/// The figures of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Processor time of the proxy for a request, user and system, in microseconds.
    pub(super) cpu: f64,
    /// Requests in a second.
    pub(super) rate: f64,
    /// Latencies in milliseconds: median, 99 and 99.9 percent.
    pub(super) latency: [f64; 3],
    /// Answers other than 200, and connections that broke.
    pub(super) errors: u64,
}

/// Memory of one proxy around a burst of 512 connections.
pub(super) struct Burst {
    pub(super) idle: Held,
    pub(super) loaded: Held,
    pub(super) after: Held,
}

/// KiB that a proxy holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// Private dirty pages.
    pub(super) private: f64,
    /// Its part of everything mapped (PSS).
    pub(super) proportional: f64,
    /// As its memory cgroup counts.
    pub(super) counted: Option<f64>,
}

/// Every proxy in one namespace, the guests in another, one backend for all.
pub(super) struct Field {
    network: Network,
    script: PathBuf,
    pub(super) peers: Vec<Peer>,
    _log: Drain,
    _backend: Backend,
}

/// The reader of /dev/log: lines are read and forgotten.
pub(super) struct Drain(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Drain {
    pub(super) fn start() -> Drain {
        let (log, end) = (SyslogReader::bind("/dev/log".as_ref()), Arc::new(AtomicBool::new(false)));
        let ended = end.clone();
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let _ = log.next(0.2);
            }
        });
        Drain(end, Some(thread))
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

impl Field {
    /// Starts everything; `beside` is another build of nsgate to compare with.
    pub(super) fn new(lab: &Lab, haproxy: &str, ocata: Option<&Ocata>, beside: Option<&Program>) -> Field {
        let network = Network::create();
        addresses(&network);
        let log = Drain::start();
        let backend = backend(lab);
        let mut peers = vec![
            proxy(lab, &network, "nsgate", &lab.program.clone(), 8001, None),
            proxy(lab, &network, haproxy, &haproxy_program(), 8002, None),
            proxy(lab, &network, &format!("{haproxy}, 1 thread"), &haproxy_program(), 8003, Some(1)),
        ];
        peers.push(nginx_proxy(lab, &network, 8004));
        peers.extend(ocata.map(|ocata| {
            let cgroup = Cgroup::enter("ocata");
            let pids = vec![ocata.start(lab, &network, 8006)];
            cgroup.leave();
            Peer { name: format!("Python, Neutron {OCATA}"), port: 8006, pids, most: OCATA_MOST, cgroup }
        }));
        peers.extend(beside.map(|program| proxy(lab, &network, "nsgate, beside", program, 8005, None)));
        let script = lab.state().join("load.lua");
        fs::write(&script, SCRIPT).expect("the script");
        Field { network, script, peers, _log: log, _backend: backend }
    }

    /// Lets the guests do some work against one proxy.
    pub(super) fn run(&self, work: &Work, peer: &Peer, seconds: u64) -> Sample {
        let before = processor_time(&peer.pids);
        let sources = if work.connections > 64 { SOURCES } else { 1 };
        let guests: Vec<Child> =
            (1..=sources).map(|n| self.wrk(work, peer, n, work.connections / sources, seconds)).collect();
        let lines: Vec<String> = guests.into_iter().map(said).collect();
        let spent = processor_time(&peer.pids) - before;
        let figures: Vec<Vec<f64>> = lines.iter().map(|line| numbers(line)).collect();
        let sum = |index: usize| figures.iter().map(|one| one.get(index).copied().unwrap_or(f64::NAN)).sum::<f64>();
        let worst = |index: usize| {
            let all = figures.iter().map(|one| one.get(index).copied().unwrap_or(f64::NAN));
            all.fold(0.0, f64::max) / 1000.0
        };
        let requests = sum(0);
        Sample {
            cpu: spent / requests,
            rate: requests / seconds as f64,
            latency: [worst(2), worst(3), worst(4)],
            errors: sum(1) as u64,
        }
    }

    /// Memory before, during and two seconds after a burst.
    pub(super) fn burst(&self, peer: &Peer) -> Burst {
        std::thread::sleep(Duration::from_secs(2));
        let work = WORKS[2];
        let idle = memory(peer);
        let each = work.connections.min(peer.most) / SOURCES;
        let guests: Vec<Child> = (1..=SOURCES).map(|n| self.wrk(&work, peer, n, each, 2)).collect();
        std::thread::sleep(Duration::from_secs(1));
        let loaded = memory(peer);
        guests.into_iter().for_each(|guest| drop(said(guest)));
        std::thread::sleep(Duration::from_secs(2));
        Burst { idle, loaded, after: memory(peer) }
    }

    fn wrk(&self, work: &Work, peer: &Peer, source: usize, connections: usize, seconds: u64) -> Child {
        let mut command = self.network.guest.command("wrk");
        command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"]).arg(&self.script);
        for header in work.headers {
            command.args(["-H", header]);
        }
        command.arg(format!("http://10.0.1.{source}:{}{}", peer.port, work.path));
        command.args(["--", if work.post { "POST" } else { "GET" }]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("wrk")
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        self.peers.iter().for_each(|peer| end(&peer.pids));
    }
}

/// One line: requests, errors, and microseconds at 50, 99 and 99.9 percent.
const SCRIPT: &str = r#"
function init(args)
  if args[1] == "POST" then
    wrk.method = "POST"
    wrk.body = "a password, encrypted with the public key of the instance: " .. string.rep("x", 300)
  end
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %d %d %d %d %d\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"#;

fn said(guest: Child) -> String {
    let out = guest.wait_with_output().expect("wrk");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn numbers(said: &str) -> Vec<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix("FIGURES ")).unwrap_or_default();
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Each source address reaches the gate under an address of its own: so wrk, which binds nothing, has several.
fn addresses(network: &Network) {
    let (gate, guest) = (network.gate.name(), network.guest.name());
    let tap = nsgate_tests::network::GATE_INTERFACE;
    for n in 1..=SOURCES {
        nsgate_tests::network::ip(&format!(
            "-n {gate} addr add 10.0.1.{n}/32 dev {tap}\n-n {guest} route add 10.0.1.{n}/32 via 10.0.0.1 src 10.0.0.{}\n",
            10 + n
        ));
    }
}

fn haproxy_program() -> Program {
    Program::real_haproxy().expect("haproxy was found or installed before")
}

/// nginx as the metadata agent: a canned answer, a file of 3 MB, one worker. Ends when dropped.
pub(super) struct Backend(Vec<i32>);

impl Drop for Backend {
    fn drop(&mut self) {
        end(&self.0);
    }
}

/// Starts it.
pub(super) fn backend(lab: &Lab) -> Backend {
    let directory = lab.state().join("backend");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("big"), vec![b'x'; 3_000_000]).expect("3 MB");
    let body = "x".repeat(ANSWER);
    let server = format!(
        "server {{ listen unix:{}; root {}; location = /big {{ default_type text/plain; }}\n\
         location / {{ default_type application/json; return 200 \"{body}\"; }} }}",
        lab.socket().display(),
        directory.display()
    );
    let _ = fs::remove_file(lab.socket());
    let pids = nginx(lab, "backend", &server, None);
    assert!(wait_until(5.0, || lab.socket().exists()), "the backend did not start");
    fs::set_permissions(lab.socket(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("chmod");
    Backend(pids)
}

fn end(pids: &[i32]) {
    for pid in pids {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGTERM);
        // A worker ends with its master.
        wait_until(2.0, || !std::path::Path::new(&format!("/proc/{pid}/exe")).exists());
    }
}

/// Starts an nginx and returns its processes.
///
/// Every directory for temporary files is named: those of the build stand below `/var/lib`, which is read-only in a world.
fn nginx(lab: &Lab, name: &str, server: &str, namespace: Option<&Network>) -> Vec<i32> {
    let (file, pid_file) = (lab.state().join(format!("{name}.nginx")), lab.state().join(format!("{name}.pid")));
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{name}.{kind};", lab.state().display()))
        .concat();
    let config = format!(
        "user neutron neutron; worker_processes 1; pid {}; error_log {}; events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 30s; {temporary}\n{server} }}",
        pid_file.display(),
        lab.state().join(format!("{name}.log")).display()
    );
    fs::write(&file, config).expect("the configuration of nginx");
    let mut command = match namespace {
        Some(network) => network.gate.command("nginx"),
        None => Command::new("nginx"),
    };
    command.arg("-c").arg(&file);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.status.is_some_and(|status| status.success()), "nginx: {started:#?}");
    let master: i32 = text(&pid_file).trim().parse().expect("a pid");
    let mut pids = vec![master];
    assert!(wait_until(5.0, || !children(master).is_empty()));
    pids.extend(children(master));
    pids
}

fn children(pid: i32) -> Vec<i32> {
    let list = text(format!("/proc/{pid}/task/{pid}/children"));
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn binds(port: u16) -> Vec<String> {
    (1..=SOURCES).map(|n| format!("10.0.1.{n}:{port}")).collect()
}

fn proxy(lab: &Lab, network: &Network, name: &str, program: &Program, port: u16, threads: Option<u32>) -> Peer {
    let binds = binds(port);
    let binds: Vec<&str> = binds.iter().map(String::as_str).collect();
    let config = Config::new(Kind::Network).with_id(&format!("7a1c4d2e-9f7b-4b59-9a55-{port:012}")).with_binds(&binds);
    let content = match threads {
        Some(count) => config.text().replace("nbthread    2", &format!("nbthread    {count}")),
        None => config.text(),
    };
    let file = lab.state().join(format!("{port}.cfg"));
    fs::write(&file, content).expect("the configuration");
    let mut command = network.gate.command(&program.path().to_string_lossy());
    command.arg("-f").arg(&file);
    let cgroup = Cgroup::enter(&port.to_string());
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{name}: {started:#?}");
    cgroup.leave();
    let pid: i32 = text(&config.pid_file).trim().parse().expect("a pid");
    Peer { name: name.to_owned(), port, pids: vec![pid], most: usize::MAX, cgroup }
}

fn nginx_proxy(lab: &Lab, network: &Network, port: u16) -> Peer {
    let listen: String = binds(port).iter().map(|bind| format!("listen {bind}; ")).collect();
    let server = format!(
        "server {{ {listen} access_log syslog:server=unix:/dev/log,facility=local0,nohostname combined;\n\
         location / {{ proxy_pass http://unix:{}:; proxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header X-Neutron-Network-ID {}; proxy_set_header Host $http_host; }} }}",
        lab.socket().display(),
        nsgate_tests::config::NETWORK
    );
    let cgroup = Cgroup::enter("nginx");
    let pids = nginx(lab, "proxy", &server, Some(network));
    cgroup.leave();
    Peer { name: "nginx, 1 worker".to_owned(), port, pids, most: usize::MAX, cgroup }
}

fn memory(peer: &Peer) -> Held {
    let sum = |of: fn(&Process) -> u64| peer.pids.iter().map(|pid| of(&Process::new(*pid)) as f64).sum();
    Held { private: sum(Process::private_dirty), proportional: sum(Process::pss), counted: peer.cgroup.more() }
}

/// Every kind of work, every proxy, in turns.
pub(super) fn of(field: &Field, works: &[Work], rounds: usize, seconds: u64) -> Vec<Vec<Vec<Sample>>> {
    let began = Instant::now();
    works
        .iter()
        .map(|work| {
            println!("load: {} … ({:.0} s so far)", work.name, began.elapsed().as_secs_f64());
            let mut samples: Vec<Vec<Sample>> = field.peers.iter().map(|_| Vec::new()).collect();
            for round in 0..rounds {
                let able = field.peers.iter().zip(&mut samples).filter(|(peer, _)| work.connections <= peer.most);
                let mut able: Vec<_> = able.collect();
                // The first program of a round changes from round to round.
                if round % 2 == 1 {
                    able.reverse();
                }
                for (peer, samples) in able {
                    samples.push(field.run(work, peer, seconds));
                }
            }
            samples
        })
        .collect()
}
