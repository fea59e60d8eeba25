//! What a directory that asks Neutron has done.

use super::{cache::Answered, trouble::NeutronTrouble};
use crate::directory::NoOccupant;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How a directory does that asks Neutron.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeutronStatus {
    /// Questions that were sent.
    pub asked: u64,
    /// Questions that were answered without one: by an answer that was kept, or by the question of somebody else.
    pub spared: u64,
    /// Questions that Neutron did not answer.
    pub failed: u64,
    /// Tokens that Keystone gave.
    pub tokens: u64,
    /// Why the last question had no answer, and since when none had one.
    pub trouble: Option<(String, Duration)>,
}

#[derive(Debug, Default)]
pub(super) struct NeutronTally {
    asked: AtomicU64,
    spared: AtomicU64,
    failed: AtomicU64,
    trouble: Mutex<Option<(String, Instant)>>,
}

impl NeutronTally {
    pub(super) fn answered(&self, how: Answered) {
        let count = match how {
            Answered::Asked => &self.asked,
            Answered::Spared => &self.spared,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Neutron answered.
    pub(super) fn heard(&self) {
        if self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("Neutron answers again");
        }
    }

    /// It did not. Returns what is said of that.
    pub(super) fn failed(&self, trouble: &NeutronTrouble) -> NoOccupant {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let said = trouble.to_string();
        let mut now = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.take().map_or_else(Instant::now, |(_, since)| since);
        *now = Some((said.clone(), since));
        NoOccupant::Away(said)
    }

    pub(super) fn status(&self, tokens: u64) -> NeutronStatus {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        NeutronStatus {
            asked: count(&self.asked),
            spared: count(&self.spared),
            failed: count(&self.failed),
            tokens,
            trouble: trouble.as_ref().map(|(said, since)| (said.clone(), since.elapsed())),
        }
    }
}
