//! The build tool of the project.
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("lab") => {
            let rest = words[1..].to_vec();
            let status = nsgate_tests::world::run(move || {
                Command::new(&rest[0]).args(&rest[1..]).status().map(|s| s.code().unwrap_or(1)).unwrap_or(1)
            });
            ExitCode::from(status.unwrap_or(1) as u8)
        }
        _ => ExitCode::FAILURE,
    }
}
