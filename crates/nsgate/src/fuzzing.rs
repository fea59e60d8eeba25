//! The lines of the log as bytes, before they are sent: what the fuzz targets in `tests/fuzz` need and nobody else.

use crate::log::{Events, Severity, Sink, Syslog};
use nsgate_config::Log;
use nsgate_launcher::LogSocket;
use std::{os::unix::net::UnixDatagram, sync::Arc};

/// The datagram in which a line leaves for the system log.
#[must_use]
pub fn datagram(log: &Log, line: &str) -> Vec<u8> {
    Syslog::new(log, LogSocket { socket: None, reconnect: None }, 42).message(Severity::Info, line)
}

/// The datagram in which an event of the gate leaves, sent over a socket that was `connect`ed by the caller.
pub fn event(log: &Log, socket: UnixDatagram, message: &str, field: &str) {
    let syslog = Syslog::new(log, LogSocket { socket: Some(socket), reconnect: None }, 42);
    let subscriber = Events::new(Arc::new(Sink::Syslog(syslog)));
    tracing::subscriber::with_default(subscriber, || tracing::error!(field, "{message}"));
}
