//! `cargo xtask bench agent`: `nsgate agent` beside Neutron's metadata agent, with the same databases and the same Nova, into
//! `docs/agent-benchmarks.md`.

mod canned;
mod cloud;
mod gates;
mod guests;
mod hops;
mod load;
mod report;
mod targets;

use std::net::Ipv4Addr;

use nsgate_tests::{Lab, Program};

use super::spent::processor_time;
use crate::page;
use cloud::{Cloud, GUESTS, address};
use hops::SecondHopPeer;
use load::{LoadOutcome, bound_loop, closed_loop, door, plain};

/// Port bindings in the whole cloud.
const CLOUDS: [usize; 3] = [4, 1_000, 10_000];
/// Requests at once in the two loads.
const AT_ONCE: [usize; 2] = [1, 32];

/// Seconds of a short round.
const SHORT_SECONDS: f64 = 0.4;

/// How much is measured.
#[derive(Clone, Copy)]
struct HopSize {
    rounds: usize,
    /// Starts of `nsgate agent` at each cloud.
    starts: usize,
    /// Seconds of a load, at Neutron's agent in the largest cloud and in the others, and at `nsgate agent`.
    seconds: [f64; 3],
    /// Short rounds, in which the clouds take turns.
    short: usize,
    /// Rounds and seconds of each load of a gate's own time.
    gates: (usize, u64),
    /// Seconds of the guests that ask at once.
    guests: f64,
}

const WHOLE: HopSize =
    HopSize { rounds: 3, starts: 5, seconds: [10.0, 3.0, 2.0], short: 21, gates: (9, 1), guests: 20.0 };
const QUICK: HopSize = HopSize { rounds: 1, starts: 1, seconds: [4.0, 1.0, 0.5], short: 6, gates: (3, 1), guests: 3.0 };

/// One load at one of the two.
struct Turn {
    /// Processor time of all its processes for a request, in microseconds.
    spent: f64,
    outcome: LoadOutcome,
}

/// Both at one cloud, in the order: Neutron's agent, `nsgate agent`.
struct Beside {
    bindings: usize,
    /// For each number of requests at once, the rounds.
    turns: [[Vec<Turn>; AT_ONCE.len()]; 2],
    /// Microseconds for a request at `nsgate agent` at 32 at once, in short rounds in which the clouds take turns.
    short: Vec<f64>,
    /// Private memory afterwards in KiB.
    private: [f64; 2],
    /// Seconds to the first answer.
    starts: [Vec<f64>; 2],
    /// Processes of `nsgate agent` and the private KiB of each.
    processes: Vec<(String, f64)>,
}

/// All that the page says.
struct HopFigures {
    size: HopSize,
    beside: Vec<Beside>,
    gates: Vec<gates::GateWork>,
    guests: [guests::GuestsAtOnce; 2],
}

/// The whole page; `quick` takes a tenth of everything, to try the tool itself, and writes no file.
pub(crate) fn run(quick: bool) -> Result<(), String> {
    let size = if quick { QUICK } else { WHOLE };
    page::make((!quick).then_some("docs/agent-benchmarks.md"), move || report::text(&measure(size)))
}

fn measure(size: HopSize) -> HopFigures {
    let lab = Lab::enter(Program::under_test());
    let (nova, document) = (canned::nova(), canned::document());
    println!("a gate's own time …");
    let gates = gates::measure(&lab, nova, &document, size.gates);
    let mut stands = Vec::new();
    for (number, bindings) in CLOUDS.into_iter().enumerate() {
        println!("a cloud of {bindings} port bindings …");
        let cloud = Cloud::new(&lab, number + 1, bindings);
        let neutron = SecondHopPeer::neutron(&lab, &cloud, nova, &document);
        println!("  the first answer of Neutron's agent after {:.1} s", neutron.started.as_secs_f64());
        let started = |_| SecondHopPeer::nsgate(&lab, &cloud, nova, &document).started.as_secs_f64();
        let starts: Vec<f64> = (0..size.starts).map(started).collect();
        let nsgate = SecondHopPeer::nsgate(&lab, &cloud, nova, &document);
        println!("  the first answer of nsgate agent after {starts:.3?} s");
        let starts = [vec![neutron.started.as_secs_f64()], starts];
        let private = [0.0; 2];
        let beside =
            Beside { bindings, turns: Default::default(), short: Vec::new(), private, starts, processes: Vec::new() };
        stands.push((cloud, [neutron, nsgate], beside));
    }
    for round in 0..size.rounds {
        for (_, peers, beside) in &mut stands {
            println!("round {} of {}, {} bindings …", round + 1, size.rounds, beside.bindings);
            a_round(peers, beside, &document, &size);
        }
    }
    println!("the clouds in turns …");
    for round in 0..size.short {
        // The first cloud of a round changes from round to round.
        for at in (0..CLOUDS.len()).map(|at| (at + round) % CLOUDS.len()) {
            let (_, peers, beside) = &mut stands[at];
            let guests: Vec<Ipv4Addr> = (0..AT_ONCE[1]).map(|number| address(number % GUESTS)).collect();
            let before = processor_time(&peers[1].pids());
            let outcome = door(&peers[1].socket).and_then(|door| bound_loop(&door, &guests, &document, SHORT_SECONDS));
            let outcome = outcome.unwrap_or_else(|error| panic!("{error}: {}", peers[1].said()));
            beside.short.push((processor_time(&peers[1].pids()) - before) / outcome.answered as f64);
        }
    }
    for (_, peers, beside) in &mut stands {
        beside.private = [peers[0].private(), peers[1].private()];
        beside.processes = peers[1].processes();
    }
    println!("guests at once …");
    let (cloud, peers, _) = stands.last().expect("a cloud");
    let guests = guests::measure(&lab, cloud, peers, &document, size.guests);
    HopFigures { size, beside: stands.into_iter().map(|(_, _, beside)| beside).collect(), gates, guests }
}

/// Both loads at both, one after the other.
fn a_round(peers: &[SecondHopPeer; 2], beside: &mut Beside, document: &str, size: &HopSize) {
    let large = CLOUDS.last() == Some(&beside.bindings);
    for (which, at_once) in AT_ONCE.into_iter().enumerate() {
        for (who, peer) in peers.iter().enumerate() {
            let seconds = size.seconds[if who == 1 { 2 } else { usize::from(!large) }];
            let guest = |number: usize| -> Ipv4Addr { address(number % GUESTS) };
            let before = processor_time(&peer.pids());
            let outcome = if who == 0 {
                let one = |number| plain(peer.socket.clone(), guest(number), document);
                closed_loop((0..at_once).map(one).collect(), seconds)
            } else {
                let guests: Vec<Ipv4Addr> = (0..at_once).map(guest).collect();
                let outcome = door(&peer.socket).and_then(|door| bound_loop(&door, &guests, document, seconds));
                outcome.unwrap_or_else(|error| panic!("{error}: {}", peer.said()))
            };
            let spent = (processor_time(&peer.pids()) - before) / outcome.answered as f64;
            println!(
                "  {} at {at_once:2}: {spent:9.1} µs, {:7.1} a second, {} refused",
                ["Neutron's agent", "nsgate agent   "][who],
                outcome.rate(),
                outcome.refused
            );
            beside.turns[who][which].push(Turn { spent, outcome });
        }
    }
}
