//! `nsgate add` where a service manager keeps networks. The courier binds the listeners, hands them over with a sealed record of
//! the gate, and ends.

use crate::gate;
use nsgate_config::{AbsolutePath, Account, Config};
use nsgate_launcher::{Carried, LaunchError, Launched, Options, Running, launch_courier};
use nsgate_pool::{Channel, keep, keep_over, protocol::Notes, record};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

/// Hands `config`'s network over to the worker at `pool`, which keeps it, and returns the exit status of this process.
///
/// # Errors
/// The reason why the network is not served. Nothing is left behind then.
pub fn run_courier(config: &Config, pool: &AbsolutePath, options: &Options) -> Result<u8, LaunchError> {
    // The user that adds the network owns the record; the worker checks that owner. The content is written after the bind.
    let mut options = options.clone();
    options.record = Some(record::blank);
    match launch_courier(config, pool, &options, || gate::token_key_text(&config.gate.guards))? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(deliver(config, pool, &options, *running)),
    }
}

/// `running` has prepared the key of the network's session tokens.
fn deliver(config: &Config, pool: &AbsolutePath, options: &Options, running: Running<Option<String>>) -> u8 {
    let Running { prepared: key, agents, listeners, readiness, carried: Carried { connection, record, .. }, .. } =
        running;
    // An error goes to the network's own log. The worker logs the requests.
    let mut process = config.process.clone();
    process.audit = None;
    let outputs = (running.log, running.standard_error, None);
    let _ = gate::log(&process, options, outputs, running.host_pid, &running.warnings);
    let mut config = config.clone();
    config.gate.listeners = running.listening;
    config.gate.backend.owner = agents.first().and_then(|agent| agent.owner).map(Account::Id);
    let listeners: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    // The record keeps the key: sealed memory that only the manager and the network's workers have.
    let notes = Notes { key, ..Notes::default() };
    let delivered = record.ok_or(io::ErrorKind::NotFound.into());
    let delivered = delivered.and_then(|blank| record::fill(blank, &config, &notes, &listeners));
    let delivered = delivered.map_err(|error| format!("the record: {error}"));
    let delivered = delivered.and_then(|record| {
        let (identity, record) = (config.gate.identity, record.as_fd());
        let kept = match connection {
            Some(connection) => keep_over(&Channel::from(connection), identity, record, &listeners),
            None => keep(&running.pool.unwrap_or_default(), identity, record, &listeners),
        };
        kept.map_err(|error| error.to_string())
    });
    match delivered {
        Ok(()) => {
            readiness.tell();
            0
        }
        Err(reason) => {
            readiness.fail(&format!("{pool}: {reason}"));
            1
        }
    }
}
