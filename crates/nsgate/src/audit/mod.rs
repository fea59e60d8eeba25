//! Events about requests: one JSON object for each request, to the configured destination.
//!
//! No request waits for its event: an event that cannot be written now is lost, and the next event says how many were. Each
//! network has a bounded rate. An event holds no text of a guest or the agent ([`nsgate_forwarder::event`]).

mod budget;
mod hop;
mod journal;
mod observed;
mod outlet;

pub(crate) use hop::HopAudit;
pub(crate) use observed::Observed;
pub(crate) use outlet::Audits;

use crate::counted;
use budget::EventBudget;
use nsgate_forwarder::{
    AccessRecord, Verdict,
    event::{EventOrigin, Missed, format},
};
use outlet::Outlet;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// The events of one network.
#[derive(Debug)]
pub(crate) struct AuditLog {
    outlet: Arc<Outlet>,
    network: EventOrigin,
    state: Mutex<(EventBudget, Missed)>,
}

impl AuditLog {
    fn new(outlet: Arc<Outlet>, network: EventOrigin, events_per_second: u32) -> Self {
        Self { outlet, network, state: Mutex::new((EventBudget::new(events_per_second), Missed::default())) }
    }

    fn request(&self, record: &AccessRecord, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (budget, missed) = &mut *state;
        if !budget.allows(now) {
            missed.suppressed = missed.suppressed.saturating_add(1);
            return;
        }
        let event = format(&self.network, record, *missed);
        let journal = |severity| journal::message(&self.network, record, severity, &event);
        if self.outlet.write(record.verdict() == Verdict::Passed, &event, journal) {
            *missed = Missed::default();
        } else {
            missed.lost = missed.lost.saturating_add(1);
            counted::EVENTS.add(1);
        }
    }
}
