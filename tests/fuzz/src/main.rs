//! `nsgate-fuzz TARGET`: started by `cargo xtask fuzz`, which compiles it with counters in every edge.

use nsgate_fuzz::engine::fuzz;
use nsgate_fuzz::options::{Options, read};
use nsgate_fuzz::places::{Places, keep};
use nsgate_fuzz::supervise::{Ended, is_worker, supervise};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = read(&words).and_then(|options| match &options.replay {
        Some(file) => replay(&options, file),
        None if is_worker() => work(&options),
        None => watch(&options),
    });
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("fuzz: {message}");
            ExitCode::from(2)
        }
    }
}

/// Without any of the engine: a panic is printed as usual.
fn replay(options: &Options, file: &Path) -> Result<u8, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    (options.target.run)(&bytes);
    println!("{}: {} keeps its promise", options.target.name, file.display());
    Ok(0)
}

fn work(options: &Options) -> Result<u8, String> {
    let Some(finding) = fuzz(options, &Places::of(&options.target))? else { return Ok(0) };
    tell(options, &finding.path, &format!("{}: {}", finding.trouble.place, finding.trouble.message));
    Ok(1)
}

fn watch(options: &Options) -> Result<u8, String> {
    let places = Places::of(&options.target);
    match supervise(&places.running)? {
        Ended::Status(status) => Ok(status),
        Ended::Broken(input) => {
            let path = keep(&places.findings, &input)?;
            tell(options, &path, "the process did not end by itself (abort, stack, memory or time)");
            Ok(1)
        }
    }
}

fn tell(options: &Options, path: &Path, what: &str) {
    eprintln!("finding in `{}`: {what}", options.target.name);
    eprintln!("replay: cargo xtask fuzz {} --replay {}", options.target.name, path.display());
}
