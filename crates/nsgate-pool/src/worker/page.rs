//! All metrics of one worker, as OpenMetrics text.

use super::{Shared, counters::BOUNDS};
use crate::openmetrics::{Exposition, NetworkMetrics, networks};
use nsgate_config::Tokens;
use std::sync::atomic::{AtomicU64, Ordering};

/// All metrics.
pub(super) fn text(shared: &Shared) -> String {
    let all = shared.networks().all();
    let worker = shared.settings.number.map(|number| format!("worker=\"{number}\"")).unwrap_or_default();
    let mut page = Exposition::new(worker);
    page.family("nsgate_networks", "gauge", "Networks that the pool serves.");
    page.sample("nsgate_networks", "", all.len());
    page.family("nsgate_handovers", "counter", "Networks that were handed over, by outcome.");
    for (outcome, count) in [("served", &shared.handovers), ("refused", &shared.refusals)] {
        page.sample("nsgate_handovers_total", &format!("outcome=\"{outcome}\""), load(count));
    }
    let told: Vec<NetworkMetrics> = all
        .iter()
        .map(|network| {
            let (gate, connections) = (&network.gate, network.connections().into());
            let tokens = gate.guards.tokens != Tokens::Off;
            NetworkMetrics::new(Some(&gate.identity), "worker", connections, network.counters.numbers(), tokens)
        })
        .collect();
    networks(&mut page, &told);
    histogram(&mut page, shared);
    let lost = &shared.settings.lost;
    page.family("nsgate_log_lost_lines", "counter", "Lines of the log that no destination took.");
    page.sample("nsgate_log_lost_lines_total", "role=\"worker\"", (lost.lines)());
    page.family("nsgate_audit_lost_events", "counter", "Events of the audit that no destination took.");
    page.sample("nsgate_audit_lost_events_total", "role=\"worker\"", (lost.events)());
    page.finish()
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Buckets hold everything up to their bound (OpenMetrics 1.0, section 5.3).
fn histogram(page: &mut Exposition, shared: &Shared) {
    const NAME: &str = "nsgate_request_duration_seconds";
    page.family(NAME, "histogram", "Time of a request from its first byte to the answer's last, all networks.");
    let mut total = 0;
    let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain(std::iter::once("+Inf".to_owned()));
    for (bound, bucket) in bounds.zip(&shared.latency.buckets) {
        total += load(bucket);
        page.sample(&format!("{NAME}_bucket"), &format!("le=\"{bound}\""), total);
    }
    page.sample(&format!("{NAME}_sum"), "", seconds(load(&shared.latency.sum)));
    page.sample(&format!("{NAME}_count"), "", total);
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
