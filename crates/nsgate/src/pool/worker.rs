//! The worker's process: from a pool's configuration to a confined process that serves what is handed over.

use super::crew;
use crate::{
    audit::{Audits, Observed},
    counted,
    gate::{self, PreparedServer},
    log::{AccessLog, Sink, Syslog},
    sys,
};
use nsgate_config::{Config, Guards, Invalid, Pool, PoolConfig, PoolRoom};
use nsgate_forwarder::{TokenKey, event::EventOrigin};
use nsgate_launcher::{Agent, Fitted, Keeping, LaunchError, Launched, Options, Running, fit_pool, launch_worker};
use nsgate_pool::{
    Allowed,
    worker::{AllowedBackend, Lost, Manager, Observe, Settings, Worker},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two returns of memory to the host, which takes longer the more networks there are.
const BETWEEN_RETURNS: Duration = Duration::from_secs(10);

/// Runs the worker, or the workers, that `config` describes, and returns the exit status of this process: that of the
/// starter, which is done when they serve, or that of the worker.
///
/// # Errors
/// Whatever kept the worker from serving. Nothing is left behind then.
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

/// A network of the worker may want tokens and bring no key, since its keeper is of an earlier release.
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
        // A worker is told to end when it is updated or the host goes down: guests keep what is under way.
        let stopped = gate::stopped(signals, nsgate_forwarder::Stop::Drain)?;
        let mut endpoints = endpoints.into_iter();
        let Some(handover) = endpoints.next() else { return Ok(()) };
        let manager = keeping.map(|Keeping { socket, most, .. }| Manager { socket, most });
        let worker = worker.keeping(manager, passed)?;
        if let Some(watchdog) = watchdog {
            // Networks that a manager keeps have no keeper that would notice a worker that is stopped, or in a loop.
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

/// What each worker has for its guests.
pub(super) type Room = Fitted<Option<PoolRoom>>;

/// What the only worker may serve.
pub(super) fn settings(
    config: &PoolConfig,
    room: Option<PoolRoom>,
    agents: Vec<Agent>,
    gid: Option<u32>,
    key: Option<TokenKey>,
) -> Settings {
    let pool = &config.pool;
    let backends = pool.backends.iter().zip(agents);
    let backends = backends.map(|(backend, agent)| AllowedBackend {
        path: backend.path().clone(),
        seen: agent.path,
        owner: agent.owner,
    });
    let mut settings = Settings::new(Allowed { gid }, backends.collect());
    settings.networks = usize::try_from(pool.networks).unwrap_or(usize::MAX);
    settings.peers = peers(pool, room);
    settings.descriptors = room.map(|room| room.descriptors);
    settings.connections = usize::try_from(pool.connections).unwrap_or(usize::MAX);
    settings.reserved = pool.reserved_connections;
    settings.token_key = key;
    settings.lost = Lost { lines: || counted::LINES.count(), events: || counted::EVENTS.count() };
    settings
}

/// Peers of a worker, or of a dispatcher, that have said nothing yet.
pub(super) fn peers(pool: &Pool, room: Option<PoolRoom>) -> usize {
    usize::try_from(room.map_or(pool.peers(), |room| room.peers)).unwrap_or(usize::MAX)
}

/// Each network's requests go to the log that its own configuration names, over this process's socket; without one, to
/// the worker's own, with the network's name before them. Its events go where the worker's do.
pub(super) fn observe(sink: Arc<Sink>, events: Option<Audits>) -> Observe {
    Box::new(move |config: &Config| {
        let identity = &config.gate.identity;
        let (sink, prefix) = match (sink.as_ref(), &config.process.log) {
            (Sink::Syslog(own), Some(log)) => (Arc::new(Sink::Syslog(Syslog::of(own, log))), String::new()),
            _ => (sink.clone(), format!("{} {}", identity.header(), identity.uuid())),
        };
        let events = Audits::asked(events.as_ref(), config.process.audit.as_ref(), EventOrigin::of(identity))
            .map_err(Invalid::new)?;
        Ok(Box::new(Observed::new(AccessLog::of(sink, prefix, give_back), events)))
    })
}

/// Gives memory back, but not for every network that falls idle.
fn give_back() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() >= BETWEEN_RETURNS) {
        sys::give_back();
        *last = Some(Instant::now());
    }
}
