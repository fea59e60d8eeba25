//! `cargo xtask lab COMMAND`: any command in a private world, for trying things by hand and for suites in other languages.

use std::ffi::OsString;
use std::process::Command;

use nsgate_tests::world;

/// Runs the command in a world, and fails if the command fails.
pub(crate) fn run(words: &[OsString]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("lab needs a command, for instance `cargo xtask lab bash`".to_owned());
    };
    let status = inside(|| {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    })?;
    if status == 0 { Ok(()) } else { Err(format!("`{}` ended with status {status}", program.to_string_lossy())) }
}

/// Runs a command in a world and returns its exit status.
pub(crate) fn inside(command: impl FnOnce() -> Command) -> Result<i32, String> {
    world::run(move || {
        let mut command = command();
        match command.status() {
            Ok(status) => status.code().unwrap_or(1),
            Err(error) => {
                eprintln!("{:?}: {error}", command.get_program());
                127
            }
        }
    })
    .map_err(|error| error.to_string())
}
