//! The families of the second hop.

use crate::{counted::CounterReading, overview::Overview};
use nsgate_agent::gates::counters::{HOP_CLASSES, HopValues, NOVA_BOUNDS};
use nsgate_pool::openmetrics::Exposition;

/// Writes them, if the host has an agent. Several agents are told as one.
pub(super) fn families(page: &mut Exposition, overview: &Overview) {
    let agents = || overview.processes.iter().filter(|one| one.role == "agent");
    let read: Vec<&CounterReading> = agents().filter_map(|one| one.counted.read()).collect();
    if agents().next().is_none() {
        return;
    }
    let sum = |of: fn(&HopValues) -> u64| read.iter().fold(0_u64, |all, read| all.saturating_add(of(&read.hop)));
    page.family("nsgate_hop_doors", "gauge", "Gates whose connection to nsgate agent is bound to a network.");
    page.sample("nsgate_hop_doors", "", sum(HopValues::doors));
    page.family("nsgate_hop_connections", "gauge", "Connections of gates that carry requests.");
    page.sample("nsgate_hop_connections", "", sum(HopValues::connections));
    page.family("nsgate_hop_requests", "counter", "Requests of gates, by class of the answer's status.");
    for (index, class) in HOP_CLASSES.iter().enumerate() {
        let counts = read.iter().filter_map(|read| read.hop.classes().get(index).copied());
        let count = counts.fold(0, u64::saturating_add);
        if count > 0 {
            page.sample("nsgate_hop_requests_total", &format!("class=\"{class}\""), count);
        }
    }
    page.family(
        "nsgate_hop_look_ups",
        "counter",
        "Questions that the directory answered, with an instance or without.",
    );
    page.sample("nsgate_hop_look_ups_total", "", sum(HopValues::looked_up));
    reasons(page, &read);
    page.family(
        "nsgate_hop_nova_forbidden",
        "counter",
        "Answers of Nova's with status 403: as a rule the secrets differ.",
    );
    page.sample("nsgate_hop_nova_forbidden_total", "", sum(HopValues::forbidden));
    let help = "Since when each question fails because the directory is away; nothing while it answers.";
    page.family("nsgate_hop_directory_away_since_timestamp_seconds", "gauge", help);
    if let Some(since) = read.iter().map(|read| read.hop.away_since()).filter(|since| *since > 0).min() {
        page.sample("nsgate_hop_directory_away_since_timestamp_seconds", "", since);
    }
    histogram(page, &read);
}

fn reasons(page: &mut Exposition, read: &[&CounterReading]) {
    page.family("nsgate_hop_refusals", "counter", "Requests without an answer of Nova's, by reason.");
    for reason in nsgate_agent::gates::HopReason::ALL {
        let counts = read.iter().flat_map(|read| read.hop.reasons()).filter(|(one, _)| *one == reason);
        let count = counts.fold(0_u64, |all, (_, count)| all.saturating_add(count));
        if count > 0 {
            page.sample("nsgate_hop_refusals_total", &format!("reason=\"{}\"", reason.name()), count);
        }
    }
}

/// Buckets hold everything up to their bound (OpenMetrics 1.0, section 5.3).
fn histogram(page: &mut Exposition, read: &[&CounterReading]) {
    const NAME: &str = "nsgate_hop_nova_duration_seconds";
    page.family(NAME, "histogram", "Time until the head of Nova's answer.");
    let mut total = 0_u64;
    let bounds = NOVA_BOUNDS.iter().map(|bound| seconds(*bound)).chain(std::iter::once("+Inf".to_owned()));
    for (index, bound) in bounds.enumerate() {
        let counts = read.iter().filter_map(|read| read.hop.nova_buckets().get(index).copied());
        total = counts.fold(total, u64::saturating_add);
        page.sample(&format!("{NAME}_bucket"), &format!("le=\"{bound}\""), total);
    }
    let sum = read.iter().fold(0_u64, |all, read| all.saturating_add(read.hop.nova_sum()));
    page.sample(&format!("{NAME}_sum"), "", seconds(sum));
    page.sample(&format!("{NAME}_count"), "", total);
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
