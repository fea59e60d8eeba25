//! What is counted of a gate's requests: plain numbers in a row, so that they may lie in memory which another process reads.

use crate::{AccessRecord, Reason, TokenUse, Verdict};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};

/// Classes of an answer's status: none, and 1xx to 5xx.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Places of the numbers. A place never changes its meaning: a reader may be newer or older than the gate. Free are those between
/// the last of [`TOKENS`] and [`REASONS`]: 14 and 15.
const SERVED: usize = 6;
const BYTES: usize = 7;
const REFUSED_AT: usize = 8;
const FAILED_AT: usize = 9;
const TOKENS: usize = 10;
/// Times in seconds since 1970: of several processes the last counts, and not the sum.
const MOMENTS: [usize; 2] = [REFUSED_AT, FAILED_AT];
/// From here on, one for each of [`Reason::ALL`], in that order.
const REASONS: usize = 16;

/// How many numbers there are.
pub const CELLS: usize = REASONS + Reason::ALL.len();
const _: () = assert!(CLASSES.len() <= SERVED && TOKENS + TokenUse::ALL.len() <= REASONS);

/// The numbers of one gate. `C` is where they lie; places that are not there are not counted.
#[derive(Debug)]
pub struct Counters<C = [AtomicU64; CELLS]>(C);

impl Default for Counters {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; CELLS])
    }
}

impl<C: AsRef<[AtomicU64]>> Counters<C> {
    /// Counts in these places, which go on from what they are.
    pub const fn new(cells: C) -> Self {
        Self(cells)
    }

    /// Counts a request that has come to its end.
    pub fn count(&self, record: &AccessRecord) {
        let class = usize::from(record.status / 100);
        self.add(if class < CLASSES.len() { class } else { 0 }, 1);
        self.add(BYTES, record.bytes);
        if let Some(token) = record.token {
            self.add(TOKENS + token as usize, 1);
        }
        match (record.reason, record.verdict()) {
            // A token is an answer of the gate's own, and no refusal.
            (None, _) | (_, Verdict::Passed) => self.add(SERVED, u64::from(record.served)),
            (Some(reason), verdict) => {
                self.add(REASONS + reason as usize, 1);
                let now = record.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let at = if verdict == Verdict::Refused { REFUSED_AT } else { FAILED_AT };
                if let Some(cell) = self.0.as_ref().get(at) {
                    cell.store(now, Ordering::Relaxed);
                }
            }
        }
    }

    fn add(&self, place: usize, more: u64) {
        if let Some(cell) = self.0.as_ref().get(place) {
            cell.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// What they are now.
    #[must_use]
    pub fn numbers(&self) -> CounterValues {
        CounterValues(self.0.as_ref().iter().map(|cell| cell.load(Ordering::Relaxed)).collect())
    }
}

/// What was counted by one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterValues(Vec<u64>);

impl CounterValues {
    /// Those that another process has counted. A number that is not there is 0; what is behind the last is left out.
    #[must_use]
    pub fn new(cells: &[u64]) -> Self {
        Self(cells.iter().take(CELLS).copied().collect())
    }

    /// Those of several processes together; of moments the last.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self(vec![0; CELLS]);
        for numbers in all {
            for (place, (total, number)) in sum.0.iter_mut().zip(&numbers.0).enumerate() {
                *total = if MOMENTS.contains(&place) { (*total).max(*number) } else { total.saturating_add(*number) };
            }
        }
        sum
    }

    fn at(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }

    /// Requests by class of the answer's status, in the order of [`CLASSES`].
    #[must_use]
    pub fn classes(&self) -> [u64; CLASSES.len()] {
        std::array::from_fn(|class| self.at(class))
    }

    /// All requests. (CounterValues of another process may be anything.)
    #[must_use]
    pub fn requests(&self) -> u64 {
        sum(self.classes().into_iter())
    }

    /// Requests that the agent answered.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.at(SERVED)
    }

    /// Bytes that were written to guests.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.at(BYTES)
    }

    /// When the last request came that was refused, in seconds since 1970; 0 if none was.
    #[must_use]
    pub fn refused_at(&self) -> u64 {
        self.at(REFUSED_AT)
    }

    /// The same of the last that was let through and has no whole answer.
    #[must_use]
    pub fn failed_at(&self) -> u64 {
        self.at(FAILED_AT)
    }

    /// How requests stood to session tokens, in the order of [`TokenUse::ALL`].
    #[must_use]
    pub fn tokens(&self) -> [u64; TokenUse::ALL.len()] {
        std::array::from_fn(|token| self.at(TOKENS + token))
    }

    /// Each reason for which a request was not carried or not answered, and how often.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        let all = Reason::ALL.iter().filter(|reason| reason.verdict() != Verdict::Passed);
        all.map(|reason| (*reason, self.at(REASONS + *reason as usize)))
    }

    /// Requests that the gate refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        sum(self.reasons().filter(|(reason, _)| reason.verdict() == Verdict::Refused).map(|(_, count)| count))
    }

    /// Requests without a whole answer of the agent's, for a reason that lies with the agent.
    #[must_use]
    pub fn agent_errors(&self) -> u64 {
        sum(self.reasons().filter(|(reason, _)| reason.is_agents()).map(|(_, count)| count))
    }
}

fn sum(all: impl Iterator<Item = u64>) -> u64 {
    all.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::{CounterValues, Counters, REASONS};
    use crate::{AccessRecord, Reason, TokenUse};
    use std::{
        sync::atomic::AtomicU64,
        time::{Duration, UNIX_EPOCH},
    };

    fn record(status: u16, reason: Option<Reason>, served: bool) -> AccessRecord {
        let started = UNIX_EPOCH + Duration::from_secs(7);
        let record = AccessRecord::begun("10.0.0.1:1".parse().unwrap(), started);
        AccessRecord { status, reason, served, bytes: 100, ..record }
    }

    #[test]
    fn a_request_is_counted_by_what_became_of_it() {
        let counters = Counters::default();
        counters.count(&record(200, None, true));
        counters.count(&record(404, None, true));
        counters.count(&record(200, Some(Reason::Token), false));
        counters.count(&record(400, Some(Reason::BareLf), false));
        counters.count(&record(503, Some(Reason::AgentAway), false));
        counters.count(&AccessRecord { token: Some(TokenUse::Bad), ..record(401, Some(Reason::WrongToken), false) });
        counters.count(&record(0, Some(Reason::GuestLeft), true));
        counters.count(&record(999, None, false));
        let numbers = counters.numbers();
        assert_eq!(numbers.classes(), [2, 0, 2, 0, 3, 1]);
        assert_eq!((numbers.requests(), numbers.served(), numbers.bytes()), (8, 2, 800));
        assert_eq!((numbers.refused(), numbers.agent_errors(), numbers.tokens()), (2, 1, [0, 0, 1, 0]));
        assert_eq!((numbers.refused_at(), numbers.failed_at()), (7, 7));
        let counted: Vec<_> = numbers.reasons().filter(|(_, count)| *count > 0).map(|(reason, _)| reason).collect();
        assert_eq!(counted, [Reason::BareLf, Reason::WrongToken, Reason::AgentAway, Reason::GuestLeft]);
    }

    #[test]
    fn numbers_of_another_process_may_be_anything() {
        for cells in [vec![], vec![u64::MAX; 3], vec![u64::MAX; 4096]] {
            let numbers = CounterValues::new(&cells);
            assert_eq!(numbers.requests(), if cells.is_empty() { 0 } else { u64::MAX });
        }
        let few: [AtomicU64; 2] = Default::default();
        let counters = Counters::new(&few[..]);
        counters.count(&record(200, None, true));
        assert_eq!(counters.numbers().requests(), 0, "places that are not there are not counted");
    }

    #[test]
    fn numbers_are_added_and_moments_are_not() {
        let (one, two) = (CounterValues::new(&[5; 20]), CounterValues::new(&[u64::MAX; 9]));
        let sum = CounterValues::sum([&one, &two]);
        assert_eq!((sum.served(), sum.refused_at(), sum.failed_at()), (u64::MAX, u64::MAX, 5));
        assert_eq!(CounterValues::sum([]).requests(), 0);
    }

    /// A gate lives through an upgrade of the command that reads it. A new reason goes behind the last.
    #[test]
    fn a_reason_keeps_its_place() {
        let places: Vec<&str> = include_str!("../tests/places.txt").lines().collect();
        let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names, places, "add new reasons at the end, here and in tests/places.txt");
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
        assert_eq!(REASONS, 16);
    }
}
