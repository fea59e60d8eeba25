//! What the echo server (`echo.rs`) still holds, beside what it may: `cargo run --example look -- PID`, as root. Exit status 0 if
//! that is all, 3 if it holds more, 4 if something cannot be read.

use nsgate_sandbox::attest::{self, Expected, Facts, kinds};
use std::process::ExitCode;

/// A process with a listener and a guest is the server; another one may hold nothing.
fn expected(facts: &Facts<'_>) -> Expected {
    let nothing = Expected::nothing();
    if !facts.open.into_iter().flatten().any(|open| open.kind == kinds::LISTENER) {
        return nothing;
    }
    Expected {
        role: Some("echo"),
        in_words: "echo server",
        // It keeps the root directory that it was started in: Landlock and the filter keep files away.
        keeps_root: true,
        root: "its starter's",
        descriptors: [nothing.descriptors.as_slice(), &[kinds::LISTENER, kinds::CONNECTION]].concat(),
        ..nothing
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: look PID")?.parse()?;
    let holdings = attest::process(pid, expected)?;
    println!("{holdings}");
    Ok(match holdings.confined() {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::from(3),
        None => ExitCode::from(4),
    })
}
