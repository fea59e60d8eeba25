//! The process that stands for one network of a pool: it holds the listeners, has the pid and the command line that an
//! agent watches, and sleeps.
//!
//! Promises that the network is served as long as this process lives: by the worker it was handed over to, by the next
//! one when that worker is gone or is replaced, and by itself ([`super::alone`]) where none answers. When it ends, its
//! network does.

use super::{
    alone, hangs,
    watch::{Next, watch},
};
use crate::{audit::Audits, counted, gate};
use nix::unistd::{getegid, geteuid};
use nsgate_config::{Account, Config, Limits, PoolUse, Tokens};
use nsgate_forwarder::TokenKey;
use nsgate_launcher::{LaunchError, Launched, Options, Readiness, Running, launch_keeper};
use nsgate_pool::{Offer, OfferError, Offered, protocol::Notes};
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    time::Duration,
};

/// What has to exist before the filter closes.
pub(super) struct Prepared {
    random: Random,
    /// For session tokens. The worker is given the same, and tokens stay good whoever serves.
    key: Option<String>,
    /// Who this process is.
    who: String,
}

/// Times that differ from keeper to keeper, so that not all ask at once.
pub(super) struct Random(u64);

impl Random {
    /// Between half of `time` and all of it.
    pub(super) fn about(&mut self, time: Duration) -> Duration {
        // A linear congruential generator (Knuth, MMIX): enough to spread.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = u32::try_from(self.0 >> 54).unwrap_or(0);
        time / 2 + time * part / 2048
    }
}

/// Runs the keeper of `config`'s network, and returns the exit status of this process: that of the starter, which is
/// done when the network is served, or that of the keeper.
///
/// # Errors
/// Whatever kept the network from being served. Nothing is left behind then.
pub fn run_keeper(config: &Config, pool: &PoolUse, options: &Options) -> Result<u8, LaunchError> {
    let prepare = || {
        // The first keys of a hash map are random numbers from the kernel, which the filter does not let pass later: a
        // keeper that becomes a gate needs them.
        let random = Random(RandomState::new().build_hasher().finish());
        let who = format!("uid {} and gid {}", geteuid(), getegid());
        Ok(Prepared { random, key: gate::token_key_text(&config.gate.guards)?, who })
    };
    // Looked at from here: a keeper cannot ask again.
    let place = hangs::place(pool.socket.as_path());
    // What the worker is told is what was asked for: its own bounds are its own.
    let (fitted, shortfall) = gate::fitted(config)?;
    match launch_keeper(&fitted, &pool.socket, options, prepare)? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(keep(config, (fitted.gate.limits, shortfall), (pool, place), options, *running)),
    }
}

/// Everything that a keeper has.
pub(super) struct Keeper<'a> {
    pub(super) config: Config,
    /// What it keeps to while it serves by itself.
    pub(super) limits: Limits,
    pub(super) pool: &'a PoolUse,
    /// The pool's socket, as this process sees it.
    path: PathBuf,
    /// Why it may not connect there, should that be so.
    pub(super) closed: String,
    /// The worker was asked to finish: what comes to an end there is not handed over again.
    pub(super) finishing: bool,
    pub(super) agents: Vec<nsgate_launcher::Agent>,
    /// None if the gate is too long for one.
    offer: Option<Offer>,
    pub(super) listeners: Vec<std::net::TcpListener>,
    pub(super) random: Random,
    pub(super) key: Option<TokenKey>,
    /// What the log is told once the network is served.
    first: Option<String>,
    /// The last reason for not being served that the log was told.
    said: String,
    pub(super) sink: std::sync::Arc<crate::log::Sink>,
    pub(super) events: Option<Audits>,
}

fn keep(
    config: &Config,
    (limits, shortfall): (Limits, Option<String>),
    (pool, place): (&PoolUse, String),
    options: &Options,
    running: Running<Prepared>,
) -> u8 {
    let Running { prepared, mut signals, confined, agents, .. } = running;
    let outputs = (running.log, running.standard_error, running.audit);
    let (sink, events) = gate::log(&config.process, options, outputs, running.host_pid, &running.warnings);
    // What the worker is told is what stands: the listeners that were bound, the agent's owner as a number.
    let mut config = config.clone();
    config.gate.listeners = running.listening;
    config.gate.backend.owner = agents.first().and_then(|agent| agent.owner).map(Account::Id);
    let identity = &config.gate.identity;
    let what = format!("{} {}", identity.header(), identity.uuid());
    let first = format!("Keeping {what} for the pool at {}; {}", pool.socket, gate::report(&confined, shortfall));
    counted::begin(running.counters, config.gate.guards.tokens != Tokens::Off);
    let path = running.pool.unwrap_or_default();
    let (listeners, Prepared { random, key: text, who }) = (running.listeners, prepared);
    let closed = hangs::closed(&who, &place);
    let key = text.as_deref().zip(gate::uptime().ok()).and_then(|(text, now)| TokenKey::read(text, now));
    let offer = Offer::noted(&config, &Notes { asks: true, key: text }).ok();
    let (first, finishing, said) = (Some(first), false, String::new());
    let mut keeper = Keeper {
        config,
        limits,
        pool,
        path,
        closed,
        finishing,
        agents,
        offer,
        listeners,
        random,
        key,
        first,
        said,
        sink,
        events,
    };
    let mut readiness = Some(running.readiness);
    let mut served = None;
    loop {
        match watch(&mut keeper, &signals, served.take(), &mut readiness) {
            Next::Exit(status) => return status,
            Next::Alone => match alone::serve(&mut keeper, signals, &mut readiness) {
                alone::Next::Exit(status) => return status,
                alone::Next::Served(by, back) => (served, signals) = (Some(by), back),
            },
        }
    }
}

impl Keeper<'_> {
    /// Begins a handover.
    pub(super) fn begin(&self) -> Result<Offered, OfferError> {
        let listeners: Vec<BorrowedFd<'_>> = self.listeners.iter().map(AsFd::as_fd).collect();
        match &self.offer {
            Some(offer) => offer.begin(&self.path, &listeners),
            None => Offer::new(&self.config).and_then(|offer| offer.begin(&self.path, &listeners)),
        }
    }

    /// The network is served: the log and the starter are told, the first time.
    pub(super) fn serves(&mut self, readiness: &mut Option<Readiness>) {
        if let Some(first) = self.first.take() {
            tracing::info!("{first}");
        }
        if let Some(readiness) = readiness.take() {
            readiness.tell();
        }
    }

    /// Whether the log has not been told this reason last: it is told once, however often a handover fails for it.
    pub(super) fn is_news(&mut self, reason: &str) -> bool {
        let is_news = self.said != reason;
        if is_news {
            reason.clone_into(&mut self.said);
        }
        is_news
    }
}
