//! A keeper's sockets: what happens at them becomes an event, and what the state machine asks for is done to them.

use super::{
    delays::{AGAIN, AT_ONCE, Delays, OVERSLEPT},
    event::{HandoverFailure, KeeperAction, KeeperEvent},
    report::KeeperReport,
    state::{KeeperState, KeeperTransition},
};
use crate::{audit::Audits, counted, gate, log::Sink};
use nsgate_config::{Config, Limits, PoolUse};
use nsgate_forwarder::{Stop, TokenKey};
use nsgate_launcher::{Agent, Readiness, SignalRequest, Signals};
use nsgate_pool::{Offer, OfferError, Offered, Served, Unserved, Word};
use std::{
    io,
    net::TcpListener,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};
use tokio::sync::watch;

/// The network that a keeper stands for, with all that serving it takes.
pub(super) struct KeptNetwork {
    pub(super) config: Config,
    /// What the keeper keeps to while it serves by itself.
    pub(super) limits: Limits,
    pub(super) agents: Vec<Agent>,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) key: Option<TokenKey>,
    pub(super) sink: Arc<Sink>,
    pub(super) events: Option<Audits>,
}

/// The pool, as this process sees it.
pub(super) struct KeepersPool<'a> {
    pub(super) wanted: &'a PoolUse,
    /// Its socket.
    pub(super) path: PathBuf,
    /// None if the gate is too long for one.
    pub(super) offer: Option<Offer>,
}

/// What woke a keeper.
pub(super) enum WokenBy {
    Signal,
    /// [`Keeper::answer`].
    Answer,
    /// [`Keeper::worker`].
    Worker,
    Guest,
    Time,
    /// The own connections have ended.
    Own,
}

pub(super) struct Keeper<'a> {
    pub(super) network: KeptNetwork,
    /// Ends the own connections, in the states in which there may be any.
    pub(super) stop: Option<watch::Sender<Option<Stop>>>,
    state: KeeperState,
    pool: KeepersPool<'a>,
    delays: Delays,
    report: KeeperReport,
    /// Until the starter is told.
    readiness: Option<Readiness>,
    /// A handover that waits for its answer, in the states that do.
    offered: Option<Offered>,
    /// The worker whose answer has just come.
    taken: Option<Served>,
    /// The last handover, if it came to nothing. It lasts while the worker that has refused is looked at.
    unserved: Option<Unserved>,
    /// The worker that serves.
    served: Option<Served>,
    /// When [`KeeperEvent::Time`] comes, in the states in which it does.
    deadline: Instant,
    /// Since when a worker is waited for with patience.
    since: Instant,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        network: KeptNetwork,
        pool: KeepersPool<'a>,
        delays: Delays,
        report: KeeperReport,
        readiness: Readiness,
    ) -> Self {
        let now = Instant::now();
        Self {
            network,
            stop: None,
            state: KeeperState::begin().state,
            pool,
            delays,
            report,
            readiness: Some(readiness),
            offered: None,
            taken: None,
            unserved: None,
            served: None,
            deadline: now,
            since: now,
        }
    }

    pub(super) fn state(&self) -> KeeperState {
        self.state
    }

    /// When the keeper is to be woken though nothing comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state.is_timed().then_some(self.deadline)
    }

    /// The handover: its answer comes here, or the end of the worker that has refused it.
    pub(super) fn answer(&self) -> Option<BorrowedFd<'_>> {
        let offered = self.offered.as_ref().map(AsFd::as_fd);
        offered.or_else(|| self.unserved.as_ref().and_then(Unserved::refused_by))
    }

    /// The worker that serves: what it says comes here.
    pub(super) fn worker(&self) -> Option<BorrowedFd<'_>> {
        self.served.as_ref().map(AsFd::as_fd)
    }

    /// Asks a worker for the first time.
    pub(super) fn begin(&mut self) {
        self.follow(KeeperState::begin());
    }

    /// The keeper serves by itself now.
    pub(super) fn opened(&mut self) {
        self.on(KeeperEvent::Open);
    }

    /// The keeper cannot serve.
    pub(super) fn broke(&mut self, error: &io::Error) {
        let reason = format!("the network cannot be served: {error}");
        tracing::error!("{reason}");
        self.fail_start(&reason);
        self.on(KeeperEvent::Break);
    }

    fn fail_start(&mut self, reason: &str) {
        if let Some(readiness) = self.readiness.take() {
            readiness.fail(reason);
        }
    }

    /// Turns what has woken the keeper into events.
    // Not a part of its caller, whose frame lasts for as long as the keeper sleeps.
    #[inline(never)]
    pub(super) fn woken(&mut self, by: WokenBy, signals: &Signals) {
        let event = match by {
            WokenBy::Signal => return self.heard(signals),
            WokenBy::Answer => Some(self.answered()),
            WokenBy::Worker => self.told(),
            WokenBy::Guest => Some(KeeperEvent::Guest),
            WokenBy::Time => self.late(),
            WokenBy::Own => Some(KeeperEvent::Drain),
        };
        if let Some(event) = event {
            self.on(event);
        }
    }

    fn on(&mut self, event: KeeperEvent) {
        self.follow(self.state.step(event, self.pool.wanted.fallback));
    }

    fn follow(&mut self, transition: KeeperTransition) {
        let mut next = Some(transition);
        while let Some(KeeperTransition { state, actions }) = next.take() {
            self.state = state;
            for action in actions {
                if let Some(event) = self.perform(*action) {
                    next = Some(self.state.step(event, self.pool.wanted.fallback));
                }
            }
        }
        if !self.state.awaits_answer() {
            self.offered = None;
        }
        if !self.state.is_refused() {
            self.unserved = None;
        }
    }

    /// Every signal that has come.
    fn heard(&mut self, signals: &Signals) {
        while let Some(asked) = signals.next() {
            match asked {
                SignalRequest::End => self.on(KeeperEvent::Terminate),
                SignalRequest::Finish => self.on(KeeperEvent::Finish),
                SignalRequest::Retire => self.on(KeeperEvent::Succeed),
                SignalRequest::Reload(_) | SignalRequest::Nothing(_) => gate::refuse(asked),
            }
        }
    }

    /// A worker has answered to a handover, or the one that had refused it has closed the connection.
    fn answered(&mut self) -> KeeperEvent {
        if let Some(offered) = self.offered.take() {
            return match offered.settled() {
                Ok(by) => {
                    let answers = by.answers();
                    self.taken = Some(by);
                    KeeperEvent::Settle { answers }
                }
                Err(unserved) => self.failed(unserved),
            };
        }
        if self.deadline.saturating_duration_since(Instant::now()) > AGAIN - AT_ONCE {
            return KeeperEvent::RefuserCloses;
        }
        KeeperEvent::RefuserLeaves
    }

    /// The worker that serves has said something, or is gone.
    fn told(&mut self) -> Option<KeeperEvent> {
        match self.served.as_ref()?.word() {
            Ok(None) => None,
            Ok(Some(Word::Pong)) => Some(KeeperEvent::Pong),
            Ok(Some(Word::Leave)) => Some(KeeperEvent::Leave),
            Ok(Some(Word::Gone)) | Err(_) => Some(KeeperEvent::Gone),
            Ok(Some(Word::End(reason))) => {
                tracing::info!("the pool ends the network: {reason}");
                Some(KeeperEvent::EndNetwork)
            }
        }
    }

    /// Nothing came in time.
    fn late(&mut self) -> Option<KeeperEvent> {
        let late = Instant::now().checked_duration_since(self.deadline()?)?;
        if self.state.awaits_answer() {
            return Some(self.failed(OfferError::Io(io::ErrorKind::TimedOut.into()).into()));
        }
        Some(if late > OVERSLEPT { KeeperEvent::Oversleep } else { KeeperEvent::Time })
    }

    /// A handover came to nothing.
    fn failed(&mut self, unserved: Unserved) -> KeeperEvent {
        let early = self.since.elapsed() < self.pool.wanted.patience;
        let why = match (&unserved.error, unserved.refused_by()) {
            (OfferError::TooLong { .. } | OfferError::Listeners { .. }, _) => HandoverFailure::Unfit,
            (_, Some(_)) if early => HandoverFailure::RefusedEarly,
            (_, Some(_)) => HandoverFailure::RefusedLate,
            (_, None) if early => HandoverFailure::Early,
            (_, None) => HandoverFailure::Late,
        };
        self.unserved = Some(unserved);
        KeeperEvent::Fail(why)
    }

    /// Does what the state machine asks for. What comes of it at once is an event.
    fn perform(&mut self, action: KeeperAction) -> Option<KeeperEvent> {
        match action {
            KeeperAction::Offer => return self.offer(),
            KeeperAction::Wait(delay) => self.deadline = Instant::now() + self.delays.next(delay),
            KeeperAction::BeginPatience => {
                self.since = Instant::now();
                self.delays.begin();
            }
            KeeperAction::Take => {
                self.served = self.taken.take();
                self.report.taken();
                counted::unserved(false);
            }
            KeeperAction::TakeBack => {
                if let Some(worker) = self.served.take() {
                    worker.take_back();
                }
            }
            KeeperAction::Lose => {
                tracing::warn!("the pool's worker is gone; guests wait until the next one serves them");
                self.served = None;
            }
            KeeperAction::Ping => {
                // One that reads nothing any more does not answer either; one that is gone is heard of by itself.
                let _ = self.served.as_ref().map(Served::ping);
            }
            KeeperAction::FinishWorker => {
                let told = self.served.as_ref().is_some_and(|worker| worker.finish().is_ok());
                return (!told).then_some(KeeperEvent::Gone);
            }
            KeeperAction::Ready => {
                self.report.served();
                if let Some(readiness) = self.readiness.take() {
                    readiness.tell();
                }
            }
            KeeperAction::FailStart => self.fail_start(&self.report.reason(self.unserved.as_ref())),
            KeeperAction::SayAlone => self.report.alone(self.unserved.as_ref()),
            KeeperAction::SayUnserved => {
                counted::unserved(true);
                self.report.unserved(self.unserved.as_ref());
            }
            KeeperAction::SayRefused => self.report.refused(self.unserved.as_ref()),
            KeeperAction::SayServed => tracing::info!("a worker serves the network from now on"),
            KeeperAction::CloseListeners => {
                tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
                // A copy of them, here, would keep guests waiting for nothing.
                self.network.listeners.clear();
            }
            KeeperAction::DrainOwn => self.stop_own(Stop::Drain),
            KeeperAction::RetireOwn => self.stop_own(Stop::Retire),
        }
        None
    }

    fn stop_own(&self, how: Stop) {
        let _ = self.stop.as_ref().map(|stop| stop.send(Some(how)));
    }

    /// Begins a handover.
    fn offer(&mut self) -> Option<KeeperEvent> {
        self.offered = None;
        let listeners: Vec<BorrowedFd<'_>> = self.network.listeners.iter().map(AsFd::as_fd).collect();
        let offered = match &self.pool.offer {
            Some(offer) => offer.begin(&self.pool.path, &listeners),
            None => Offer::new(&self.network.config).and_then(|offer| offer.begin(&self.pool.path, &listeners)),
        };
        match offered {
            Ok(offered) => {
                self.offered = Some(offered);
                None
            }
            Err(error) => Some(self.failed(error.into())),
        }
    }
}
