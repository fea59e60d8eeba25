//! An event for systemd's journal, in its native protocol (systemd's docs/JOURNAL_NATIVE_PROTOCOL.md): one datagram,
//! one `FIELD=value` a line. No value has a line feed, so none needs the binary form.
//!
//! Crates for this open the socket by its path, which a confined gate does not see.

use crate::log::SyslogSeverity;
use nsgate_agent::gates::HopRecord;
use nsgate_forwarder::{
    AccessRecord, Reason,
    event::{EventOrigin, RequestSummary},
};
use std::fmt::{Display, Write};

/// The name of events in the system log and the journal.
pub(super) const TAG: &str = "nsgate-audit";

/// The id by which `journalctl MESSAGE_ID=…` finds events, the same in every version.
pub(super) const MESSAGE_ID: &str = "5f0a6f8e3c1b4d0f9f6c0f2d4b7a9e11";

/// The datagram.
pub(super) fn message(network: &EventOrigin, record: &AccessRecord, severity: SyslogSeverity, event: &str) -> Vec<u8> {
    let mut text = String::with_capacity(event.len() + 512);
    let mut field = |name: &str, value: &dyn Display| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}={value}");
    };
    field("MESSAGE", &event);
    field("MESSAGE_ID", &MESSAGE_ID);
    field("PRIORITY", &(severity as u8));
    field("SYSLOG_IDENTIFIER", &TAG);
    field("NSGATE_NETWORK_KIND", &network.kind());
    field("NSGATE_SOURCE", &record.client.ip());
    field("NSGATE_VERDICT", &record.verdict().name());
    if !network.id().is_empty() {
        field("NSGATE_NETWORK", &network.id());
    }
    if let Some(RequestSummary { method, class }) = RequestSummary::of(record) {
        field("NSGATE_METHOD", &method);
        field("NSGATE_CLASS", &class.name());
    }
    if record.status != 0 {
        field("NSGATE_STATUS", &record.status);
    }
    if let Some(reason) = record.reason.map(Reason::name) {
        field("NSGATE_REASON", &reason);
    }
    if let Some(trace) = record.trace {
        field("NSGATE_TRACE_ID", &trace);
    }
    text.into_bytes()
}

/// The datagram of a request of the second hop.
pub(super) fn hop_message(record: &HopRecord, severity: SyslogSeverity, event: &str) -> Vec<u8> {
    let mut text = String::with_capacity(event.len() + 512);
    let mut field = |name: &str, value: &dyn Display| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}={value}");
    };
    field("MESSAGE", &event);
    field("MESSAGE_ID", &MESSAGE_ID);
    field("PRIORITY", &(severity as u8));
    field("SYSLOG_IDENTIFIER", &TAG);
    if let Some(origin) = record.place.as_ref().map(EventOrigin::of) {
        field("NSGATE_NETWORK_KIND", &origin.kind());
        field("NSGATE_NETWORK", &origin.id());
    }
    if let Some(source) = record.source {
        field("NSGATE_SOURCE", &source);
    }
    if let Some(instance) = record.instance() {
        field("NSGATE_INSTANCE", &instance);
    }
    field("NSGATE_VERDICT", &record.verdict());
    field("NSGATE_METHOD", &record.method);
    field("NSGATE_CLASS", &record.class.name());
    if record.status != 0 {
        field("NSGATE_STATUS", &record.status);
    }
    if let Some(reason) = record.reason {
        field("NSGATE_REASON", &reason.name());
    }
    text.into_bytes()
}
