//! The events of the second hop: one for each request, at a rate of each network.

use super::{
    budget::EventBudget,
    journal,
    outlet::{Audits, Outlet},
};
use crate::counted;
use nsgate_agent::gates::{HopRecord, event::format};
use nsgate_config::{Identity, Uuid};
use nsgate_forwarder::event::Missed;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

/// Networks whose rate is known at once. A plain connection may name any: behind these, all share one rate.
const MOST: usize = 16_384;

/// Whose rate it is: a network, or a router, or none that has a rate of its own.
type RateKey = Option<(&'static str, Uuid)>;

/// The audit of an agent.
#[derive(Debug)]
pub(crate) struct HopAudit {
    outlet: Arc<Outlet>,
    events_per_second: u32,
    rates: Mutex<HashMap<RateKey, (EventBudget, Missed)>>,
}

impl HopAudit {
    /// The events of the agent whose audit this is.
    pub(crate) fn of(audits: &Audits) -> Self {
        let events_per_second = audits.settings.events_per_second;
        Self { outlet: audits.outlet.clone(), events_per_second, rates: Mutex::default() }
    }

    /// Writes the event of a request that was answered at `date`.
    pub(crate) fn request(&self, record: &HopRecord, date: SystemTime) {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(record.place.as_ref());
        let key = if rates.len() < MOST || rates.contains_key(&key) { key } else { None };
        let (budget, missed) =
            rates.entry(key).or_insert_with(|| (EventBudget::new(self.events_per_second), Missed::default()));
        if !budget.allows(Instant::now()) {
            missed.suppressed = missed.suppressed.saturating_add(1);
            return;
        }
        let event = format(record, date, *missed);
        let journal = |severity| journal::hop_message(record, severity, &event);
        if self.outlet.write(record.reason.is_none(), &event, journal) {
            *missed = Missed::default();
        } else {
            missed.lost = missed.lost.saturating_add(1);
            counted::EVENTS.add(1);
        }
    }
}

fn key(place: Option<&Identity>) -> RateKey {
    place.map(|place| (place.header(), place.uuid()))
}
