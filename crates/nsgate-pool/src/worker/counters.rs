//! The counters of a worker: the requests of each network, and how long all requests take.

use nsgate_forwarder::{AccessRecord, Observer, counters::Counters};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Upper bounds of the histogram's buckets in microseconds.
pub(super) const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    30_000_000,
];

/// How long the requests of all networks take, from the first byte to the last.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// Requests in each bucket: up to its bound and above the bound before it. The last bucket has no bound.
    pub(super) buckets: [AtomicU64; BOUNDS.len() + 1],
    /// Sum in microseconds.
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

/// Counts a request, and passes it on to another observer.
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

    fn opened(&self, open: u32) {
        self.observer.opened(open);
    }

    fn closed(&self, open: u32) {
        self.observer.closed(open);
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
