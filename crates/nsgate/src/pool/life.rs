//! Whether the worker that serves a network is alive: it may be stopped, or in a loop, and its sockets stay open.
//!
//! Asked when a guest comes, and at most twice within the site's patience: a network without guests costs nothing, and
//! one whose worker is alive costs a message now and then. A worker that does not answer serves nobody, since it has one
//! thread for everything.

use nsgate_pool::Served;
use std::time::{Duration, Instant};

/// A worker is given so long whatever the site says: it may be busy with a thousand handovers.
const SHORTEST: Duration = Duration::from_millis(250);
/// A keeper that wakes up so much later than it wanted to was stopped itself, and so may the worker have been.
const LATE: Duration = Duration::from_secs(1);

/// What a keeper knows of its worker.
pub(super) struct Life {
    /// Between two questions, and for an answer: half of the site's patience each, so that a guest waits for no more than
    /// the whole of it.
    half: Duration,
    state: State,
}

enum State {
    /// It was heard of; the next guest after this is a reason to ask.
    Alive(Instant),
    /// It was asked, and should have answered by then.
    Asked(Instant),
}

impl Life {
    pub(super) fn new(patience: Duration) -> Self {
        Self { half: (patience / 2).max(SHORTEST), state: State::Alive(Instant::now()) }
    }

    /// Whether a guest is a reason to ask.
    pub(super) fn looks_for_guests(&self) -> bool {
        matches!(self.state, State::Alive(from) if from <= Instant::now())
    }

    /// When there is something to do though nothing comes.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.state {
            State::Alive(from) => Some(from).filter(|from| *from > Instant::now()),
            State::Asked(until) => Some(until),
        }
    }

    /// A guest waits at a listener, or has been taken in this moment.
    pub(super) fn guest(&mut self, worker: &Served) {
        // One that reads nothing any more does not answer either; one that is gone is heard of by itself.
        let _ = worker.ping();
        self.state = State::Asked(Instant::now() + self.half);
    }

    /// The worker has answered.
    pub(super) fn answered(&mut self) {
        self.state = State::Alive(Instant::now() + self.half);
    }

    /// Whether the worker has not answered in time.
    pub(super) fn is_over(&mut self) -> bool {
        let State::Asked(until) = self.state else { return false };
        let late = Instant::now().saturating_duration_since(until);
        if late > LATE {
            self.state = State::Asked(Instant::now() + self.half);
            return false;
        }
        Instant::now() >= until
    }
}
