//! The destination of the log: the system log, standard error, or a file in its place.

use super::{
    LineWriter, Syslog,
    line::{SyslogSeverity, one_line},
};
use crate::counted;
use nsgate_launcher::{Output, local_time};
use std::{
    io::Stderr,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// The log of this process.
#[derive(Debug)]
pub(crate) enum Sink {
    /// The system log.
    Syslog(Syslog),
    /// Standard error, or a file in its place.
    StandardError(StandardError),
}

/// Standard error as a log.
#[derive(Debug)]
pub(crate) struct StandardError {
    /// The least severe line that is written.
    least: SyslogSeverity,
    /// For a file: each line has its time and this pid, as the host sees it.
    dated: Option<i32>,
    lines: Mutex<LineWriter<Stderr>>,
}

impl StandardError {
    /// Standard error, with lines of requests.
    pub(crate) fn new(output: Output<Stderr>) -> Self {
        Self { least: SyslogSeverity::Info, dated: None, lines: Mutex::new(LineWriter::new(output)) }
    }

    /// A file, with lines down to `least`.
    pub(crate) fn file(output: Output<Stderr>, least: SyslogSeverity, pid: i32) -> Self {
        Self { least, dated: Some(pid), ..Self::new(output) }
    }

    fn write(&self, severity: SyslogSeverity, line: &str) {
        let form = |severity: SyslogSeverity, line: &str| match self.dated {
            Some(pid) => dated(severity, pid, &one_line(line)),
            None => one_line(line).into_owned(),
        };
        let confess = |lines| {
            form(SyslogSeverity::Warning, &format!("{lines} lines were lost: standard error did not take them"))
        };
        let line = form(severity, line);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if !lines.write(&line, confess) {
            counted::LINES.add(1);
        }
    }
}

impl Sink {
    /// Whether lines of this severity are written.
    pub(crate) fn wants(&self, severity: SyslogSeverity) -> bool {
        severity
            <= match self {
                Self::Syslog(syslog) => syslog.least(),
                Self::StandardError(output) => output.least,
            }
    }

    /// Writes one line without waiting. A line that is not taken is lost and counted.
    pub(crate) fn write(&self, severity: SyslogSeverity, line: &str) {
        if !self.wants(severity) {
            return;
        }
        match self {
            Self::Syslog(syslog) => syslog.write(severity, line),
            Self::StandardError(output) => output.write(severity, line),
        }
    }

    /// Writes one line of a request. The system log gets it together with the next ones if lines come fast.
    pub(crate) fn write_soon(&self, severity: SyslogSeverity, line: &str) {
        match self {
            Self::Syslog(syslog) if self.wants(severity) => syslog.write_soon(severity, line),
            _ => self.write(severity, line),
        }
    }
}

/// A line in the form of Neutron's log files (oslo.log, `logging_default_format_string`).
fn dated(severity: SyslogSeverity, pid: i32, line: &str) -> String {
    #[allow(clippy::disallowed_methods, reason = "the date of a line")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = local_time(i64::try_from(since.as_secs()).unwrap_or(0));
    let word = match severity {
        SyslogSeverity::Error => "ERROR",
        SyslogSeverity::Warning => "WARNING",
        SyslogSeverity::Notice | SyslogSeverity::Info => "INFO",
        SyslogSeverity::Debug => "DEBUG",
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} {pid} {word} nsgate [-] {line}",
        now.year,
        now.month,
        now.day,
        now.hour,
        now.minute,
        now.second,
        since.subsec_millis()
    )
}
