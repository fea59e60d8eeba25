//! Commands of the pages: the suite `book` runs them. Each exception has a reason and names a command of a page.
// Kept: what a command means is asked of nsgate's and this tool's own command lines.

use clap::{Command, CommandFactory};
use nsgate_tests::book::{NOT_RUN, PAGES, steps};

use super::Page;
use crate::Options;

/// Where pages and exceptions are listed.
const BOOK: &str = "tests/src/book.rs";

/// The number of commands.
pub(super) fn count(pages: &[Page]) -> usize {
    pages.iter().map(|page| steps(&page.text).len()).sum()
}

/// One sentence for each command that does not exist or is run nowhere, and for each exception without its command.
pub(super) fn wrong(pages: &[Page]) -> Vec<String> {
    let mut out = Vec::new();
    for page in pages {
        let name = page.path.to_string_lossy();
        let commands = steps(&page.text);
        if !commands.is_empty() && !PAGES.contains(&&*name) {
            out.push(format!("{name}: has commands, and stands in none of the pages that are run ({BOOK})"));
        }
        for (_, begins, _) in NOT_RUN.iter().filter(|(of, _, _)| *of == name) {
            let found: Vec<_> = commands.iter().filter(|step| step.command.starts_with(begins)).collect();
            if found.is_empty() {
                out.push(format!("{name}: has no `{begins}` any more; take it out of {BOOK}"));
            }
            let bad = found.iter().filter_map(|step| Some((step, taken(&step.command).err()?)));
            out.extend(bad.map(|(step, why)| format!("{name}:{}: `{}`: {why}", step.line, step.command)));
        }
    }
    out
}

/// Whether a program of ours takes the words. Words of other programs are not checked.
pub(super) fn taken(command: &str) -> Result<(), String> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    let words: Vec<&str> = command.split_whitespace().take_while(|word| !["|", "#"].contains(word)).collect();
    let asked = |command: Command, words: &[&str]| match command.try_get_matches_from(words) {
        Err(error) if ![DisplayHelp, DisplayVersion].contains(&error.kind()) => Err(error.to_string()),
        _ => Ok(()),
    };
    match words.as_slice() {
        ["cargo", "xtask", ..] => asked(Options::command(), &words[1..]),
        ["nsgate", ..] => asked(nsgate::cli::command(), &words),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn a_command_that_does_not_exist_is_noticed() {
        for wrong in ["nsgate frobnicate", "nsgate list --jsn", "cargo xtask frobnicate", "cargo xtask test e3e"] {
            assert!(taken(wrong).is_err(), "{wrong}");
        }
        for right in ["nsgate list --json", "cargo xtask test e2e -- word", "cargo xtask help", "ip netns list"] {
            assert_eq!(taken(right), Ok(()), "{right}");
        }
    }
}
