//! The process that stands for one network of a pool: it holds the listeners, has the pid and the command line that an
//! agent watches, and sleeps.
//!
//! Promises that the network is served as long as this process lives: by the worker it was handed over to, by the next
//! one when that worker is gone or is replaced, and by itself ([`super::alone`]) where none answers. When it ends, its
//! network does.

use super::alone;
use crate::{audit::Audits, gate, sys};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signalfd::SignalFd,
};
use nsgate_config::{Account, Config, Limits, PoolUse};
use nsgate_forwarder::TokenKey;
use nsgate_launcher::{LaunchError, Launched, Options, Readiness, Running, launch_keeper, signals::Asked};
use nsgate_pool::{Offer, OfferError, Offered, Served, Word};
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    time::{Duration, Instant},
};

/// Between two attempts at a worker: from the first to the last.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(400);
/// How long a worker may take to answer one handover. A thousand may come at once.
const ANSWER: Duration = Duration::from_secs(3);

/// What may be behind a socket that is not there.
const NOT_FOUND: &str = " (if the directory of the pool's socket was removed and made anew, this keeper does not see the new \
                         one: `nsgate attest` says so, and a start anew mends it)";

/// What has to exist before the filter closes.
pub(super) struct Prepared {
    signals: SignalFd,
    random: Random,
    /// For session tokens, should this process serve by itself.
    key: Option<TokenKey>,
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
        Ok(Prepared { signals: gate::signals()?, random, key: gate::token_key(&config.gate.guards)? })
    };
    // What the worker is told is what was asked for: its own bounds are its own.
    let (fitted, shortfall) = gate::fitted(config)?;
    match launch_keeper(&fitted, &pool.socket, options, prepare)? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(keep(config, (fitted.gate.limits, shortfall), pool, options, *running)),
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
    /// The worker was asked to finish: what comes to an end there is not handed over again.
    finishing: bool,
    pub(super) agents: Vec<nsgate_launcher::Agent>,
    offer: Offer,
    pub(super) listeners: Vec<std::net::TcpListener>,
    pub(super) random: Random,
    pub(super) key: Option<TokenKey>,
    pub(super) sink: std::sync::Arc<crate::log::Sink>,
    pub(super) events: Option<Audits>,
}

fn keep(
    config: &Config,
    (limits, shortfall): (Limits, Option<String>),
    pool: &PoolUse,
    options: &Options,
    running: Running<Prepared>,
) -> u8 {
    let Running { prepared, confined, agents, .. } = running;
    let outputs = (running.log, running.standard_error, running.audit);
    let (sink, events) = gate::log(&config.process, options, outputs, running.host_pid, &running.warnings);
    // What the worker is told is what stands: the listeners that were bound, the agent's owner as a number.
    let mut config = config.clone();
    config.gate.listeners = running.listening;
    config.gate.backend.owner = agents.first().and_then(|agent| agent.owner).map(Account::Id);
    let identity = &config.gate.identity;
    let what = format!("{} {}", identity.header(), identity.uuid());
    tracing::info!("Keeping {what} for the pool at {}; {}", pool.socket, gate::report(&confined, shortfall));
    let offer = match Offer::new(&config) {
        Ok(offer) => offer,
        Err(error) => {
            running.readiness.fail(&error.to_string());
            return 1;
        }
    };
    let path = running.pool.unwrap_or_default();
    let (listeners, Prepared { mut signals, random, key }) = (running.listeners, prepared);
    let finishing = false;
    let mut keeper =
        Keeper { config, limits, pool, path, finishing, agents, offer, listeners, random, key, sink, events };
    let mut readiness = Some(running.readiness);
    let mut served = None;
    loop {
        match keeper.watch(&signals, served.take(), &mut readiness) {
            Next::Exit(status) => return status,
            Next::Alone => match alone::serve(&mut keeper, signals, &mut readiness) {
                alone::Next::Exit(status) => return status,
                alone::Next::Served(by, back) => (served, signals) = (Some(by), back),
            },
        }
    }
}

/// What a keeper does next.
enum Next {
    /// End.
    Exit(u8),
    /// Serve by itself.
    Alone,
}

/// What a keeper waits for, beside signals.
enum Wait {
    /// A worker's answer to a handover, until then.
    Answer(Offered, Instant),
    /// The time of the next attempt.
    Attempt(Instant),
    /// Nothing: a worker serves.
    Nothing,
}

impl Keeper<'_> {
    /// Begins a handover.
    pub(super) fn begin(&self) -> Result<Offered, OfferError> {
        let listeners: Vec<BorrowedFd<'_>> = self.listeners.iter().map(AsFd::as_fd).collect();
        self.offer.begin(&self.path, &listeners)
    }

    /// Hands the network over and sees to it that it stays handed over.
    fn watch(&mut self, signals: &SignalFd, served: Option<Served>, readiness: &mut Option<Readiness>) -> Next {
        let mut served = served;
        let mut since = Instant::now();
        let mut pause = SHORTEST;
        let mut wait = if served.is_some() { Wait::Nothing } else { Wait::Attempt(since) };
        let mut awake = true;
        loop {
            if let Wait::Attempt(when) = wait {
                if when <= Instant::now() {
                    wait = match self.begin() {
                        Ok(offered) => Wait::Answer(offered, Instant::now() + ANSWER),
                        Err(error) => match self.failed(&error, served.is_some(), since, readiness) {
                            Some(next) => return next,
                            None => self.later(&mut pause),
                        },
                    };
                }
            }
            if std::mem::replace(&mut awake, !matches!(wait, Wait::Nothing)) && !awake {
                // Whatever was told is told. What starting took, or serving, is not needed for sleeping.
                sys::give_back();
                sys::give_back_stack();
            }
            match ready(signals, &wait, served.as_ref()) {
                Ready::Signal => match signalled(signals) {
                    None => {}
                    Some(Asked::Finish | Asked::Retire) => match self.finish(served.as_ref()) {
                        Some(next) => return next,
                        None => wait = Wait::Nothing,
                    },
                    Some(asked) if asked.refusal().is_some() => gate::refuse(asked),
                    Some(_) => return Next::Exit(0),
                },
                Ready::Answer => {
                    let Wait::Answer(offered, _) = wait else { continue };
                    wait = match offered.answer() {
                        Ok(by) => {
                            // Only now is the one before left.
                            served = Some(by);
                            pause = SHORTEST;
                            if let Some(readiness) = readiness.take() {
                                readiness.tell();
                            }
                            Wait::Nothing
                        }
                        Err(error) => match self.failed(&error, served.is_some(), since, readiness) {
                            Some(next) => return next,
                            None => self.later(&mut pause),
                        },
                    };
                }
                Ready::Word => match served.as_ref().map(Served::word) {
                    None | Some(Ok(None)) => {}
                    // The requests under way went with it, or go on where they are.
                    Some(Ok(Some(Word::Gone)) | Err(_)) if self.finishing => return Next::Exit(0),
                    Some(Ok(Some(Word::Leave))) if self.finishing => {}
                    Some(Ok(Some(Word::End(reason)))) => {
                        tracing::info!("the pool ends the network: {reason}");
                        return Next::Exit(0);
                    }
                    Some(Ok(Some(Word::Leave))) => {
                        since = Instant::now();
                        wait = Wait::Attempt(since);
                    }
                    Some(Ok(Some(Word::Gone)) | Err(_)) => {
                        tracing::warn!("the pool's worker is gone; guests wait until the next one serves them");
                        served = None;
                        since = Instant::now();
                        if !matches!(wait, Wait::Answer(..)) {
                            wait = Wait::Attempt(since + self.random.about(SHORTEST));
                        }
                    }
                },
                Ready::Time => {
                    if let Wait::Answer(_, until) = &wait {
                        if *until <= Instant::now() {
                            let error = OfferError::Io(io::ErrorKind::TimedOut.into());
                            wait = match self.failed(&error, served.is_some(), since, readiness) {
                                Some(next) => return next,
                                None => self.later(&mut pause),
                            };
                        }
                    }
                }
            }
        }
    }

    /// Lets the worker finish what is under way, if there is one: its word says when it has. The listeners are closed: a
    /// copy of them, here, would keep guests waiting for nothing.
    fn finish(&mut self, served: Option<&Served>) -> Option<Next> {
        if self.finishing {
            return None;
        }
        tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
        self.finishing = served.is_some_and(|served| served.finish().is_ok());
        self.listeners.clear();
        (!self.finishing).then_some(Next::Exit(0))
    }

    /// The time of the next attempt.
    fn later(&mut self, pause: &mut Duration) -> Wait {
        let next = Instant::now() + self.random.about(*pause);
        *pause = (*pause * 2).min(LONGEST);
        Wait::Attempt(next)
    }

    /// What a failed handover means: nothing while a worker serves, and patience while there is some.
    fn failed(
        &self,
        error: &OfferError,
        served: bool,
        since: Instant,
        readiness: &mut Option<Readiness>,
    ) -> Option<Next> {
        // A pool that is not there, or does not want the network, will not do so in a moment: an agent that waits for its
        // proxy is not kept waiting. One that was there a moment ago is restarted, as a rule.
        let patient = readiness.is_none() && since.elapsed() < self.pool.patience;
        if served || patient {
            return None;
        }
        let hint = if matches!(error, OfferError::Io(error) if error.kind() == io::ErrorKind::NotFound) {
            NOT_FOUND
        } else {
            ""
        };
        if self.pool.fallback {
            tracing::error!("{}: {error}{hint}; serving by itself until a worker answers", self.pool.socket);
            return Some(Next::Alone);
        }
        match readiness.take() {
            Some(readiness) => {
                readiness.fail(&format!("{}: {error}", self.pool.socket));
                Some(Next::Exit(1))
            }
            None => {
                tracing::error!(
                    "{}: {error}{hint}; nobody serves the network until a worker answers",
                    self.pool.socket
                );
                None
            }
        }
    }
}

/// What happened first.
enum Ready {
    Signal,
    Answer,
    Word,
    Time,
}

/// Waits.
fn ready(signals: &SignalFd, wait: &Wait, served: Option<&Served>) -> Ready {
    let (until, offered) = match wait {
        Wait::Answer(offered, until) => (Some(*until), Some(offered.as_fd())),
        Wait::Attempt(when) => (Some(*when), None),
        Wait::Nothing => (None, None),
    };
    let timeout = until.map_or(PollTimeout::NONE, |until| {
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    // A descriptor that is not there is the signals' once more: asked for nothing, it says nothing.
    let all = [Some(signals.as_fd()), offered, served.map(AsFd::as_fd)];
    let mut all = all.map(|descriptor| match descriptor {
        Some(descriptor) => PollFd::new(descriptor, PollFlags::POLLIN),
        None => PollFd::new(signals.as_fd(), PollFlags::empty()),
    });
    match poll(&mut all, timeout) {
        Ok(0) | Err(Errno::EINTR) => return Ready::Time,
        Ok(_) => {}
        // Cannot be: the descriptors are open and the memory is there. A signal ends a keeper all the same.
        Err(_) => return Ready::Signal,
    }
    let [signal, answer, word] = all.map(|one| one.any().unwrap_or(false));
    match (signal, answer, word) {
        (true, _, _) => Ready::Signal,
        (_, true, _) => Ready::Answer,
        (_, _, true) => Ready::Word,
        _ => Ready::Time,
    }
}

/// What a signal asks for, if there is one.
fn signalled(signals: &SignalFd) -> Option<Asked> {
    Some(Asked::of(&signals.read_signal().ok()??))
}
