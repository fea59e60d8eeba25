//! Suites beside each other: the last long test of one leaves no processor idle.
//!
//! Each suite's output is printed as a whole, when it has ended.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread::{available_parallelism, scope};

use nsgate_tests::program::target;
use nsgate_tests::slots::{self, Slots};
use serde_json::Value;

use crate::command::{Finished, cargo, said};

/// Suites at once for each test that has room. A suite that waits for room costs nothing.
const SUITES_PER_TEST: usize = 2;

/// A test of its own waits for processes, deadlines and clocks for about a third of its time.
const TESTS_BEYOND_PROCESSORS: usize = 1;

/// The suites that this cargo command line builds: their files, in the order of their names.
///
/// # Errors
/// They do not build.
pub(crate) fn suites(arguments: &[&str]) -> Result<Vec<PathBuf>, String> {
    let quiet = ["--no-run", "--quiet", "--message-format", "json-render-diagnostics"];
    let mut build = cargo(&[arguments, &quiet[..]].concat());
    build.stderr(Stdio::inherit());
    let lines = said(build)?;
    let mut files: Vec<PathBuf> = lines.lines().filter_map(executable).collect();
    files.sort();
    Ok(files)
}

/// The file of a test target that this line of cargo's says it has built.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
    is_test.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
}

/// Runs each of these commands to its end, several at once. Their output is printed and returned in the order in which they end.
///
/// # Errors
/// One cannot be started, or there is no place for the locks.
pub(crate) fn run(commands: Vec<Command>) -> Result<Finished, String> {
    let room = available_parallelism().map_or(1, usize::from) + TESTS_BEYOND_PROCESSORS;
    let place = target().join("tmp/slots").join(std::process::id().to_string());
    Slots::make(&place, room).map_err(|error| format!("{}: {error}", place.display()))?;
    let waiting = Mutex::new(commands.into_iter());
    let all = Mutex::new(Ok(Finished { success: true, output: String::new() }));
    let one = |mut command: Command| {
        let out = command.env(slots::VARIABLE, &place).stderr(Stdio::inherit()).output();
        let mut all = all.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match (out, all.as_mut()) {
            (Ok(out), Ok(all)) => {
                let text = String::from_utf8_lossy(&out.stdout);
                print!("{text}");
                all.output.push_str(&text);
                all.success &= out.status.success();
            }
            (Err(error), Ok(_)) => {
                *all = Err(format!("cannot run {}: {error}", command.get_program().to_string_lossy()))
            }
            (_, Err(_)) => {}
        }
    };
    scope(|threads| {
        for _ in 0..room * SUITES_PER_TEST {
            threads.spawn(|| {
                while let Some(command) = {
                    let mut waiting = waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    waiting.next()
                } {
                    one(command);
                }
            });
        }
    });
    let _ = std::fs::remove_dir_all(&place);
    all.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}
