//! The figures as Markdown.

use std::fmt::Write;

use nsgate_tests::Program;
use nsgate_tests::lab::text as read;

use super::Contender;
use super::load::{Burst, Held, Peer, Sample, WORKS, Work};
use super::memory::Memory;
use super::start::Starts;

/// `haproxy 2.6.12`.
pub(crate) fn haproxy_name() -> String {
    let version = Program::real_haproxy().map(|program| program.version()).unwrap_or_default();
    let number = version.split_whitespace().nth(2).unwrap_or_default().split('-').next().unwrap_or_default().to_owned();
    format!("haproxy {number}")
}

/// The whole document.
pub(super) fn text(
    starts: usize,
    contenders: &[Contender],
    memory: &[Vec<Memory>],
    start: &[Starts],
    summary: &str,
) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "# Benchmarks\n\nWritten by `cargo xtask bench` on {}. Every figure is taken from both programs in the same run, with the\n\
         configuration Neutron 29 writes for a network. Many networks in one worker have a page of their own,\n\
         [pool-benchmarks.md](pool-benchmarks.md), and how costs grow has another, [growth.md](growth.md).\n\
         {summary}\n",
        machine()
    );
    memory_table(&mut out, contenders, memory);
    start_table(&mut out, starts, contenders, start);
    out
}

fn memory_table(out: &mut String, contenders: &[Contender], sizes: &[Vec<Memory>]) {
    out.push_str(
        "## Memory of a network\n\nMeans in KiB (`/proc/PID/smaps_rollup`). Private dirty is what every further network costs; the \
         memory cgroup (version 1)\ncounts kernel memory and page cache as well, after a request, and `-` stands where this machine \
         has none.\n\n| program | gates | private dirty, just started | private dirty, after a request | PSS, just started | memory \
         cgroup |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for memory in sizes {
        for (contender, figures) in contenders.iter().zip(memory) {
            let Memory { gates, idle, served, pss, counted } = figures;
            let counted = super::cgroup::shown(*counted);
            let _ = writeln!(out, "| {} | {gates} | {idle:.0} | {served:.0} | {pss:.0} | {counted} |", contender.name);
        }
    }
    out.push_str("\n1,000 networks of one worker stand in [pool-benchmarks.md](pool-benchmarks.md).\n");
    if let Some([ours, theirs]) = sizes.last().map(Vec::as_slice) {
        let _ = writeln!(out, "\nRatio (nsgate to haproxy, after a request): {:.3}\n", ours.served / theirs.served);
    }
}

/// The cost of a request in numbers that do not depend on the load of the machine.
pub(super) fn counted(numbers: &crate::counts::Numbers) -> String {
    let mut out = format!(
        "\n## Counts\n\nOf the forwarder and the log (`cargo xtask counts`; {}). The test command compares them with \
         the numbers in the repository.\n\n| | instructions | allocations | system calls, beside waiting |\n\
         |---|---:|---:|---:|\n",
        numbers.compiler
    );
    for (load, cost) in numbers.loads() {
        let [instructions, allocations, calls] = cost.parts().map(|(_, number)| number);
        let _ = writeln!(out, "| {load} | {instructions:.0} | {allocations:.0} | {calls:.0} |");
    }
    out
}

fn start_table(out: &mut String, starts: usize, contenders: &[Contender], all: &[Starts]) {
    let _ = write!(
        out,
        "## Start\n\nMilliseconds from starting the program in the namespace, {starts} starts of each, taking turns. nsgate's starter exits\n\
         when the gate is confined and serves; haproxy's when it is bound.\n\n\
         | program | starter exits: median | 5 % – 95 % | first answer: median | 5 % – 95 % |\n|---|---:|---:|---:|---:|\n"
    );
    for (contender, starts) in contenders.iter().zip(all) {
        let [exited, answered] = [&starts.exited, &starts.answered].map(|figures| {
            let at = |part| quantile(figures, part);
            (at(0.5), format!("{:.1} – {:.1}", at(0.05), at(0.95)))
        });
        let _ = writeln!(
            out,
            "| {} | {:.1} | {} | {:.1} | {} |",
            contender.name, exited.0, exited.1, answered.0, answered.1
        );
    }
    if let [ours, theirs] = all {
        let ratio = quantile(&ours.answered, 0.5) / quantile(&theirs.answered, 0.5);
        let _ = writeln!(out, "\nRatio of the medians (nsgate to haproxy, first answer): {ratio:.3}");
    }
}

/// Load and bursts. Ratios are to the second proxy, haproxy with the configuration that Neutron writes.
pub(super) fn loads(
    peers: &[Peer],
    loads: &[Vec<Vec<Sample>>],
    bursts: &[Burst],
    rounds: usize,
    seconds: u64,
) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "\n## Load\n\nThe same nginx behind all, with a canned answer of 440 bytes on a UNIX socket; guests are wrk in a namespace of\n\
         their own; lines go to a reader of `/dev/log`. Medians of {rounds} rounds of {seconds} s, the proxies taking turns. Processor\n\
         time is the proxy's alone, user and system, from `/proc/PID/task/*/schedstat`. Ratios are to haproxy with Neutron's\n\
         configuration (2 threads), the medians of the rounds' own. Errors are answers other than 200 and connections that broke.\n"
    );
    out.push_str(&load_tables(peers, &WORKS, loads));
    burst_table(&mut out, peers, bursts);
    out
}

fn burst_table(out: &mut String, peers: &[Peer], bursts: &[Burst]) {
    out.push_str(
        "\n## Memory around a burst\n\nKiB of a fresh proxy, with 512 busy connections (the Python proxy: 100), and two seconds after \
         they are gone. The memory cgroup\ncounts what the kernel holds for its sockets as well. The ratio is that of private dirty \
         pages.\n\n| proxy | private dirty: before | during | after | after / before | PSS: before | during | after | \
         memory cgroup: before | during | after |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (peer, Burst { idle, loaded, after }) in peers.iter().zip(bursts) {
        let all = [idle, loaded, after];
        let [private, proportional] = [|held: &Held| held.private, |held: &Held| held.proportional]
            .map(|of| all.map(|held| format!("{:.0}", of(held))));
        let counted = all.map(|held| super::cgroup::shown(held.counted));
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} | {} | {} |",
            peer.name,
            private.join(" | "),
            after.private / idle.private,
            proportional.join(" | "),
            counted.join(" | ")
        );
    }
}

/// A table for each kind of work.
pub(super) fn load_tables(peers: &[Peer], works: &[Work], loads: &[Vec<Vec<Sample>>]) -> String {
    let mut out = String::new();
    for (work, samples) in works.iter().zip(loads) {
        let _ = write!(
            out,
            "\n### {}\n\n| proxy | µs / request | lowest – highest | ratio | requests / s | p50 ms | p99 ms | p99 ratio | p99.9 ms | errors |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
            work.name
        );
        let theirs = samples.get(1).map(Vec::as_slice).unwrap_or_default();
        for (peer, samples) in peers.iter().zip(samples).filter(|(_, samples)| !samples.is_empty()) {
            let cpu: Vec<f64> = samples.iter().map(|sample| sample.cpu).collect();
            let (low, high) = (quantile(&cpu, 0.0), quantile(&cpu, 1.0));
            let errors: u64 = samples.iter().map(|sample| sample.errors).sum();
            let _ = writeln!(
                out,
                "| {} | {:.1} | {low:.1} – {high:.1} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {errors} |",
                peer.name,
                quantile(&cpu, 0.5),
                ratio(samples, theirs, |sample| sample.cpu),
                median(samples, |sample| sample.rate),
                median(samples, |sample| sample.latency[0]),
                median(samples, |sample| sample.latency[1]),
                ratio(samples, theirs, |sample| sample.latency[1]),
                median(samples, |sample| sample.latency[2]),
            );
        }
    }
    out
}

/// The median of one figure.
pub(super) fn median(samples: &[Sample], figure: fn(&Sample) -> f64) -> f64 {
    quantile(&samples.iter().map(figure).collect::<Vec<_>>(), 0.5)
}

/// The median of the rounds' ratios. The machine's load in a round is in both parts of its ratio.
pub(super) fn ratio(these: &[Sample], those: &[Sample], figure: fn(&Sample) -> f64) -> f64 {
    let ratios: Vec<f64> = these.iter().zip(those).map(|(this, that)| figure(this) / figure(that)).collect();
    quantile(&ratios, 0.5)
}

/// The value below which `part` of the figures lie.
pub(super) fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = ((sorted.len().saturating_sub(1)) as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Kernel, processors and distribution.
pub(crate) fn machine() -> String {
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim().split('-').next().unwrap_or_default().to_owned();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("an unknown system");
    format!("{}, Linux {kernel}, {processors} processors", name.trim_matches('"'))
}
