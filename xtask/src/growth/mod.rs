//! `cargo xtask growth`: how the cost of a request grows with what there is, counted in instructions, as pictures and a
//! table in `docs/growth.md`.

mod plot;
mod series;

use std::fs;
use std::path::Path;

use nsgate_tests::program::workspace;

use crate::command::{cargo, plain};
use crate::{counts, tools};
use plot::Expected;
use series::Series;

/// Counts, draws and writes.
pub(crate) fn run() -> Result<(), String> {
    tools::VALGRIND.ensure()?;
    counts::build()?;
    let worker = ["--package", "nsgate-pool", "--features", "worker", "--example", "worker"];
    let build = ["build", "--release", "--quiet", "--locked"];
    if !plain(cargo(&[&build[..], &worker].concat()))? {
        return Err("the example does not build; its errors are above".to_owned());
    }
    let all = [series::headers()?, series::body()?, series::connections()?, series::sources()?, series::networks()?];
    let directory = workspace().join("docs/growth");
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for one in &all {
        write(&directory.join(format!("{}.svg", one.name)), &plot::svg(one))?;
    }
    let text = page(&all);
    crate::json::say(&crate::json::of_page(&text));
    write(&workspace().join("docs/growth.md"), &text)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

fn page(all: &[Series]) -> String {
    let mut text = "# Growth\n\nWritten by `cargo xtask growth`: instructions of the forwarder (of the worker, for networks) for one request, by \
         callgrind, the difference of a short and a long run. The dashed line is what is expected: the same cost whatever there \
         is, or a straight line through the first point and the last.\n"
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
