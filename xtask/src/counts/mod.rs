//! `cargo xtask counts`: what a request and its event cost, in numbers that do not depend on how busy the machine is:
//! instructions, allocations and system calls, compared with those in the repository.

mod again;
mod instance;
pub(crate) mod measure;
mod numbers;

use std::path::PathBuf;

use nsgate_tests::program::workspace;

use crate::command::{cargo, plain};
use crate::terminal::table;
use crate::{json, tools};
use measure::Load;
pub(crate) use numbers::{Cost, Numbers};

const USAGE: &str = "cargo xtask counts [--write] [--json]";

/// Measures, prints, and compares or writes.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let has = |flag: &str| arguments.iter().any(|word| word == flag);
    if let Some(other) = arguments.iter().find(|word| *word != "--write") {
        return Err(format!("`{other}`? {USAGE}"));
    }
    let found = measured()?;
    if has("--write") {
        found.write(&file())?;
        println!("written to {}", file().display());
        return Ok(());
    }
    let known = Numbers::read(&file())?;
    json::say(&serde_json::json!({ "found": found, "expected": known }));
    println!("{}", table(&rows(&known, &found)));
    judge(&known, &found)
}

/// The numbers in the repository.
pub(crate) fn file() -> PathBuf {
    workspace().join("xtask/src/counts/numbers.json")
}

/// The numbers of this tree.
pub(crate) fn measured() -> Result<Numbers, String> {
    tools::VALGRIND.ensure()?;
    tools::STRACE.ensure()?;
    build()?;
    println!("counting a request on a kept connection …");
    let kept = measure::cost(Load::Kept, 0)?;
    println!("counting a request on a connection of its own …");
    let own = measure::cost(Load::Own, 0)?;
    println!("counting a post …");
    let post = measure::cost(Load::Kept, POST)?;
    println!("counting lines and events …");
    let (line, event) = (again::cost("line", &[])?, again::cost("event", &["/dev/null"])?);
    println!("counting an instance of a host …");
    let costs = [kept, own, post, line, event, instance::cost()?];
    Ok(Numbers { compiler: numbers::compiler()?, costs })
}

/// Bytes of a post: a password, encrypted with a key of 2,048 bits, as text.
const POST: usize = 344;

/// The programs that are counted.
pub(crate) fn build() -> Result<(), String> {
    let packages = ["nsgate", "nsgate-forwarder", "nsgate-config"].map(|package| ["--package", package]).concat();
    let examples = ["measured", "line", "event", "instances"].map(|example| ["--example", example]).concat();
    let words = ["build", "--release", "--quiet", "--locked", "--features", "nsgate/fuzzing"];
    let build = [&words[..], &packages, &examples].concat();
    if plain(cargo(&build))? { Ok(()) } else { Err("the examples do not build; their errors are above".to_owned()) }
}

/// One sentence for each number that is not what it was.
pub(crate) fn judge(known: &Numbers, found: &Numbers) -> Result<(), String> {
    let changed = known.differences(found);
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nA request costs something else than before. If it is meant to, `cargo xtask counts --write` writes the numbers \
         down; the commit says why.",
        changed.join("\n")
    ))
}

fn rows(known: &Numbers, found: &Numbers) -> Vec<Vec<String>> {
    let mut rows = vec![["what it takes", "found", "expected"].map(str::to_owned).to_vec()];
    for ((load, found), (_, known)) in found.loads().into_iter().zip(known.loads()) {
        for ((what, found), (_, known)) in found.parts().into_iter().zip(known.parts()) {
            rows.push(vec![format!("{what} for {load}"), format!("{found:.2}"), format!("{known:.2}")]);
        }
    }
    rows
}
