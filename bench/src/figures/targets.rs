//! What nsgate promises beside haproxy with Neutron's configuration, and whether this run kept it.

use std::fmt::Write;

use super::load::{Burst, Sample, WORKS};
use super::memory::Memory;
use super::report::{quantile, ratio};
use super::start::Starts;

/// One promise: what, the most that is allowed, and what was found.
struct Target {
    what: String,
    most: f64,
    found: f64,
}

/// Processor time of a request to haproxy's, for small answers.
const PROCESSOR: f64 = 0.9;
/// The 99th percentile of latency to haproxy's.
const LATENCY: f64 = 1.0;
/// Private memory of a gate to haproxy's.
const MEMORY: f64 = 0.11;
/// From the start to the first answer, to haproxy's.
const START: f64 = 0.5;
/// Private memory two seconds after a burst, to that before it.
const AFTER_BURST: f64 = 1.5;

/// The table. nsgate is the first program of each list, haproxy with Neutron's configuration the second.
pub(super) fn table(memory: &[Memory], starts: &[Starts], loads: &[Vec<Vec<Sample>>], bursts: &[Burst]) -> String {
    let mut out = "\n\n## Targets\n\nRatios to haproxy with Neutron's configuration, from the tables below; the last to the gate itself \
                   before the burst.\n\n| what | at most | found | met |\n|---|---:|---:|---|\n"
        .to_owned();
    for Target { what, most, found } in all(memory, starts, loads, bursts) {
        // Rounded as the table prints it.
        let met = if (found * 100.0).round() / 100.0 <= most { "yes" } else { "no" };
        let _ = writeln!(out, "| {what} | {most} | {found:.2} | {met} |");
    }
    out
}

fn all(memory: &[Memory], starts: &[Starts], loads: &[Vec<Vec<Sample>>], bursts: &[Burst]) -> Vec<Target> {
    let mut out = Vec::new();
    let mut add = |what: String, most: f64, found: f64| out.push(Target { what, most, found });
    let of = |samples: &[Vec<Sample>], figure| ratio(&samples[0], &samples[1], figure);
    for (work, samples) in WORKS.iter().zip(loads) {
        add(format!("processor time: {}", work.name), PROCESSOR, of(samples, |sample| sample.cpu));
    }
    for (work, samples) in WORKS.iter().zip(loads) {
        add(format!("99th percentile: {}", work.name), LATENCY, of(samples, |sample| sample.latency[1]));
    }
    if let [ours, theirs] = memory {
        add(format!("private memory, {} gates", ours.gates), MEMORY, ours.served / theirs.served);
    }
    if let [ours, theirs] = starts {
        let first = |starts: &Starts| quantile(&starts.answered, 0.5);
        add("start to first answer".to_owned(), START, first(ours) / first(theirs));
    }
    if let Some(Burst { idle, after, .. }) = bursts.first() {
        add("private memory after a burst".to_owned(), AFTER_BURST, after.private / idle.private);
    }
    out
}
