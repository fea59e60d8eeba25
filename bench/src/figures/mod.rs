//! `cargo xtask bench`: figures of nsgate and of haproxy, taken in the same run, written to `docs/benchmarks.md`.

pub(crate) mod agent;
mod cgroup;
pub(crate) mod fairness;
pub(crate) mod guards;
pub(crate) mod host;
mod load;
mod memory;
mod ocata;
pub(crate) mod one;
pub(crate) mod pool;
mod report;
mod sandbox;
pub(crate) mod soak;
mod spent;
mod start;
mod substance;
mod targets;

pub(crate) use report::{haproxy_name, machine};

use std::fs;

use nsgate_tests::{Answer, Config, Kind, Lab, Namespace, Program, RecordingAgent};

use crate::page;

/// How much is measured.
struct Size {
    /// Gates in the memory table.
    gates: usize,
    /// Starts of each program in the start table.
    starts: usize,
    /// Rounds of each kind of load.
    rounds: usize,
    /// Seconds of each.
    seconds: u64,
    /// Seconds of each attack.
    attack: u64,
}

const WHOLE: Size = Size { gates: 100, starts: 40, rounds: 9, seconds: 1, attack: 4 };
const QUICK: Size = Size { gates: 10, starts: 4, rounds: 1, seconds: 1, attack: 2 };

/// A program and the name it has in the tables.
struct Contender {
    name: String,
    program: Program,
}

/// The whole page; `quick` takes a tenth of everything, to try the tool itself, and writes no file.
pub(crate) fn run(quick: bool) -> Result<(), String> {
    let ocata = ocata::Ocata::find();
    println!("instructions …");
    let counted = crate::counts::measured()?;
    let size = if quick { QUICK } else { WHOLE };
    page::make((!quick).then_some("docs/benchmarks.md"), move || measure(&size, &counted, &ocata))
}

fn measure(size: &Size, counted: &crate::counts::Numbers, ocata: &Result<ocata::Ocata, String>) -> String {
    let (gates, starts) = (size.gates, size.starts);
    let lab = Lab::enter(Program::under_test());
    let contenders = [
        Contender { name: "nsgate".to_owned(), program: lab.program.clone() },
        Contender {
            name: report::haproxy_name(),
            program: Program::real_haproxy().expect("haproxy was found or installed before"),
        },
    ];
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let namespace = namespace(gates);
    println!("memory …");
    let few: Vec<_> = contenders.iter().map(|c| memory::of(c, &namespace, 1)).collect();
    let memory: Vec<_> = contenders.iter().map(|c| memory::of(c, &namespace, gates)).collect();
    println!("starts …");
    let start = start::of(&contenders, &namespace, starts);
    // From here on nginx is the agent.
    drop(agent);
    let _ = fs::remove_file(lab.socket());
    let field = load::Field::new(&lab, &contenders[1].name, ocata.as_ref().ok(), None);
    // Fresh from the start, before any other load.
    println!("bursts …");
    let bursts: Vec<_> = field.peers.iter().map(|peer| field.burst(peer)).collect();
    println!("load …");
    let loads = load::of(&field, &load::WORKS, size.rounds, size.seconds);
    let targets = targets::table(&memory, &start, &loads, &bursts);
    let mut text = report::text(starts, &contenders, &[few, memory], &start, &(ocata::said(ocata) + &targets));
    text.push_str(&substance::table(&lab));
    text.push_str(&report::counted(counted));
    text.push_str(&report::loads(&field.peers, &loads, &bursts, size.rounds, size.seconds));
    println!("the sandbox alone …");
    text.push_str(&sandbox::table(&lab, size.rounds, size.seconds));
    // The proxies and the backend of the load end before others begin.
    drop(field);
    println!("neighbours under attack …");
    let fair: Vec<_> = contenders.iter().map(|c| fairness::of(&lab, &c.name, &c.program, size.attack)).collect();
    text.push_str(&fairness::table(&fair, size.attack));
    text
}

/// One namespace with an address for each gate.
fn namespace(gates: usize) -> Namespace {
    let namespace = Namespace::create("bench");
    let name = namespace.name();
    let lines: String = (1..=gates).map(|n| format!("-n {name} addr add {}/32 dev lo\n", address(n))).collect();
    nsgate_tests::network::ip(&lines);
    namespace
}

fn address(n: usize) -> String {
    format!("10.1.{}.{}", n / 250, n % 250 + 1)
}

/// The configuration Neutron writes, for the n-th network.
fn config(n: usize) -> Config {
    let bind = format!("{}:80", address(n));
    Config::new(Kind::Network).with_id(&format!("7a1c4d2e-9f7b-4b59-9a55-{n:012x}")).with_binds(&[&bind])
}
