//! `cargo xtask hostile`: three things that a hostile guest does to haproxy, done to both programs in one run, into
//! `docs/hostile-guest.md`.

mod agent;
mod report;

use nsgate_tests::forging::{self, Contender, Tried};
use nsgate_tests::{Kind, Lab, Program, json, vectors};

use crate::figures::{fairness, haproxy_name};
use crate::page;

/// For how long a neighbour asks under each attack.
const SECONDS: u64 = 4;

/// A figure of the table: how many of how many, for nsgate and for haproxy.
struct Row {
    what: String,
    nsgate: (usize, usize),
    haproxy: (usize, usize),
}

/// Measures, prints the table (as JSON with `--json`) and writes the document.
pub(crate) fn run() -> Result<(), String> {
    let own = agent::own_address()?;
    page::in_world(move || {
        let mut rows = forged();
        rows.push(own);
        rows.extend(slow());
        json::say(&report::json(&rows));
        println!("\n{}", report::table(&rows));
        let written = page::write_between("docs/hostile-guest.md", "cargo xtask hostile", &report::text(&rows));
        i32::from(written.is_err() || rows.iter().any(|row| row.nsgate.0 > 0))
    })
}

/// Requests that carry something of the guest's to the agent, for both kinds of network.
fn forged() -> Vec<Row> {
    let lab = Lab::enter(Program::under_test());
    let rival = Program::real_haproxy().expect("haproxy was found or installed before");
    let contenders = [Contender::Haproxy(lab.program.clone()), Contender::Haproxy(rival)];
    let kinds = [("ML2", Kind::Network, vectors::all()), ("OVN", Kind::Ovn, vectors::generated())];
    let rows = kinds.into_iter().map(|(name, kind, vectors)| {
        eprintln!("trying {} forged and smuggled requests ({name}) …", vectors.len());
        let tried = forging::try_all(&lab, &contenders, kind, &vectors);
        let count = |tried: &Tried| {
            let forged = tried.outcomes.iter().filter(|outcome| outcome.verdict.is_forged());
            (forged.count(), tried.outcomes.len())
        };
        let what = format!("forged and smuggled requests that reached the agent with something of the guest's, {name}");
        Row { what, nsgate: count(&tried[0]), haproxy: count(&tried[1]) }
    });
    rows.collect()
}

/// A neighbour's requests that fail while one address holds slow connections.
fn slow() -> Vec<Row> {
    let lab = Lab::enter(Program::under_test());
    let rival = Program::real_haproxy().expect("haproxy was found or installed before");
    let nsgate = fairness::slow_connections(&lab, "nsgate", &lab.program, SECONDS);
    let haproxy = fairness::slow_connections(&lab, &haproxy_name(), &rival, SECONDS);
    let both = nsgate.failures().zip(haproxy.failures());
    let rows = both.map(|((name, failed, all), (_, theirs, of))| Row {
        what: format!("a neighbour's requests that failed beside {name}"),
        nsgate: (failed, all),
        haproxy: (theirs, of),
    });
    rows.collect()
}
