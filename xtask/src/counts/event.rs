//! What an event of an audit costs: made, and written to a descriptor.

use std::fs;

use nsgate_tests::program::target;

use super::Cost;
use super::measure::{Counter, LONG, SHORT};

/// The difference between a run of many events and a run of few.
pub(crate) fn cost() -> Result<Cost, String> {
    let each = |counter: Counter| -> Result<f64, String> {
        Ok((run(counter, LONG)? - run(counter, SHORT)?) / (LONG - SHORT) as f64)
    };
    Ok(Cost {
        instructions: each(Counter::Instructions)?,
        allocations: each(Counter::Allocations)?,
        calls: each(Counter::Calls)?,
    })
}

fn run(counter: Counter, count: usize) -> Result<f64, String> {
    let directory = std::env::temp_dir().join(format!("nsgate-event-{}-{counter:?}", std::process::id()));
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut command = counter.command(&directory);
    command.arg(target().join("release/examples/event")).args([&count.to_string(), "/dev/null"]);
    let out = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let total = counter.total(&said, &directory).filter(|_| out.status.success());
    let _ = fs::remove_dir_all(&directory);
    total.ok_or_else(|| format!("{command:?}: {said}"))
}
