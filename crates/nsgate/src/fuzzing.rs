//! The lines of the log as bytes, for the fuzz targets in `tests/fuzz` and for `cargo xtask counts` alone.

use crate::log::{AccessLog, Events, Sink, Syslog, SyslogSeverity};
use nsgate_config::Log;
use nsgate_forwarder::Observer;
use nsgate_launcher::LogSocket;
use std::{os::unix::net::UnixDatagram, sync::Arc};

/// The datagram in which a line leaves for the system log.
#[must_use]
pub fn datagram(log: &Log, line: &str) -> Vec<u8> {
    Syslog::new(log, LogSocket::default(), 42).message(SyslogSeverity::Info, line)
}

/// The datagram in which an event of the gate leaves, sent over a socket that was `connect`ed by the caller.
pub fn event(log: &Log, socket: UnixDatagram, message: &str, field: &str) {
    let syslog = Syslog::new(log, connected(socket), 42);
    let subscriber = Events::new(Arc::new(Sink::Syslog(syslog)));
    tracing::subscriber::with_default(subscriber, || tracing::error!(field, "{message}"));
}

/// What writes the lines of requests to the system log, over a socket that was `connect`ed by the caller.
#[must_use]
pub fn access_log(log: &Log, socket: UnixDatagram) -> impl Observer {
    let syslog = Syslog::new(log, connected(socket), 42);
    AccessLog::new(Arc::new(Sink::Syslog(syslog)))
}

fn connected(socket: UnixDatagram) -> LogSocket {
    LogSocket { socket: Some(socket), connected: true, reconnect: None }
}
