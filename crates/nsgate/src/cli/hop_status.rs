//! What `nsgate status --all` says of the second hop.

use crate::{
    counted::CounterReading,
    overview::{ProcessOverview, booted, uptime},
    terminal::say,
};
use nsgate_agent::gates::counters::HopValues;
use serde_json::{Map, Value, json};

/// The sentence about an agent.
pub(super) fn show(one: &ProcessOverview) {
    let Some(CounterReading { hop, .. }) = one.counted.read() else {
        say!("nsgate agent {}: its counters cannot be read", one.pid);
        return;
    };
    let nova: u64 = hop.nova_buckets().into_iter().fold(0, u64::saturating_add);
    say!(
        "nsgate agent {}: {} doors, {} connections; {} requests, {} answered by Nova{}, {} refused, {} failed{}",
        one.pid,
        hop.doors(),
        hop.connections(),
        hop.requests(),
        nova,
        mean(hop, nova),
        hop.refused(),
        hop.failed(),
        reasons(hop)
    );
    if let Some(seconds) = away(hop) {
        say!("nsgate agent {}: its directory of instances is away for {} seconds; its log says why", one.pid, seconds);
    }
}

fn mean(hop: &HopValues, nova: u64) -> String {
    hop.nova_sum().checked_div(nova).map_or(String::new(), |mean| format!(" within {mean} µs each"))
}

fn reasons(hop: &HopValues) -> String {
    let all: Vec<String> = hop
        .reasons()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{} {count}", reason.name()))
        .collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

/// For how many seconds the directory is away.
fn away(hop: &HopValues) -> Option<u64> {
    let now = booted()?.checked_add(uptime()?)?;
    (hop.away_since() > 0).then(|| now.saturating_sub(hop.away_since()))
}

/// The numbers as JSON.
pub(super) fn numbers(read: &CounterReading) -> Map<String, Value> {
    let hop = &read.hop;
    let reasons: Map<String, Value> = hop
        .reasons()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.name().to_owned(), count.into()))
        .collect();
    let moment = |seconds: u64| (seconds > 0).then_some(seconds);
    let all = json!({
        "doors": hop.doors(),
        "connections": hop.connections(),
        "requests": hop.requests(),
        "look_ups": hop.looked_up(),
        "answered": hop.nova_buckets().into_iter().fold(0, u64::saturating_add),
        "nova_seconds": hop.nova_sum() as f64 / 1e6,
        "nova_forbidden": hop.forbidden(),
        "last_nova_forbidden": moment(hop.forbidden_at()),
        "rejected": hop.refused(),
        "failed": hop.failed(),
        "reasons": reasons,
        "directory_away_since": moment(hop.away_since()),
        "last_rejection": moment(hop.refused_at()),
        "last_failure": moment(hop.failed_at()),
        "lost_log_lines": read.lost_lines,
        "lost_audit_events": read.lost_events,
    });
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}
