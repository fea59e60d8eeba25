//! One line: its severity, and its characters.

use nsgate_config::LogLevel;
use std::borrow::Cow;

/// The severity of a line, with its number in syslog (RFC 5424, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SyslogSeverity {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

impl From<LogLevel> for SyslogSeverity {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warning => Self::Warning,
            LogLevel::Notice => Self::Notice,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
        }
    }
}

/// Replaces each control character by `#` and its number: no logged text ends a line or moves a cursor.
pub(super) fn one_line(line: &str) -> Cow<'_, str> {
    // Nearly every line is ASCII. A fold without an early end checks many bytes at once.
    let ascii = line.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    if ascii || !line.contains(char::is_control) {
        return Cow::Borrowed(line);
    }
    let plain = |c: char| if c.is_control() { format!("#{:02X}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(line.chars().map(plain).collect())
}
