//! One line to wherever lines go.

use super::Syslog;
use nsgate_config::Level;
use nsgate_launcher::local_time;
use std::{
    borrow::Cow,
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

/// How grave a line is, with the number that syslog gives it (RFC 5424, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warning => Self::Warning,
            Level::Notice => Self::Notice,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
        }
    }
}

/// The log of this process.
#[derive(Debug)]
pub(crate) enum Sink {
    /// The system log.
    Syslog(Syslog),
    /// Standard error, as far as the process was left one.
    StandardError(Severity),
    /// A file in the place of standard error: lines down to this severity, each with its time and the pid that the host
    /// sees.
    File(Severity, i32),
}

impl Sink {
    /// Whether a line of this severity is written at all.
    pub(crate) fn wants(&self, severity: Severity) -> bool {
        severity
            <= match self {
                Self::Syslog(syslog) => syslog.least(),
                Self::StandardError(least) | Self::File(least, _) => *least,
            }
    }

    /// Writes one line. What cannot be written now is lost.
    pub(crate) fn write(&self, severity: Severity, line: &str) {
        if !self.wants(severity) {
            return;
        }
        match self {
            Self::Syslog(syslog) => syslog.write(severity, line),
            Self::StandardError(_) => write_out(&one_line(line)),
            Self::File(_, pid) => write_out(&dated(severity, *pid, &one_line(line))),
        }
    }

    /// Writes one line of a request: to the system log together with the next ones, where they come fast.
    pub(crate) fn write_soon(&self, severity: Severity, line: &str) {
        match self {
            Self::Syslog(syslog) if self.wants(severity) => syslog.write_soon(severity, line),
            _ => self.write(severity, line),
        }
    }
}

/// In one write(2), so that lines of several writers do not mix.
fn write_out(line: &str) {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    // Nobody is left to be told that standard error is closed.
    let _ = std::io::stderr().write_all(&bytes);
}

/// The form of Neutron's own log files (oslo.log, `logging_default_format_string`), as far as it means something here.
fn dated(severity: Severity, pid: i32, line: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = local_time(i64::try_from(since.as_secs()).unwrap_or(0));
    let word = match severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Notice | Severity::Info => "INFO",
        Severity::Debug => "DEBUG",
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

/// A control character is written as `#` and its number: nothing that is logged ends a line or moves a cursor.
pub(super) fn one_line(line: &str) -> Cow<'_, str> {
    // Nearly every line is ASCII, and that is seen faster: without a look whether to stop, for many bytes at once.
    let ascii = line.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    if ascii || !line.contains(char::is_control) {
        return Cow::Borrowed(line);
    }
    let plain = |c: char| if c.is_control() { format!("#{:02X}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(line.chars().map(plain).collect())
}
