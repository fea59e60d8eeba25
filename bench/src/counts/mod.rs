//! `cargo xtask counts`: what a request and its event cost, in numbers that do not depend on how busy the machine is:
//! instructions, allocations and system calls, compared with those in the repository.

mod again;
mod hop;
mod instance;
pub(crate) mod measure;
mod numbers;

use std::path::PathBuf;

use measure::Load;
use nsgate_tests::json;
use nsgate_tests::program::workspace;
use nsgate_tests::table::table;
pub(crate) use numbers::{Cost, Numbers};

/// Measures, prints, and compares or writes. The last line is a suite's own, for the test command to count.
pub(crate) fn run(write: bool) -> Result<(), String> {
    let found = measured()?;
    if write {
        found.write(&file())?;
        println!("written to {}", file().display());
        return Ok(());
    }
    let known = Numbers::read(&file())?;
    let found = if known.differences(&found).is_empty() {
        found
    } else {
        println!("counting once more: what else this machine does can add to a count, and never takes from it");
        found.least(&measured()?)
    };
    json::say(&serde_json::json!({ "found": found, "expected": known }));
    let rows = rows(&known, &found);
    println!("{}", table(&rows));
    let changed = known.differences(&found);
    changed.iter().for_each(|line| println!("{line}"));
    println!("counts: {} passed, {} failed, 0 skipped", rows.len() - 1 - changed.len(), changed.len());
    if changed.is_empty() {
        return Ok(());
    }
    Err("A request costs something else than before. If it is meant to, `cargo xtask counts --write` writes the numbers down; \
         the commit says why."
        .to_owned())
}

/// The numbers in the repository.
pub(crate) fn file() -> PathBuf {
    workspace().join("bench/src/counts/numbers.json")
}

/// The numbers of this tree.
pub(crate) fn measured() -> Result<Numbers, String> {
    println!("counting a request on a kept connection …");
    let kept = measure::cost(Load::Kept, 0)?;
    println!("counting a request on a connection of its own …");
    let own = measure::cost(Load::Own, 0)?;
    println!("counting a post …");
    let post = measure::cost(Load::Kept, POST)?;
    println!("counting lines and events …");
    let (line, event) = (again::cost("line", &[])?, again::cost("event", &["/dev/null"])?);
    println!("counting an instance of a host …");
    let instance = instance::cost()?;
    println!("counting a gate's request through the agent …");
    let costs = [kept, own, post, line, event, instance, hop::cost()?];
    Ok(Numbers { compiler: numbers::compiler()?, costs })
}

/// Bytes of a post: a password, encrypted with a key of 2,048 bits, as text.
const POST: usize = 344;

fn rows(known: &Numbers, found: &Numbers) -> Vec<Vec<String>> {
    let mut rows = vec![["what it takes", "found", "expected"].map(str::to_owned).to_vec()];
    for ((load, found), (_, known)) in found.loads().into_iter().zip(known.loads()) {
        for ((what, found), (_, known)) in found.parts().into_iter().zip(known.parts()) {
            rows.push(vec![format!("{what} for {load}"), format!("{found:.2}"), format!("{known:.2}")]);
        }
    }
    rows
}
