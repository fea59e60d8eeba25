//! `[audit]` and `[trace]`: checks the keys, and writes them.

use super::{
    draft::{DraftAudit, DraftTrace},
    validator::Validator,
};
use crate::{Audit, Trace, model::audit::EVENTS_PER_SECOND};

impl Validator<'_> {
    pub(super) fn audit(&mut self, draft: Option<&DraftAudit>) -> Option<Audit> {
        let draft = draft?;
        let to = self.value("to", &draft.to, |to| to.parse());
        let rate = self.number("events_per_second", &draft.events_per_second, EVENTS_PER_SECOND, 1..=100_000);
        Some(Audit { to: to?, events_per_second: rate })
    }
}

pub(super) fn trace(draft: Option<&DraftTrace>) -> Option<Trace> {
    draft.map(|draft| Trace { sampled: draft.sampled.unwrap_or(true) })
}

/// The tables that are set.
pub(super) fn render(audit: Option<&Audit>, trace: Option<&Trace>) -> String {
    let audit = audit.map(|Audit { to, events_per_second }| {
        format!("\n[audit]\nto = \"{to}\"\nevents_per_second = {events_per_second}\n")
    });
    let trace = trace.map(|Trace { sampled }| format!("\n[trace]\nsampled = {sampled}\n"));
    audit.unwrap_or_default() + &trace.unwrap_or_default()
}
