//! The figures as a table, as JSON and as the document.

use std::fmt::Write;

use super::Row;
use crate::figures::{haproxy_name, machine};

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

/// The text of the document.
pub(super) fn text(rows: &[Row]) -> String {
    format!("\nMeasured on {}.\n\n{}\n", machine(), table(rows))
}
