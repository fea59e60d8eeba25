//! `nsgate pool`: the worker.

use super::{colours, mistake::command_line, run::obeyed};
use crate::{
    notify,
    pool::{hangs, run_worker, unreached},
    shown,
    terminal::{complain, unheard},
};
use nsgate_config::{
    PoolConfig,
    native::{DraftAccount, DraftPool, all_on_command_line, on_command_line},
};
use nsgate_launcher::{Mode, Options, Written, pool_socket};
use nsgate_pool::{Channel, protocol::Request};
use std::{
    os::fd::{AsRawFd, OwnedFd, RawFd},
    path::PathBuf,
};

/// Serves every network that is handed over, in the foreground unless told otherwise.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  nsgate pool --socket /run/nsgate/pool.sock --backend /var/lib/neutron/metadata_proxy \\\n      \
    --user nsgate --handover-group neutron --metrics /run/nsgate/metrics.sock"
)]
pub(super) struct PoolCommand {
    /// The pool as TOML; flags take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Take over from a worker that answers at the socket, without loss
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    flags: PoolFlags,
}

/// The common settings, as flags.
#[derive(Debug, clap::Args)]
struct PoolFlags {
    /// The socket at which networks are handed over
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// The group whose processes may hand over, beside root: the keepers' group
    #[arg(long, value_name = "GROUP")]
    handover_group: Option<String>,
    /// A metadata agent's UNIX socket that networks may ask for; may be given up to eight times
    #[arg(long = "backend", value_name = "PATH")]
    backends: Vec<String>,
    /// Workers, each a process that is confined by itself; a network always has the same one
    #[arg(long, value_name = "NUMBER")]
    workers: Option<i64>,
    /// Most networks of each worker
    #[arg(long, value_name = "NUMBER")]
    networks: Option<i64>,
    /// Most connections of guests of each worker, of all networks together
    #[arg(long, value_name = "NUMBER")]
    connections: Option<i64>,
    /// Connections reserved for each network
    #[arg(long, value_name = "NUMBER")]
    reserved_connections: Option<i64>,
    /// The socket at which metrics are served, in the OpenMetrics text format over HTTP
    #[arg(long, value_name = "PATH")]
    metrics: Option<String>,
    /// Run as this user
    #[arg(long)]
    user: Option<String>,
    /// Run as this group instead of the user's own
    #[arg(long)]
    group: Option<String>,
    /// Accept root as user or group
    #[arg(long)]
    allow_root: bool,
    /// If the kernel lacks a part of the confinement: `default` reports it, `strict` refuses to start
    #[arg(long, value_name = "LEVEL")]
    sandbox: Option<String>,
    /// Write the pid here
    #[arg(long, value_name = "PATH")]
    pid_file: Option<String>,
    /// Go into the background once handovers are taken
    #[arg(long)]
    daemon: bool,
}

impl PoolCommand {
    pub(super) fn execute(self) -> Result<u8, String> {
        let self_replaces = self.replace;
        let farewell = self.replace.then(|| Request::Leave.to_bytes());
        let (config, written) = self.configuration()?;
        let mode = if config.process.daemon { Mode::Daemon } else { Mode::Foreground };
        let passed = notify::passed()?;
        if config.pool.workers > 1 {
            only_sockets(&passed)?;
        }
        let mut options = Options::new(mode);
        options.on_ready = Some(notify::ready);
        options.unheard = Some(unheard);
        options.farewell = farewell;
        options.passed = passed;
        options.written = written;
        if self_replaces {
            replaceable(&config, &options)?;
        } else if unreached::is_named(&config) {
            reached(&config, &options)?;
        }
        run_worker(&config, &options).map_err(|error| error.to_string())
    }

    /// The file's settings, replaced by the flags, and the rights of the file.
    fn configuration(self) -> Result<(PoolConfig, Option<Written>), String> {
        let (name, text, written) = obeyed(self.config.as_deref())?;
        let wrong = |errors| shown::errors(&text, &name, errors).render(colours());
        let mut draft = DraftPool::read(&name, &text).map_err(wrong)?;
        draft.command_line = Some(command_line());
        self.flags.fill(&mut draft);
        let (config, warnings) = draft.finish(&name, &text).map_err(wrong)?;
        for warning in shown::warnings(&text, &name, warnings) {
            eprintln!("{}", warning.render(colours()));
        }
        Ok((config, written))
    }
}

/// The pool's socket, by descriptor, if a worker answers there. An error if a worker is there and does not answer: it cannot be
/// told to leave, and would keep its networks.
fn reached(config: &PoolConfig, options: &Options) -> Result<Option<(PathBuf, OwnedFd)>, String> {
    let found = pool_socket(config, options).map_err(|error| error.to_string())?;
    let place = found.map(|found| (PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd())), found));
    let reached = place.filter(|(path, _)| Channel::connect(path).is_ok());
    unreached::find(config, reached.is_some()).map_or(Ok(reached), |pid| Err(unreached::said(config, pid)))
}

/// Refuses to replace a worker for which a service manager keeps networks: only the manager's own next worker gets them.
fn replaceable(config: &PoolConfig, options: &Options) -> Result<(), String> {
    let Some((path, _found)) = reached(config, options)? else { return Ok(()) };
    let socket = &config.pool.socket;
    match nsgate_pool::stores(&path) {
        Ok(()) => Err(format!(
            "{socket}: a service manager keeps networks for the worker that answers here; have the manager restart it \
             (`systemctl restart`), which loses nothing either"
        )),
        Err(error) => {
            if hangs::is_silent(&error) {
                complain!("{}; it is told to leave should it go on", hangs::said(socket, &error));
            }
            Ok(())
        }
    }
}

/// Refuses several workers while a manager keeps networks for one: several keep none, and these networks would be lost silently.
fn only_sockets(passed: &[(RawFd, String)]) -> Result<(), String> {
    match passed.iter().find(|(_, name)| name != "handover" && name != "metrics") {
        Some((_, name)) => Err(format!(
            "the service manager keeps `{}` for one worker; with `workers` above 1 it keeps none: remove the network \
             first, or go back to one worker",
            name.escape_debug()
        )),
        None => Ok(()),
    }
}

impl PoolFlags {
    fn fill(self, draft: &mut DraftPool) {
        if !self.backends.is_empty() {
            draft.backends = Some(all_on_command_line(self.backends));
        }
        let text = |slot: &mut Option<_>, said: Option<String>| {
            if let Some(said) = said {
                *slot = Some(on_command_line(said));
            }
        };
        text(&mut draft.socket, self.socket);
        text(&mut draft.metrics, self.metrics);
        text(&mut draft.sandbox, self.sandbox);
        text(&mut draft.pid_file, self.pid_file);
        let number = |slot: &mut Option<_>, said: Option<i64>| {
            if let Some(said) = said {
                *slot = Some(on_command_line(said));
            }
        };
        number(&mut draft.workers, self.workers);
        number(&mut draft.networks, self.networks);
        number(&mut draft.connections, self.connections);
        number(&mut draft.reserved_connections, self.reserved_connections);
        let account = |slot: &mut Option<_>, said: Option<String>| {
            if let Some(said) = said {
                *slot = Some(on_command_line(DraftAccount::Name(said)));
            }
        };
        account(&mut draft.handover_group, self.handover_group);
        account(&mut draft.user, self.user);
        account(&mut draft.group, self.group);
        draft.allow_root |= self.allow_root;
        draft.daemon |= self.daemon;
    }
}

#[cfg(test)]
mod tests {
    use nsgate_config::native::{DraftPool, on_command_line};

    #[test]
    fn errors_name_flags_that_there_are() {
        let command = crate::cli::command();
        let pool = command.find_subcommand("pool").unwrap();
        let flags: Vec<&str> = pool.get_arguments().filter_map(clap::Arg::get_long).collect();
        let relative = || on_command_line("relative".to_owned());
        let wrong = DraftPool {
            socket: Some(relative()),
            backends: Some(vec![relative(), relative()]),
            metrics: Some(relative()),
            pid_file: Some(relative()),
            workers: Some(on_command_line(-1)),
            networks: Some(on_command_line(-1)),
            connections: Some(on_command_line(-1)),
            reserved_connections: Some(on_command_line(-1)),
            ..DraftPool::default()
        };
        for draft in [DraftPool::default(), wrong] {
            let said = draft.finish("command line", "").unwrap_err().to_string();
            let named: Vec<&str> = said
                .split("--")
                .skip(1)
                .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default())
                .filter(|name| !name.is_empty())
                .collect();
            assert!(named.len() >= 3, "{said}");
            for name in named {
                assert!(flags.contains(&name), "--{name} is no flag of `nsgate pool`: {said}");
            }
        }
    }
}
