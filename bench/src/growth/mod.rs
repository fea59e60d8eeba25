//! `cargo xtask growth`: how the cost of a request grows with headers, connections or networks, in instructions,
//! as pictures and a table in `docs/growth.md`.

mod plot;
mod series;

use std::fs;

use nsgate_tests::json;
use nsgate_tests::program::workspace;

use crate::page::write;
use series::{Expected, Series};

/// Counts, draws and writes.
pub(crate) fn run() -> Result<(), String> {
    let all = [series::headers()?, series::body()?, series::connections()?, series::sources()?, series::networks()?];
    fs::create_dir_all(workspace().join("docs/growth")).map_err(|error| format!("docs/growth: {error}"))?;
    for one in &all {
        write(&format!("docs/growth/{}.svg", one.name), &plot::svg(one))?;
    }
    let text = page(&all);
    json::say(&json::of_page(&text));
    write("docs/growth.md", &text)
}

fn page(all: &[Series]) -> String {
    let mut text = "# Growth\n\nWritten by `cargo xtask growth`: instructions of the forwarder (of the worker, for networks) for one request, by \
         callgrind: the difference of a short and a long run. The dashed line is the expected cost: the same at every point, or \
         a straight line through the first point and the last.\n"
        .to_owned();
    for one in all {
        let expected = match one.expected {
            Expected::Constant => "It should not grow.",
            Expected::Linear => "It should grow in a straight line: each costs the same.",
        };
        text.push_str(&format!(
            "\n## {}\n\n{} {expected}\n\n![{}](growth/{}.svg)\n\n| {} | instructions | expected |\n|---:|---:|---:|\n",
            one.title, one.what, one.title, one.name, one.unit
        ));
        for (x, y) in &one.points {
            text.push_str(&format!("| {x} | {y:.0} | {:.0} |\n", one.expected_at(*x as f64)));
        }
    }
    text
}
