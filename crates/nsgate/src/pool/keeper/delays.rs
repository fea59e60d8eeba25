//! For how long a keeper waits.

use super::event::KeeperDelay;
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

/// Between two attempts at a worker while no process serves: from the first to the last.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(400);
/// Between two attempts while the keeper serves.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// How long a worker may take to answer one handover. A thousand may come at once.
const ANSWER: Duration = Duration::from_secs(3);
/// The same, while the keeper serves. A worker that is stopped takes long, and there may be another in its place by then.
const ALONE_ANSWER: Duration = Duration::from_secs(10);
/// A worker that has refused a network is asked again after so long, or when it is gone: it may have room by then.
pub(super) const AGAIN: Duration = Duration::from_secs(60);
/// A worker that closes the connection so soon after a refusal is one of an earlier release, and is not gone.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);
/// A worker is given so long for a sign of life, however short the site's patience is: it may be busy with a thousand handovers.
const SHORTEST_LIFE: Duration = Duration::from_millis(250);
/// A keeper that wakes up so much later than it wanted to was stopped itself, and so may the worker have been.
pub(super) const OVERSLEPT: Duration = Duration::from_secs(1);
/// How long connections may go on after a worker has taken over: busy ones get an answer that says it is their last.
const RETIRING: Duration = Duration::from_secs(10);

/// What has to be known of the host before the filter closes: times differ from keeper to keeper, so that not all ask at once.
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new() -> Self {
        // The first keys of a hash map are random numbers from the kernel, which the filter does not let pass later: a
        // keeper that becomes a gate needs them.
        Self(RandomState::new().build_hasher().finish())
    }

    /// Between half of `time` and all of it.
    fn about(&mut self, time: Duration) -> Duration {
        // A linear congruential generator (Knuth, MMIX): enough to spread.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = u32::try_from(self.0 >> 54).unwrap_or(0);
        time / 2 + time * part / 2048
    }
}

pub(super) struct Delays {
    seed: Seed,
    /// The site's.
    patience: Duration,
    pause: Duration,
}

impl Delays {
    pub(super) fn new(seed: Seed, patience: Duration) -> Self {
        Self { seed, patience, pause: SHORTEST }
    }

    /// Attempts at a worker begin.
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
            // Half for the question and half for its answer: a guest waits for no more than the site's patience.
            KeeperDelay::Life => (self.patience / 2).max(SHORTEST_LIFE),
            KeeperDelay::Retiring => RETIRING,
        }
    }
}
