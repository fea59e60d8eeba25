//! One line for every request, in haproxy's httplog format.

use super::{Sink, SyslogSeverity};
use crate::sys;
use nsgate_forwarder::{AccessRecord, Observer, httplog};
use nsgate_launcher::local_time;
use std::sync::Arc;

/// Writes the forwarder's record of each request.
pub(crate) struct AccessLog {
    sink: Arc<Sink>,
    /// Put before each line if several gates share the log.
    prefix: String,
    idle: fn(),
}

impl AccessLog {
    /// For the only gate of this process.
    pub(crate) fn new(sink: Arc<Sink>) -> Self {
        Self { sink, prefix: String::new(), idle: sys::give_back }
    }

    /// For one gate among several, with `prefix` before each line. `idle` is called when this gate becomes idle.
    pub(crate) fn of(sink: Arc<Sink>, prefix: String, idle: fn()) -> Self {
        Self { sink, prefix, idle }
    }
}

/// A copy of the record with `-` in place of the query; `None` if there is no query. Metadata has no queries, and a guest's may be
/// a secret. haproxy writes it.
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
        if self.sink.wants(SyslogSeverity::Info) {
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
            self.sink.write_soon(SyslogSeverity::Info, &line);
        }
    }

    fn idle(&self) {
        (self.idle)();
    }
}
