//! The destination of events: the system log, the journal, or a descriptor of the starter. No write waits.

use super::{AuditLog, journal};
use crate::log::{LineWriter, Syslog, SyslogSeverity};
use nsgate_config::{Audit, AuditTo};
use nsgate_forwarder::event::EventOrigin;
use nsgate_launcher::AuditOutput;
use std::{
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    sync::{Arc, Mutex, PoisonError},
};

/// The audit of a process, from which each network gets its log.
#[derive(Clone, Debug)]
pub(crate) struct Audits {
    pub(super) outlet: Arc<Outlet>,
    pub(super) settings: Audit,
}

impl Audits {
    /// Writes to `output`, which the launcher has opened. `syslog` makes a system log with a tag.
    pub(crate) fn new(settings: Audit, output: AuditOutput, syslog: impl FnOnce(&str) -> Syslog) -> Self {
        let outlet = match output {
            AuditOutput::Syslog => Outlet::Syslog(syslog(journal::TAG)),
            AuditOutput::Journald(socket) => Outlet::Journald(socket),
            AuditOutput::Descriptor(given) => Outlet::Descriptor(Mutex::new(LineWriter::new(given))),
        };
        Self { outlet: Arc::new(outlet), settings }
    }

    /// The events of one network.
    pub(crate) fn of(&self, network: EventOrigin) -> AuditLog {
        AuditLog::new(self.outlet.clone(), network, self.settings.events_per_second)
    }

    /// The events of one network at its own rate.
    ///
    /// # Errors
    /// A sentence if the network asks for another destination than the process has.
    pub(crate) fn asked(
        own: Option<&Self>,
        wanted: Option<&Audit>,
        network: EventOrigin,
    ) -> Result<Option<AuditLog>, String> {
        match (own, wanted) {
            (own, None) => Ok(own.map(|own| own.of(network))),
            (Some(own), Some(wanted)) if own.settings.to == wanted.to => {
                Ok(Some(AuditLog::new(own.outlet.clone(), network, wanted.events_per_second)))
            }
            (own, Some(wanted)) => {
                let here = own.map_or("none".to_owned(), |own| own.settings.to.to_string());
                let advice = match wanted.to {
                    AuditTo::Descriptor(_) => "name \"syslog\" or \"journald\" in both",
                    AuditTo::Syslog | AuditTo::Journald => "give the pool's own configuration the same [audit]",
                };
                Err(format!("the gate wants an audit to {}, and this pool has {here}; {advice}", wanted.to))
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum Outlet {
    Syslog(Syslog),
    Journald(UnixDatagram),
    Descriptor(Mutex<LineWriter<OwnedFd>>),
}

impl Outlet {
    /// Writes one event, of a request that has `passed` or not; false if it was lost. `journal` makes the journal's message of it.
    pub(super) fn write(&self, passed: bool, event: &str, journal: impl FnOnce(SyslogSeverity) -> Vec<u8>) -> bool {
        let severity = if passed { SyslogSeverity::Info } else { SyslogSeverity::Notice };
        match self {
            Self::Syslog(syslog) => syslog.offer(severity, event),
            Self::Journald(socket) => socket.send(&journal(severity)).is_ok(),
            Self::Descriptor(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).offer(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AuditLog, Outlet};
    use crate::log::LineWriter;
    use nsgate_config::native;
    use nsgate_forwarder::{AccessRecord, event::EventOrigin};
    use nsgate_launcher::Output;
    use std::{
        fs::File,
        io::Read,
        sync::{Arc, Mutex},
        time::{Duration, Instant, UNIX_EPOCH},
    };

    fn record() -> AccessRecord {
        let mut record = AccessRecord::begun("10.0.0.5:41234".parse().unwrap(), UNIX_EPOCH);
        (record.status, record.bytes, record.connections, record.served) = (200, 1, 1, true);
        record.request_line = b"GET / HTTP/1.1".to_vec();
        record
    }

    fn network() -> EventOrigin {
        let text = "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"1.2.3.4:80\"]\nbackend = \"/b\"\nuser = \"u\"\n";
        EventOrigin::of(&native::parse("x", text).unwrap().config.gate.identity)
    }

    /// A pipe that no process reads, and an outlet of a network's events to it.
    fn piped(rate: u32) -> (File, AuditLog) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let flags = nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
        let lines = LineWriter::new(Output::new(writer));
        (reader.into(), AuditLog::new(Arc::new(Outlet::Descriptor(Mutex::new(lines))), network(), rate))
    }

    #[test]
    fn what_is_beyond_the_rate_is_counted_and_said_in_the_next_event() {
        let (mut reader, log) = piped(2);
        let start = Instant::now();
        for _ in 0..7 {
            log.request(&record(), start);
        }
        for _ in 0..2 {
            log.request(&record(), start + Duration::from_secs(2));
        }
        drop(log);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[2].ends_with(",\"suppressed\":5}"), "{}", lines[2]);
        assert!(!lines[1].contains("suppressed") && !lines[3].contains("suppressed"), "{text}");
    }

    #[test]
    fn a_full_pipe_costs_events_and_no_time_and_the_next_one_says_how_many() {
        let (mut reader, log) = piped(100_000);
        let start = Instant::now();
        for _ in 0..1000 {
            log.request(&record(), start);
        }
        let mut bytes = vec![0; 1 << 20];
        let mut text = Vec::new();
        let length = reader.read(&mut bytes).unwrap();
        text.extend_from_slice(&bytes[..length]);
        let kept = text.iter().filter(|byte| **byte == b'\n').count();
        assert!((10..1000).contains(&kept), "{kept}");
        log.request(&record(), start);
        drop(log);
        reader.read_to_end(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "no line is cut: {text}");
        let last = text.lines().last().unwrap();
        assert!(last.ends_with(&format!(",\"lost\":{}}}", 1000 - kept)), "{last}");
    }
}
