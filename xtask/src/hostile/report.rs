//! The figures as a table, as JSON and as the document.

use std::fmt::Write;

use super::{Row, promises};
use crate::bench::{haproxy_name, machine};

/// The figures alone.
pub(super) fn table(rows: &[Row]) -> String {
    let mut out = format!("| | nsgate | {} |\n|---|---:|---:|\n", haproxy_name());
    for Row { what, nsgate, haproxy } in rows {
        let _ = writeln!(out, "| {what} | {} of {} | {} of {} |", nsgate.0, nsgate.1, haproxy.0, haproxy.1);
    }
    out
}

/// The same for programs.
pub(super) fn json(rows: &[Row]) -> serde_json::Value {
    let pair = |(reached, all): (usize, usize)| serde_json::json!({ "reached": reached, "of": all });
    rows.iter()
        .map(|row| serde_json::json!({ "what": row.what, "nsgate": pair(row.nsgate), "haproxy": pair(row.haproxy) }))
        .collect()
}

/// The whole document.
pub(super) fn text(rows: &[Row]) -> String {
    let mut out = format!(
        "# The hostile guest\n\nWritten by `cargo xtask hostile` on {}.\nBoth programs in one run, with the configuration \
         that Neutron writes; the neighbour asks once every 5 ms on a new\nconnection and gives up after 3 s. Which requests \
         are forged, and how, is in [forging.md](forging.md); latencies of the\nneighbour are in \
         [benchmarks.md](benchmarks.md).\n\n{}\n## What is promised, and what shows it\n\n\
         Tests run in `cargo xtask test`; a test of xtask asserts that each one named here exists.\n\n| promise | shown by \
         |\n|---|---|\n",
        machine(),
        table(rows)
    );
    for (promise, shown) in promises::ALL {
        let names: Vec<String> = shown.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(out, "| {promise} | {} |", names.join(", "));
    }
    out
}
