//! The operator's command `nsgate`.

mod attest;
mod check;
mod cleanup;
mod run;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A minimal-privilege metadata proxy for network namespaces.
#[derive(Debug, Parser)]
#[command(name = "nsgate", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Example:\n  nsgate check /var/lib/neutron/ns-metadata-proxy/UUID.conf && nsgate attest PID")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one network
    Run(Box<run::Run>),
    /// Judge a configuration and print the gate that would run; starts nothing
    Check(check::Check),
    /// Say what a process still holds: ids, capabilities, filters, namespaces, descriptors, files
    Attest(attest::Attest),
    /// Remove what proxies of older versions left of one network
    Cleanup(cleanup::Cleanup),
}

/// Runs the program and returns its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => run.execute(),
        Command::Check(check) => check.execute(),
        Command::Attest(attest) => attest.execute(),
        Command::Cleanup(cleanup) => cleanup.execute(),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether standard error shows colours: on a terminal, unless NO_COLOR is set (no-color.org).
fn colours() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
