//! All metrics of one worker, as OpenMetrics text.
//!
//! Nothing that a guest chose stands in them: names and labels are fixed, or UUIDs of the operator.

use super::{
    Shared,
    counters::{BOUNDS, REASONS},
    network::Network,
};
use nsgate_config::Tokens;
use nsgate_forwarder::TokenUse;
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// All metrics.
pub(super) fn text(shared: &Shared) -> String {
    let networks = shared.networks().all();
    let mut page = Page { text: String::new(), worker: shared.settings.number };
    page.family("nsgate_networks", "gauge", "Networks that are served.");
    page.sample("nsgate_networks", "", networks.len());
    page.family("nsgate_handovers", "counter", "Networks that were handed over, by outcome.");
    for (outcome, count) in [("served", &shared.handovers), ("refused", &shared.refusals)] {
        page.sample("nsgate_handovers_total", &format!("outcome=\"{outcome}\""), load(count));
    }
    page.family("nsgate_connections", "gauge", "Connections of guests, by network.");
    for network in &networks {
        page.sample("nsgate_connections", &labels(network), network.connections());
    }
    page.family("nsgate_requests", "counter", "Requests, by network and class of the answer's status.");
    for network in &networks {
        let names = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        for (class, count) in names.into_iter().zip(&network.counters.classes).filter(|(_, count)| load(count) > 0) {
            page.sample("nsgate_requests_total", &format!("{},class=\"{class}\"", labels(network)), load(count));
        }
    }
    page.family("nsgate_rejections", "counter", "Requests that the gate answered by itself, by network and status.");
    for network in &networks {
        for (reason, count) in REASONS.iter().zip(&network.counters.refused).filter(|(_, count)| load(count) > 0) {
            let reason = if *reason == 0 { "cut".to_owned() } else { reason.to_string() };
            page.sample("nsgate_rejections_total", &format!("{},reason=\"{reason}\"", labels(network)), load(count));
        }
    }
    page.family(
        "nsgate_agent_errors",
        "counter",
        "Requests without an answer of the agent's (502, 503, 504), by network.",
    );
    for network in &networks {
        page.sample("nsgate_agent_errors_total", &labels(network), network.counters.refused_with(500..600));
    }
    page.family("nsgate_token_requests", "counter", "Requests, by network and how they stood to session tokens.");
    for network in networks.iter().filter(|network| network.gate.guards.tokens != Tokens::Off) {
        for (token, count) in TokenUse::ALL.iter().zip(&network.counters.tokens) {
            let labels = format!("{},token=\"{}\"", labels(network), token.name());
            page.sample("nsgate_token_requests_total", &labels, load(count));
        }
    }
    page.histogram(shared);
    let lost = &shared.settings.lost;
    page.family("nsgate_log_lost_lines", "counter", "Lines of the log that no destination took.");
    page.sample("nsgate_log_lost_lines_total", "", (lost.lines)());
    page.family("nsgate_audit_lost_events", "counter", "Events of the audit that no destination took.");
    page.sample("nsgate_audit_lost_events_total", "", (lost.events)());
    page.text.push_str("# EOF\n");
    page.text
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn labels(network: &Network) -> String {
    let identity = &network.gate.identity;
    format!("kind=\"{}\",id=\"{}\"", identity.header(), identity.uuid())
}

struct Page {
    text: String,
    /// Which worker this is, where there is more than one: a label of every sample.
    worker: Option<u32>,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let worker = self.worker.map(|number| format!("worker=\"{number}\"")).unwrap_or_default();
        let comma = if worker.is_empty() || labels.is_empty() { "" } else { "," };
        let _ = match (worker.as_str(), labels) {
            ("", "") => writeln!(self.text, "{name} {value}"),
            (worker, labels) => writeln!(self.text, "{name}{{{worker}{comma}{labels}}} {value}"),
        };
    }

    /// Buckets hold everything up to their bound (OpenMetrics 1.0, section 5.3).
    fn histogram(&mut self, shared: &Shared) {
        const NAME: &str = "nsgate_request_duration_seconds";
        self.family(NAME, "histogram", "Time of a request from its first byte to the answer's last, all networks.");
        let mut total = 0;
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain(std::iter::once("+Inf".to_owned()));
        for (bound, bucket) in bounds.zip(&shared.latency.buckets) {
            total += load(bucket);
            self.sample(&format!("{NAME}_bucket"), &format!("le=\"{bound}\""), total);
        }
        self.sample(&format!("{NAME}_sum"), "", seconds(load(&shared.latency.sum)));
        self.sample(&format!("{NAME}_count"), "", total);
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
