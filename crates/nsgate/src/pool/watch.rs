//! What a keeper does while it sleeps, and when it wakes up: it hands the network over and sees to it that it stays handed
//! over, to a worker that is alive.

use super::{keeper::Keeper, life::Life};
use crate::{counted, gate, sys};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use nsgate_config::Fallback;
use nsgate_launcher::{Readiness, SignalRequest, Signals};
use nsgate_pool::{OfferError, Offered, Served, Unserved, Word};
use std::{
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// Between two attempts at a worker: from the first to the last.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(400);
/// How long a worker may take to answer one handover. A thousand may come at once.
const ANSWER: Duration = Duration::from_secs(3);
/// A worker that has refused a network is asked again after so long, or when it is gone: it may have room by then.
pub(super) const AGAIN: Duration = Duration::from_secs(60);
/// A worker that closes the connection so soon after a refusal is one of an earlier release, and is not gone.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);

/// What may be behind a socket that is not there, or at which no process listens.
const AWAY: &str = " (if the directory of the pool's socket was removed and made anew, or replaced, this keeper does not see the \
                    new one: `nsgate attest` says so, and a start anew mends it)";

/// What a keeper does next.
pub(super) enum Next {
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
    /// The same, or the end of the worker that has refused the network then.
    Refused(Unserved, Instant),
    /// Nothing: a worker serves.
    Nothing,
}

struct Watch<'k, 'c> {
    keeper: &'k mut Keeper<'c>,
    served: Option<Served>,
    life: Life,
    wait: Wait,
    /// Since when no worker serves.
    since: Instant,
    pause: Duration,
}

/// Hands the network over and sees to it that it stays handed over.
pub(super) fn watch(
    keeper: &mut Keeper<'_>,
    signals: &Signals,
    served: Option<Served>,
    readiness: &mut Option<Readiness>,
) -> Next {
    let since = Instant::now();
    let wait = if served.is_some() { Wait::Nothing } else { Wait::Attempt(since) };
    let life = Life::new(keeper.pool.patience);
    let mut watch = Watch { keeper, served, life, wait, since, pause: SHORTEST };
    let mut awake = true;
    loop {
        if let Wait::Attempt(when) | Wait::Refused(_, when) = watch.wait {
            if when <= Instant::now() {
                watch.wait = match watch.keeper.begin() {
                    Ok(offered) => Wait::Answer(offered, Instant::now() + ANSWER),
                    Err(error) => match watch.failed(error.into(), readiness) {
                        Ok(wait) => wait,
                        Err(next) => return next,
                    },
                };
            }
        }
        let was_awake = std::mem::replace(&mut awake, !matches!(watch.wait, Wait::Nothing));
        if was_awake && !awake {
            // Whatever was told is told. What starting took, or serving, is not needed for sleeping.
            sys::give_back();
            sys::give_back_stack();
        }
        let next = match watch.ready(signals) {
            Ready::Signal => match signals.next() {
                None => None,
                Some(SignalRequest::Finish | SignalRequest::Retire) => watch.finish(),
                Some(asked) if asked.refusal().is_some() => {
                    gate::refuse(asked);
                    None
                }
                Some(_) => Some(Next::Exit(0)),
            },
            Ready::Answer => watch.answered(readiness),
            Ready::Word => watch.told(),
            Ready::Guest => {
                if let Some(worker) = &watch.served {
                    watch.life.guest(worker);
                }
                None
            }
            Ready::Time => watch.late(readiness),
        };
        if let Some(next) = next {
            return next;
        }
    }
}

impl Watch<'_, '_> {
    /// Whether the worker that serves is one that says that it is alive, and nothing else is going on.
    fn asks(&self) -> bool {
        !self.keeper.finishing
            && matches!(self.wait, Wait::Nothing)
            && self.served.as_ref().is_some_and(Served::answers)
    }

    /// A worker has answered to a handover, or the one that had refused it is gone.
    fn answered(&mut self, readiness: &mut Option<Readiness>) -> Option<Next> {
        let now = Instant::now();
        let (wait, next) = match std::mem::replace(&mut self.wait, Wait::Nothing) {
            Wait::Answer(offered, _) => match offered.settled() {
                Ok(by) => {
                    counted::unserved(false);
                    // Keep the old worker until the new one has accepted the network.
                    self.served = Some(by);
                    self.life = Life::new(self.keeper.pool.patience);
                    self.pause = SHORTEST;
                    self.keeper.serves(readiness);
                    (Wait::Nothing, None)
                }
                Err(unserved) => match self.failed(unserved, readiness) {
                    Ok(wait) => (wait, None),
                    Err(next) => (Wait::Nothing, Some(next)),
                },
            },
            Wait::Refused(_, when) if when.saturating_duration_since(now) > AGAIN - AT_ONCE => {
                (Wait::Attempt(when), None)
            }
            Wait::Refused(..) => (Wait::Attempt(now), None),
            wait => (wait, None),
        };
        self.wait = wait;
        next
    }

    /// The worker that serves has said something, or is gone.
    fn told(&mut self) -> Option<Next> {
        match self.served.as_ref().map(Served::word)? {
            Ok(None) => {}
            Ok(Some(Word::Pong)) => self.life.answered(),
            // The requests under way went with it, or go on where they are.
            Ok(Some(Word::Gone)) | Err(_) if self.keeper.finishing => return Some(Next::Exit(0)),
            Ok(Some(Word::Leave)) if self.keeper.finishing => {}
            Ok(Some(Word::End(reason))) => {
                tracing::info!("the pool ends the network: {reason}");
                return Some(Next::Exit(0));
            }
            Ok(Some(Word::Leave)) => {
                self.since = Instant::now();
                self.wait = Wait::Attempt(self.since);
            }
            Ok(Some(Word::Gone)) | Err(_) => {
                tracing::warn!("the pool's worker is gone; guests wait until the next one serves them");
                self.served = None;
                self.since = Instant::now();
                if !matches!(self.wait, Wait::Answer(..)) {
                    self.wait = Wait::Attempt(self.since + self.keeper.random.about(SHORTEST));
                }
            }
        }
        None
    }

    /// Lets the worker finish what is under way, if there is one: its word says when it has. The listeners are closed: a
    /// copy of them, here, would keep guests waiting for nothing.
    fn finish(&mut self) -> Option<Next> {
        if self.keeper.finishing {
            return None;
        }
        tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
        self.keeper.finishing = self.served.as_ref().is_some_and(|served| served.finish().is_ok());
        self.keeper.listeners.clear();
        self.wait = Wait::Nothing;
        (!self.keeper.finishing).then_some(Next::Exit(0))
    }

    /// Nothing came in time.
    fn late(&mut self, readiness: &mut Option<Readiness>) -> Option<Next> {
        match &self.wait {
            Wait::Answer(_, until) if *until <= Instant::now() => {
                let error = OfferError::Io(io::ErrorKind::TimedOut.into());
                match self.failed(error.into(), readiness) {
                    Ok(wait) => self.wait = wait,
                    Err(next) => return Some(next),
                }
            }
            Wait::Nothing if self.asks() && self.life.is_over() => return self.take_back(),
            _ => {}
        }
        None
    }

    /// The worker is there and gives no sign of life. From the moment on in which the connection to it is closed it accepts
    /// nobody, whenever it comes to itself.
    fn take_back(&mut self) -> Option<Next> {
        if let Some(worker) = self.served.take() {
            worker.take_back();
        }
        let pool = &self.keeper.pool.socket;
        let what = "the worker gives no sign of life while guests wait";
        if self.keeper.pool.fallback != Fallback::Never {
            tracing::error!("{pool}: {what}; serving by itself until a worker answers");
            return Some(Next::Alone);
        }
        tracing::error!("{pool}: {what}; no process serves the network until a worker answers");
        counted::unserved(true);
        self.since = Instant::now();
        self.wait = Wait::Attempt(self.since);
        None
    }

    /// What a failed handover means: nothing while a worker serves, and patience while there is some. What to wait for, or
    /// to do.
    fn failed(&mut self, unserved: Unserved, readiness: &mut Option<Readiness>) -> Result<Wait, Next> {
        // A pool that is not there, or does not want the network, will not do so in a moment: an agent that waits for its
        // proxy is not kept waiting. One that was there a moment ago is restarted, as a rule.
        let patient = readiness.is_none() && self.since.elapsed() < self.keeper.pool.patience;
        if self.served.is_none() && !patient {
            let mut reason = format!("{}: {unserved}", self.keeper.pool.socket);
            if matches!(&unserved.error, OfferError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied) {
                reason = format!("{reason}; {}", self.keeper.closed);
            }
            let hint = match &unserved.error {
                OfferError::Io(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
                {
                    AWAY
                }
                _ => "",
            };
            let alone = match self.keeper.pool.fallback {
                Fallback::Always => true,
                Fallback::Later => readiness.is_none(),
                Fallback::Never => false,
            };
            if alone {
                self.keeper.is_news(&unserved.to_string());
                tracing::error!("{reason}{hint}; serving by itself until a worker answers");
                return Err(Next::Alone);
            }
            if let Some(readiness) = readiness.take() {
                readiness.fail(&reason);
                return Err(Next::Exit(1));
            }
            counted::unserved(true);
            if self.keeper.is_news(&unserved.to_string()) {
                tracing::error!("{reason}{hint}; no process serves the network until a worker answers");
            }
        }
        if unserved.refused_by().is_some() && !patient {
            return Ok(Wait::Refused(unserved, Instant::now() + AGAIN));
        }
        let next = Instant::now() + self.keeper.random.about(self.pause);
        self.pause = (self.pause * 2).min(LONGEST);
        Ok(Wait::Attempt(next))
    }

    /// Waits.
    fn ready(&self, signals: &Signals) -> Ready {
        let (until, answer) = match &self.wait {
            Wait::Answer(offered, until) => (Some(*until), Some(offered.as_fd())),
            Wait::Attempt(when) => (Some(*when), None),
            Wait::Refused(unserved, when) => (Some(*when), unserved.refused_by()),
            Wait::Nothing if self.asks() => (self.life.until(), None),
            Wait::Nothing => (None, None),
        };
        let timeout = until.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        // Where a descriptor is missing, its place holds the one of the signals with no event, which poll(2) ignores.
        let first = [Some(signals.as_fd()), answer, self.served.as_ref().map(AsFd::as_fd)];
        let first = first.map(|descriptor| match descriptor {
            Some(descriptor) => PollFd::new(descriptor, PollFlags::POLLIN),
            None => PollFd::new(signals.as_fd(), PollFlags::empty()),
        });
        let looks = self.asks() && self.life.looks_for_guests();
        let guests = self.keeper.listeners.iter().filter(|_| looks);
        let guests = guests.map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN));
        let mut all: Vec<PollFd<'_>> = first.into_iter().chain(guests).collect();
        match poll(&mut all, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ready::Time,
            Ok(_) => {}
            // Cannot be: the descriptors are open and the memory is there. A signal ends a keeper all the same.
            Err(_) => return Ready::Signal,
        }
        let any: Vec<bool> = all.iter().map(|one| one.any().unwrap_or(false)).collect();
        match any.as_slice() {
            [true, ..] => Ready::Signal,
            [_, true, ..] => Ready::Answer,
            [_, _, true, ..] => Ready::Word,
            [_, _, _, guests @ ..] if guests.contains(&true) => Ready::Guest,
            _ => Ready::Time,
        }
    }
}

/// What happened first.
enum Ready {
    Signal,
    Answer,
    Word,
    Guest,
    Time,
}
