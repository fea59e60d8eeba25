//! docs/dependencies.md, and the same as a table for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Brought, Package};

const HEAD: &str = "\
# Dependencies

Written by `cargo xtask dependencies --write` for x86_64 Linux; a test compares, and another one finds what a manifest
names and nothing uses. Licences, duplicates and sources are judged by [deny.toml](../deny.toml) (`cargo xtask deny`).

## How many packages each crate brings

Other people's packages: those that the manifest names, those that are linked into a program, those that a build compiles
(macros and build scripts as well), and the same with every feature.

";

/// One row for each crate, with a head.
pub(super) fn rows(brought: &[Brought]) -> Vec<Vec<String>> {
    let mut rows = vec![["crate", "named", "linked", "built", "with all features"].map(str::to_owned).to_vec()];
    rows.extend(brought.iter().map(|one| {
        let numbers = [one.direct, one.linked, one.built, one.all_features].map(|number| number.to_string());
        [vec![one.name.clone()], numbers.to_vec()].concat()
    }));
    rows
}

/// The whole page.
pub(super) fn page(brought: &[Brought], packages: &BTreeMap<String, Package>) -> String {
    let mut text = HEAD.to_owned();
    let mut rows = rows(brought).into_iter();
    let head = rows.next().unwrap_or_default();
    let _ = writeln!(text, "| {} |\n|---|---:|---:|---:|---:|", head.join(" | "));
    rows.for_each(|row| {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    });
    text.push_str("\n## Every package\n\n| package | licence | in a program | named by |\n|---|---|---|---|\n");
    for (package, Package { licence, named_by, linked }) in packages {
        let named: Vec<&str> = named_by.iter().map(String::as_str).collect();
        let linked = if *linked { "yes" } else { "while building" };
        let _ = writeln!(text, "| {package} | {licence} | {linked} | {} |", named.join(", "));
    }
    text
}
