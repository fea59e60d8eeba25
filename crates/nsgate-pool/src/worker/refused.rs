//! Owners whose network was refused. Each is told why, and the log gets one line. An owner that came with `asks` waits for
//! another worker.

use super::{
    Phase, Shared,
    endpoint::Peering,
    life::{later, network_label},
};
use crate::protocol::Reply;
use nsgate_config::Identity;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;

/// Most owners that wait, and most reasons that are remembered.
const MOST: usize = 1024;

/// The owners and the reasons.
pub(super) struct Refused {
    reasons: Mutex<BTreeMap<String, String>>,
    places: Arc<Semaphore>,
}

impl Default for Refused {
    fn default() -> Self {
        Self { reasons: Mutex::default(), places: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Refused {
    /// Tells the owner, and keeps the connection until either side leaves. A waiting owner tries again after a while, since there may
    /// be room then. The same refusal gets no second line in the log.
    pub(super) async fn tell(&self, shared: &Shared, peering: &Peering, identity: &Identity, reason: &str) {
        Shared::count(&shared.refusals);
        let identity = network_label(identity);
        let sentence = format!("{identity}: {reason}");
        if self.is_news(identity, reason) {
            tracing::warn!("a handover is refused: {sentence}");
        }
        if peering.send(&Reply::Refused(sentence).to_bytes()).await.is_err() {
            return;
        }
        let Ok(_place) = self.places.try_acquire() else { return };
        let mut phase = shared.phase.subscribe();
        tokio::select! {
            _ = peering.receive() => {}
            _ = later(&mut phase, Phase::Open) => {}
        }
    }

    /// The network is served after all: the next refusal is news.
    pub(super) fn forget(&self, identity: &Identity) {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).remove(&network_label(identity));
    }

    fn is_news(&self, identity: String, reason: &str) -> bool {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.len() >= MOST {
            reasons.clear();
        }
        reasons.insert(identity, reason.to_owned()).is_none_or(|before| before != reason)
    }
}
