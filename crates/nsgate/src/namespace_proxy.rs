//! The program that answers to the name `neutron-ns-metadata-proxy`.
//!
//! That program wrote a configuration, ran another program and removed files. This one makes the gate in memory. It writes no
//! file but the pid file and the log file of its command line.

use crate::{
    gate, site,
    terminal::{self, complain},
};
use nsgate_config::namespace_proxy::{HELP, NAME, NamespaceProxy, NamespaceProxyCommand, parse};
use nsgate_launcher::{Mode, Options};
use std::process::ExitCode;

/// Runs the program and returns its exit status.
pub fn main() -> ExitCode {
    let outcome = match parse(std::env::args_os().skip(1)) {
        Ok(NamespaceProxyCommand::Version) => Ok(say(concat!("nsgate version ", env!("CARGO_PKG_VERSION")))),
        Ok(NamespaceProxyCommand::Help) => Ok(say(HELP)),
        Ok(NamespaceProxyCommand::Run(asked)) => run(*asked),
        Err(mistake) => Err(terminal::mistake(format!("{mistake}; `--help` lists the options"))),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            complain!("{NAME} (nsgate): {message}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> u8 {
    println!("{text}");
    0
}

fn run(asked: NamespaceProxy) -> Result<u8, String> {
    let NamespaceProxy { mut config, log_file } = asked;
    // An agent writes the command line and must not choose whether root is accepted.
    let site = site::load()?;
    config.process.allow_root = site.allow_root;
    config.process.sandbox = site.sandbox;
    config.process.audit = site.audit;
    (config.gate.guards, config.gate.trace) = (site.guards, site.trace);
    config.gate.asks(site.agent);
    let mode = if config.process.daemon { Mode::Daemon } else { Mode::Foreground };
    let mut options = Options::new(mode);
    options.log_file = log_file;
    options.unheard = Some(terminal::unheard);
    gate::run(&config, &options).map_err(|error| error.to_string())
}
