//! One line for every request, in haproxy's httplog format.

use super::{Severity, Sink};
use crate::sys;
use nsgate_forwarder::{AccessRecord, Observer, httplog};
use nsgate_launcher::local_time;
use std::sync::Arc;

/// Writes what the forwarder tells of each request.
pub(crate) struct AccessLog(Arc<Sink>);

impl AccessLog {
    /// Lines go to `sink`.
    pub(crate) fn new(sink: Arc<Sink>) -> Self {
        Self(sink)
    }
}

impl Observer for AccessLog {
    fn request(&self, record: &AccessRecord) {
        if self.0.wants(Severity::Info) {
            let local = local_time(httplog::second(record));
            let date = httplog::Date {
                year: local.year,
                month: local.month,
                day: local.day,
                hour: local.hour,
                minute: local.minute,
                second: local.second,
            };
            self.0.write(Severity::Info, &httplog::format(record, &date));
        }
    }

    fn idle(&self) {
        sys::give_back();
    }
}
