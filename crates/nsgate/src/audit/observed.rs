//! What hears of each request in this program: the access log, and the audit if there is one.

use super::AuditLog;
use crate::{counted::OwnCounters, log::AccessLog};
use nsgate_forwarder::{AccessRecord, Observer};
use std::time::Instant;

/// One after the other.
pub(crate) struct Observed {
    access: AccessLog,
    audit: Option<AuditLog>,
    counted: Option<OwnCounters>,
}

impl Observed {
    pub(crate) fn new(access: AccessLog, audit: Option<AuditLog>) -> Self {
        Self { access, audit, counted: None }
    }

    /// The same of the only gate of this process, which counts in its page.
    pub(crate) fn counted(self) -> Self {
        Self { counted: OwnCounters::new(), ..self }
    }
}

impl Observer for Observed {
    fn request(&self, record: &AccessRecord) {
        if let Some(counted) = &self.counted {
            counted.request(record);
        }
        self.access.request(record);
        if let Some(audit) = &self.audit {
            audit.request(record, Instant::now());
        }
    }

    fn opened(&self, open: u32) {
        if let Some(counted) = &self.counted {
            counted.opened(open);
        }
    }

    fn closed(&self, open: u32) {
        if let Some(counted) = &self.counted {
            counted.connections(open);
        }
    }

    fn idle(&self) {
        self.access.idle();
    }
}
