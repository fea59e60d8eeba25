//! The words of the command line.

use crate::Target;
use crate::targets::ALL;
use std::path::PathBuf;
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is fuzzed.
    pub target: Target,
    /// For how long.
    pub duration: Duration,
    /// The same seed and the same corpus give the same inputs.
    pub seed: u64,
    /// The summary is one line of JSON.
    pub json: bool,
    /// Run this one file and nothing else.
    pub replay: Option<PathBuf>,
}

/// How to ask, and for what.
pub fn help() -> String {
    let mut text = "cargo xtask fuzz TARGET [--seconds N] [--seed N] [--json]\n\
                    cargo xtask fuzz TARGET --replay FILE\n\nTargets:\n"
        .to_owned();
    for target in ALL {
        text.push_str(&format!("    {:<10} {}\n", target.name, target.promise));
    }
    text
}

/// Reads the words.
///
/// # Errors
/// What is wrong with them.
pub fn read(words: &[String]) -> Result<Options, String> {
    let mut words = words.iter();
    let name = words.next().ok_or_else(|| format!("fuzz needs a target\n\n{}", help()))?;
    let target = ALL.iter().find(|target| target.name == name);
    let target = *target.ok_or_else(|| format!("there is no target `{name}`\n\n{}", help()))?;
    let mut options = Options { target, duration: Duration::from_secs(60), seed: 1, json: false, replay: None };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: &String| text.parse().map_err(|_| format!("{word} needs a number, not `{text}`"));
        match word.as_str() {
            "--seconds" => options.duration = Duration::from_secs(number(value()?)?),
            "--seed" => options.seed = number(value()?)?,
            "--json" => options.json = true,
            "--replay" => options.replay = Some(PathBuf::from(value()?)),
            other => return Err(format!("`{other}` is not an option of fuzz\n\n{}", help())),
        }
    }
    Ok(options)
}
