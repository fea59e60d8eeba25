//! The page: tables, and every figure as a ratio.

use super::cost::Costs;
use super::crowd::{Keepers, Processes};
use crate::figures::report::{haproxy_name, machine, quantile};
use crate::figures::spent::LOADS;

pub(super) fn text(
    sizes: &[usize; 2],
    keepers: &[Keepers],
    standalone: &Processes,
    haproxy: &Processes,
    added: &f64,
    costs: &Costs,
) -> String {
    let [few, many] = *sizes;
    let mut out = format!(
        "# Benchmarks of the pool\n\nWritten by `cargo xtask bench pool` on {}. Each network is a namespace of its own; all \
         programs are measured in the same run, started four at a time.\n\n## Memory\n\nKiB. Private dirty is the mean of 50 \
         processes after a request to each network; the memory cgroup (version 1, kernel memory included) counts everything \
         that was added, page cache and processes' page tables too, divided by the number of networks. `-` stands where this \
         machine has no such cgroup.\n\n| for each network | networks | private dirty | memory cgroup | ratio to {}, private \
         |\n|---|---:|---:|---:|---:|\n",
        machine(),
        haproxy_name()
    );
    let counted = |one: &Processes| crate::figures::cgroup::shown(one.counted);
    let mut row = |name: &str, networks: usize, one: &Processes| {
        out.push_str(&format!(
            "| {name} | {networks} | {:.0} | {} | {:.3} |\n",
            one.private,
            counted(one),
            one.private / haproxy.private
        ));
    };
    for one in keepers {
        row("keeper", one.networks, &one.keeper);
    }
    row("standalone gate", many, standalone);
    row(&haproxy_name(), many, haproxy);
    out.push_str("\n| worker | no network | all, idle | all, after a request to each |\n|---|---:|---:|---:|\n");
    for one in keepers {
        let [empty, idle, used] = one.worker;
        out.push_str(&format!("| {} networks | {empty:.0} | {idle:.0} | {used:.0} |\n", one.networks));
    }
    let slope = (keepers[1].worker[2] - keepers[0].worker[2]) / (many - few) as f64;
    out.push_str(&format!(
        "\nEach further network costs the worker {slope:.1} KiB (from {few} to {many} networks, after a request to each): \
         {:.4} of a haproxy.\n\n",
        slope / haproxy.private
    ));
    out.push_str(&format!(
        "## Time\n\nSeconds for {many} networks.\n\n| | seconds |\n|---|---:|\n| `nsgate add` for each | {added:.2} |\n\
         | a keeper for each, under the haproxy name | {:.2} |\n| a standalone gate for each | {:.2} |\n| {} for each | \
         {:.2} |\n| from the worker's death until the next one, started at once, serves all | {:.2} |\n\n",
        keepers[1].keeper.start, standalone.start, haproxy_name(), haproxy.start, keepers[1].rehanded
    ));
    out.push_str(&format!(
        "## Processor time of a request\n\nµs, user and system, of the process that serves: a gate of its own, a worker with \
         one network and a worker with {many}, all there at once and asked in turns; medians of {} rounds. Ratios are the \
         medians of the rounds' own.\n\n| load | standalone | worker, 1 network | ratio | quartiles | \
         worker, {many} networks | ratio to 1 | quartiles of it |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
        costs.0[0][0].len()
    ));
    for ((name, _), [alone, one, all]) in LOADS.iter().zip(&costs.0) {
        out.push_str(&format!(
            "| {name} | {:.1} | {:.1} | {} | {:.1} | {} |\n",
            quantile(alone, 0.5),
            quantile(one, 0.5),
            ratio(one, alone),
            quantile(all, 0.5),
            ratio(all, one)
        ));
    }
    out
}

/// Two cells: the median of the rounds' ratios, and their quartiles.
fn ratio(these: &[f64], those: &[f64]) -> String {
    let ratios: Vec<f64> = these.iter().zip(those).map(|(this, that)| this / that).collect();
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part));
    format!("{middle:.2} | {low:.2} to {high:.2}")
}
