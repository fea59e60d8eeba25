//! Paths that are answered for a while after a guest's first request only.
//!
//! Weak by design, and so off unless asked for: a guest that changes its address begins anew, a new guest with an old one's
//! address comes too late, and so does a guest that asks again after more sources than the table holds have come and gone.

use nsgate_config::Expiring;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Sources remembered at once. Two generations of half the size: when the young one is full, the old one is forgotten, so
/// that no request ever has to search for something to forget.
const MOST: usize = 10_240;

/// When each source asked first.
pub(super) struct Expiry {
    terms: Expiring,
    first: Mutex<SourceGenerations>,
}

#[derive(Default)]
struct SourceGenerations {
    young: HashMap<IpAddr, Instant>,
    old: HashMap<IpAddr, Instant>,
}

impl Expiry {
    pub(super) fn new(terms: Expiring) -> Self {
        Self { terms, first: Mutex::default() }
    }

    /// Notes that `source` asks, and says whether it asks too late for this path. Counted by the whole address: all
    /// guests of a network have one /64, and one link-local prefix.
    pub(super) fn has_passed(&self, source: IpAddr, path: &[u8], now: Instant) -> bool {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).note(source, now);
        now.saturating_duration_since(first) >= self.terms.after && self.terms.names.iter().any(|name| name.is_in(path))
    }

    #[cfg(test)]
    fn remembered(&self) -> usize {
        let table = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        table.young.len() + table.old.len()
    }
}

impl SourceGenerations {
    /// When this source asked first. One that asks again stays young.
    fn note(&mut self, source: IpAddr, now: Instant) -> Instant {
        if let Some(first) = self.young.get(&source) {
            return *first;
        }
        let first = self.old.remove(&source).unwrap_or(now);
        if self.young.len() >= MOST / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(source, first);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::{Expiry, MOST};
    use nsgate_config::{ComponentName, Expiring};
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::{Duration, Instant},
    };

    const USER_DATA: &[u8] = b"/openstack/latest/user_data";

    fn expiry() -> Expiry {
        let names = vec![ComponentName::new("user_data").unwrap()];
        Expiry::new(Expiring { names, after: Duration::from_secs(600) })
    }

    fn source(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn the_clock_of_each_address_begins_with_its_first_request() {
        let (expiry, start) = (expiry(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!expiry.has_passed(source(1), b"/openstack", at(0)), "the first request, for any path");
        assert!(!expiry.has_passed(source(1), USER_DATA, at(599)));
        assert!(expiry.has_passed(source(1), USER_DATA, at(600)));
        assert!(expiry.has_passed(source(1), b"/openstack/x/User_Data", at(601)));
        assert!(!expiry.has_passed(source(1), b"/openstack/latest/meta_data.json", at(9_000)), "other paths last");
        assert!(!expiry.has_passed(source(2), USER_DATA, at(9_000)), "a neighbour has its own time");
    }

    #[test]
    fn the_table_is_bounded_and_whoever_goes_on_asking_stays_in_it() {
        let (expiry, start) = (expiry(), Instant::now());
        let late = start + Duration::from_secs(600);
        let _ = expiry.has_passed(source(0), b"/", start);
        for number in 1..100_000 {
            let _ = expiry.has_passed(source(number), b"/", late);
            if number % 1000 == 0 {
                assert!(expiry.has_passed(source(0), USER_DATA, late), "{number}");
            }
        }
        assert!(expiry.remembered() <= MOST, "{}", expiry.remembered());
        for number in 100_000..200_000 {
            let _ = expiry.has_passed(source(number), b"/", late);
        }
        assert!(!expiry.has_passed(source(0), USER_DATA, late), "forgotten: the weakness that the documentation names");
    }
}
