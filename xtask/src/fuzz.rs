//! `cargo xtask fuzz TARGET`: builds the fuzzer with a counter in every edge, and runs it.
//!
//! The counters are LLVM's, put in by flags that the stable compiler knows; they are given to this build alone, which
//! has a directory of its own.

use std::ffi::OsString;
use std::process::Command;

use nsgate_tests::program::target;

use crate::command::{cargo, plain};

/// One counter for every edge between two pieces of code, without a call.
const FLAGS: [&str; 3] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
];

/// Words after `fuzz` are the fuzzer's.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), String> {
    let host = host()?;
    let into = target().join("fuzz");
    // With a target named, build scripts and macros are compiled without the flags.
    let mut build = cargo(&["build", "--quiet", "--locked", "--profile", "fuzz", "--package", "nsgate-fuzz"]);
    build.args(["--target", &host]).arg("--target-dir").arg(&into);
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    if !plain(build)? {
        return Err("the fuzzer could not be built; its errors are above".to_owned());
    }
    let mut fuzz = Command::new(into.join(&host).join("fuzz").join("nsgate-fuzz"));
    fuzz.args(arguments);
    if plain(fuzz)? { Ok(()) } else { Err("the fuzzer says no; its reason is above".to_owned()) }
}

/// The triple of this machine, as the compiler names it.
fn host() -> Result<String, String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("-vV").output().map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say which machine this is".to_owned())
}
