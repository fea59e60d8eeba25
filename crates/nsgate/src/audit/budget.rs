//! The rate of events: a token bucket for one second.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// A token bucket.
#[derive(Debug)]
pub(super) struct EventBudget {
    /// Time that refills one event.
    each: Duration,
    /// When the bucket is full again.
    paid: Option<Instant>,
}

impl EventBudget {
    /// At most `per_second` events in a second, on average and at once.
    pub(super) fn new(per_second: u32) -> Self {
        Self { each: SECOND / per_second.max(1), paid: None }
    }

    /// Takes one event from the bucket; false if the bucket is empty.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let start = self.paid.map_or(now, |paid| paid.max(now));
        if start.duration_since(now) + self.each > SECOND {
            return false;
        }
        self.paid = Some(start + self.each);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, EventBudget, Instant};

    #[test]
    fn a_second_has_so_many_and_no_more() {
        for rate in [1, 3, 100, 100_000] {
            let (mut budget, start) = (EventBudget::new(rate), Instant::now());
            let allowed = (0..rate * 3).filter(|_| budget.allows(start)).count();
            assert!(allowed == rate as usize, "{rate}: {allowed}");
            assert!(!budget.allows(start));
            let later = start + Duration::from_millis(1001);
            assert_eq!((0..rate * 3).filter(|_| budget.allows(later)).count(), rate as usize, "{rate}");
        }
    }

    #[test]
    fn a_quiet_hour_saves_no_more_than_a_second() {
        let (mut budget, start) = (EventBudget::new(10), Instant::now());
        assert!(budget.allows(start));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| budget.allows(later)).count(), 10);
    }
}
