//! The privileged minute alone, as root: `cargo run --example launch -- GATE.toml` makes a gate of this process, says what it
//! listens on and what is left of it, and ends. A server of one's own would begin where this one prints.

use nsgate_config::native;
use nsgate_launcher::{Launched, Mode, Options, launch, read_config};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which configuration?")?;
    let (text, written) = read_config(Path::new(&file))?;
    let config = native::parse(&file, &text)?.config;
    let options = Options { written: Some(written), ..Options::new(Mode::Foreground) };
    // What takes system calls that a gate no longer has is made by the last argument: an event loop, for instance.
    match launch(&config, &options, || Ok(()))? {
        Launched::Gate(running) => {
            let heard: Vec<String> = running.listening.iter().map(ToString::to_string).collect();
            println!("listens on {}; {}", heard.join(" and "), running.confined.report());
            running.readiness.tell();
            Ok(())
        }
        // The starter, which has waited for the gate's end.
        Launched::Finished(status) => std::process::exit(status.into()),
    }
}
