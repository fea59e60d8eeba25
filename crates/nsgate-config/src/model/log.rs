//! Where log lines go.

use crate::AbsolutePath;

/// The syslog facility (RFC 5424, table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility {
    /// Name as haproxy and syslog.conf(5) write it, for instance `local0`.
    pub name: &'static str,
    /// Its number, 0 to 23.
    pub code: u8,
}

/// Names of the facilities in the order of their numbers (RFC 5424, table 1; haproxy's spelling).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp", "ntp", "audit",
    "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

impl Facility {
    /// The facility of that name.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let (code, name) = FACILITIES.iter().enumerate().find(|(_, name)| **name == text)?;
        Some(Self { name, code: u8::try_from(code).ok()? })
    }

    /// All names, for messages.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        &FACILITIES
    }
}

impl Default for Facility {
    fn default() -> Self {
        Self { name: "local0", code: 16 }
    }
}

/// The least severe message that is still logged (RFC 5424, table 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something is broken (3).
    Error,
    /// Something is odd (4).
    Warning,
    /// Worth knowing (5).
    Notice,
    /// Every request (6).
    #[default]
    Info,
    /// Everything (7).
    Debug,
}

/// A log that is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The file; it is created if it does not exist.
    pub path: AbsolutePath,
    /// The least severe line in it.
    pub level: LogLevel,
}

/// The system log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The datagram socket, `/dev/log` as a rule.
    pub socket: AbsolutePath,
    /// Facility of every line.
    pub facility: Facility,
    /// The least severe line that is sent.
    pub level: LogLevel,
    /// The text before the pid, for instance `haproxy-metadata-proxy-UUID`.
    pub tag: String,
}

impl Log {
    /// The log at `/dev/log`, under this tag.
    #[must_use]
    pub fn usual(tag: &str) -> Self {
        Self {
            socket: AbsolutePath::usual_log(),
            facility: Facility::default(),
            level: LogLevel::default(),
            tag: tag.to_owned(),
        }
    }
}
