//! `[audit]` and `[trace]`: the keys, their judgement, and how they are written.

use super::finish::Judge;
use crate::{Audit, Trace, model::audit::EVENTS_PER_SECOND};
use serde::Deserialize;
use toml::Spanned;

/// `[audit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftAudit {
    /// Where events go: `syslog`, `journald`, `stderr` (in the foreground), or `fd:N`, a descriptor that the starter gives.
    pub to: Spanned<String>,
    /// Events of each network in a second; what is beyond is counted, and the next event says how many.
    pub events_per_second: Option<Spanned<i64>>,
}

/// `[trace]`; the table alone switches it on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftTrace {
    /// Whether the agent and Nova are asked to record; they are, unless this says no.
    pub sampled: Option<bool>,
}

impl Judge<'_> {
    pub(super) fn audit(&mut self, draft: Option<&DraftAudit>) -> Option<Audit> {
        let draft = draft?;
        let to = self.take("to", &draft.to, |to| to.parse());
        let rate = self.number("events_per_second", &draft.events_per_second, EVENTS_PER_SECOND, 1..=100_000);
        Some(Audit { to: to?, events_per_second: rate })
    }
}

pub(super) fn trace(draft: Option<&DraftTrace>) -> Option<Trace> {
    draft.map(|draft| Trace { sampled: draft.sampled.unwrap_or(true) })
}

/// The tables, as far as they are there.
pub(super) fn render(audit: Option<&Audit>, trace: Option<&Trace>) -> String {
    let audit = audit.map(|Audit { to, events_per_second }| {
        format!("\n[audit]\nto = \"{to}\"\nevents_per_second = {events_per_second}\n")
    });
    let trace = trace.map(|Trace { sampled }| format!("\n[trace]\nsampled = {sampled}\n"));
    audit.unwrap_or_default() + &trace.unwrap_or_default()
}
