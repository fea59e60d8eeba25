//! A keeper's sockets. The driver turns what happens there into events, and does what the state machine asks for.

use super::{
    delays::{AGAIN, AT_ONCE, Delays, OVERSLEPT},
    doors::{self, KeptDoor},
    event::{HandoverFailure, KeeperAction, KeeperEvent},
    report::{self, KeeperReport},
    state::{KeeperState, KeeperTransition},
};
use crate::{audit::Audits, counted, gate, log::Sink};
use nsgate_config::{Config, Limits, PoolUse};
use nsgate_forwarder::{Stop, TokenKey};
use nsgate_launcher::{Agent, Readiness, SignalRequest, Signals};
use nsgate_pool::{Offer, OfferError, Offered, Served, Unserved, WorkerNotice};
use std::{
    io,
    net::TcpListener,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};
use tokio::sync::watch;

/// The network that a keeper stands for, and all that is needed to serve it.
pub(super) struct KeptNetwork {
    pub(super) config: Config,
    /// The bounds for the time in which the keeper serves by itself.
    pub(super) limits: Limits,
    pub(super) agents: Vec<Agent>,
    /// The way to the agent in the place of these, if it binds.
    pub(super) door: Option<KeptDoor>,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) key: Option<TokenKey>,
    pub(super) sink: Arc<Sink>,
    pub(super) events: Option<Audits>,
}

/// The pool that the keeper hands its network to.
pub(super) struct KeepersPool<'a> {
    pub(super) wanted: &'a PoolUse,
    /// Its socket.
    pub(super) path: PathBuf,
    /// The offer; `None` if the gate is too long for a message.
    pub(super) offer: Option<Offer>,
}

/// The cause of a keeper's waking.
pub(super) enum WokenBy {
    Signal,
    /// [`Keeper::door`].
    Door,
    /// [`Keeper::answer`].
    Answer,
    /// [`Keeper::worker`].
    Worker,
    Guest,
    Time,
    /// The keeper's own connections have ended.
    Own,
}

pub(super) struct Keeper<'a> {
    pub(super) network: KeptNetwork,
    /// Ends the keeper's own connections. Set in the states that may have some.
    pub(super) stop: Option<watch::Sender<Option<Stop>>>,
    state: KeeperState,
    pool: KeepersPool<'a>,
    delays: Delays,
    report: KeeperReport,
    /// The channel to the starter, until it is told.
    readiness: Option<Readiness>,
    /// The handover that waits for its answer, in the states that have one.
    offered: Option<Offered>,
    /// The worker whose answer has just come.
    taken: Option<Served>,
    /// The last handover, if it failed. It is kept while the keeper watches the worker that refused.
    unserved: Option<Unserved>,
    /// The worker that serves.
    served: Option<Served>,
    /// When [`KeeperEvent::Time`] comes, in the states in which it does.
    deadline: Instant,
    /// When the site's patience began.
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

    /// When the keeper wakes up if no event comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state.is_timed().then_some(self.deadline)
    }

    /// The socket of the handover. Its answer comes here, and later the end of a worker that refused.
    pub(super) fn answer(&self) -> Option<BorrowedFd<'_>> {
        let offered = self.offered.as_ref().map(AsFd::as_fd);
        offered.or_else(|| self.unserved.as_ref().and_then(Unserved::refused_by))
    }

    /// The socket of the worker that serves. Its messages come here.
    pub(super) fn worker(&self) -> Option<BorrowedFd<'_>> {
        self.served.as_ref().map(AsFd::as_fd)
    }

    /// The door: it is readable when the agent has closed it.
    pub(super) fn door(&self) -> Option<BorrowedFd<'_>> {
        self.network.door.as_ref().map(AsFd::as_fd)
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
    // Not inlined: the caller's frame lasts as long as the keeper sleeps, and should stay small.
    #[inline(never)]
    pub(super) fn woken(&mut self, by: WokenBy, signals: &Signals) {
        let event = match by {
            WokenBy::Signal => return self.heard(signals),
            WokenBy::Door => doors::is_unbound(self.network.door.as_ref()).then_some(KeeperEvent::DoorCloses),
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

    /// Reads every pending signal.
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

    /// A worker has answered a handover, or a worker that refused has closed the connection.
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
        match self.served.as_ref()?.notice() {
            Ok(None) => None,
            Ok(Some(WorkerNotice::Pong)) => Some(KeeperEvent::Pong),
            Ok(Some(WorkerNotice::Leave)) => Some(KeeperEvent::Leave),
            Ok(Some(WorkerNotice::Gone)) | Err(_) => Some(KeeperEvent::Gone),
            Ok(Some(WorkerNotice::End(reason))) => {
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

    /// A handover failed.
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

    /// Does what the state machine asks for. An immediate result is the next event.
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
                // A failure needs no event here. A worker that reads nothing gives no answer in time. A worker that is gone has
                // closed its socket.
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
            KeeperAction::SayUnbound => self.fail_start(&report::unbound()),
            KeeperAction::SayAlone => self.report.alone(self.unserved.as_ref()),
            KeeperAction::SayUnserved => {
                counted::unserved(true);
                self.report.unserved(self.unserved.as_ref());
            }
            KeeperAction::SayRefused => self.report.refused(self.unserved.as_ref()),
            KeeperAction::SayServed => tracing::info!("a worker serves the network from now on"),
            KeeperAction::CloseListeners => {
                tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
                // If copies stayed open here, guests would wait at listeners that no process serves.
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
        let begin = |offer: &Offer| doors::begin(offer, &self.pool.path, &listeners, self.network.door.as_ref());
        let offered = match &self.pool.offer {
            Some(offer) => begin(offer),
            None => Offer::new(&self.network.config).and_then(|offer| begin(&offer)),
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
