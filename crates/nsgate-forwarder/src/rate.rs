//! How often a source may ask: haproxy's `http_req_rate`, for IPv4 and IPv6 at once.
//!
//! A rate is a sliding window made of two counters: the current period's count, and the previous one's weighed by the
//! part of it that the window still covers. Refused requests count as well, as they do in haproxy.

use crate::source::GuestSource;
use nsgate_config::RateLimit;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Sources remembered at once, as many as Neutron's tables have room for (`size 10k`). One machine can have more addresses:
/// then the source that has been silent for longest is forgotten first, and sources that go on asking are not.
pub(crate) const MOST: usize = 10_240;

/// The counters of all sources. Two generations of half the size: when the young one is full, the old one is forgotten,
/// so that no request ever has to search for something to forget.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Vec<RateLimit>,
    table: Mutex<RateGenerations>,
}

#[derive(Debug, Default)]
struct RateGenerations {
    young: HashMap<GuestSource, Vec<RateWindow>>,
    old: HashMap<GuestSource, Vec<RateWindow>>,
}

#[derive(Clone, Copy, Debug)]
struct RateWindow {
    start: Instant,
    current: u32,
    previous: u32,
}

impl Limiter {
    pub(crate) fn new(limits: Vec<RateLimit>) -> Self {
        Self { limits, table: Mutex::default() }
    }

    /// Counts a request of `source`. An error is the time after which it may ask again.
    pub(crate) fn count(&self, source: GuestSource, now: Instant) -> Result<(), Duration> {
        if self.limits.is_empty() {
            return Ok(());
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || vec![RateWindow { start: now, current: 0, previous: 0 }; self.limits.len()];
        let mut windows = match table.young.remove(&source) {
            Some(windows) => windows,
            None => table.old.remove(&source).unwrap_or_else(fresh),
        };
        let mut refused = false;
        for (window, limit) in windows.iter_mut().zip(&self.limits) {
            refused |= !window.count(limit, now);
        }
        // All limits hold at once: one that is only just kept now would refuse the next request.
        let waits = windows.iter().zip(&self.limits).map(|(window, limit)| window.wait(limit, now));
        let wait = if refused { waits.max() } else { None };
        if table.young.len() >= MOST / 2 {
            table.old = std::mem::take(&mut table.young);
        }
        table.young.insert(source, windows);
        wait.map_or(Ok(()), Err)
    }

    /// Sources remembered.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn remembered(&self) -> usize {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.young.len() + table.old.len()
    }
}

impl RateWindow {
    /// Counts one request; false if there are too many.
    fn count(&mut self, limit: &RateLimit, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        if elapsed >= limit.window * 2 {
            *self = Self { start: now, current: 0, previous: 0 };
        } else if elapsed >= limit.window {
            *self = Self { start: self.start + limit.window, current: 0, previous: self.current };
        }
        self.current = self.current.saturating_add(1);
        self.rate(limit, now) < f64::from(limit.requests) + 1.0
    }

    /// Requests within the window that ends now.
    fn rate(&self, limit: &RateLimit, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.start);
        let covered = 1.0 - elapsed.as_secs_f64() / limit.window.as_secs_f64();
        f64::from(self.current) + f64::from(self.previous) * covered.max(0.0)
    }

    /// The time after which one more request is accepted, if none comes before.
    fn wait(&self, limit: &RateLimit, now: Instant) -> Duration {
        if self.rate(limit, now) < f64::from(limit.requests) {
            return Duration::ZERO;
        }
        // One more fits when what is left of the others is no more than the limit less one.
        let room = f64::from(limit.requests.saturating_sub(1));
        let (current, previous) = (f64::from(self.current), f64::from(self.previous));
        let elapsed = now.saturating_duration_since(self.start);
        let faded = |count: f64, room: f64| limit.window.mul_f64((1.0 - room / count).clamp(0.0, 1.0));
        if current <= room && previous > 0.0 {
            // The previous period's count fades away in this one …
            faded(previous, room - current).saturating_sub(elapsed)
        } else {
            // … and this period's in the next.
            limit.window.saturating_sub(elapsed) + faded(current, room)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GuestSource, Limiter, MOST, RateLimit};
    use std::{
        net::Ipv4Addr,
        time::{Duration, Instant},
    };

    fn limiter(requests: u32, seconds: u64) -> Limiter {
        Limiter::new(vec![RateLimit { requests, window: Duration::from_secs(seconds) }])
    }

    fn source(number: u32) -> GuestSource {
        GuestSource::of(Ipv4Addr::from(number).into())
    }

    #[test]
    fn the_request_after_the_last_allowed_one_is_refused() {
        let (limiter, start) = (limiter(10, 10), Instant::now());
        for _ in 0..10 {
            assert!(limiter.count(source(1), start).is_ok());
        }
        assert!(limiter.count(source(1), start).is_err());
        assert!(limiter.count(source(2), start).is_ok(), "a neighbour is not counted with it");
    }

    #[test]
    fn whoever_waits_as_long_as_told_is_served() {
        for requests in [1, 2, 10] {
            let (limiter, start) = (limiter(requests, 10), Instant::now());
            let mut now = start;
            let mut wait = None;
            for _ in 0..requests * 3 {
                now += Duration::from_millis(100);
                wait = limiter.count(source(1), now).err().or(wait);
            }
            let wait = wait.unwrap();
            assert!(wait <= Duration::from_secs(20), "{wait:?}");
            assert!(limiter.count(source(1), now + wait + Duration::from_millis(1)).is_ok(), "{requests}");
        }
    }

    #[test]
    fn a_wait_is_long_enough_for_every_limit() {
        let limit = |requests, seconds| RateLimit { requests, window: Duration::from_secs(seconds) };
        let limiter = Limiter::new(vec![limit(1, 2), limit(2, 9)]);
        let now = Instant::now();
        assert!(limiter.count(source(1), now).is_ok());
        let wait = limiter.count(source(1), now).unwrap_err();
        assert!(limiter.count(source(1), now + wait + Duration::from_millis(1)).is_ok(), "{wait:?}");
    }

    #[test]
    fn the_window_slides() {
        let (limiter, start) = (limiter(4, 10), Instant::now());
        for _ in 0..4 {
            assert!(limiter.count(source(1), start + Duration::from_secs(9)).is_ok());
        }
        assert!(limiter.count(source(1), start + Duration::from_secs(11)).is_err(), "nine tenths are still covered");
        assert!(limiter.count(source(1), start + Duration::from_secs(40)).is_ok());
    }

    #[test]
    fn neighbours_of_one_64_are_counted_apart() {
        let (limiter, now) = (limiter(2, 10), Instant::now());
        let of = |text: &str| GuestSource::of(text.parse().unwrap());
        for address in ["2001:db8::1", "2001:db8::2", "fe80::1", "fe80::2"] {
            assert!(limiter.count(of(address), now).is_ok());
            assert!(limiter.count(of(address), now).is_ok());
            assert!(limiter.count(of(address), now).is_err(), "{address}");
        }
    }

    #[test]
    fn all_addresses_of_a_64_take_no_more_than_the_bound_and_who_goes_on_asking_is_not_forgotten() {
        let (limiter, now) = (limiter(2, 10), Instant::now());
        let of = |number: u64| GuestSource::of(std::net::Ipv6Addr::from(0xfd00 << 112 | u128::from(number)).into());
        let asking = GuestSource::of("fd00:1::1".parse().unwrap());
        for _ in 0..3 {
            let _ = limiter.count(asking, now);
        }
        for number in 0..100_000 {
            let _ = limiter.count(of(number), now);
            if number % 1000 == 0 {
                assert!(limiter.count(asking, now).is_err(), "{number}");
            }
        }
        assert!(limiter.remembered() <= MOST, "{}", limiter.remembered());
    }

    #[test]
    fn the_table_is_bounded_however_many_sources_ask() {
        let (limiter, now) = (limiter(4, 10), Instant::now());
        for number in 0..100_000 {
            let _ = limiter.count(source(number), now);
        }
        assert!(limiter.remembered() <= MOST, "{}", limiter.remembered());
    }
}
