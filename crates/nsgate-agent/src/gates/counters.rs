//! What is counted of requests: plain numbers in a row, so that they may lie in memory which another process reads.

use super::record::{HopReason, HopRecord};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Classes of an answer's status: none, and 1xx to 5xx.
pub const HOP_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Upper bounds of the buckets of Nova's latency in microseconds. A time above the last has a bucket of its own.
pub const NOVA_BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    30_000_000,
];

/// Places of the numbers. A place never changes its meaning: a reader may be newer or older than the agent. Free are those
/// between the last bucket and [`REASONS`]: 32 to 47.
const LOOKED_UP: usize = 6;
const FORBIDDEN: usize = 7;
const DOORS: usize = 8;
const CONNECTIONS: usize = 9;
const AWAY_SINCE: usize = 10;
const REFUSED_AT: usize = 11;
const FAILED_AT: usize = 12;
const INSTANCES: usize = 13;
const NOVA_SUM: usize = 14;
const FORBIDDEN_AT: usize = 15;
const BUCKETS: usize = 16;
/// From here on, one for each of [`HopReason::ALL`], in that order.
const REASONS: usize = 48;

/// How many numbers there are.
pub const HOP_CELLS: usize = REASONS + HopReason::ALL.len();
const _: () = assert!(HOP_CLASSES.len() <= LOOKED_UP && BUCKETS + NOVA_BOUNDS.len() < REASONS);

/// The numbers of one agent. `C` is where they lie; places that are not there are not counted.
#[derive(Debug)]
pub struct HopCounters<C>(C);

impl<C: AsRef<[AtomicU64]>> HopCounters<C> {
    /// Counts in these places, which go on from what they are.
    pub const fn new(cells: C) -> Self {
        Self(cells)
    }

    /// Counts a request that was answered at `now`, in seconds since 1970.
    pub fn count(&self, record: &HopRecord, now: u64) {
        let class = usize::from(record.status / 100);
        self.add(if class < HOP_CLASSES.len() { class } else { 0 }, 1);
        if record.look_up_time.is_some() && record.reason != Some(HopReason::DirectoryAway) {
            self.add(LOOKED_UP, 1);
            self.put(AWAY_SINCE, 0);
        }
        if let Some(time) = record.nova_time {
            self.nova(time);
            if record.status == 403 {
                self.add(FORBIDDEN, 1);
                self.put(FORBIDDEN_AT, now);
            }
        }
        let Some(reason) = record.reason else { return };
        self.add(REASONS + reason as usize, 1);
        self.put(if reason.is_failure() { FAILED_AT } else { REFUSED_AT }, now);
        if reason == HopReason::DirectoryAway && self.at(AWAY_SINCE) == 0 {
            self.put(AWAY_SINCE, now);
        }
    }

    /// So many doors are open.
    pub fn doors(&self, open: usize) {
        self.put(DOORS, open as u64);
    }

    /// So many connections that carry requests are open.
    pub fn connections(&self, open: usize) {
        self.put(CONNECTIONS, open as u64);
    }

    /// So many instances the directory knows, where it knows how many.
    pub fn instances(&self, known: usize) {
        self.put(INSTANCES, known as u64);
    }

    fn nova(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.add(BUCKETS + NOVA_BOUNDS.partition_point(|bound| *bound < micros), 1);
        self.add(NOVA_SUM, micros);
    }

    fn add(&self, place: usize, more: u64) {
        if let Some(cell) = self.0.as_ref().get(place) {
            cell.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn put(&self, place: usize, number: u64) {
        if let Some(cell) = self.0.as_ref().get(place) {
            cell.store(number, Ordering::Relaxed);
        }
    }

    fn at(&self, place: usize) -> u64 {
        self.0.as_ref().get(place).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}

/// What was counted by one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopValues(Vec<u64>);

impl HopValues {
    /// Those that another process has counted. A number that is not there is 0; what is behind the last is left out.
    #[must_use]
    pub fn new(cells: &[u64]) -> Self {
        Self(cells.iter().take(HOP_CELLS).copied().collect())
    }

    fn at(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }

    /// Requests by class of the answer's status, in the order of [`HOP_CLASSES`].
    #[must_use]
    pub fn classes(&self) -> [u64; HOP_CLASSES.len()] {
        std::array::from_fn(|class| self.at(class))
    }

    /// All requests. (The numbers of another process may be anything.)
    #[must_use]
    pub fn requests(&self) -> u64 {
        sum(self.classes().into_iter())
    }

    /// Look-ups that the directory answered, with an instance or without.
    #[must_use]
    pub fn looked_up(&self) -> u64 {
        self.at(LOOKED_UP)
    }

    /// Answers of Nova's with status 403.
    #[must_use]
    pub fn forbidden(&self) -> u64 {
        self.at(FORBIDDEN)
    }

    /// When Nova answered with status 403 last, in seconds since 1970; 0 if it never did.
    #[must_use]
    pub fn forbidden_at(&self) -> u64 {
        self.at(FORBIDDEN_AT)
    }

    /// Doors that are open.
    #[must_use]
    pub fn doors(&self) -> u64 {
        self.at(DOORS).min(u32::MAX.into())
    }

    /// Connections that carry requests, open now.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.at(CONNECTIONS).min(u32::MAX.into())
    }

    /// Since when each look-up fails because the directory is away, in seconds since 1970; 0 if it is not.
    #[must_use]
    pub fn away_since(&self) -> u64 {
        self.at(AWAY_SINCE)
    }

    /// When the last request was refused, in seconds since 1970; 0 if none was.
    #[must_use]
    pub fn refused_at(&self) -> u64 {
        self.at(REFUSED_AT)
    }

    /// The same of the last one that failed.
    #[must_use]
    pub fn failed_at(&self) -> u64 {
        self.at(FAILED_AT)
    }

    /// Instances that the directory knows; 0 if it does not count them.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.at(INSTANCES)
    }

    /// Answers of Nova's by the time until their head: up to each of [`NOVA_BOUNDS`] and above the one before it, then above the last.
    #[must_use]
    pub fn nova_buckets(&self) -> [u64; NOVA_BOUNDS.len() + 1] {
        std::array::from_fn(|bucket| self.at(BUCKETS + bucket))
    }

    /// The sum of these times in microseconds.
    #[must_use]
    pub fn nova_sum(&self) -> u64 {
        self.at(NOVA_SUM)
    }

    /// Each reason for which a request has no answer of Nova's, and how often.
    pub fn reasons(&self) -> impl Iterator<Item = (HopReason, u64)> + '_ {
        HopReason::ALL.iter().map(|reason| (*reason, self.at(REASONS + *reason as usize)))
    }

    /// Requests that were refused for what they are.
    #[must_use]
    pub fn refused(&self) -> u64 {
        sum(self.reasons().filter(|(reason, _)| !reason.is_failure()).map(|(_, count)| count))
    }

    /// Requests that failed for a reason behind the agent, or were given up.
    #[must_use]
    pub fn failed(&self) -> u64 {
        sum(self.reasons().filter(|(reason, _)| reason.is_failure()).map(|(_, count)| count))
    }
}

fn sum(all: impl Iterator<Item = u64>) -> u64 {
    all.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nsgate_forwarder::PathClass;

    fn record(status: u16, reason: Option<HopReason>, nova: Option<u64>) -> HopRecord {
        HopRecord {
            bound: true,
            place: None,
            source: None,
            method: "GET",
            class: PathClass::Index,
            occupant: None,
            status,
            reason,
            look_up_time: Some(Duration::ZERO),
            nova_time: nova.map(Duration::from_micros),
            total_time: Duration::ZERO,
        }
    }

    #[test]
    fn a_request_is_counted_by_what_became_of_it() {
        let cells: [AtomicU64; HOP_CELLS] = std::array::from_fn(|_| AtomicU64::new(0));
        let counters = HopCounters::new(&cells[..]);
        counters.count(&record(200, None, Some(500)), 7);
        counters.count(&record(403, None, Some(501)), 6);
        counters.count(&record(404, Some(HopReason::NoPort), None), 8);
        counters.count(&record(504, Some(HopReason::NovaSilent), None), 9);
        counters.count(&record(0, Some(HopReason::GateLeft), None), 10);
        counters.doors(3);
        let values = HopValues::new(&cells.each_ref().map(|cell| cell.load(Ordering::Relaxed)));
        assert_eq!((values.requests(), values.looked_up(), values.forbidden(), values.doors()), (5, 5, 1, 3));
        assert_eq!(values.forbidden_at(), 6);
        assert_eq!((values.refused(), values.failed(), values.refused_at(), values.failed_at()), (1, 2, 8, 10));
        assert_eq!((&values.nova_buckets()[..3], values.nova_sum()), (&[1, 1, 0][..], 1001));
        assert_eq!(values.classes(), [1, 0, 1, 0, 2, 1]);
    }

    #[test]
    fn the_directory_is_away_since_the_first_look_up_that_failed() {
        let cells: [AtomicU64; HOP_CELLS] = std::array::from_fn(|_| AtomicU64::new(0));
        let counters = HopCounters::new(&cells[..]);
        let since = || HopValues::new(&cells.each_ref().map(|cell| cell.load(Ordering::Relaxed))).away_since();
        for now in [5, 6] {
            counters.count(&record(503, Some(HopReason::DirectoryAway), None), now);
            assert_eq!(since(), 5);
        }
        counters.count(&record(404, Some(HopReason::NoPort), None), 7);
        assert_eq!(since(), 0, "it has answered");
    }

    #[test]
    fn numbers_of_another_process_may_be_anything() {
        for cells in [vec![], vec![u64::MAX; 3], vec![u64::MAX; 4096]] {
            let values = HopValues::new(&cells);
            assert_eq!(values.requests(), if cells.is_empty() { 0 } else { u64::MAX });
            assert!(values.doors() <= u32::MAX.into());
        }
    }

    /// An agent lives through an upgrade of the command that reads it. A new reason goes behind the last.
    #[test]
    fn a_reason_keeps_its_place() {
        let names: Vec<&str> = HopReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(
            names.join(" "),
            "bad-request unbound foreign-network no-port several-ports no-instance directory-away nova-away nova-silent \
             nova-malformed crowded cut-body gate-left"
        );
        assert!(HopReason::ALL.iter().enumerate().all(|(place, reason)| *reason as usize == place));
        assert_eq!((REASONS, BUCKETS), (48, 16));
    }
}
