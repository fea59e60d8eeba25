//! The memory of one gate and of many at once: private dirty pages, the part of memory that every further network costs,
//! and what the memory cgroup counts.

use std::net::IpAddr;

use nsgate_tests::procfs::Process;
use nsgate_tests::{Gate, Guest, Lab, Namespace};

use super::cgroup::Cgroup;
use super::{Contender, address, config};

/// Means over all gates, in KiB.
pub(super) struct Memory {
    pub(super) gates: usize,
    pub(super) idle: f64,
    pub(super) served: f64,
    pub(super) pss: f64,
    pub(super) counted: Option<f64>,
}

/// Starts the gates, measures them idle, asks each once, measures again.
pub(super) fn of(contender: &Contender, namespace: &Namespace, gates: usize) -> Memory {
    println!("memory: {gates} gates of {} …", contender.name);
    let lab = Lab::enter(contender.program.clone());
    let cgroup = Cgroup::enter("gates");
    let all: Vec<Gate> = (1..=gates).map(|n| Gate::start(&lab, namespace, &config(n))).collect();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let idle = mean(&all, Process::private_dirty);
    let pss = mean(&all, Process::pss);
    for n in 1..=gates {
        let at: IpAddr = address(n).parse().expect("an address");
        let answer = Guest::talking(namespace, at, (at, 80).into()).get("/");
        assert!(answer.is_ok_and(|answer| answer.status == 200), "gate {n} does not serve");
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let counted = cgroup.more().map(|kib| kib / gates as f64);
    let served = mean(&all, Process::private_dirty);
    // The cgroup can be removed when its processes have ended.
    drop(all);
    Memory { gates, idle, served, pss, counted }
}

fn mean(gates: &[Gate], figure: fn(&Process) -> u64) -> f64 {
    let sum: u64 = gates.iter().map(|gate| figure(&Process::new(gate.pid))).sum();
    sum as f64 / gates.len() as f64
}
