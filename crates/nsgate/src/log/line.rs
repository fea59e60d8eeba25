//! One line: how grave it is, and which characters it may have.

use nsgate_config::Level;
use std::borrow::Cow;

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
