//! The verdicts as Markdown: totals, then forged ones by header, then every vector on which the programs differ.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use nsgate_tests::forging::{Outcome, Tried};
use nsgate_tests::vectors;

use crate::bench::machine;

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
    totals(&mut out, "generated, headers that this agent reads", network, |one| READ_BY_ML2.contains(&theme(one).0));
    by_header(&mut out, network, is_generated);
    out.push_str("## A network of OVN\n\n");
    totals(&mut out, "generated: header × spelling", ovn, |_| true);
    totals(&mut out, "generated, headers that this agent reads", ovn, |one| READ_BY_OVN.contains(&theme(one).0));
    by_header(&mut out, ovn, |_| true);
    out.push_str("## Where the programs differ: generated\n\nA row for each spelling and set of verdicts, with the headers it holds for.\n\n");
    generated_rows(&mut out, network, is_generated);
    out.push_str("\n## Where the programs differ: written by hand\n\n");
    rows_by_hand(&mut out, network, |outcome| !is_generated(outcome));
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

fn theme(outcome: &Outcome) -> (&str, &str) {
    outcome.vector.name.split_once(": ").unwrap_or((&outcome.vector.name, ""))
}

fn by_header(out: &mut String, tried: &[Tried], chosen: impl Fn(&Outcome) -> bool) {
    header_row(out, &["forged, by the header of the vector"], tried, "---:|");
    let mut names: Vec<&str> = Vec::new();
    for outcome in tried.iter().take(1).flat_map(|tried| &tried.outcomes).filter(|outcome| chosen(outcome)) {
        if !names.contains(&theme(outcome).0) {
            names.push(theme(outcome).0);
        }
    }
    for name in names {
        let _ = write!(out, "| {name} |");
        for Tried { outcomes, .. } in tried {
            let of = outcomes.iter().filter(|outcome| chosen(outcome) && theme(outcome).0 == name);
            let (all, forged) =
                of.fold((0, 0), |(all, forged), one| (all + 1, forged + usize::from(one.verdict.is_forged())));
            let _ = write!(out, " {forged} of {all} |");
        }
        out.push('\n');
    }
    out.push('\n');
}

/// The vectors on which the programs differ: their index and what each program's verdict is.
fn differing(tried: &[Tried], chosen: impl Fn(&Outcome) -> bool) -> Vec<(&Outcome, Vec<&Outcome>)> {
    let Some(first) = tried.first() else { return Vec::new() };
    let rows = first.outcomes.iter().enumerate().filter(|(_, outcome)| chosen(outcome));
    let rows = rows.map(|(at, outcome)| (outcome, tried.iter().map(|tried| &tried.outcomes[at]).collect::<Vec<_>>()));
    rows.filter(|(own, each)| each.iter().any(|one| one.verdict.class() != own.verdict.class())).collect()
}

fn generated_rows(out: &mut String, tried: &[Tried], chosen: impl Fn(&Outcome) -> bool) {
    // A header without a `-` is not in every spelling.
    let mut having: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for outcome in tried.iter().take(1).flat_map(|tried| &tried.outcomes).filter(|outcome| chosen(outcome)) {
        having.entry(theme(outcome).1).or_default().push(theme(outcome).0);
    }
    let mut rows: Vec<(&str, Vec<&str>, Vec<&str>)> = Vec::new();
    for (outcome, each) in differing(tried, chosen) {
        let (header, spelling) = theme(outcome);
        let classes: Vec<&str> = each.iter().map(|one| one.verdict.class()).collect();
        match rows.iter_mut().find(|(known, verdicts, _)| *known == spelling && *verdicts == classes) {
            Some((_, _, headers)) => headers.push(header),
            None => rows.push((spelling, classes, vec![header])),
        }
    }
    // Found header by header; shown spelling by spelling.
    let order: Vec<&str> = rows.iter().map(|(spelling, _, _)| *spelling).collect();
    rows.sort_by_key(|(spelling, _, _)| order.iter().position(|known| known == spelling));
    header_row(out, &["spelling", "headers"], tried, "---|");
    for (spelling, classes, headers) in rows {
        let others: Vec<&str> = having[spelling].iter().copied().filter(|header| !headers.contains(header)).collect();
        let which = match others.len() {
            0 => "all".to_owned(),
            few if few <= 4 && headers.len() > few => format!("all but {}", others.join(", ")),
            _ => headers.join(", "),
        };
        let _ = writeln!(out, "| {spelling} | {which} | {} |", classes.join(" | "));
    }
}

fn rows_by_hand(out: &mut String, tried: &[Tried], chosen: impl Fn(&Outcome) -> bool) {
    header_row(out, &["vector"], tried, "---|");
    for (outcome, each) in differing(tried, chosen) {
        let verdicts: String = each.iter().map(|one| format!(" {} |", one.verdict)).collect();
        let _ = writeln!(out, "| {} |{verdicts}", outcome.vector.name);
    }
}
