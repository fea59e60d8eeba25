//! Where a gate's lines go: the system log or standard error, each line by itself, and no request waits for them.
//!
//! Promises that a log that is full for long, slow or gone costs lines and never a request: every write is non-blocking,
//! what could not be written is counted, and the count is the first line once writing works again.

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
pub(crate) use line::Severity;
pub(crate) use lines::LineWriter;
pub(crate) use outbox::deliver;
pub(crate) use sink::{Sink, StandardError};
pub(crate) use syslog::Syslog;
