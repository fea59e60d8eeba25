//! How long a keeper waits for what.

use super::event::KeeperDelay;
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

/// The pause between two handovers while no process serves: it grows from the first value to the last.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(400);
/// The pause between two handovers while the keeper serves.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// How long a worker may take to answer one handover. A thousand may come at once.
const ANSWER: Duration = Duration::from_secs(3);
/// The same, while the keeper serves. It is longer: a worker that is stopped takes long to go on, or to be replaced.
const ALONE_ANSWER: Duration = Duration::from_secs(10);
/// The pause before a worker that refused the network is asked again. It may have room by then. Its end shortens the pause.
pub(super) const AGAIN: Duration = Duration::from_secs(60);
/// A worker of an earlier release closes the connection within this time after a refusal. It is not gone.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);
/// The least time that a worker gets for a sign of life, even if the site's patience is shorter: it may be busy with a thousand
/// handovers.
const SHORTEST_LIFE: Duration = Duration::from_millis(250);
/// If the keeper wakes up so much too late, it was stopped itself. Then the worker may have been stopped too.
pub(super) const OVERSLEPT: Duration = Duration::from_secs(1);
/// How long the keeper's own connections may last after a worker has taken over. A busy one gets an answer
/// that says it is the last.
const RETIRING: Duration = Duration::from_secs(10);

/// A random number of this keeper, drawn before the filter forbids that. It spreads the pauses, so that not all keepers ask at once.
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new() -> Self {
        // The first hash map of a thread takes random keys from the kernel, and the filter forbids that later. A keeper that becomes a
        // gate needs hash maps, so make one now.
        Self(RandomState::new().build_hasher().finish())
    }

    /// A random time between half of `time` and all of it.
    fn about(&mut self, time: Duration) -> Duration {
        // A linear congruential generator (Knuth, MMIX): enough to spread.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = u32::try_from(self.0 >> 54).unwrap_or(0);
        time / 2 + time * part / 2048
    }
}

pub(super) struct Delays {
    seed: Seed,
    /// The site's patience.
    patience: Duration,
    pause: Duration,
}

impl Delays {
    pub(super) fn new(seed: Seed, patience: Duration) -> Self {
        Self { seed, patience, pause: SHORTEST }
    }

    /// Attempts begin: the pause is the shortest again.
    pub(super) fn begin(&mut self) {
        self.pause = SHORTEST;
    }

    pub(super) fn next(&mut self, delay: KeeperDelay) -> Duration {
        match delay {
            KeeperDelay::Pause => {
                let time = self.seed.about(self.pause);
                self.pause = (self.pause * 2).min(LONGEST);
                time
            }
            KeeperDelay::AlonePause => self.seed.about(BETWEEN_ATTEMPTS),
            KeeperDelay::Answer => ANSWER,
            KeeperDelay::AloneAnswer => ALONE_ANSWER,
            KeeperDelay::Refused => AGAIN,
            // Half is for the question and half for its answer, so that a guest waits no longer than the site's patience.
            KeeperDelay::Life => (self.patience / 2).max(SHORTEST_LIFE),
            KeeperDelay::Retiring => RETIRING,
        }
    }
}
