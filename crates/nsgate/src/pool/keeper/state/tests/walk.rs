//! Every way that a keeper can take: what its sockets and the clock allow may happen at any step, and its promises hold at each.

use super::{EVENTS, FALLBACKS, cells, event, state};
use crate::pool::keeper::{
    event::{HandoverFailure, KeeperAction, KeeperEvent},
    state::{KeeperState, KeeperTransition},
};
use nsgate_config::Fallback;
use std::collections::HashSet;

/// A keeper without sockets: what it would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Model {
    state: KeeperState,
    /// It holds the listeners.
    has_listeners: bool,
    /// A worker has taken the network, and is connected.
    has_worker: bool,
    /// A handover waits for its answer.
    has_offered: bool,
    /// A worker has just answered that it takes the network.
    has_taken: bool,
    /// A worker that has refused is connected.
    has_refuser: bool,
    /// It accepts guests.
    accepts: bool,
    /// It is about to accept guests.
    opens: bool,
    /// A time was set, and has not come.
    has_deadline: bool,
    /// A worker has had the gate: it fits into a handover.
    fits: bool,
    /// What the starter was told: that the network is served, or not.
    told: Option<bool>,
}

impl Model {
    fn begin() -> Self {
        let KeeperTransition { state, actions } = KeeperState::begin();
        let mut model = Self {
            state,
            has_listeners: true,
            has_worker: false,
            has_offered: false,
            has_taken: false,
            has_refuser: false,
            accepts: false,
            opens: false,
            has_deadline: false,
            fits: false,
            told: None,
        };
        model.perform(actions);
        model
    }

    /// Whether the event may come.
    fn allows(&self, event: KeeperEvent) -> bool {
        if self.opens {
            return matches!(event, KeeperEvent::Open | KeeperEvent::Break);
        }
        match event {
            KeeperEvent::Time | KeeperEvent::Oversleep => {
                self.has_deadline && self.state.is_timed() && !self.has_offered
            }
            KeeperEvent::Fail(HandoverFailure::Unfit) => self.has_offered && !self.fits,
            KeeperEvent::Settle { .. } | KeeperEvent::Fail(_) => self.has_offered,
            KeeperEvent::RefuserLeaves | KeeperEvent::RefuserCloses => self.has_refuser,
            KeeperEvent::Guest => self.has_listeners && self.state.looks_for_guests(),
            KeeperEvent::Pong | KeeperEvent::Leave | KeeperEvent::Gone | KeeperEvent::EndNetwork => self.has_worker,
            KeeperEvent::Finish | KeeperEvent::Succeed | KeeperEvent::Terminate | KeeperEvent::DoorCloses => true,
            KeeperEvent::Open | KeeperEvent::Break => false,
            KeeperEvent::Drain => self.state.ends_own(),
        }
    }

    /// What the keeper is after the event.
    fn after(mut self, event: KeeperEvent, fallback: Fallback) -> Self {
        match event {
            KeeperEvent::Time | KeeperEvent::Oversleep => self.has_deadline = false,
            KeeperEvent::Settle { .. } => (self.has_offered, self.has_taken) = (false, true),
            KeeperEvent::Fail(why) => {
                self.has_offered = false;
                self.has_refuser = matches!(why, HandoverFailure::RefusedEarly | HandoverFailure::RefusedLate);
            }
            KeeperEvent::Open => (self.opens, self.accepts) = (false, true),
            KeeperEvent::Break => (self.opens, self.told) = (false, self.told.or(Some(false))),
            _ => {}
        }
        let was_alone = self.state.is_alone();
        let KeeperTransition { state, actions } = self.state.step(event, fallback);
        self.state = state;
        self.perform(actions);
        // What the drivers do by the state alone.
        self.has_offered &= state.awaits_answer();
        self.has_refuser &= state.is_refused();
        self.opens |= state.is_alone() && !was_alone;
        self.accepts &= state.is_alone();
        if matches!(state, KeeperState::Ended(_)) {
            self.has_worker = false;
        }
        self
    }

    fn perform(&mut self, actions: &[KeeperAction]) {
        for action in actions {
            match action {
                KeeperAction::Offer => {
                    assert!(self.has_listeners, "what is handed over is there: {self:?}");
                    (self.has_offered, self.has_refuser) = (true, false);
                }
                KeeperAction::Wait(_) => self.has_deadline = true,
                KeeperAction::Take => {
                    assert!(self.has_taken, "a worker has answered: {self:?}");
                    (self.has_taken, self.has_worker, self.fits) = (false, true, true);
                }
                KeeperAction::TakeBack | KeeperAction::Lose => {
                    assert!(self.has_worker, "there is a worker to leave: {self:?}");
                    self.has_worker = false;
                }
                KeeperAction::Ping | KeeperAction::FinishWorker => assert!(self.has_worker, "{self:?}"),
                // Said again, it is not heard.
                KeeperAction::Ready => self.told = self.told.or(Some(true)),
                KeeperAction::FailStart => {
                    assert_eq!(self.told, None, "{self:?}");
                    self.told = Some(false);
                }
                KeeperAction::SayUnbound => self.told = self.told.or(Some(false)),
                KeeperAction::CloseListeners => self.has_listeners = false,
                KeeperAction::DrainOwn | KeeperAction::RetireOwn => {
                    assert!(self.accepts, "there is a forwarder to stop: {self:?}");
                    self.accepts = false;
                }
                KeeperAction::SayServed => assert!(self.has_worker, "{self:?}"),
                KeeperAction::SayAlone | KeeperAction::SayUnserved => {
                    assert!(!self.has_worker && !self.accepts, "{self:?}");
                }
                KeeperAction::SayRefused => assert!(self.has_refuser, "{self:?}"),
                KeeperAction::BeginPatience => {}
            }
        }
    }

    fn keeps_its_promises(&self, fallback: Fallback) {
        let state = self.state;
        let serves = matches!(state, KeeperState::Alone(_));
        assert!(
            !(self.has_worker && (self.accepts || self.opens)),
            "a listener is never both lent and served: {self:?}"
        );
        assert_eq!(serves, self.accepts || self.opens, "{self:?}");
        assert!(fallback != Fallback::Never || !state.is_alone(), "one that never serves by itself does not: {self:?}");
        let lends = matches!(state, KeeperState::Lent(_) | KeeperState::Leaving(_) | KeeperState::Finishing);
        let lends = lends || matches!(state, KeeperState::Retiring { .. });
        assert_eq!(lends, self.has_worker, "a worker is held on to exactly while it serves: {self:?}");
        assert_eq!(state.awaits_answer(), self.has_offered, "{self:?}");
        assert_eq!(state.is_refused(), self.has_refuser, "{self:?}");
        assert!(!state.is_timed() || self.has_deadline, "no wait is for ever: {self:?}");
        assert!(!state.is_asleep() || self.has_worker, "no keeper sleeps while no worker serves: {self:?}");
        let ends = matches!(state, KeeperState::Finishing | KeeperState::Draining | KeeperState::Ended(_));
        assert!(self.has_listeners || ends, "a keeper that goes on holds its listeners: {self:?}");
        let told = match state {
            KeeperState::Starting => self.told.is_none(),
            KeeperState::Ended(1) => self.told.is_some(),
            KeeperState::Ended(_) => true,
            _ => self.opens || self.told == Some(true),
        };
        assert!(told, "the starter is told when the network is served, and not before: {self:?}");
    }

    /// What happens where no worker answers, now and later, and no signal comes.
    fn without_a_worker(self, fallback: Fallback) -> Self {
        let event = if self.has_worker {
            KeeperEvent::Gone
        } else if self.opens {
            KeeperEvent::Open
        } else if self.has_offered {
            KeeperEvent::Fail(HandoverFailure::Late)
        } else {
            KeeperEvent::Time
        };
        assert!(self.allows(event), "{self:?} is stuck");
        self.after(event, fallback)
    }

    /// What happens where a worker answers.
    fn with_a_worker(self, fallback: Fallback) -> Self {
        let event = if self.opens {
            KeeperEvent::Open
        } else if self.has_offered {
            KeeperEvent::Settle { answers: true }
        } else {
            KeeperEvent::Time
        };
        assert!(self.allows(event), "{self:?} is stuck");
        self.after(event, fallback)
    }
}

/// Every keeper that there can be, and every event that came to one.
fn walk(fallback: Fallback) -> (HashSet<Model>, HashSet<(KeeperState, &'static str)>) {
    let (mut reached, mut came) = (HashSet::new(), HashSet::new());
    let mut next = vec![Model::begin()];
    while let Some(model) = next.pop() {
        if !reached.insert(model) {
            continue;
        }
        model.keeps_its_promises(fallback);
        for (name, event) in EVENTS.into_iter().filter(|(_, event)| model.allows(*event)) {
            came.insert((model.state, name));
            next.push(model.after(event, fallback));
        }
    }
    (reached, came)
}

#[test]
fn a_listener_is_never_both_lent_and_served_and_every_other_promise_holds_on_every_way() {
    for fallback in FALLBACKS {
        let (reached, _) = walk(fallback);
        let serves = reached.iter().any(|model| model.accepts);
        assert_eq!(serves, fallback != Fallback::Never, "{fallback:?}");
    }
}

#[test]
fn an_event_comes_on_some_way_exactly_where_the_table_says_so() {
    let came: HashSet<_> = FALLBACKS.into_iter().flat_map(|fallback| walk(fallback).1).collect();
    for (from, on, cell) in cells(Fallback::Always) {
        assert_eq!(came.contains(&(state(from), on)), cell != "x", "{from} on {on}: {:?}", event(on));
    }
}

/// Whether a keeper in this state goes on to keep its network.
fn goes_on(model: &Model) -> bool {
    !matches!(model.state, KeeperState::Finishing | KeeperState::Draining | KeeperState::Ended(_))
}

#[test]
fn from_everywhere_a_keeper_comes_to_serve_where_no_worker_answers() {
    for fallback in FALLBACKS {
        let (reached, _) = walk(fallback);
        for model in reached.into_iter().filter(goes_on) {
            let mut way = vec![model];
            while way.len() < 9 && goes_on(&way[way.len() - 1]) && !way[way.len() - 1].accepts {
                way.push(way[way.len() - 1].without_a_worker(fallback));
            }
            let last = way[way.len() - 1];
            let fails = model.state == KeeperState::Starting && fallback != Fallback::Always;
            let ends_so = match fallback {
                _ if fails => last.state == KeeperState::Ended(1),
                Fallback::Never => matches!(last.state, KeeperState::Unserved(_)),
                Fallback::Always | Fallback::Later => last.accepts,
            };
            assert!(ends_so, "{fallback:?}: {way:#?}");
        }
    }
}

#[test]
fn from_everywhere_a_network_comes_to_a_worker_that_answers() {
    for fallback in FALLBACKS {
        let (reached, _) = walk(fallback);
        for model in reached.into_iter().filter(goes_on) {
            let mut way = vec![model];
            while way.len() < 9 && !matches!(way[way.len() - 1].state, KeeperState::Lent(_)) {
                way.push(way[way.len() - 1].with_a_worker(fallback));
            }
            assert!(matches!(way[way.len() - 1].state, KeeperState::Lent(_)), "{fallback:?}: {way:#?}");
        }
    }
}

#[test]
fn a_keeper_that_has_ended_does_nothing_any_more() {
    for fallback in FALLBACKS {
        for (_, event) in EVENTS {
            let ended = KeeperState::Ended(1).step(event, fallback);
            assert_eq!(ended, KeeperTransition { state: KeeperState::Ended(1), actions: &[] }, "{event:?}");
        }
    }
}
