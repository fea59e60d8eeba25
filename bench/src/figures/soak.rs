//! `cargo xtask soak`: honest and hostile guests together for a while; at the end the gate is where it began.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nsgate_tests::gate::Gate;
use nsgate_tests::procfs::Process;
use nsgate_tests::{Config, Kind, Lab, Program};

use super::fairness::{ATTACKS, Scene};
use crate::page;

/// The duration of each attack. They follow one another.
const TURN: Duration = Duration::from_secs(5);
/// KiB that a gate may hold more at the end than after its first attack: pages that malloc keeps pinned.
const MORE: u64 = 1024;

/// Attacks for so long.
pub(crate) fn run(minutes: u64) -> Result<(), String> {
    page::in_world(move || soak(Duration::from_secs(minutes * 60)))
}

/// Descriptors and private memory.
#[derive(Debug, Clone, Copy)]
struct Holds {
    descriptors: usize,
    kib: u64,
}

fn holds(gate: &Gate) -> Holds {
    // After a while without guests the gate has closed connections and given memory back.
    std::thread::sleep(Duration::from_secs(4));
    let process = Process::new(gate.pid);
    Holds { descriptors: process.descriptors().map_or(0, |open| open.len()), kib: process.private_dirty() }
}

fn soak(duration: Duration) -> i32 {
    let lab = Lab::enter(Program::under_test());
    let scene = Scene::new(&lab, "soak");
    let gate = Gate::start(&lab, &scene.network.gate, &scene.config(&Config::new(Kind::Network)));
    let neighbour = scene.neighbour();
    let _ = neighbour.get("/");
    let (fresh, mut first) = (holds(&gate), None);
    println!("fresh: {} descriptors, {} KiB", fresh.descriptors, fresh.kib);
    let (start, mut honest, mut failed) = (Instant::now(), 0, 0);
    for (name, attack) in ATTACKS.iter().cycle() {
        if start.elapsed() >= duration {
            break;
        }
        let stop = AtomicBool::new(false);
        let (good, bad) = std::thread::scope(|scope| {
            scope.spawn(|| attack(&scene.attackers, &stop));
            let seen = ask(&neighbour);
            stop.store(true, Ordering::Relaxed);
            seen
        });
        (honest, failed) = (honest + good, failed + bad);
        let now = holds(&gate);
        first.get_or_insert(now);
        println!(
            "{:>4.0} s  {} descriptors, {} KiB, {honest} honest requests, {failed} failed  ({name})",
            start.elapsed().as_secs_f64(),
            now.descriptors,
            now.kib
        );
    }
    let end = holds(&gate);
    let grown = end.kib.saturating_sub(first.unwrap_or(fresh).kib);
    let right = gate.alive() && failed == 0 && end.descriptors == fresh.descriptors && grown <= MORE;
    println!(
        "{}: {honest} honest requests, {failed} failed; {} descriptors at the start, {} at the end; {} KiB more than after \
         the first attack",
        if right { "as it began" } else { "NOT as it began" },
        fresh.descriptors,
        end.descriptors,
        grown
    );
    i32::from(!right)
}

/// The neighbour's requests during one attack: how many were answered, how many not.
fn ask(neighbour: &nsgate_tests::Guest) -> (usize, usize) {
    let (end, mut good, mut bad) = (Instant::now() + TURN, 0, 0);
    while Instant::now() < end {
        match neighbour.get("/latest/meta-data/") {
            Ok(answer) if answer.status == 200 => good += 1,
            _ => bad += 1,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (good, bad)
}
