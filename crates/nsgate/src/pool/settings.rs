//! The settings of a worker: its bounds, its agents, and the log of each network.

use crate::{
    audit::{Audits, Observed},
    counted, door,
    log::{AccessLog, Sink, Syslog},
    sys,
};
use nsgate_config::{Config, Invalid, Pool, PoolConfig, PoolRoom};
use nsgate_forwarder::{TokenKey, event::EventOrigin};
use nsgate_launcher::{Agent, Fitted};
use nsgate_pool::{
    Allowed,
    worker::{AllowedBackend, Lost, Observe, Settings},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The least time between two returns of memory to the host. A return takes longer with more networks.
const BETWEEN_RETURNS: Duration = Duration::from_secs(10);

/// The bounds of each worker.
pub(super) type Room = Fitted<Option<PoolRoom>>;

/// The settings of the only worker.
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
    settings.doors = Some(door::reader);
    settings.networks = usize::try_from(pool.networks).unwrap_or(usize::MAX);
    settings.peers = peers(pool, room);
    settings.descriptors = room.map(|room| room.descriptors);
    settings.connections = usize::try_from(pool.connections).unwrap_or(usize::MAX);
    settings.reserved = pool.reserved_connections;
    settings.token_key = key;
    settings.lost = Lost { lines: || counted::LINES.count(), events: || counted::EVENTS.count() };
    settings
}

/// Most peers of a worker, or of a dispatcher, that have sent nothing yet.
pub(super) fn peers(pool: &Pool, room: Option<PoolRoom>) -> usize {
    usize::try_from(room.map_or(pool.peers(), |room| room.peers)).unwrap_or(usize::MAX)
}

/// Logs each network's requests. They go over this process's socket to the log that the network's configuration names. If it
/// names none, they go to the worker's log, after the network's name. Events go to the worker's audit.
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

/// Gives memory back to the host, but not each time that a network falls idle.
fn give_back() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() >= BETWEEN_RETURNS) {
        sys::give_back();
        *last = Some(Instant::now());
    }
}
