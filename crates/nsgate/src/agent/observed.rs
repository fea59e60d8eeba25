//! The observer of the second hop's requests: counts and audits each.

use crate::{
    audit::{Audits, HopAudit},
    counted,
};
use nsgate_agent::gates::{HopObserver, HopRecord, counters::HopCounters};
use std::{
    sync::atomic::AtomicU64,
    time::{SystemTime, UNIX_EPOCH},
};

/// The counters of this process, and its audit if there is one.
pub(super) struct HopObserved {
    counted: Option<HopCounters<&'static [AtomicU64]>>,
    audit: Option<HopAudit>,
}

impl HopObserved {
    pub(super) fn new(audits: Option<&Audits>) -> Self {
        Self { counted: counted::hop(), audit: audits.map(HopAudit::of) }
    }
}

impl HopObserver for HopObserved {
    fn request(&self, record: &HopRecord) {
        #[allow(clippy::disallowed_methods, reason = "the date of an event, and of the last failure")]
        let date = SystemTime::now();
        if let Some(counted) = &self.counted {
            counted.count(record, date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        }
        if let Some(audit) = &self.audit {
            audit.request(record, date);
        }
    }

    fn doors(&self, open: usize) {
        self.counted.iter().for_each(|counted| counted.doors(open));
    }

    fn connections(&self, open: usize) {
        self.counted.iter().for_each(|counted| counted.connections(open));
    }
}
