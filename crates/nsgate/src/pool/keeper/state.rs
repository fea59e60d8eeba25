//! What a keeper does with its network, as a state machine.
//!
//! [`KeeperState::step`] is all of it. It knows no socket and no clock: [`Keeper`](super::driver::Keeper) keeps the state, turns
//! what happens into events, and does what a [`KeeperTransition`] asks for. Two drivers wait for it: [`super::asleep`] with
//! poll(2), and [`super::alone`] with an event loop in the states in which the keeper serves ([`KeeperState::is_alone`]).
//!
//! ```text
//!                taken                    told to leave
//!  Starting ────────────────▶ Lent ───────────────────────▶ Leaving
//!     │                       ▲  │ ◀───────────────────────    │
//!     │                 taken │  │      the next takes it      │
//!     │                       │  │ gone                        │ gone
//!     │                       │  ▼                             │
//!     │                     Unserved ◀─────────────────────────┘
//!     │                         │
//!     │ not taken               │ not taken, and the patience is over
//!     │                         ▼
//!     └─────────────────────▶ Alone ────────▶ Retiring
//!                                     taken
//!
//!  Lent        ── silent while guests wait ──▶ Alone
//!  Retiring    ── own connections ended ──▶ Lent;  told to leave ──▶ Leaving;  gone ──▶ Unserved
//!
//!  A start that may not end in Alone (`nsgate add` without `--fallback`; `pool_fallback = false`):
//!  Starting    ── not taken ──▶ Ended(1)
//!
//!  A keeper that never serves by itself:
//!  Lent        ── silent while guests wait ──▶ Unserved, and there it asks until a worker takes the network
//!
//!  A keeper that is to end:
//!  Lent, Leaving, Retiring  ── SIGUSR1 ──▶ Finishing ── the worker has finished, or is gone ──▶ Ended(0)
//!  Alone                    ── SIGUSR1 ──▶ Draining ── own connections ended ──▶ Ended(0)
//!  Starting, Unserved       ── SIGUSR1 ──▶ Ended(0)
//!  any state                ── SIGTERM; the pool ends the network ──▶ Ended(0)
//!  any state                ── the agent closes the door ──▶ Ended(75)
//!
//!  A handover, in Unserved, Leaving and Alone:             The worker, in Lent:
//!
//!             time                refused                           a guest             silent
//!    Pause ─────────▶ Answer ─────────────▶ Refused         Watched ─────────▶ Asked ─────────▶
//!      ▲ ◀───────────  │ ▲                     │               ▲                │
//!      │    failed       └─────────────────────┤               │ time           │ it answers
//!      └───────────────────────────────────────┘               └──── Heard ◀────┘
//!       the one that refused is gone, or time               Mute: one that cannot be asked
//! ```
//!
//! An event that is not drawn changes nothing. The table in the tests has every state and every event.

use super::event::{
    HandoverFailure,
    HandoverFailure::{Early, Late, RefusedEarly, RefusedLate, Unfit},
    KeeperAction as Do, KeeperDelay as For, KeeperEvent as On,
};
use crate::door::CLOSED;
use HandoverStage::{Answer, Pause, Refused};
use WorkerLife::{Asked, Heard, Mute, Watched};
use nsgate_config::Fallback;

/// Which process serves the network, and what the keeper waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum KeeperState {
    /// No process. A worker is asked for the first time, and the starter waits to be told.
    Starting,
    /// No process: guests wait.
    Unserved(HandoverStage),
    /// A worker.
    Lent(WorkerLife),
    /// A worker, which wants to be left. The next one is asked.
    Leaving(HandoverStage),
    /// A worker, which finishes the requests under way. Then the keeper ends.
    Finishing,
    /// The keeper. A worker is asked now and then.
    Alone(HandoverStage),
    /// The keeper, which finishes the requests under way and ends.
    Draining,
    /// A worker. The keeper gives its own connections one more answer.
    Retiring {
        /// The worker can be asked for a sign of life.
        answers: bool,
    },
    /// No process: the keeper ends with this status.
    Ended(u8),
}

/// How far a handover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HandoverStage {
    /// It is time for the next attempt after a while.
    Pause,
    /// A worker was asked.
    Answer,
    /// A worker has refused. It is asked again after a while, or when it is gone: the next one may judge otherwise.
    Refused,
}

/// What is known of the worker that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum WorkerLife {
    /// It was alive a moment ago. A new guest is no reason to ask.
    Heard,
    /// The next guest is a reason to ask.
    Watched,
    /// It was asked for a sign of life.
    Asked,
    /// It is of an earlier release, which cannot be asked.
    Mute,
}

/// The next state, and the actions with which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeeperTransition {
    pub(super) state: KeeperState,
    pub(super) actions: &'static [Do],
}

const ASK: &[Do] = &[Do::Offer, Do::Wait(For::Answer)];
const ASK_ALONE: &[Do] = &[Do::Offer, Do::Wait(For::AloneAnswer)];

impl KeeperState {
    /// The first state.
    pub(super) fn begin() -> KeeperTransition {
        Self::Starting.doing(ASK)
    }

    /// The transition that an event causes. `fallback` says whether the keeper may serve by itself.
    pub(super) fn step(self, event: On, fallback: Fallback) -> KeeperTransition {
        match event {
            // The keeper has ended: no event changes that.
            _ if matches!(self, Self::Ended(_)) => self.doing(&[]),
            On::Terminate => Self::Ended(0).doing(&[]),
            // Only root can have another one bound.
            On::DoorCloses => Self::Ended(CLOSED).doing(&[Do::SayUnbound]),
            On::Finish => self.finish(&[Do::CloseListeners, Do::DrainOwn]),
            On::Succeed => self.finish(&[Do::CloseListeners, Do::RetireOwn]),
            On::Oversleep if self == Self::Lent(Asked) => self.doing(&[Do::Wait(For::Life)]),
            On::Time | On::Oversleep => self.time(fallback),
            On::Settle { answers } => self.settle(answers),
            On::Fail(why) => self.fail(why, fallback),
            On::RefuserLeaves | On::RefuserCloses => self.refuser(event),
            On::Guest | On::Pong => self.sign(event),
            On::Leave | On::Gone | On::EndNetwork => self.word(event),
            On::Open | On::Drain | On::Break => self.own(event),
        }
    }

    fn time(self, fallback: Fallback) -> KeeperTransition {
        match self {
            Self::Unserved(Pause | Refused) => Self::Unserved(Answer).doing(ASK),
            Self::Leaving(Pause | Refused) => Self::Leaving(Answer).doing(ASK),
            Self::Alone(Pause | Refused) => Self::Alone(Answer).doing(ASK_ALONE),
            Self::Lent(Heard) => Self::Lent(Watched).doing(&[]),
            Self::Lent(Asked) if fallback == Fallback::Never => Self::Unserved(Answer).doing(&[
                Do::TakeBack,
                Do::SayUnserved,
                Do::BeginPatience,
                Do::Offer,
                Do::Wait(For::Answer),
            ]),
            Self::Lent(Asked) => Self::Alone(Pause).doing(&[Do::TakeBack, Do::SayAlone, Do::Wait(For::AlonePause)]),
            Self::Retiring { answers } => Self::lent(answers).doing(&[]),
            _ => self.doing(&[]),
        }
    }

    fn settle(self, answers: bool) -> KeeperTransition {
        match self {
            Self::Starting => Self::lent(answers).doing(&[Do::Take, Do::Ready]),
            Self::Unserved(Answer) | Self::Leaving(Answer) => Self::lent(answers).doing(&[Do::Take]),
            Self::Alone(Answer) => {
                Self::Retiring { answers }.doing(&[Do::Take, Do::SayServed, Do::RetireOwn, Do::Wait(For::Retiring)])
            }
            _ => self.doing(&[]),
        }
    }

    fn fail(self, why: HandoverFailure, fallback: Fallback) -> KeeperTransition {
        let alone = Self::Alone(Pause).doing(&[Do::SayAlone, Do::Wait(For::AlonePause)]);
        match (self, why) {
            // The agent waits for its proxy. Serve at once.
            (Self::Starting, _) if fallback == Fallback::Always => alone,
            (Self::Starting, _) => Self::Ended(1).doing(&[Do::FailStart]),

            // The worker was there a moment ago. Most likely it is being restarted.
            (Self::Unserved(Answer), Early | RefusedEarly) => Self::Unserved(Pause).doing(&[Do::Wait(For::Pause)]),
            (Self::Unserved(Answer), Late | RefusedLate) if fallback != Fallback::Never => alone,
            (Self::Unserved(Answer), RefusedLate) => {
                Self::Unserved(Refused).doing(&[Do::SayUnserved, Do::Wait(For::Refused)])
            }
            (Self::Unserved(Answer), Late) => Self::Unserved(Pause).doing(&[Do::SayUnserved, Do::Wait(For::Pause)]),

            (Self::Leaving(Answer), RefusedLate) => Self::Leaving(Refused).doing(&[Do::Wait(For::Refused)]),
            (Self::Leaving(Answer), Early | Late | RefusedEarly) => Self::Leaving(Pause).doing(&[Do::Wait(For::Pause)]),

            (Self::Alone(Answer), RefusedEarly | RefusedLate) => {
                Self::Alone(Refused).doing(&[Do::SayRefused, Do::Wait(For::Refused)])
            }
            (Self::Alone(Answer), Unfit) => Self::Alone(Pause).doing(&[Do::Wait(For::Refused)]),
            (Self::Alone(Answer), Early | Late) => Self::Alone(Pause).doing(&[Do::Wait(For::AlonePause)]),
            _ => self.doing(&[]),
        }
    }

    fn refuser(self, event: On) -> KeeperTransition {
        match (event, self) {
            (On::RefuserLeaves, Self::Unserved(Refused)) => Self::Unserved(Answer).doing(ASK),
            (On::RefuserLeaves, Self::Leaving(Refused)) => Self::Leaving(Answer).doing(ASK),
            // Every keeper that this worker refused hears of its end at once. This one serves and can wait.
            (On::RefuserLeaves, Self::Alone(Refused)) => Self::Alone(Pause).doing(&[Do::Wait(For::AlonePause)]),
            // The time goes on.
            (_, Self::Unserved(Refused)) => Self::Unserved(Pause).doing(&[]),
            (_, Self::Leaving(Refused)) => Self::Leaving(Pause).doing(&[]),
            (_, Self::Alone(Refused)) => Self::Alone(Pause).doing(&[]),
            _ => self.doing(&[]),
        }
    }

    fn sign(self, event: On) -> KeeperTransition {
        match (event, self) {
            (On::Guest, Self::Lent(Watched)) => Self::Lent(Asked).doing(&[Do::Ping, Do::Wait(For::Life)]),
            (On::Pong, Self::Lent(Heard | Watched | Asked)) => Self::Lent(Heard).doing(&[Do::Wait(For::Life)]),
            _ => self.doing(&[]),
        }
    }

    fn word(self, event: On) -> KeeperTransition {
        let lost = &[Do::Lose, Do::BeginPatience, Do::Wait(For::Pause)];
        match (event, self) {
            (On::EndNetwork, Self::Lent(_) | Self::Leaving(_) | Self::Retiring { .. } | Self::Finishing)
            | (On::Gone, Self::Finishing) => Self::Ended(0).doing(&[]),
            (On::Leave, Self::Lent(_) | Self::Leaving(_) | Self::Retiring { .. }) => {
                Self::Leaving(Answer).doing(&[Do::BeginPatience, Do::Offer, Do::Wait(For::Answer)])
            }
            // The next one may answer yet.
            (On::Gone, Self::Leaving(Answer)) => Self::Unserved(Answer).doing(&[Do::Lose, Do::BeginPatience]),
            (On::Gone, Self::Lent(_) | Self::Leaving(_) | Self::Retiring { .. }) => Self::Unserved(Pause).doing(lost),
            _ => self.doing(&[]),
        }
    }

    fn finish(self, own: &'static [Do]) -> KeeperTransition {
        match self {
            Self::Starting | Self::Unserved(_) => Self::Ended(0).doing(&[Do::CloseListeners]),
            Self::Lent(_) | Self::Leaving(_) | Self::Retiring { .. } => {
                Self::Finishing.doing(&[Do::CloseListeners, Do::FinishWorker])
            }
            Self::Alone(_) => Self::Draining.doing(own),
            Self::Finishing | Self::Draining | Self::Ended(_) => self.doing(&[]),
        }
    }

    fn own(self, event: On) -> KeeperTransition {
        match (event, self) {
            (On::Open, Self::Alone(Pause)) => self.doing(&[Do::Ready]),
            (On::Drain, Self::Draining) => Self::Ended(0).doing(&[]),
            (On::Drain, Self::Retiring { answers }) => Self::lent(answers).doing(&[]),
            (On::Break, Self::Alone(Pause)) => Self::Ended(1).doing(&[]),
            _ => self.doing(&[]),
        }
    }

    fn doing(self, actions: &'static [Do]) -> KeeperTransition {
        KeeperTransition { state: self, actions }
    }

    fn lent(answers: bool) -> Self {
        Self::Lent(if answers { Watched } else { Mute })
    }

    /// Whether the keeper has an event loop, with guests' connections of its own.
    pub(super) fn is_alone(self) -> bool {
        matches!(self, Self::Alone(_) | Self::Draining | Self::Retiring { .. })
    }

    /// Whether the keeper sleeps: a worker serves, and nothing else is going on.
    pub(super) fn is_asleep(self) -> bool {
        matches!(self, Self::Lent(_) | Self::Finishing)
    }

    /// Whether [`KeeperEvent::Time`] comes.
    pub(super) fn is_timed(self) -> bool {
        !matches!(self, Self::Lent(Watched | Mute) | Self::Finishing | Self::Draining | Self::Ended(_))
    }

    /// Whether a worker was asked to take the network. [`KeeperEvent::Time`] then means that it did not answer.
    pub(super) fn awaits_answer(self) -> bool {
        matches!(self, Self::Starting | Self::Unserved(Answer) | Self::Leaving(Answer) | Self::Alone(Answer))
    }

    /// Whether the keeper watches the connection to the worker that refused.
    pub(super) fn is_refused(self) -> bool {
        matches!(self, Self::Unserved(Refused) | Self::Leaving(Refused) | Self::Alone(Refused))
    }

    /// Whether the keeper watches the listeners for guests. It does not accept them.
    pub(super) fn looks_for_guests(self) -> bool {
        self == Self::Lent(Watched)
    }

    /// Whether the keeper waits for its own connections to end.
    pub(super) fn ends_own(self) -> bool {
        matches!(self, Self::Draining | Self::Retiring { .. })
    }
}

#[cfg(test)]
mod tests;
