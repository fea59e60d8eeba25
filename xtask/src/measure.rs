//! Measurements and comparisons: this file prepares tools and programs, and `nsgate-bench` measures.

use std::ffi::OsString;
use std::process::Command;

use nsgate_tests::json;

use crate::command::{cargo, own_program, plain};
use crate::tools::{self, Tool};
use crate::{build, later_debian};

/// A measurement: its words, its tools, and the examples that are built for it, as cargo's words.
struct Measure(&'static [&'static str], &'static [Tool], &'static [&'static str]);

const COUNTED: &str = "-p nsgate -p nsgate-forwarder -p nsgate-config -p nsgate-agent --features nsgate/fuzzing,nsgate-agent/server \
                       --example measured --example line --example event --example instances --example hop";
const SANDBOX: &str = "-p nsgate --example sandbox_cost";
const TOKENS: &str = "-p nsgate-forwarder --features fuzzing --example token_check";
const WORKER: &str = "-p nsgate-pool --features worker --example worker";

use tools::{HAPROXY, IP, NGINX, STRACE, VALGRIND, WRK};

const ALL: [Measure; 14] = [
    Measure(&["bench", "agent"], &[IP, HAPROXY, WRK], &[]),
    Measure(&["bench", "load"], &[IP, HAPROXY, NGINX, WRK], &[]),
    Measure(&["bench", "fairness"], &[IP, HAPROXY, NGINX], &[]),
    Measure(&["bench", "guards"], &[IP, NGINX, WRK, VALGRIND, STRACE], &[COUNTED, TOKENS]),
    Measure(&["bench", "host"], &[IP, HAPROXY, VALGRIND], &[COUNTED]),
    Measure(&["bench", "pool"], &[IP, HAPROXY, NGINX, WRK], &[]),
    Measure(&["bench"], &[IP, HAPROXY, NGINX, WRK, VALGRIND, STRACE], &[COUNTED, SANDBOX]),
    Measure(&["counts"], &[VALGRIND, STRACE], &[COUNTED]),
    Measure(&["growth"], &[VALGRIND], &[COUNTED, WORKER]),
    Measure(&["hostile"], &[IP, HAPROXY, NGINX], &[]),
    Measure(&["forging"], &[IP, HAPROXY], &[]),
    Measure(&["escape"], &[IP, HAPROXY], &[]),
    Measure(&["soak"], &[IP, NGINX], &[]),
    Measure(&["help"], &[], &[]),
];

/// Measures; `words` are the program's, with the name of what is measured first.
pub(crate) fn run(words: &[OsString]) -> Result<(), String> {
    if words.iter().any(|word| word == "--json") {
        json::ask()?;
    }
    let mut command = ready(words)?;
    if let Some(output) = json::output() {
        command.stdout(output);
    }
    if plain(command)? { Ok(()) } else { Err("the measurement did not end well; the reason is above".to_owned()) }
}

/// The command that measures. Its tools and programs are ready.
///
/// # Errors
/// A tool is missing, or something does not build.
pub(crate) fn ready(words: &[OsString]) -> Result<Command, String> {
    let fits = |Measure(name, ..): &&Measure| {
        name.iter().enumerate().all(|(at, word)| words.get(at).is_some_and(|one| one == word))
    };
    let Measure(name, tools, examples) = ALL.iter().find(fits).ok_or("there is no such measurement")?;
    tools.iter().try_for_each(Tool::ensure)?;
    match name {
        ["bench"] => drop(tools::ocata().inspect_err(|why| println!("{why} (the Python proxy has no rows)"))),
        ["bench", "agent"] => {
            later_debian::ovn()?;
            tools::neutron()?;
        }
        ["hostile"] => drop(tools::neutron()?),
        _ => {}
    }
    if !["counts", "growth"].contains(&name[0]) {
        build::programs()?;
    }
    for example in *examples {
        let words: Vec<&str> =
            ["build", "--release", "--quiet", "--locked"].into_iter().chain(example.split_whitespace()).collect();
        if !plain(cargo(&words))? {
            return Err("an example does not build; its errors are above".to_owned());
        }
    }
    let mut command = cargo(&["run", "--quiet", "--locked", "--package", "nsgate-bench", "--"]);
    command.args(&words[usize::from(name[0] == "bench")..]).env("NSGATE_XTASK", own_program()?);
    Ok(command)
}
