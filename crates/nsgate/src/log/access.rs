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

/// A record whose request line has `-` in the place of a query, if there is one. haproxy writes queries; metadata has none,
/// and what a guest puts there may be a secret.
fn without_query(record: &AccessRecord) -> Option<AccessRecord> {
    let start = record.request_line.iter().position(|byte| *byte == b'?')?;
    let (before, query) = record.request_line.split_at(start);
    let behind = query.iter().rposition(|byte| *byte == b' ').and_then(|end| query.get(end..)).unwrap_or_default();
    let mut shown = record.clone();
    shown.request_line = [before, b"?-", behind].concat();
    Some(shown)
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
            let line = match without_query(record) {
                Some(record) => httplog::format(&record, &date),
                None => httplog::format(record, &date),
            };
            let line = if self.prefix.is_empty() { line } else { format!("{}: {line}", self.prefix) };
            self.sink.write_soon(Severity::Info, &line);
        }
    }

    fn idle(&self) {
        (self.idle)();
    }
}
