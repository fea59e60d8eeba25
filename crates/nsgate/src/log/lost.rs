//! How many lines and events of this process no destination took, since it began: for its metrics.

use crate::counted;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug)]
pub(crate) struct Lost(AtomicU64);

/// Lines of the log.
pub(crate) static LINES: Lost = Lost(AtomicU64::new(0));
/// Events of the audit.
pub(crate) static EVENTS: Lost = Lost(AtomicU64::new(0));

impl Lost {
    /// So many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
        counted::lost();
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
