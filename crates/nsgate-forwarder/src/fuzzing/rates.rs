//! The table of rates, with a clock of the caller's.

use crate::{rate::Limiter, source::GuestSource};
use nsgate_config::RateLimit;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

/// The most sources that are remembered.
pub const MOST: usize = crate::rate::MOST;

/// The product's limiter.
#[derive(Debug)]
pub struct Rates(Limiter);

impl Rates {
    /// A limiter with nothing counted.
    #[must_use]
    pub fn new(limits: Vec<RateLimit>) -> Self {
        Self(Limiter::new(limits))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time after which the source may ask again.
    pub fn count(&self, source: IpAddr, now: Instant) -> Result<(), Duration> {
        self.0.count(GuestSource::of(source), now)
    }

    /// Sources remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.0.remembered()
    }
}
