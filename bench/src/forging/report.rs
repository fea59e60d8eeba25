//! The verdicts as Markdown: totals. Another program's verdict on a single input is not written down.

use std::collections::HashSet;
use std::fmt::Write;

use nsgate_tests::forging::{Outcome, Tried};
use nsgate_tests::vectors;

use crate::figures::machine;

const CLASSES: [&str; 3] = ["refused", "clean", "forged"];

/// What the agents of Neutron ask a request for.
const READ_BY_ML2: [&str; 3] = ["X-Forwarded-For", "X-Neutron-Network-ID", "X-Neutron-Router-ID"];
const READ_BY_OVN: [&str; 2] = ["X-Forwarded-For", "X-OVN-Network-ID"];

/// The totals alone.
pub(super) fn summary(network: &[Tried], ovn: &[Tried]) -> String {
    let mut out = String::new();
    totals(&mut out, "X-Neutron-Network-ID", network, |_| true);
    totals(&mut out, "X-OVN-Network-ID", ovn, |_| true);
    out
}

/// The whole document.
pub(super) fn text(network: &[Tried], ovn: &[Tried]) -> String {
    let generated: HashSet<String> = vectors::generated().into_iter().map(|vector| vector.name).collect();
    let is_generated = |outcome: &Outcome| generated.contains(&outcome.vector.name);
    let mut out = format!(
        "# Forged requests\n\nWritten by `cargo xtask forging` on {}.\n\
         Every program got the same bytes in the same run, with Neutron's configuration (nginx: the same said in its words), and\n\
         a recording agent behind it. `cargo xtask test e2e -- forged` asserts the first column; nothing asserts the others.\n\n\
         - **refused**: the agent got nothing of it. After a good first request that was forwarded, a refusal of the second\n  \
         counts as clean.\n\
         - **clean**: the agent got what the guest honestly asked, under the true identity, once.\n\
         - **forged**: the agent got an identity header with a value of the guest's under a spelling that some server folds\n  \
         into it, or an identity twice or not at all, or more requests than an RFC 9112 reader would have found.\n\n\
         Forged is not the same as broken into: which of these headers and spellings an agent obeys is its own affair. Neutron's\n\
         agents fold `-` and `_` and read `X-Forwarded-For`, `X-Neutron-Network-ID` and `X-Neutron-Router-ID`, those of OVN\n\
         `X-Forwarded-For` and `X-OVN-Network-ID`; the other names are what Nova and frameworks read. Where a body turns\n\
         bad behind a good head, a program that streams has handed the head on or not, as time will have it: a few verdicts of\n\
         haproxy change from run to run.\n\n",
        machine()
    );
    out.push_str("## A network of ML2\n\n");
    totals(&mut out, "generated: header × spelling", network, is_generated);
    totals(&mut out, "written by hand", network, |outcome| !is_generated(outcome));
    totals(&mut out, "all", network, |_| true);
    totals(&mut out, "generated, headers that this agent reads", network, |one| READ_BY_ML2.contains(&header(one)));
    out.push_str("## A network of OVN\n\n");
    totals(&mut out, "generated: header × spelling", ovn, |_| true);
    totals(&mut out, "generated, headers that this agent reads", ovn, |one| READ_BY_OVN.contains(&header(one)));
    out.truncate(out.trim_end().len() + 1);
    out
}

/// The head of a table: these columns, then one for each program.
fn header_row(out: &mut String, first: &[&str], tried: &[Tried], align: &str) {
    let names: String = tried.iter().map(|tried| format!(" {} |", tried.name)).collect();
    let lines = "---|".repeat(first.len()) + &align.repeat(tried.len());
    let _ = writeln!(out, "| {} |{names}\n|{lines}", first.join(" | "));
}

fn totals(out: &mut String, title: &str, tried: &[Tried], chosen: impl Fn(&Outcome) -> bool) {
    let all = tried.first().map_or(0, |tried| tried.outcomes.iter().filter(|outcome| chosen(outcome)).count());
    header_row(out, &[&format!("{title} ({all})")], tried, "---:|");
    for class in CLASSES {
        let _ = write!(out, "| {class} |");
        for Tried { outcomes, .. } in tried {
            let count = outcomes.iter().filter(|outcome| chosen(outcome) && outcome.verdict.class() == class).count();
            let _ = write!(out, " {count} |");
        }
        out.push('\n');
    }
    out.push('\n');
}

/// The header that a generated vector tries.
fn header(outcome: &Outcome) -> &str {
    outcome.vector.name.split_once(": ").map_or(outcome.vector.name.as_str(), |(header, _)| header)
}
