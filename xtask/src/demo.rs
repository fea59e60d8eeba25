//! `cargo xtask demo`: a guest's request on its way to Nova, shown step by step, in a world that vanishes with it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use nsgate_tests::config::NETWORK;
use nsgate_tests::nova::{Seen, SmallNova};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::second_hop::{INSTANCE, PROJECT, SecondHop, SecondHopFiles};
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Network, Program, SyslogReader, procfs, world};

use crate::{build, tools};
use nsgate_tests::table::{Style, seconds, table};

const HOSTNAME: &str = "guest.example";
const REQUEST: &str = "\
GET /latest/meta-data/hostname HTTP/1.1\r
Host: 169.254.169.254\r
User-Agent: curl/7.88.1\r
X-Forwarded-For: 10.0.0.99\r
X_Neutron_Network_ID: 99999999-9999-4999-8999-999999999999\r
X-Neutron-Router-ID: 99999999-9999-4999-8999-999999999999\r
Connection: close\r
\r
";

/// Builds, then plays the scene in a world of its own.
pub(crate) fn run() -> Result<(), String> {
    tools::IP.ensure()?;
    let style = Style::detect();
    let mut stages = Stages { style, number: 0, times: Vec::new(), start: Instant::now(), wrong: Vec::new() };
    stages.begin("build the programs (release)");
    build::programs()?;
    stages.end();
    let status = world::run(move || {
        let scene = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene(&mut stages)));
        if scene.is_err() {
            stages.wrong.push("the scene ended early, see above".to_owned());
        }
        i32::from(!stages.close())
    });
    match status {
        Ok(0) => Ok(()),
        Ok(world::NO_WORLD) => Err("no private world could be made for the demo; the reason is above".to_owned()),
        Ok(_) => Err("something was not as it should be".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The numbered stages and their times.
struct Stages {
    style: Style,
    number: usize,
    times: Vec<(String, Duration)>,
    start: Instant,
    wrong: Vec<String>,
}

impl Stages {
    fn begin(&mut self, what: &str) {
        self.number += 1;
        println!("\n{}", self.style.bold(&format!("{}. {what}", self.number)));
        self.times.push((what.to_owned(), Duration::ZERO));
        self.start = Instant::now();
    }

    fn end(&mut self) {
        let took = self.start.elapsed();
        if let Some(last) = self.times.last_mut() {
            last.1 = took;
        }
        println!("   {}", self.style.dim(&seconds(took)));
    }

    /// Prints text, indented.
    fn show(&self, text: &str) {
        text.trim_end().lines().for_each(|line| println!("   {}", line.trim_end_matches('\r')));
    }

    /// Prints whether something is as it should be, and remembers a failure.
    fn expect(&mut self, right: bool, what: &str) {
        let mark = if right { self.style.good("ok") } else { self.style.bad("WRONG") };
        println!("   {mark}  {what}");
        if !right {
            self.wrong.push(what.to_owned());
        }
    }

    fn close(&self) -> bool {
        let mut rows = vec![vec!["stage".to_owned(), "time".to_owned()]];
        rows.extend(self.times.iter().map(|(what, took)| vec![what.clone(), seconds(*took)]));
        println!("\n{}", table(&rows));
        match self.wrong.len() {
            0 => println!("{}", self.style.good("everything was as it should be; nothing is left behind")),
            n => println!("{}", self.style.bad(&format!("{n} wrong: {}", self.wrong.join("; ")))),
        }
        self.wrong.is_empty()
    }
}

fn scene(stages: &mut Stages) {
    let lab = Lab::enter(Program::under_test());
    stages.begin("network namespaces: `gate` with 169.254.169.254, `guest` with 10.0.0.11");
    let who = if lab.is_root() { "as root" } else { "as an ordinary user, in a user namespace" };
    stages.show(&format!("made {who}, in mount, PID and network namespaces that end with this command"));
    let network = lab.network();
    let _log = SyslogReader::held_by_systemd();
    stages.end();

    stages.begin("a small Nova, and `nsgate agent` with a directory in a file");
    let nova = SmallNova::start(nova);
    let hop = SecondHopFiles::write(&lab, &[nova.address.to_string()], "").start(&lab);
    stages.show(&format!("Nova answers at {}", nova.address));
    stages.show(&format!("{} knows one instance: 10.0.0.11 on network {NETWORK}", lab.socket().display()));
    stages.end();

    stages.begin("the gate, started as Neutron starts haproxy");
    let config = Config::new(Kind::Network);
    stages.show(&format!(
        "ip netns exec gate env PROCESS_TAG=haproxy-{NETWORK} haproxy -f …/ns-metadata-proxy/{NETWORK}.conf"
    ));
    let gate = Gate::start(&lab, &network.gate, &config);
    stages.expect(gate.started.ok(), "the starter exited with 0 and left no stream open");
    stages.show(&format!("it serves as pid {}", gate.pid));
    stages.end();

    ask(stages, &network, &nova);
    compare(stages, &lab, &gate);
    second_hop(stages, &lab, hop);

    stages.begin("SIGTERM");
    let took = gate.terminate(Duration::from_secs(1));
    stages.expect(took.is_some(), "the gate ended within a second");
    stages.expect(network.gate.listening().is_empty(), "nothing listens any more");
    stages.expect(procfs::having(NETWORK).is_empty(), "no process is left");
    stages.end();
}

/// Answers as Nova would, for the one instance. What it is not asked with a signature it refuses.
fn nova(seen: &Seen, stream: &mut TcpStream) -> bool {
    let signed = seen.field("x-instance-id-signature").is_some_and(|text| text.len() == 64);
    let known = signed && seen.field("x-instance-id") == Some(INSTANCE);
    let (status, body) = if known { ("200 OK", HOSTNAME) } else { ("403 Forbidden", "") };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).is_ok()
}

fn ask(stages: &mut Stages, network: &Network, nova: &SmallNova) {
    stages.begin("the guest asks, and forges three headers");
    stages.show(REQUEST);
    let answer = Guest::new(&network.guest).ask(REQUEST);
    stages.end();

    stages.begin("what Nova saw, behind `nsgate agent`");
    let seen = nova.seen().into_iter().next();
    let text = seen.as_ref().map_or_else(|| "nothing".to_owned(), |seen| seen.head.clone());
    stages.show(&text);
    let header = |name: &str| seen.as_ref().and_then(|seen| seen.field(name)).unwrap_or_default();
    stages.expect(header("x-instance-id") == INSTANCE, "the instance is the one that has the guest's address");
    stages.expect(header("x-tenant-id") == PROJECT, "its project");
    stages
        .expect(header("x-instance-id-signature").len() == 64, "a signature with the secret that is shared with Nova");
    stages.expect(header("x-forwarded-for") == "10.0.0.11", "the address is the guest's own");
    stages.expect(
        !text.to_lowercase().contains("neutron"),
        "no network and no router: Nova is told of the instance alone",
    );
    stages.expect(!text.contains("99999999") && !text.contains("10.0.0.99"), "nothing forged is left");
    stages.end();

    stages.begin("the answer");
    match answer {
        Ok(answer) => {
            let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            stages.show(&format!("{}\n{headers}\n{}", answer.line, answer.text()));
            stages.expect(answer.status == 200 && answer.text() == HOSTNAME, "200, and the guest's own name");
        }
        Err(error) => stages.expect(false, &format!("there was no answer: {error}")),
    }
    stages.end();
}

/// What a process holds: the rows of the table, name and value.
type Holdings = Vec<(&'static str, String)>;

fn holdings(pid: i32) -> Holdings {
    let process = Process::new(pid);
    let ours = |kind: &str| process.namespace(kind) == Process::new(1).namespace(kind);
    let shared = ["mnt", "pid", "ipc", "uts"].into_iter().filter(|kind| ours(kind)).collect::<Vec<_>>().join(" ");
    let sets = CAPABILITY_SETS.map(|set| format!("{} {}", &set[3..], process.capabilities(set).count_ones()));
    let root = process.root_entries();
    let root = if root.len() > 4 { format!("{} entries of the host's /", root.len()) } else { root.join(" ") };
    let filter = if process.status("Seccomp") == "2" { "filtered" } else { "all allowed" };
    vec![
        ("user and group ids", format!("{} {}", ids(&process, "Uid"), ids(&process, "Gid"))),
        ("capabilities", sets.join(", ")),
        ("no_new_privs", process.status("NoNewPrivs")),
        ("system calls", filter.to_owned()),
        ("what its root shows", root),
        ("namespaces shared with the host", if shared.is_empty() { "none".to_owned() } else { shared }),
        ("open descriptors", count(process.descriptors())),
        ("threads", process.threads().to_string()),
        ("private dirty memory", format!("{} KiB", process.private_dirty())),
    ]
}

fn count(descriptors: Option<BTreeMap<i32, String>>) -> String {
    descriptors.map_or_else(|| "shown to root only".to_owned(), |open| open.len().to_string())
}

fn ids(process: &Process, key: &str) -> String {
    let mut all = process.status_numbers(key);
    all.dedup();
    all.iter().map(u64::to_string).collect::<Vec<_>>().join("/")
}

fn compare(stages: &mut Stages, lab: &Lab, gate: &Gate) {
    stages.begin("what the process holds, beside haproxy");
    let ours = holdings(gate.pid);
    let (theirs, title) = match haproxy() {
        Ok((rows, version)) => (rows, version),
        Err(why) => {
            stages.show(&format!("haproxy: absent ({why})"));
            (Vec::new(), "haproxy (absent)".to_owned())
        }
    };
    let mut rows = vec![vec![String::new(), "nsgate".to_owned(), title]];
    for (index, (what, value)) in ours.iter().enumerate() {
        let other = theirs.get(index).map_or("-", |(_, value)| value.as_str());
        rows.push(vec![(*what).to_owned(), value.clone(), other.to_owned()]);
    }
    stages.show(&table(&rows));
    let process = Process::new(gate.pid);
    let capabilities: u64 = CAPABILITY_SETS.iter().map(|set| process.capabilities(set)).sum();
    stages.expect(capabilities == 0, "five empty capability sets");
    stages.expect(process.status("NoNewPrivs") == "1", "no new privileges");
    stages.expect(process.status("Seccomp") == "2", "a system call filter");
    stages.expect(process.root_entries() == ["agent", "backend"], "a root that shows only the agent's directory");
    attest(stages, lab, gate.pid);
    stages.end();
}

/// The process behind the gate.
fn second_hop(stages: &mut Stages, lab: &Lab, mut hop: SecondHop) {
    stages.begin("what `nsgate agent` holds");
    let rows: Vec<Vec<String>> =
        holdings(hop.pid()).into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect();
    stages.show(&table(&[&[vec![String::new(), "nsgate agent".to_owned()]], rows.as_slice()].concat()));
    attest(stages, lab, hop.pid());
    hop.terminate();
    stages.expect(hop.ended_within(5.0).is_some_and(|status| status.success()), "SIGTERM ends it");
    stages.end();
}

/// The sandbox's own judgement.
fn attest(stages: &mut Stages, lab: &Lab, pid: i32) {
    let out = Command::new(lab.program.nsgate()).args(["attest", "--json", &pid.to_string()]).output();
    match out {
        Ok(out) => {
            // 4: without root only the descriptors cannot be read.
            let right = out.status.success() || (!lab.is_root() && out.status.code() == Some(4));
            stages.expect(right, "`nsgate attest --json PID` finds nothing to complain about");
            if !right {
                stages.show(&String::from_utf8_lossy(&out.stdout));
                stages.show(&String::from_utf8_lossy(&out.stderr));
            }
        }
        Err(error) => stages.expect(false, &format!("`nsgate attest` cannot be run: {error}")),
    }
}

/// The distribution's haproxy with the same configuration, in a namespace of its own.
fn haproxy() -> Result<(Holdings, String), String> {
    let program = Program::real_haproxy().ok_or_else(|| tools::HAPROXY.command())?;
    let version = program.version();
    let version = version.split_whitespace().nth(2).unwrap_or("").split('-').next().unwrap_or("").to_owned();
    let network = Network::named("gate-haproxy", "guest-haproxy");
    let config = Config::new(Kind::Network).with_id("b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21");
    let their_lab = Lab::enter(program);
    let gate = Gate::try_start(&their_lab, &network.gate, &config).map_err(|s| s.stderr)?;
    // haproxy's starter exits before the process has dropped its privileges.
    std::thread::sleep(Duration::from_millis(200));
    let _ = Guest::new(&network.guest).get("/");
    Ok((holdings(gate.pid), format!("haproxy {version}")))
}
