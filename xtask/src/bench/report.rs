//! The figures as Markdown.

use std::fmt::Write;

use nsgate_tests::Program;
use nsgate_tests::lab::text as read;

use super::Contender;
use super::memory::Memory;
use super::start::Starts;

/// `haproxy 2.6.12`.
pub(super) fn haproxy_name() -> String {
    let version = Program::real_haproxy().map(|program| program.version()).unwrap_or_default();
    let number = version.split_whitespace().nth(2).unwrap_or_default().split('-').next().unwrap_or_default().to_owned();
    format!("haproxy {number}")
}

/// The whole document.
pub(super) fn text(
    gates: usize,
    starts: usize,
    contenders: &[Contender],
    memory: &[Memory],
    start: &[Starts],
) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "# Benchmarks\n\nWritten by `cargo xtask bench` on {}. Every figure is taken from both programs in the same run, with the\n\
         configuration Neutron 29 writes for a network.\n\n",
        machine()
    );
    memory_table(&mut out, gates, contenders, memory);
    start_table(&mut out, starts, contenders, start);
    out
}

fn memory_table(out: &mut String, gates: usize, contenders: &[Contender], memory: &[Memory]) {
    let _ = write!(
        out,
        "## Memory of a network\n\nMean of {gates} gates, KiB (`/proc/PID/smaps_rollup`). Private dirty is what every further network costs.\n\n\
         | program | private dirty, just started | private dirty, after a request | PSS, just started |\n|---|---:|---:|---:|\n"
    );
    for (contender, figures) in contenders.iter().zip(memory) {
        let Memory { idle, served, pss } = figures;
        let _ = writeln!(out, "| {} | {idle:.0} | {served:.0} | {pss:.0} |", contender.name);
    }
    if let [ours, theirs] = memory {
        let _ = writeln!(out, "\nRatio (haproxy to nsgate, after a request): {:.1}\n", theirs.served / ours.served);
    }
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
        let ratio = quantile(&theirs.answered, 0.5) / quantile(&ours.answered, 0.5);
        let _ = writeln!(out, "\nRatio of the medians (haproxy to nsgate, first answer): {ratio:.2}");
    }
}

/// The value below which `part` of the figures lie.
fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = ((sorted.len().saturating_sub(1)) as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Kernel, processors and distribution.
fn machine() -> String {
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim().split('-').next().unwrap_or_default().to_owned();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("an unknown system");
    format!("{}, Linux {kernel}, {processors} processors", name.trim_matches('"'))
}
