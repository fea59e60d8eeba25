//! What is counted: requests of a network, and how long they take.

use nsgate_forwarder::{AccessRecord, Observer, Termination, TokenUse};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Statuses that the gate answers by itself, and so reasons for which it does.
pub(super) const REASONS: [u16; 15] = [400, 401, 403, 405, 408, 413, 414, 417, 421, 429, 431, 502, 503, 504, 0];

/// Of one network.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// By class of the status: none, 1xx to 5xx.
    pub(super) classes: [AtomicU64; 6],
    /// Answered by the agent.
    pub(super) served: AtomicU64,
    /// Answered by the gate, in the order of [`REASONS`]; the last are those that nobody answered.
    pub(super) refused: [AtomicU64; REASONS.len()],
    /// How requests stood to session tokens, in the order of [`TokenUse::ALL`], where the gate knows of them.
    pub(super) tokens: [AtomicU64; TokenUse::ALL.len()],
}

impl Counters {
    pub(super) fn requests(&self) -> u64 {
        self.classes.iter().map(|class| class.load(Ordering::Relaxed)).sum()
    }

    /// Sum of those that the gate answered with a status in `range`.
    pub(super) fn refused_with(&self, range: std::ops::Range<u16>) -> u64 {
        let inside = REASONS.iter().zip(&self.refused).filter(|(status, _)| range.contains(status));
        inside.map(|(_, count)| count.load(Ordering::Relaxed)).sum()
    }

    fn count(&self, record: &AccessRecord) {
        let class = usize::from(record.status / 100);
        if let Some(class) = self.classes.get(class).or(self.classes.first()) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        let token = record.token.and_then(|token| TokenUse::ALL.iter().position(|known| *known == token));
        if let Some(count) = token.and_then(|index| self.tokens.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if record.termination == Termination::NORMAL {
            // A token is an answer of the gate's own, and no refusal.
            self.served.fetch_add(u64::from(record.served), Ordering::Relaxed);
            return;
        }
        let known = REASONS.iter().position(|status| *status == record.status);
        if let Some(reason) = known.and_then(|index| self.refused.get(index)).or(self.refused.last()) {
            reason.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Upper bounds of the histogram's buckets in microseconds.
pub(super) const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    30_000_000,
];

/// How long requests take, from the first byte to the last, of all networks together.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// Requests up to each bound and above the one before, and those above the last.
    pub(super) buckets: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds altogether.
    pub(super) sum: AtomicU64,
}

impl Latency {
    fn count(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }
}

/// Counts, and passes on.
pub(super) struct Tally {
    pub(super) counters: Arc<Counters>,
    pub(super) latency: Arc<Latency>,
    pub(super) observer: Box<dyn Observer>,
}

impl Observer for Tally {
    fn request(&self, record: &AccessRecord) {
        self.counters.count(record);
        self.latency.count(record.total_time);
        self.observer.request(record);
    }

    fn idle(&self) {
        self.observer.idle();
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS, Latency};
    use std::{sync::atomic::Ordering, time::Duration};

    #[test]
    fn a_time_falls_into_the_first_bucket_that_holds_it() {
        let latency = Latency::default();
        for micros in [0, 500, 501, 30_000_000, 30_000_001] {
            latency.count(Duration::from_micros(micros));
        }
        let found: Vec<u64> = latency.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        assert_eq!((found[0], found[1], found[BOUNDS.len() - 1], found[BOUNDS.len()]), (2, 1, 1, 1));
        assert_eq!(latency.sum.load(Ordering::Relaxed), 60_001_002);
    }
}
