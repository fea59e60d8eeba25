//! Commands of the pages: a program of ours takes them as they stand. The suite `book` runs them; what it does not run has a
//! reason.

use nsgate_config::namespace_proxy;
use nsgate_tests::book::{NOT_RUN, PAGES, Step, steps};
use nsgate_tests::program::workspace;

use super::Page;
use crate::HELP;

/// Where pages and exceptions are listed.
const BOOK: &str = "tests/src/book.rs";

/// How many there are.
pub(super) fn count(pages: &[Page]) -> usize {
    pages.iter().map(|page| steps(&page.text).len()).sum()
}

/// One sentence for each command that nobody takes.
pub(super) fn wrong(pages: &[Page]) -> Vec<String> {
    let mut out = Vec::new();
    for page in pages {
        let name = page.path.to_string_lossy();
        let commands = steps(&page.text);
        if !commands.is_empty() && !PAGES.contains(&&*name) {
            out.push(format!("{name}: has commands, and stands in none of the pages that are run ({BOOK})"));
        }
        for (of, begins, _) in NOT_RUN.iter().filter(|(of, _, _)| *of == name) {
            if !commands.iter().any(|step| step.command.starts_with(begins)) {
                out.push(format!("{of}: has no `{begins}` any more; take it out of {BOOK}"));
            }
        }
        // What a page shows the refusal of is refused.
        for Step { line, command, .. } in commands.into_iter().filter(|step| !step.is_refused()) {
            if let Err(reason) = judge(&words(&command)) {
                out.push(format!("{name}:{line}: `{command}`: {reason}"));
            }
        }
    }
    out
}

fn judge(words: &[String]) -> Result<(), String> {
    let words: Vec<&str> = words.iter().map(String::as_str).skip_while(|word| is_assignment(word)).collect();
    match words.as_slice() {
        ["sudo", rest @ ..] => judge(&rest.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()),
        ["ip", "netns", "exec", _, rest @ ..] => judge(&rest.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()),
        ["nsgate", ..] => nsgate(&words),
        ["haproxy", rest @ ..] => nsgate::haproxy_name::parse(rest.iter().map(std::ffi::OsString::from)).map(|_| ()),
        ["neutron-ns-metadata-proxy", rest @ ..] => {
            namespace_proxy::parse(rest.iter().map(std::ffi::OsString::from)).map(|_| ()).map_err(String::from)
        }
        ["cargo", "xtask", rest @ ..] => xtask(rest),
        ["cargo", subcommand, rest @ ..] => cargo(subcommand, rest),
        // A program of the host: it is run, or there is a reason why not.
        _ => Ok(()),
    }
}

fn nsgate(words: &[&str]) -> Result<(), String> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
    match nsgate::cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) if [DisplayHelp, DisplayVersion].contains(&error.kind()) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The name of a command of ours, and options that its help names.
fn xtask(words: &[&str]) -> Result<(), String> {
    let Some(name) = words.first() else { return Ok(()) };
    if *name != "help" && !HELP.lines().any(|line| line.trim_start().starts_with(&format!("cargo xtask {name}"))) {
        return Err(format!("there is no command `{name}`: cargo xtask help"));
    }
    let ours = words.iter().take_while(|word| **word != "--");
    let strange = ours.filter(|word| word.starts_with("--")).find(|word| !HELP.contains(**word));
    strange.map_or(Ok(()), |word| Err(format!("cargo xtask help does not know `{word}`")))
}

fn cargo(subcommand: &str, words: &[&str]) -> Result<(), String> {
    if !["build", "run", "test", "doc", "add", "install", "deny", "vendor"].contains(&subcommand) {
        return Err(format!("`cargo {subcommand}` is none that this check knows"));
    }
    let after = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
    let package = after("--package").or_else(|| after("-p"));
    if let (Some(example), Some(package)) = (after("--example"), package) {
        let path = workspace().join(format!("crates/{package}/examples/{example}.rs"));
        return if path.exists() { Ok(()) } else { Err(format!("there is no {}", path.display())) };
    }
    Ok(())
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

/// The words of the first simple command: quotes are taken away, what a shell would put in stands as `1`.
fn words(command: &str) -> Vec<String> {
    let command = command.replace("\\\n", " ");
    let (mut out, mut word, mut quote, mut depth): (Vec<String>, String, Option<char>, u32) = Default::default();
    let mut characters = command.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            _ if depth > 0 => match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            },
            (None, '$') if characters.peek() == Some(&'(') => {
                characters.next();
                depth = 1;
                word.push('1');
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some(_), c) => word.push(c),
            (None, '|' | ';' | '&' | '>' | '<') => break,
            (None, '#') if word.is_empty() => break,
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            (None, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    // What a reader puts in.
    let filled = |word: String| match word.as_str() {
        "PID" => "1".to_owned(),
        _ => word.replace("UUID", "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"),
    };
    out.into_iter().map(filled).collect()
}

#[cfg(test)]
mod tests {
    use super::{judge, words};

    #[test]
    fn the_first_simple_command_counts() {
        assert_eq!(words("nsgate attest $(cat a b) 'x y' | jq -r '.[]' # why"), ["nsgate", "attest", "1", "x y"]);
        assert_eq!(words("nsgate list \\\n  --json"), ["nsgate", "list", "--json"]);
    }

    #[test]
    fn a_command_that_nobody_takes_is_noticed() {
        for wrong in ["nsgate frobnicate", "nsgate list --jsn", "cargo xtask frobnicate", "nsgate attest"] {
            assert!(judge(&words(wrong)).is_err(), "{wrong}");
        }
        for right in
            ["nsgate list --json", "NO_COLOR=1 nsgate attest 7", "cargo xtask test e2e -- word", "ip netns list"]
        {
            assert_eq!(judge(&words(right)), Ok(()), "{right}");
        }
    }
}
