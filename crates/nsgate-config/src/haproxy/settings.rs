//! The settings of one section. A section begins with those of the last `defaults` above it (configuration manual, 4 "Proxies").

use crate::{
    Timeouts,
    report::{Report, Span},
};
use std::time::Duration;

/// The settings in force in a section.
#[derive(Clone, Debug, Default)]
pub(super) struct ProxySettings {
    /// `mode http`; haproxy's own default is tcp.
    pub(super) http: bool,
    /// `log global`, if `global` has a `log` above it: haproxy copies what it has read so far.
    pub(super) logged: bool,
    /// `option httplog`.
    pub(super) httplog: bool,
    /// `option dontlognull`.
    pub(super) dontlognull: bool,
    /// `option forwardfor`.
    pub(super) forwardfor: bool,
    /// `option http-server-close`.
    pub(super) server_close: bool,
    pub(super) connections: Option<u32>,
    pub(super) retries: Option<u32>,
    pub(super) timeouts: ProxyTimeouts,
}

/// The timeouts of a section, as far as they are set.
#[derive(Clone, Debug, Default)]
pub(super) struct ProxyTimeouts {
    pub(super) request: Option<Duration>,
    pub(super) connect: Option<Duration>,
    pub(super) client: Option<Duration>,
    pub(super) server: Option<Duration>,
    pub(super) keep_alive: Option<Duration>,
}

/// haproxy's default number of retries (`CONN_RETRIES`, include/haproxy/defaults.h).
pub(super) const RETRIES: u32 = 3;

impl ProxySettings {
    /// Reports settings whose absence means something else to haproxy.
    pub(super) fn check(&self, report: &mut Report<'_>) {
        let nowhere = Span::default();
        if !self.http {
            let help = "write `mode http` into section `defaults`";
            report.error(nowhere, "there is no `mode http`: haproxy would pass bytes on and set no header", help);
        }
        if !self.httplog {
            report.warning(nowhere, "there is no `option httplog`: the log has its format in any case", "");
        }
        if !self.dontlognull {
            let message = "there is no `option dontlognull`: a connection without a request is not logged in any case";
            report.warning(nowhere, message, "");
        }
    }

    /// Reports settings whose absence means something else to haproxy, and that only a gate needs.
    pub(super) fn check_gate(&self, report: &mut Report<'_>) {
        let nowhere = Span::default();
        if !self.forwardfor {
            let message = "there is no `option forwardfor`: haproxy would pass on what a guest wrote as \
                           X-Forwarded-For, a gate writes the peer's address";
            report.warning(nowhere, message, "");
        }
        if !self.server_close {
            let message = "there is no `option http-server-close`: haproxy would keep a connection to the agent, a gate \
                           makes one for each request";
            report.warning(nowhere, message, "");
        }
    }
}

impl ProxyTimeouts {
    /// The timeouts in force. A warning names those that are not set, for which haproxy would wait for ever.
    pub(super) fn finish(&self, report: &mut Report<'_>) -> Timeouts {
        let usual = Timeouts::default();
        let mut absent = Vec::new();
        let mut holds = |said: Option<Duration>, word: &str, usual: Duration| {
            if said.is_none() {
                absent.push(format!("`timeout {word}` ({}s)", usual.as_secs()));
            }
            said.unwrap_or(usual)
        };
        let timeouts = Timeouts {
            request: holds(self.request, "http-request", usual.request),
            connect: holds(self.connect, "connect", usual.connect),
            client: holds(self.client, "client", usual.client),
            server: holds(self.server, "server", usual.server),
            // haproxy's order of defaults (configuration manual, "timeout http-keep-alive").
            keep_alive: self.keep_alive.or(self.request).or(self.client).unwrap_or(usual.keep_alive),
            ..usual
        };
        if !absent.is_empty() {
            let message =
                format!("not set, so the gate's defaults hold: {}; haproxy would wait for ever", absent.join(", "));
            report.warning(Span::default(), message, "write them into section `defaults`");
        }
        timeouts
    }
}
