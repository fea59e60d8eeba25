//! The worker's process: from a pool's configuration to a confined process that serves what is handed over.

use super::{
    crew,
    settings::{Room, observe, settings},
};
use crate::gate::{self, PreparedServer};
use nsgate_config::{Guards, PoolConfig};
use nsgate_forwarder::TokenKey;
use nsgate_launcher::{Keeping, LaunchError, Launched, Options, Running, fit_pool, launch_worker};
use nsgate_pool::worker::{Manager, Worker};

/// Runs the worker, or the workers, that `config` describes. Returns the exit status of this process: the starter's, once they
/// serve, or the worker's.
///
/// # Errors
/// The reason why the worker cannot serve. Nothing is left behind then.
pub fn run_worker(config: &PoolConfig, options: &Options) -> Result<u8, LaunchError> {
    let fitted = fit_pool(&config.pool)?;
    gate::say_shortfall(fitted.shortfall.as_deref());
    if config.pool.workers > 1 {
        return crew::run(config, fitted, options);
    }
    match launch_worker(config, options, prepare)? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(serve(config, fitted, options, *running)),
    }
}

/// Makes a key for networks that want tokens and bring no key: their keepers are of an earlier release.
fn prepare() -> std::io::Result<PreparedServer> {
    Ok(PreparedServer { key: Some(gate::random(TokenKey::new)?), ..gate::prepare(&Guards::default())? })
}

fn serve(config: &PoolConfig, fitted: Room, options: &Options, running: Running<PreparedServer>) -> u8 {
    let Running {
        prepared: PreparedServer { event_loop, key },
        signals,
        confined,
        agents,
        endpoints,
        passed,
        keeping,
        watchdog,
        ..
    } = running;
    let PoolConfig { pool, process } = config;
    let outputs = (running.log, running.standard_error, running.audit);
    let (sink, events) = gate::log(process, options, outputs, running.host_pid, &running.warnings);
    let settings = settings(config, fitted.bounds, agents, running.handover_gid, key);
    let report = gate::report(&confined, fitted.shortfall);
    tracing::info!("Handovers are taken at {}; {report}", pool.socket);
    let worker = Worker::new(settings, observe(sink, events));
    let outcome = event_loop.run(async move {
        // A worker ends for an update or when the host goes down: let it finish the requests under way.
        let stopped = gate::stopped(signals, nsgate_forwarder::Stop::Drain)?;
        let mut endpoints = endpoints.into_iter();
        let Some(handover) = endpoints.next() else { return Ok(()) };
        let manager = keeping.map(|Keeping { socket, most, .. }| Manager { socket, most });
        let worker = worker.keeping(manager, passed)?;
        if let Some(watchdog) = watchdog {
            // Networks that a manager keeps have no keeper that would notice a stopped or looping worker.
            tokio::spawn(async move {
                loop {
                    watchdog.pat();
                    tokio::time::sleep(watchdog.every).await;
                }
            });
        }
        running.readiness.tell();
        worker.serve(handover, endpoints.next(), stopped).await
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("epoll_ctl(2) refuses a descriptor: {error}");
            1
        }
    }
}
