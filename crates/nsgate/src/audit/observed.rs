//! The observer of requests: counts, logs and audits each.

use super::AuditLog;
use crate::{counted::OwnCounters, log::AccessLog};
use nsgate_forwarder::{AccessRecord, Observer};
use std::time::Instant;

/// The access log, the audit if there is one, and the counters of a gate.
pub(crate) struct Observed {
    access: AccessLog,
    audit: Option<AuditLog>,
    counted: Option<OwnCounters>,
}

impl Observed {
    pub(crate) fn new(access: AccessLog, audit: Option<AuditLog>) -> Self {
        Self { access, audit, counted: None }
    }

    /// For the only gate of this process: counts requests in the process's page.
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
