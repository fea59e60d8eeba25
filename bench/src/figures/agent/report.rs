//! The page.

use std::fmt::Write;

use super::super::report::{machine, quantile};
use super::guests::AT_ONCE as GUESTS_AT_ONCE;
use super::targets::{self, bindings, latency, median};
use super::{AT_ONCE, HopFigures};

const NAMES: [&str; 2] = ["Neutron's agent", "`nsgate agent`"];

pub(super) fn text(figures: &HopFigures) -> String {
    let mut out = format!(
        "# Benchmarks of the second hop\n\nWritten by `cargo xtask bench agent` on {}. `nsgate agent` ([agent.md](agent.md)) beside Neutron\n\
         29.0.0's `neutron-ovn-metadata-agent`, in one run, in turns: real southbound databases (ovsdb-server with OVN's schema), the\n\
         same Nova, which answers a document of 1,800 bytes at once. Neutron's agent is the whole one, its database client, server and\n\
         handler; what it reads of the host's Open vSwitch, the names of chassis and bridge, is given to it\n\
         (`tests/neutron/ovn_metadata_agent.py`). It has one process, as it is delivered (`metadata_workers`), and closes each\n\
         connection; its requests come over a connection each. `nsgate agent` is confined and follows its own chassis' ports. Its\n\
         requests come over connections that are bound to the network and kept, as from a gate.\n\n",
        machine()
    );
    target_table(&mut out, figures);
    load_table(&mut out, figures);
    start_table(&mut out, figures);
    gate_table(&mut out, figures);
    guest_table(&mut out, figures);
    out
}

fn target_table(out: &mut String, figures: &HopFigures) {
    out.push_str(
        "## Targets\n\nEach figure to that of Neutron's agent, from the tables below: at most this part, or at least so many times.\n\n\
         | what | promised | found | met |\n|---|---:|---:|---|\n",
    );
    for target in targets::all(figures) {
        let met = if target.met { "yes" } else { "**no**" };
        let _ = writeln!(out, "| {} | {} | {} | {met} |", target.what, target.bound, target.found);
    }
}

fn load_table(out: &mut String, figures: &HopFigures) {
    let size = &figures.size;
    let _ = write!(
        out,
        "\n## A request\n\nOne network with three guests here and a metadata port; all other bindings are of other hosts. Medians of {} rounds of\n\
         {:.0} s ({:.0} s for Neutron's agent, {:.0} s in the largest cloud, and what the last requests take); percentiles are of all\n\
         rounds' requests. Processor time is that of all processes of the agent, user and system (`/proc/PID/task/*/schedstat`).\n\n\
         | bindings in the cloud | agent | at once | µs / request | lowest – highest | requests / s | p50 ms | p99 ms | refused |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        size.rounds, size.seconds[2], size.seconds[1], size.seconds[0]
    );
    for beside in &figures.beside {
        for (which, at_once) in AT_ONCE.into_iter().enumerate() {
            for (who, name) in NAMES.into_iter().enumerate() {
                let turns = &beside.turns[who][which];
                let spent: Vec<f64> = turns.iter().map(|turn| turn.spent).collect();
                let refused: usize = turns.iter().map(|turn| turn.outcome.refused).sum();
                let _ = writeln!(
                    out,
                    "| {} | {name} | {at_once} | {:.1} | {:.1} – {:.1} | {:.1} | {:.2} | {:.2} | {refused} |",
                    bindings(beside),
                    median(turns, |turn| turn.spent),
                    quantile(&spent, 0.0),
                    quantile(&spent, 1.0),
                    median(turns, |turn| turn.outcome.rate()),
                    latency(beside, who, which, 0.5),
                    latency(beside, who, which, 0.99),
                );
            }
        }
    }
    let _ = write!(
        out,
        "\nDoes the cloud's size change what `nsgate agent` spends? {} short rounds in which the clouds take turns, 32 at once; the ratio is\n\
         the median of the rounds' own.\n\n| bindings in the cloud | µs / request | to the smallest |\n|---|---:|---:|\n",
        size.short
    );
    for (beside, ratio) in figures.beside.iter().zip(targets::in_turns(figures)) {
        let _ = writeln!(out, "| {} | {:.1} | {ratio:.3} |", bindings(beside), quantile(&beside.short, 0.5));
    }
}

fn start_table(out: &mut String, figures: &HopFigures) {
    let _ = write!(
        out,
        "\n## Start and memory\n\nFrom the start of the program to its first answer: one start of Neutron's agent, the median of {} starts of `nsgate\n\
         agent`. Private memory of all processes after the load, written or not (`/proc/PID/smaps_rollup`).\n\n\
         | bindings in the cloud | agent | first answer, ms | private memory, KiB | processes |\n|---|---|---:|---:|---|\n",
        figures.size.starts
    );
    for beside in &figures.beside {
        for (who, name) in NAMES.into_iter().enumerate() {
            let list = beside.processes.iter().map(|(command, kib)| format!("{command} {kib:.0}"));
            let list = if who == 1 { list.collect::<Vec<_>>().join(", ") } else { "one".to_owned() };
            let start = quantile(&beside.starts[who], 0.5) * 1000.0;
            let _ =
                writeln!(out, "| {} | {name} | {start:.1} | {:.0} | {list} |", bindings(beside), beside.private[who]);
        }
    }
}

fn gate_table(out: &mut String, figures: &HopFigures) {
    let (rounds, seconds) = figures.size.gates;
    let _ = write!(
        out,
        "\n## A gate's own time\n\nµs of one gate's processor time for a request of a guest, 32 at once. One gate has a door of `nsgate agent`, the other, of\n\
         the same build, an agent that closes after each answer. A third one refuses each request, and asks nobody: its time is what the\n\
         guest's side costs, and no hop can make the ratio less than its part of the whole. Medians of {rounds} rounds of {seconds} s, in\n\
         turns; a ratio is the median of the rounds' own.\n\n\
         | guests | behind `nsgate agent` | behind an agent that closes | ratio | quartiles | refused by the gate | ratio |\n\
         |---|---:|---:|---:|---:|---:|---:|\n"
    );
    for work in &figures.gates {
        let [ours, theirs, alone] =
            [0, 1, 2].map(|who| quantile(&work.rounds.iter().map(|one| one[who]).collect::<Vec<_>>(), 0.5));
        let ratios: Vec<f64> = work.rounds.iter().map(|[ours, theirs, _]| ours / theirs).collect();
        let least: Vec<f64> = work.rounds.iter().map(|[_, theirs, alone]| alone / theirs).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part));
        let _ = writeln!(
            out,
            "| {} | {ours:.1} | {theirs:.1} | {middle:.2} | {low:.2} – {high:.2} | {alone:.1} | {:.2} |",
            work.name,
            quantile(&least, 0.5)
        );
    }
}

fn guest_table(out: &mut String, figures: &HopFigures) {
    let _ = write!(
        out,
        "\n## Guests at once\n\n{GUESTS_AT_ONCE} guests of one network, each with an instance of its own, ask for {:.0} s through one gate, with a connection for\n\
         each request, at 10,000 bindings. Refused is each answer that is not 200 with the whole document, and each connection that\n\
         breaks.\n\n| way | answered | refused | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|\n",
        figures.size.guests
    );
    for one in &figures.guests {
        let [middle, late] = [0.5, 0.99].map(|part| quantile(&one.outcome.latencies, part));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {middle:.2} | {late:.2} |",
            one.name, one.outcome.answered, one.outcome.refused
        );
    }
}
