//! `cargo xtask bench load`: some of the load tables, while one works on what they show. Prints, and writes no file.

use nsgate_tests::{Lab, Program};

use super::load::{self, WORKS, Work};
use super::{page, report};
use crate::{build, tools};

const USAGE: &str = "cargo xtask bench load [WORDS] [--rounds N] [--seconds N] [--beside PROGRAM]";

/// Which works, how often and how long.
struct Choice {
    words: Vec<String>,
    rounds: usize,
    seconds: u64,
    /// Another build of nsgate's `haproxy`, to see what a change does.
    beside: Option<Program>,
}

/// All works whose name contains every word: `kept 32`.
pub(super) fn run(arguments: &[String]) -> Result<(), String> {
    let choice = choice(arguments)?;
    let chosen = |work: &&Work| choice.words.iter().all(|word| work.name.contains(word.as_str()));
    let works: Vec<Work> = WORKS.iter().filter(chosen).copied().collect();
    if works.is_empty() {
        let names: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
        return Err(format!(
            "no work has all of `{}` in its name; there are: {}",
            choice.words.join(" "),
            names.join("; ")
        ));
    }
    tools::IP.ensure()?;
    tools::HAPROXY.ensure()?;
    tools::NGINX.find()?;
    tools::WRK.ensure()?;
    build::programs()?;
    let Choice { rounds, seconds, beside, .. } = choice;
    page::make(None, move || {
        let lab = Lab::enter(Program::under_test());
        let field = load::Field::new(&lab, &report::haproxy_name(), None, beside.as_ref());
        println!("load …");
        let loads = load::of(&field, &works, rounds, seconds);
        report::load_tables(&field.peers, &works, &loads)
    })
}

fn choice(arguments: &[String]) -> Result<Choice, String> {
    let mut choice = Choice { words: Vec::new(), rounds: 3, seconds: 2, beside: None };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--beside" {
            let program = words.next().map(Program::at).filter(Program::exists);
            choice.beside = Some(program.ok_or_else(|| format!("--beside takes the path of a program. {USAGE}"))?);
            continue;
        }
        let mut number = || {
            let number = words.next().and_then(|word| word.parse().ok()).filter(|number| (1..=100).contains(number));
            number.ok_or_else(|| format!("`{word}` takes a number from 1 to 100. {USAGE}"))
        };
        match word.as_str() {
            "--rounds" => choice.rounds = number()?,
            "--seconds" => choice.seconds = number()? as u64,
            flag if flag.starts_with('-') => return Err(format!("`{flag}`? {USAGE}")),
            word => choice.words.push(word.to_owned()),
        }
    }
    Ok(choice)
}
