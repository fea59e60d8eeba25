//! `cargo xtask bench load`: some of the load tables, for work on the code that they measure. Prints, and writes no file.

use std::path::PathBuf;

use clap::Args;
use clap::value_parser;
use nsgate_tests::{Lab, Program};

use super::load::{self, WORKS, Work};
use super::report;
use crate::page;

/// Which kinds of work, how often and how long.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// All kinds whose name contains every word: `kept 32`.
    words: Vec<String>,
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(1..=100))]
    rounds: u8,
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u8).range(1..=100))]
    seconds: u8,
    /// Another build of nsgate's `haproxy`, to see what a change does.
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<PathBuf>,
}

/// Measures and prints.
pub(crate) fn run(choice: &Choice) -> Result<(), String> {
    let chosen = |work: &&Work| choice.words.iter().all(|word| work.name.contains(word.as_str()));
    let works: Vec<Work> = WORKS.iter().filter(chosen).copied().collect();
    if works.is_empty() {
        let names = WORKS.map(|work| work.name).join("; ");
        return Err(format!("no work has all of `{}` in its name; there are: {names}", choice.words.join(" ")));
    }
    let beside = choice.beside.as_ref().map(Program::at);
    if let Some(program) = beside.as_ref().filter(|program| !program.exists()) {
        return Err(format!("--beside: there is no program at {}", program.path().display()));
    }
    page::make(None, move || {
        let lab = Lab::enter(Program::under_test());
        let field = load::Field::new(&lab, &report::haproxy_name(), None, beside.as_ref());
        println!("load …");
        let loads = load::of(&field, &works, choice.rounds.into(), choice.seconds.into());
        report::load_tables(&field.peers, &works, &loads)
    })
}
