//! Errors on the command line, shown like those in a configuration: the line, a caret below the word, and help.

use super::{colours, command};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use nsgate_config::{CommandLine, Diagnostic, closest};
use std::{error::Error, process::ExitCode};

/// Exit status for an invalid command line (that of clap).
const MISUSED: u8 = 2;

/// The command line of this process.
pub(super) fn command_line() -> CommandLine {
    CommandLine::new(std::env::args_os())
}

/// An error about the value of an option.
pub(super) fn option_error(option: &str, reason: &str) -> String {
    let line = command_line();
    line.error(line.value(option, 0), &format!("{option}: {reason}"), "").render(colours())
}

/// An error about a word that is no option.
pub(super) fn refused_word(word: &str, reason: &str, help: &str) -> String {
    let line = command_line();
    line.error(line.word(word), reason, help).render(colours())
}

/// Prints help, version or an error, and returns the exit status.
pub(super) fn report(error: &clap::Error) -> ExitCode {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(error.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand) {
        // A closed stream is no error.
        let _ = error.print();
        return if error.use_stderr() { ExitCode::from(MISUSED) } else { ExitCode::SUCCESS };
    }
    eprintln!("{}", diagnostic(error, &command_line()).render(colours()));
    ExitCode::from(MISUSED)
}

fn diagnostic(error: &clap::Error, line: &CommandLine) -> Diagnostic {
    let said = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let (argument, value) = (said(ContextKind::InvalidArg), said(ContextKind::InvalidValue));
    // The option alone, of `--sandbox <LEVEL>`.
    let option = argument.split([' ', '=']).next().unwrap_or_default();
    let named = option.starts_with('-');
    let about = NamedCommand::by(line);
    match error.kind() {
        ErrorKind::UnknownArgument if named => {
            let message = format!("`{option}` is not an option of `{}`", about.name);
            line.error(line.word(option), &message, &about.meant(option))
        }
        ErrorKind::UnknownArgument => {
            let message = format!("`{argument}` is one word too many for `{}`", about.name);
            line.error(line.word(&argument), &message, &about.more())
        }
        ErrorKind::InvalidSubcommand => {
            let word = said(ContextKind::InvalidSubcommand);
            let message = format!("`{word}` is not a command of nsgate");
            line.error(line.word(&word), &message, &NamedCommand::command_meant(&word))
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            let message = format!("`{argument}` needs a value behind it");
            line.error(line.value(option, 0), &message, &about.more())
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let reason = error.source().map(ToString::to_string).unwrap_or_default();
            let message = match reason.as_str() {
                "" => format!("`{value}` is not a value of `{argument}`"),
                reason => format!("`{value}` is not a value of `{argument}`: {reason}"),
            };
            let spot = line.value(option, 0).filter(|_| named).or_else(|| line.word(&value));
            line.error(spot, &message, &one_of(error).unwrap_or_else(|| about.more()))
        }
        ErrorKind::MissingRequiredArgument => {
            let message = format!("{} is missing", ticked(error.get(ContextKind::InvalidArg), " and "));
            line.error(Some(line.end()), &message, &about.more())
        }
        ErrorKind::ArgumentConflict => {
            let prior = ticked(error.get(ContextKind::PriorArg), ", ");
            let message = match format!("`{argument}`") == prior {
                true => format!("`{argument}` is said twice; keep one of the two"),
                false => format!("`{argument}` cannot stand beside {prior}"),
            };
            // A positional argument has no name to search for: mark the option that it conflicts with.
            let prior = prior.trim_matches('`').split(' ').next().unwrap_or_default().to_owned();
            line.error(line.word(option).or_else(|| line.word(&prior)), &message, &about.more())
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            line.error(None, first.strip_prefix("error: ").unwrap_or(first), &about.more())
        }
    }
}

/// The accepted values.
fn one_of(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(all)) if !all.is_empty() => Some(format!("write one of {}", all.join(", "))),
        _ => None,
    }
}

/// Each value in backticks.
fn ticked(value: Option<&ContextValue>, between: &str) -> String {
    match value {
        Some(ContextValue::Strings(all)) => all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(between),
        Some(other) => format!("`{other}`"),
        None => "an option".to_owned(),
    }
}

/// The command on the line, or `nsgate` itself if it is unknown.
struct NamedCommand {
    name: String,
    options: Vec<String>,
}

impl NamedCommand {
    fn by(line: &CommandLine) -> Self {
        let whole = command();
        let asked = whole.get_subcommands().find(|one| line.word(one.get_name()).is_some_and(|spot| spot.is_first()));
        let options = asked.unwrap_or(&whole).get_arguments().filter_map(|one| one.get_long());
        Self {
            name: asked.map_or_else(|| "nsgate".to_owned(), |one| format!("nsgate {}", one.get_name())),
            options: options.map(|long| format!("--{long}")).collect(),
        }
    }

    fn meant(&self, option: &str) -> String {
        let known = self.options.iter().map(String::as_str);
        closest(option, known).map_or_else(|| self.more(), |word| format!("did you mean `{word}`?"))
    }

    fn command_meant(word: &str) -> String {
        let whole = command();
        let known: Vec<&str> = whole.get_subcommands().map(clap::Command::get_name).collect();
        match closest(word, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write one of {}", known.join(", ")),
        }
    }

    fn more(&self) -> String {
        format!("`{} --help` lists what it takes", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{command, diagnostic};
    use nsgate_config::CommandLine;
    use std::ffi::OsString;

    /// The message about a line, and the word that is marked.
    fn said(line: &str) -> (String, String, String) {
        let words = || line.split(' ').map(OsString::from);
        let error = command().try_get_matches_from(words()).unwrap_err();
        let found = diagnostic(&error, &CommandLine::new(words()));
        let marked = found.source.chars().skip(found.column - 1).take(found.length).collect();
        (found.message, marked, found.help.unwrap_or_default())
    }

    #[test]
    fn the_caret_stands_below_the_wrong_word() {
        for (line, message, marked, help) in [
            (
                "nsgate add --netns a --prot x",
                "`--prot` is not an option of `nsgate add`",
                "--prot",
                "did you mean `--pool`?",
            ),
            ("nsgate run --backand=/x", "`--backand` is not an option", "--backand=/x", "did you mean `--backend`?"),
            ("nsgate ad", "`ad` is not a command", "ad", "did you mean `add`?"),
            ("nsgate frobnicate", "`frobnicate` is not a command", "frobnicate", "write one of run, check"),
            ("nsgate list stray", "`stray` is one word too many", "stray", "`nsgate list --help`"),
            (
                "nsgate check --dialect greek f",
                "`greek` is not a value of `--dialect <DIALECT>`",
                "greek",
                "native, haproxy",
            ),
            ("nsgate status --watch=0", "`0` is not a value of `--watch", "0", "`nsgate status --help`"),
            ("nsgate attest many", "`many` is not a value of `[PID]`: ", "many", "`nsgate attest --help`"),
            ("nsgate run --user", "`--user <USER>` needs a value behind it", "--user", "`nsgate run --help`"),
            ("nsgate run --user a --user b", "`--user <USER>` is said twice", "--user", "`nsgate run --help`"),
            ("nsgate attest 7 --all", "cannot stand beside", "--all", "`nsgate attest --help`"),
            (
                "nsgate cleanup --id 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10",
                "`--state-path <DIRECTORY>` is missing",
                "",
                "",
            ),
        ] {
            let found = said(line);
            assert!(found.0.contains(message) && found.1 == marked && found.2.contains(help), "{line}: {found:#?}");
        }
    }
}
