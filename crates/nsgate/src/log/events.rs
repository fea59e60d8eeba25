//! Writes the events of `tracing` to the log.

use super::{Sink, SyslogSeverity};
use std::{fmt::Write, sync::Arc};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Writes every event as `message (key=value, …)`. It has no spans, since nsgate opens none: a registry of spans
/// (`tracing_subscriber::registry`) takes 32 KiB, and there is a gate for every network.
pub(crate) struct Events(Arc<Sink>);

impl Events {
    /// Events go to `sink`.
    pub(crate) fn new(sink: Arc<Sink>) -> Self {
        Self(sink)
    }
}

fn severity(level: &Level) -> SyslogSeverity {
    match *level {
        Level::ERROR => SyslogSeverity::Error,
        Level::WARN => SyslogSeverity::Warning,
        Level::INFO => SyslogSeverity::Notice,
        _ => SyslogSeverity::Debug,
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("nsgate") && self.0.wants(severity(metadata.level()))
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = EventLine::default();
        event.record(&mut line);
        let EventLine { mut message, fields } = line;
        if !fields.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(message, " ({fields})");
        }
        self.0.write(severity(event.metadata().level()), &message);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Never asked for: no span is enabled.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct EventLine {
    message: String,
    fields: String,
}

impl Visit for EventLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String cannot fail.
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let comma = if self.fields.is_empty() { "" } else { ", " };
            let _ = write!(self.fields, "{comma}{}={value:?}", field.name());
        }
    }
}
