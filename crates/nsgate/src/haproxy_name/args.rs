//! haproxy's command line, as far as a Neutron deployment uses it (haproxy(1)).
//!
//! haproxy does not follow getopt: `-db` is one option, and `-sf` takes words up to the next option. So no getopt library is used.

use std::{ffi::OsString, path::PathBuf};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum HaproxyCommand {
    /// `-v`: print the version.
    Version,
    /// `-vv`: print the version and the features of this build.
    Build,
    /// `-c`: check the configuration and start nothing.
    Check(Args),
    /// Start the gate.
    Run(Args),
}

/// The options that matter for a start or a check.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// `-f`: the one configuration file.
    pub file: PathBuf,
    /// `-p`: the pid file, instead of the configuration's.
    pub pid_file: Option<String>,
    /// `-D`: go into the background, whether or not the configuration says so.
    pub daemon: bool,
    /// `-db` or `-Ws`: stay in the foreground, even if the configuration says otherwise.
    pub foreground: bool,
    /// `-Ws`: tell systemd when ready.
    pub notify: bool,
    /// `-q`: no warnings and no notices.
    pub quiet: bool,
    /// `-V`: print what is done.
    pub verbose: bool,
    /// `-dW`: a warning is an error.
    pub strict: bool,
    /// `-n`: connections at once, instead of the configuration's `maxconn`.
    pub connections: Option<u32>,
    /// `-m`: megabytes of address space.
    pub memory: Option<u32>,
    /// `-sf`: processes that finish their requests once the new gate serves (SIGUSR1).
    pub finish: Vec<i32>,
    /// `-st`: processes that end once the new gate serves (SIGTERM).
    pub terminate: Vec<i32>,
    /// Options that change nothing here; a warning names them.
    pub ignored: Vec<String>,
}

/// Options of haproxy that change nothing here.
const WITHOUT_EFFECT: [&str; 10] = ["-de", "-dp", "-dS", "-dG", "-dR", "-dr", "-dL", "-dD", "-dV", "-W"];

/// Reads the words after the program's name.
///
/// # Errors
/// A sentence that names the word, and what to write instead.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<HaproxyCommand, String> {
    let mut words = words.into_iter().peekable();
    let mut args = Args::default();
    let mut files: Vec<OsString> = Vec::new();
    let mut check = false;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        let mut value = |what: &str| words.next().ok_or(format!("`{text}` needs {what} behind it"));
        match text.as_str() {
            "-v" => return Ok(HaproxyCommand::Version),
            "-vv" => return Ok(HaproxyCommand::Build),
            "-f" => files.push(value("the configuration file")?),
            "-p" => args.pid_file = Some(utf8(value("the pid file")?, "-p")?),
            "-c" => check = true,
            "-D" => args.daemon = true,
            "-db" | "-d" => args.foreground = true,
            "-Ws" => (args.foreground, args.notify) = (true, true),
            "-q" => args.quiet = true,
            "-V" => args.verbose = true,
            "-dW" => args.strict = true,
            "-n" => args.connections = Some(bounded_number(&value("a number of connections")?, "-n", "connections")?),
            "-m" => args.memory = Some(bounded_number(&value("a number of megabytes")?, "-m", "megabytes")?),
            "-N" => {
                bounded_number(&value("a number of connections")?, "-N", "connections")?;
                args.ignored.push(text);
            }
            "-sf" | "-st" => {
                let list = if text == "-sf" { &mut args.finish } else { &mut args.terminate };
                while let Some(word) = words.next_if(|word| !word.to_string_lossy().starts_with('-')) {
                    list.push(pid(&word, &text)?);
                }
            }
            "--" => files.extend(words.by_ref()),
            tuning if WITHOUT_EFFECT.contains(&tuning) || tuning.starts_with("-dM") => {
                // No warning for `-W`: its starter or the agent watches every gate.
                if tuning != "-W" {
                    args.ignored.push(text);
                }
            }
            "-x" | "-S" | "-L" | "-C" | "-cc" | "-dK" | "-dF" => {
                return Err(format!("`{text}` is an option of haproxy that nsgate does not have; leave it out"));
            }
            _ => return Err(format!("`{text}` is not an option; {USAGE}")),
        }
    }
    args.file = match <[OsString; 1]>::try_from(files) {
        Ok([file]) => PathBuf::from(file),
        Err(none) if none.is_empty() => return Err(format!("no configuration file is given; {USAGE}")),
        Err(many) => {
            return Err(format!(
                "{} configuration files are given (`{}` and `{}`); a gate has one: start one nsgate for each",
                many.len(),
                many.first().map(|file| file.to_string_lossy()).unwrap_or_default(),
                many.last().map(|file| file.to_string_lossy()).unwrap_or_default(),
            ));
        }
    };
    Ok(if check { HaproxyCommand::Check(args) } else { HaproxyCommand::Run(args) })
}

/// The usage, for error messages.
pub(super) const USAGE: &str = "usage: haproxy -f FILE [-c] [-D | -db | -W | -Ws] [-p PIDFILE] [-n CONNECTIONS] \
    [-m MEGABYTES] [-q] [-V] [-dW] [-sf PID...] [-st PID...] | -v | -vv";

fn utf8(word: OsString, option: &str) -> Result<String, String> {
    word.into_string().map_err(|word| format!("`{option} {}` is not UTF-8", word.to_string_lossy()))
}

fn bounded_number(word: &OsString, option: &str, unit: &str) -> Result<u32, String> {
    let text = word.to_string_lossy();
    match text.parse() {
        Ok(number) if number > 0 && text.starts_with(|c: char| c.is_ascii_digit()) => Ok(number),
        _ => Err(format!("`{option} {text}` is not a number of {unit}; write 1 to {}", u32::MAX)),
    }
}

/// A pid above 1. kill(2) takes 0 and negative numbers for groups of processes.
fn pid(word: &OsString, option: &str) -> Result<i32, String> {
    let text = word.to_string_lossy();
    match text.parse() {
        Ok(pid) if pid > 1 => Ok(pid),
        _ => Err(format!("`{option} {text}` is not the pid of a gate; write a number above 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, HaproxyCommand, parse};
    use std::ffi::OsString;

    fn words(line: &str) -> Result<HaproxyCommand, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn run(line: &str) -> Args {
        match words(line) {
            Ok(HaproxyCommand::Run(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn neutron_and_its_wrappers_are_understood() {
        assert_eq!(run("-f /a.conf").file.to_str(), Some("/a.conf"));
        let host_wide = run("-f /a.conf -p /b.pid");
        assert_eq!(host_wide.pid_file.as_deref(), Some("/b.pid"));
        let sidecar = run("-Ws -f /a.conf");
        assert!(sidecar.foreground && sidecar.notify && sidecar.ignored.is_empty());
        assert!(!run("-W -f /a.conf").foreground);
        assert!(run("-db -f /a.conf").foreground);
        assert!(run("-D -f /a.conf").daemon);
    }

    #[test]
    fn lists_of_pids_end_at_the_next_option() {
        let args = run("-sf 10 11 -st 12 -f /a.conf -q");
        assert_eq!((args.finish, args.terminate, args.quiet), (vec![10, 11], vec![12], true));
    }

    #[test]
    fn a_lone_check_or_version_is_not_a_start() {
        assert!(matches!(words("-c -f /a.conf"), Ok(HaproxyCommand::Check(_))));
        assert_eq!(words("-v"), Ok(HaproxyCommand::Version));
        assert_eq!(words("-vv -f x"), Ok(HaproxyCommand::Build));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, word) in [
            ("", "no configuration file"),
            ("-f", "`-f` needs"),
            ("-f /a -f /b", "`/a` and `/b`"),
            ("-f /a -n 0", "`-n 0`"),
            ("-f /a -n +5", "`-n +5`"),
            ("-f /a -m many", "`-m many`"),
            ("-f /a -sf 0", "`-sf 0`"),
            ("-f /a -st 1", "`-st 1`"),
            ("-f /a -zz", "`-zz`"),
            ("-f /a stray", "`stray`"),
            ("-f /a -x /s", "`-x`"),
        ] {
            let error = words(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
