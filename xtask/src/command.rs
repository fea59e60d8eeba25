//! Running other programs: their output passes through as it comes, and is kept for the totals.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a program printed on standard output, and whether it succeeded.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) output: String,
}

/// Runs to the end; standard output is printed and kept, standard error is printed.
pub(crate) fn stream(mut command: Command) -> Result<Finished, String> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| describe(&command, &e))?;
    let mut output = String::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).split(b'\n') {
        let line = line.map_err(|e| describe(&command, &e))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        output.push_str(&line);
        output.push('\n');
    }
    let status = child.wait().map_err(|e| describe(&command, &e))?;
    Ok(Finished { success: status.success(), output })
}

/// Runs to the end with its own terminal.
pub(crate) fn plain(mut command: Command) -> Result<bool, String> {
    command.status().map(|status| status.success()).map_err(|e| describe(&command, &e))
}

/// What a command says on standard output, without the line's end.
///
/// # Errors
/// It cannot be started, or it fails: the error has its output.
pub(crate) fn said(mut command: Command) -> Result<String, String> {
    let out = command.output().map_err(|e| format!("{:?}: {e}", command.get_program()))?;
    if !out.status.success() {
        let why = String::from_utf8_lossy(&out.stderr);
        return Err(format!("{command:?} failed: {}", why.trim_end()));
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim_end().to_owned())
}

/// Whether the program can be started and ends well, silently.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let quiet = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// `cargo` of the toolchain that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(nsgate_tests::program::workspace());
    command
}

fn describe(command: &Command, error: &std::io::Error) -> String {
    format!("cannot run {}: {error}", command.get_program().to_string_lossy())
}

/// This program's own file. Where cargo has built it anew meanwhile, as it does for this package's tests, the kernel calls the
/// one that runs `… (deleted)`; the new one has its place, and is made from the same sources.
pub(crate) fn own_program() -> Result<PathBuf, String> {
    let path = std::env::current_exe().map_err(|error| format!("this program's own file: {error}"))?;
    Ok(path.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map_or(path.clone(), PathBuf::from))
}
