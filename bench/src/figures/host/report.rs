//! The page: tables, and every figure as a ratio.

use std::fmt::Write;

use super::Size;
use super::count::Counted;
use super::serve::Served;
use crate::figures::report::{haproxy_name, machine, quantile};

/// What a reload of ten thousand instances may take, in milliseconds.
const TARGET: f64 = 100.0;

pub(super) fn text(size: &Size, counted: &[Counted], served: &[[Served; 2]]) -> String {
    let mut out = format!(
        "# Benchmarks of a whole host's proxy\n\nWritten by `cargo xtask bench host` on {}. Both programs have the same file, as \
         Neutron 29 writes it for the\n`metadata_path` extension, in the same run and taking turns. What it is: \
         [host-proxy.md](host-proxy.md).\n",
        machine()
    );
    out.push_str(
        "\n## A request\n\nInstructions for a request on a kept connection, of the last instance in the text, by callgrind, the \
         difference of a long and a\nshort run: of nsgate the forwarder, as in [growth.md](growth.md), of haproxy the whole \
         program with one thread and without its log.\n\n| instances | nsgate | to one instance | haproxy | to one instance \
         |\n|---:|---:|---:|---:|---:|\n",
    );
    let first = counted.first();
    for one in counted {
        let theirs = one.theirs.zip(first.and_then(|first| first.theirs));
        let theirs = theirs.map_or("- | -".to_owned(), |(count, first)| format!("{count:.0} | {:.3}", count / first));
        let ratio = first.map_or(f64::NAN, |first| one.ours / first.ours);
        let _ = writeln!(out, "| {} | {:.0} | {ratio:.3} | {theirs} |", one.instances, one.ours);
    }
    out.push_str(
        "\nhaproxy tries one `acl` after the other; with 10,000 it takes minutes to start under the counter.\n",
    );
    reloads(&mut out, size, served);
    let columns = "| instances | program | median | lowest – highest | ratio |\n|---:|---|---:|---:|---:|\n";
    let _ = write!(
        out,
        "\n## Start\n\nMilliseconds from starting the program, as Neutron does, until the first answer; {} starts.\n\n{columns}",
        size.starts
    );
    rows(&mut out, served, 1, |one| &one.starts);
    let _ = write!(
        out,
        "\n## Memory\n\nKiB after a request, the sum of PSS (`/proc/PID/smaps_rollup`: what processes share is counted once), of \
         nsgate the process that serves\nand its reader.\n\n{columns}"
    );
    rows(&mut out, served, 0, |one| &one.memory);
    out
}

fn reloads(out: &mut String, size: &Size, served: &[[Served; 2]]) {
    let _ = write!(
        out,
        "\n## Another text\n\nMilliseconds from SIGHUP until an instance that is new in the text is answered, asked again and again; \
         {} reloads. haproxy has a\nmaster process here (`-W`), without which it takes over no other text. Meanwhile one guest asks \
         on a connection that it keeps,\nand one on a new connection each time: how many requests had no answer of 200, and how many \
         kept connections ended. Processor\ntime is of nsgate's two processes.\n\n\
         | instances | program | median | lowest – highest | ratio | processor ms, median | requests | without an answer | kept \
         connections ended |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|\n",
        size.reloads
    );
    for both in served {
        for (index, (name, one)) in names().iter().zip(both).enumerate() {
            let at = |part| quantile(&one.reloads, part);
            let spent = if index == 0 { format!("{:.1}", quantile(&one.spent, 0.5)) } else { "-".to_owned() };
            let _ = writeln!(
                out,
                "| {} | {name} | {:.1} | {:.1} – {:.1} | {:.3} | {spent} | {} | {} | {} |",
                one.instances,
                at(0.5),
                at(0.0),
                at(1.0),
                at(0.5) / quantile(&both[1].reloads, 0.5),
                one.guests.asked,
                one.guests.lost,
                one.guests.closed
            );
        }
    }
    if let Some([ours, _]) = served.last() {
        let median = quantile(&ours.reloads, 0.5);
        let word = if median < TARGET { "met" } else { "missed" };
        let _ = writeln!(
            out,
            "\nThe target of {TARGET:.0} ms at {} instances is {word}: {median:.1} ms, the ratio to it is {:.2}.",
            ours.instances,
            median / TARGET
        );
    }
}

fn names() -> [String; 2] {
    ["nsgate".to_owned(), haproxy_name()]
}

fn rows(out: &mut String, served: &[[Served; 2]], digits: usize, figures: fn(&Served) -> &Vec<f64>) {
    for both in served {
        for (name, one) in names().iter().zip(both) {
            let at = |part| quantile(figures(one), part);
            let _ = writeln!(
                out,
                "| {} | {name} | {:.digits$} | {:.digits$} – {:.digits$} | {:.3} |",
                one.instances,
                at(0.5),
                at(0.0),
                at(1.0),
                at(0.5) / quantile(figures(&both[1]), 0.5)
            );
        }
    }
}
