//! `nsgate list` and `nsgate status`: the networks of the pool, and their numbers.

use super::{
    NOT_ALL_READ,
    listing::{network_json, numbers},
    pool_socket,
    status_all::HostLook,
    table::print,
};
use crate::{
    pool::hangs,
    site,
    terminal::{complain, say, waiting, write_out},
};
use nsgate_config::AbsolutePath;
use nsgate_pool::{Listing, list, protocol::NetworkStatus};
use serde_json::Value;
use std::{io::IsTerminal, thread::sleep, time::Duration};

/// Lists the networks that the pool serves, their listeners and their agents.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 if every worker has answered, 4 if one of several has not, 1 if none has.\n\n\
    Example:\n  nsgate list --json | jq -r '.[].id'\n  nsgate list --names")]
pub(super) struct List {
    /// The pool's socket, instead of the one in /etc/nsgate/nsgate.toml
    #[arg(long, value_name = "PATH")]
    pool: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Print the UUIDs alone, one a line, for the shell
    #[arg(long, conflicts_with = "json")]
    names: bool,
}

/// Shows each network's open connections, its requests, and how these ended. The networks are those of the pool. With --all
/// they are those of the host: of gates, keepers, haproxies in their place, the host's proxy, and the pool.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 if every worker has answered, 4 if one of several has not, 1 if none has. With --all it is \
    3 if a process holds what it should not or runs and serves no guest, and 4 if not everything could be read.\n\n\
    Example:\n  nsgate status --watch 2\n  nsgate status --all --json"
)]
pub(super) struct Status {
    /// The pool's socket, instead of the one in /etc/nsgate/nsgate.toml
    #[arg(long, value_name = "PATH")]
    pool: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Show every network of this host, in a pool or not (as root)
    #[arg(long)]
    all: bool,
    /// Repeat every so many seconds, until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

impl List {
    pub(super) fn execute(self) -> Result<u8, String> {
        let socket = pool_socket(self.pool.as_deref())?;
        let listing = ask_pool(&socket, self.json)?;
        let networks = &listing.networks;
        if self.names {
            networks.iter().for_each(|one| say!("{}", one.identity.uuid()));
        } else if self.json {
            let rows: Vec<Value> = networks.iter().map(network_json).collect();
            say!("{:#}", Value::from(rows));
        } else {
            Self::show(networks);
        }
        Ok(name_silent(&socket, &listing))
    }

    fn show(networks: &[NetworkStatus]) {
        let several = networks.iter().any(|one| one.worker.is_some());
        let mut rows = vec![["identity", "id", "listens on", "agent"].map(str::to_owned).to_vec()];
        rows.extend(networks.iter().map(|one| {
            let (identity, id) = (one.identity.header().to_owned(), one.identity.uuid().to_string());
            vec![identity, id, one.listen.clone(), one.backend.clone()]
        }));
        if several {
            name_workers(&mut rows, networks);
        }
        print(&rows, 4);
    }
}

/// Prints which workers did not answer, and returns the exit status.
fn name_silent(socket: &AbsolutePath, listing: &Listing) -> u8 {
    for worker in &listing.silent {
        complain!("{socket}: {}", hangs::silent(socket.as_path(), worker));
    }
    if listing.silent.is_empty() { 0 } else { NOT_ALL_READ }
}

/// The pool's listing. With `json`, an error is also written to standard output, for programs.
fn ask_pool(socket: &AbsolutePath, json: bool) -> Result<Listing, String> {
    waiting(socket.as_str(), || list(socket.as_path())).map_err(|error| {
        if json {
            say!("{:#}", hangs::in_json(socket, &error));
        }
        hangs::said(socket, &error)
    })
}

/// Adds a last column with the worker of each network if the pool has several.
fn name_workers(rows: &mut [Vec<String>], networks: &[NetworkStatus]) {
    let names = networks.iter().map(|one| one.worker.map_or_else(String::new, |number| number.to_string()));
    for (row, name) in rows.iter_mut().zip(std::iter::once("worker".to_owned()).chain(names)) {
        row.push(name);
    }
}

impl Status {
    pub(super) fn execute(self) -> Result<u8, String> {
        let socket = pool_socket(self.pool.as_deref())?;
        let wanted = self.pool.is_some() || site::load()?.pool.is_some();
        loop {
            let status = if self.all { self.everyone(&socket, wanted)? } else { self.pools(&socket)? };
            let Some(seconds) = self.watch else { return Ok(status) };
            sleep(Duration::from_secs(seconds));
        }
    }

    fn everyone(&self, socket: &AbsolutePath, wanted: bool) -> Result<u8, String> {
        let look = HostLook::at(socket, wanted)?;
        if self.json {
            say!("{:#}", look.json());
        } else {
            self.begin();
            look.show();
        }
        Ok(look.status())
    }

    fn pools(&self, socket: &AbsolutePath) -> Result<u8, String> {
        let listing = ask_pool(socket, self.json)?;
        let networks = &listing.networks;
        if self.json {
            let rows: Vec<Value> = networks.iter().map(numbers).collect();
            say!("{:#}", Value::from(rows));
        } else {
            self.begin();
            show(networks);
        }
        Ok(name_silent(socket, &listing))
    }

    /// With --watch, clears the screen.
    fn begin(&self) {
        if self.watch.is_some() && std::io::stdout().is_terminal() {
            write_out(format_args!("\x1b[2J\x1b[H"));
        }
    }
}

fn show(networks: &[NetworkStatus]) {
    let names = ["identity", "id", "seconds", "connections", "requests", "served", "rejected", "failed"];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    rows.extend(networks.iter().map(|one| {
        let numbers = [one.age, u64::from(one.connections), one.requests, one.served, one.rejected, one.failed];
        let mut row = vec![one.identity.header().to_owned(), one.identity.uuid().to_string()];
        row.extend(numbers.iter().map(ToString::to_string));
        row
    }));
    if networks.iter().any(|one| one.worker.is_some()) {
        name_workers(&mut rows, networks);
    }
    print(&rows, 2);
    let sum = |of: fn(&NetworkStatus) -> u64| networks.iter().map(of).sum::<u64>();
    say!(
        "{} networks, {} connections, {} requests: {} served, {} rejected, {} failed",
        networks.len(),
        sum(|one| one.connections.into()),
        sum(|one| one.requests),
        sum(|one| one.served),
        sum(|one| one.rejected),
        sum(|one| one.failed)
    );
}
