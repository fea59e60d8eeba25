//! One line for every request, in haproxy's httplog format.

use super::{Severity, Sink};
use crate::sys;
use nsgate_forwarder::{AccessRecord, Observer, httplog};
use nsgate_launcher::local_time;
use std::sync::Arc;

/// Writes what the forwarder tells of each request.
pub(crate) struct AccessLog {
    sink: Arc<Sink>,
    /// Stands before each line, where one log has several gates.
    prefix: String,
    idle: fn(),
}

impl AccessLog {
    /// Lines of the only gate of this process go to `sink`.
    pub(crate) fn new(sink: Arc<Sink>) -> Self {
        Self { sink, prefix: String::new(), idle: sys::give_back }
    }

    /// Lines of one gate among several go to `sink`, with `prefix` before each; `idle` is called when this gate is.
    pub(crate) fn of(sink: Arc<Sink>, prefix: String, idle: fn()) -> Self {
        Self { sink, prefix, idle }
    }
}

impl Observer for AccessLog {
    fn request(&self, record: &AccessRecord) {
        if self.sink.wants(Severity::Info) {
            let local = local_time(httplog::second(record));
            let date = httplog::Date {
                year: local.year,
                month: local.month,
                day: local.day,
                hour: local.hour,
                minute: local.minute,
                second: local.second,
            };
            let line = httplog::format(record, &date);
            let line = if self.prefix.is_empty() { line } else { format!("{}: {line}", self.prefix) };
            self.sink.write(Severity::Info, &line);
        }
    }

    fn idle(&self) {
        (self.idle)();
    }
}
