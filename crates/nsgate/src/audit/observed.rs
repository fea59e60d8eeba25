//! What hears of each request in this program: the access log, and the audit if there is one.

use super::AuditLog;
use crate::log::AccessLog;
use nsgate_forwarder::{AccessRecord, Observer};
use std::time::Instant;

/// Both, one after the other.
pub(crate) struct Observed {
    access: AccessLog,
    audit: Option<AuditLog>,
}

impl Observed {
    pub(crate) fn new(access: AccessLog, audit: Option<AuditLog>) -> Self {
        Self { access, audit }
    }
}

impl Observer for Observed {
    fn request(&self, record: &AccessRecord) {
        self.access.request(record);
        if let Some(audit) = &self.audit {
            audit.request(record, Instant::now());
        }
    }

    fn idle(&self) {
        self.access.idle();
    }
}
