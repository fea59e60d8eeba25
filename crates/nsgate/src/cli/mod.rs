//! The operator's command `nsgate`.

mod add;
mod agent;
pub(crate) mod attest;
pub(crate) mod check;
mod cleanup;
mod doctor;
mod explain;
mod hop_status;
mod listing;
mod metrics;
mod mistake;
mod networks;
mod pool;
mod remove;
mod run;
pub(crate) mod start;
mod status_all;
mod table;

use crate::{
    site,
    terminal::{colours, complain},
};
use clap::{Parser, Subcommand};
use nsgate_config::{AbsolutePath, PoolUse};
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
    /// Check a configuration and print the gate that would run; start nothing
    Check(check::Check),
    /// Show what a process holds: ids, capabilities, filters, namespaces, descriptors, files
    Attest(attest::Attest),
    /// Explain the kernel's line about a system call that was killed
    Explain(explain::Explain),
    /// Serve every network that is handed over, in one confined process
    Pool(Box<pool::PoolCommand>),
    /// Carry the requests of this host's gates to Nova
    Agent(agent::AgentCommand),
    /// Hand one network over to the pool, and keep it there
    Add(Box<add::Add>),
    /// End a network of the pool
    Remove(remove::Remove),
    /// List the networks of the pool
    List(networks::List),
    /// Show connections, requests and refusals of the pool's networks
    Status(networks::Status),
    /// Write or serve the metrics of this host, for a monitoring system
    Metrics(metrics::Metrics),
    /// Check this host, and say what is wrong and what to do
    Doctor(doctor::Doctor),
    /// Remove the files that proxies of older versions left of one network
    Cleanup(cleanup::Cleanup),
}

/// The command line as a value, from which manual pages and completions are made.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program and returns its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return mistake::report(&error),
    };
    let outcome = match cli.command {
        Command::Run(run) => run.execute(),
        Command::Check(check) => check.execute(),
        Command::Attest(attest) => attest.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Pool(pool) => pool.execute(),
        Command::Agent(agent) => agent.execute(),
        Command::Add(add) => add.execute(),
        Command::Remove(remove) => remove.execute(),
        Command::List(list) => list.execute(),
        Command::Status(status) => status.execute(),
        Command::Metrics(metrics) => metrics.execute(),
        Command::Doctor(doctor) => doctor.execute(),
        Command::Cleanup(cleanup) => cleanup.execute(),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            complain!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The pool's socket: from the command line, the site's settings, or the default.
fn pool_socket(said: Option<&str>) -> Result<AbsolutePath, String> {
    pool_use(said).map(|pool| pool.socket)
}

/// The same, with the site's settings for its keepers.
fn pool_use(said: Option<&str>) -> Result<PoolUse, String> {
    match said {
        Some(path) => {
            let path = AbsolutePath::new(path).map_err(|invalid| mistake::option_error("--pool", invalid.reason()))?;
            Ok(PoolUse::at(path))
        }
        None => match site::load()?.pool {
            Some(pool) => Ok(pool),
            None => Ok(PoolUse::at(AbsolutePath::new(POOL)?)),
        },
    }
}

/// Exit status if a part could not be read and nothing is wrong with the rest.
const NOT_ALL_READ: u8 = 4;

/// The default socket of a pool.
const POOL: &str = "/run/nsgate/pool.sock";

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
