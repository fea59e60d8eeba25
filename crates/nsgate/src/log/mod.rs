//! The log of a gate: the system log, standard error or a file.
//!
//! Promises that no request waits for the log. Every write is non-blocking. Lines that a full or missing log does not take are
//! counted, and the count is the first line when writing works again.

mod access;
mod events;
mod line;
mod lines;
mod link;
mod outbox;
mod sink;
mod syslog;

pub(crate) use access::AccessLog;
pub(crate) use events::Events;
pub(crate) use line::SyslogSeverity;
pub(crate) use lines::LineWriter;
pub(crate) use outbox::deliver;
pub(crate) use sink::{Sink, StandardError};
pub(crate) use syslog::Syslog;
