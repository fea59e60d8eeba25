//! How many lines and events of this process no destination took, since it began: for its metrics.

use crate::counted;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug)]
pub(crate) struct LostCounter(AtomicU64);

/// Lines of the log.
pub(crate) static LINES: LostCounter = LostCounter(AtomicU64::new(0));
/// Events of the audit.
pub(crate) static EVENTS: LostCounter = LostCounter(AtomicU64::new(0));

/// Whether the system log has not been there since this process began: each line is lost, which is the host's arrangement
/// (a container without `/dev/log`) and no fault of a log.
static MISSING: AtomicBool = AtomicBool::new(false);

/// Says whether the system log is missing.
pub(super) fn missing(yes: bool) {
    MISSING.store(yes, Ordering::Relaxed);
    counted::lost();
}

/// Whether it is.
pub(crate) fn is_missing() -> bool {
    MISSING.load(Ordering::Relaxed)
}

impl LostCounter {
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
