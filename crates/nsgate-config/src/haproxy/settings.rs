//! What one section says of a proxy. `defaults` is where the sections behind it begin, and no other (configuration
//! manual, 4 "Proxies").

use crate::{
    Timeouts,
    report::{Report, Span},
};
use std::time::Duration;

/// The words of a proxy that are in force in a section.
#[derive(Clone, Debug, Default)]
pub(super) struct ProxySettings {
    /// `mode http`; haproxy's own default is tcp.
    pub(super) http: bool,
    /// `log global`, below a `log` in `global`: haproxy copies what stands there already.
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

/// The times that are said.
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
    /// Says in which way a proxy is not what haproxy would be with these words left out.
    pub(super) fn check(&self, report: &mut Report<'_>) {
        let nowhere = Span::default();
        if !self.http {
            let help = "write `mode http` into section `defaults`";
            report.error(nowhere, "there is no `mode http`: haproxy would pass bytes on and set no header", help);
        }
        if !self.httplog {
            report.warning(nowhere, "there is no `option httplog`: lines of the log have its form nonetheless", "");
        }
        if !self.dontlognull {
            let message = "there is no `option dontlognull`: a connection without a request is not logged nonetheless";
            report.warning(nowhere, message, "");
        }
    }

    /// The same of a gate's own, which always says whose request it is.
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
    /// The times that hold, after a word about those that haproxy would not have at all.
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
            // haproxy waits for the next request as long as for a whole one if nothing else is said, and in the absence
            // of both as long as for any byte (configuration manual, "timeout http-keep-alive").
            keep_alive: self.keep_alive.or(self.request).or(self.client).unwrap_or(usual.keep_alive),
            ..usual
        };
        if !absent.is_empty() {
            let message = format!("not said, and the gate's own: {}; haproxy would wait for ever", absent.join(", "));
            report.warning(Span::default(), message, "write them into section `defaults`");
        }
        timeouts
    }
}
