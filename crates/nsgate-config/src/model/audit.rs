//! Where events about requests go, and the trace context of requests.

use crate::Invalid;
use std::{fmt, str::FromStr};

/// An event for every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Where events go.
    pub to: AuditTo,
    /// Events of each network in a second, 1 to 100,000. Further ones are counted, and the next event says how many.
    pub events_per_second: u32,
}

/// Events of a network in a second by default: more than an honest network causes, and few for a log.
pub(crate) const EVENTS_PER_SECOND: u32 = 100;

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditTo {
    /// The system log's socket, under the tag `nsgate-audit`.
    Syslog,
    /// systemd's journal, in its own protocol.
    Journald,
    /// A descriptor that the starter passes: 2 (standard error), or 3 to 1023.
    Descriptor(u16),
}

/// Standard error.
const STDERR: u16 = 2;

impl FromStr for AuditTo {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "syslog" => return Ok(Self::Syslog),
            "journald" => return Ok(Self::Journald),
            "stderr" => return Ok(Self::Descriptor(STDERR)),
            _ => {}
        }
        let Some(number) = text.strip_prefix("fd:") else {
            return Err(Invalid::new(format!("`{text}` is none of \"syslog\", \"journald\", \"stderr\", \"fd:3\"")));
        };
        // Each number has one spelling: no sign, no leading zero.
        let found = number.parse().ok().filter(|found: &u16| (3..1024).contains(found) && found.to_string() == number);
        found.map(Self::Descriptor).ok_or_else(|| Invalid::new(format!("`{text}`: a descriptor is fd:3 to fd:1023")))
    }
}

impl fmt::Display for AuditTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syslog => f.write_str("syslog"),
            Self::Journald => f.write_str("journald"),
            Self::Descriptor(STDERR) => f.write_str("stderr"),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
        }
    }
}

/// The gate sends the agent a trace context of its own with every request (W3C Trace Context, level 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// The flag `sampled`: asks the agent and Nova to record.
    pub sampled: bool,
}

#[cfg(test)]
mod tests {
    use super::AuditTo;

    #[test]
    fn a_destination_is_written_as_it_is_read() {
        for text in ["syslog", "journald", "stderr", "fd:3", "fd:1023"] {
            assert_eq!(text.parse::<AuditTo>().unwrap().to_string(), text);
        }
        for text in [
            "", "Syslog", "stdout", "fd:", "fd:2", "fd:0", "fd:03", "fd:+3", "fd:-1", "fd:1024", "fd:65536", "fd:3 ",
            "3",
        ] {
            assert!(text.parse::<AuditTo>().is_err(), "{text:?}");
        }
    }
}
