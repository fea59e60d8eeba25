//! Several workers: the zygote's process and its children.

use super::settings::{Room, observe, peers, settings};
use crate::{
    gate::{self, EventLoop},
    sys,
};
use nsgate_config::PoolConfig;
use nsgate_forwarder::{Stop, TokenKey};
use nsgate_launcher::{
    EXIT_ON_SIGNAL, LaunchError, Launched, Options, PoolProcess, Role, Running, Zygote, launch_worker, raise,
};
use nsgate_pool::{
    Allowed, record,
    worker::{Dispatcher, Worker},
};
use nsgate_sandbox::Confined;
use std::{collections::hash_map::RandomState, hash::BuildHasher, io, os::fd::OwnedFd};

/// Runs the workers that `config` describes, and returns the exit status of this process: starter, zygote, dispatcher or worker.
///
/// # Errors
/// The reason why they cannot serve. Nothing is left behind then.
pub(super) fn run(config: &PoolConfig, room: Room, options: &Options) -> Result<u8, LaunchError> {
    // The dispatcher's filter forbids making it: the memory for the next dispatcher is made here.
    match launch_worker(config, options, record::blank)? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(serve(config, room, options, *running)),
    }
}

fn serve(config: &PoolConfig, room: Room, options: &Options, running: Running<OwnedFd>) -> u8 {
    let PoolConfig { pool, process } = config;
    // All children share one log and one audit, which are opened once.
    let outputs = (running.log, running.standard_error, running.audit);
    let (sink, events) = gate::log(process, options, outputs, running.host_pid, &running.warnings);
    let Running {
        prepared: memory, signals, confined, agents, endpoints, watchdog, handover_gid: gid, readiness, ..
    } = running;
    let report = gate::report(&confined, room.shortfall);
    tracing::info!("{} workers for the pool at {}; {report}", pool.workers, pool.socket);
    // Give back the memory of the start: the zygote only sleeps, and each fork would copy it.
    sys::give_back();
    let zygote = Zygote { confined, signals, endpoints, memory, workers: pool.workers, watchdog, readiness };
    let outcome = match raise(zygote) {
        Ok(PoolProcess::Ended(status)) => return status,
        Ok(PoolProcess::Dispatcher { endpoints, workers, memory, readiness, signals, confined }) => {
            begin(&confined, Role::Dispatcher).and_then(|(event_loop, confined)| {
                event_loop.run(async move {
                    let dispatcher =
                        Dispatcher::new(Allowed { gid }, workers, peers(pool, room.bounds))?.remembering(memory);
                    let stopped = gate::stopped(signals, Stop::Drain)?;
                    let mut endpoints = endpoints.into_iter();
                    let Some(handover) = endpoints.next() else { return Ok(0) };
                    tracing::info!("Handovers are taken at {}; {}", pool.socket, confined.report());
                    if let Some(readiness) = readiness {
                        readiness.tell();
                    }
                    dispatcher.serve(handover, endpoints.next(), stopped).await.map(|()| 0)
                })
            })
        }
        Ok(PoolProcess::Worker { number, dispatcher, signals, confined }) => {
            // Each worker has a key of its own for networks that bring none: a token is valid at the worker that made it.
            let key = gate::random(TokenKey::new).map(Some);
            key.and_then(|key| Ok((key, begin(&confined, Role::Worker)?))).and_then(|(key, (event_loop, confined))| {
                tracing::info!("Worker {number} begins; {}", confined.report());
                let mut settings = settings(config, room.bounds, agents, gid, key);
                settings.number = Some(number);
                let worker = Worker::new(settings, observe(sink, events));
                event_loop.run(async move {
                    let stopped = gate::stopped(signals, Stop::Drain)?;
                    let asked = stopped.clone();
                    worker.serve_dispatched(dispatcher, stopped).await?;
                    Ok(if asked.borrow().is_some() { EXIT_ON_SIGNAL } else { 0 })
                })
            })
        }
        Err(error) => Err(io::Error::other(error)),
    };
    outcome.unwrap_or_else(|error| {
        tracing::error!("{error}");
        1
    })
}

/// The first steps of every child: its own event loop and hash keys, and then the filter, which forbids both.
fn begin(confined: &Confined, role: Role) -> io::Result<(EventLoop, Confined)> {
    let event_loop = EventLoop::new()?;
    // The first hash map of a thread asks the kernel for random keys.
    let _ = RandomState::new().build_hasher();
    let confined = confined.narrow(&role.into()).map_err(io::Error::other)?;
    Ok((event_loop, confined))
}
