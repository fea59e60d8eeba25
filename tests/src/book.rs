//! The commands of the documentation, as a test runs them: every ```` ```console ```` block of a page in order, in one shell,
//! and what it prints compared with what the page says it prints.
//!
//! A line that begins with `$ ` or `# ` is a command (a `\` at its end goes on in the next line); the lines below it are
//! its output, where `…` stands for anything in a line and a line of `…` alone for any number of lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::lab::Lab;
use crate::program::workspace;

/// Pages of docs/ whose every command runs in the laboratory, in the order of the page. The commands of all other pages are
/// parsed (`cargo xtask book`).
pub const RUN: [&str; 2] = ["getting-started.md", "diagnostics.md"];

/// A command of a page, and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it stands.
    pub line: usize,
    /// The command, without its prompt.
    pub command: String,
    /// Its output.
    pub output: Vec<String>,
}

/// The commands of a page.
pub fn steps(page: &str) -> Vec<Step> {
    let (mut found, mut inside): (Vec<Step>, bool) = (Vec::new(), false);
    let mut begins = true;
    for (index, line) in page.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && language == "console";
            begins = true;
            continue;
        }
        if !inside {
            continue;
        }
        let goes_on =
            !begins && found.last().is_some_and(|step| step.output.is_empty() && step.command.ends_with('\\'));
        if goes_on {
            if let Some(step) = found.last_mut() {
                step.command.push('\n');
                step.command.push_str(line.trim_start());
            }
        } else if let Some(command) = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")) {
            found.push(Step { line: index + 1, command: command.to_owned(), output: Vec::new() });
        } else if let (false, Some(step)) = (begins, found.last_mut()) {
            step.output.push(line.to_owned());
        }
        begins = false;
    }
    found
}

/// Runs every command of a page of docs/ and panics where it does something else than the page says. Building is not run
/// again: the programs under test are on the PATH.
pub fn run(lab: &Lab, page: &str) {
    let text = std::fs::read_to_string(workspace().join("docs").join(page)).expect("the page");
    let mut shell = Command::new("bash")
        .args(["--norc", "-c", "exec 2>&1; exec bash --norc -s"])
        .current_dir(workspace())
        .env("PATH", path(lab))
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash");
    let (mut input, output) = (shell.stdin.take().expect("a pipe"), shell.stdout.take().expect("a pipe"));
    let mut lines = BufReader::new(output).lines();
    for Step { line, command, output } in steps(&text) {
        if command.starts_with("cargo ") {
            continue;
        }
        writeln!(input, "{command}\nprintf '\\n==%d==\\n' $?").expect("the shell listens");
        let mut said: Vec<String> = Vec::new();
        let status = loop {
            let next =
                lines.next().unwrap_or_else(|| panic!("docs/{page}:{line}: the shell ended:\n{}", said.join("\n")));
            let next = next.expect("text");
            if let Some(status) = next.strip_prefix("==").and_then(|rest| rest.strip_suffix("==")) {
                break status.to_owned();
            }
            said.push(next);
        };
        // The line break before the mark.
        if said.last().is_some_and(String::is_empty) {
            said.pop();
        }
        let refused = output.first().is_some_and(|first| first.starts_with("error"));
        assert_eq!(status != "0", refused, "docs/{page}:{line}: `{command}` ended with {status}:\n{}", said.join("\n"));
        assert!(
            matches(&output, &said),
            "docs/{page}:{line}: `{command}` prints\n{}\nand the page says\n{}",
            said.join("\n"),
            output.join("\n")
        );
    }
    drop(input);
    let _ = shell.kill();
    let _ = shell.wait();
}

fn path(lab: &Lab) -> std::ffi::OsString {
    // The operator's command may stand elsewhere than the program under test.
    let mut path = lab.program.nsgate().parent().map(|parent| parent.as_os_str().to_owned()).unwrap_or_default();
    path.push(":");
    path.push(lab.program.search_path());
    path
}

/// Whether lines are what a page says, `…` standing for anything.
pub fn matches(expected: &[String], said: &[String]) -> bool {
    match expected.split_first() {
        None => said.is_empty(),
        Some((any, rest)) if any.trim() == "…" => (0..=said.len()).any(|skip| matches(rest, &said[skip..])),
        Some((first, rest)) => {
            said.split_first().is_some_and(|(line, more)| alike(first, line.trim_end()) && matches(rest, more))
        }
    }
}

fn alike(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        rest = match (last, rest.find(part)) {
            (true, _) if rest.ends_with(part) => "",
            (false, Some(at)) => &rest[at + part.len()..],
            _ => return false,
        };
    }
    rest.is_empty()
}
