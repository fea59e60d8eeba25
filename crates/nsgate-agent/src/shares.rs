//! How many requests one (an instance at Nova, a network at Neutron) may have under way, and how many there may be in all.
//!
//! Who asks takes a turn of his own first and one of the common ones then: what he has beyond his share waits without holding
//! anything that another one wants.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(crate) struct Shares {
    each: usize,
    of: Arc<Mutex<EachShare>>,
    all: Arc<Semaphore>,
}

type EachShare = HashMap<Box<str>, Arc<Semaphore>>;

/// One request under way. To drop it ends it.
#[derive(Debug)]
pub(crate) struct ShareTurn {
    whose: Box<str>,
    of: Arc<Mutex<EachShare>>,
    own: Option<OwnedSemaphorePermit>,
    common: Option<OwnedSemaphorePermit>,
}

impl Shares {
    pub(crate) fn new(each: usize, all: usize) -> Self {
        Self { each, of: Arc::default(), all: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))) }
    }

    /// Waits for a turn of `whose`. Turns come in the order in which they are asked for.
    pub(crate) async fn turn(&self, whose: &str) -> ShareTurn {
        let each = self.each.min(Semaphore::MAX_PERMITS);
        let own = match lock(&self.of).get(whose) {
            Some(known) => known.clone(),
            None => Arc::new(Semaphore::new(each)),
        };
        lock(&self.of).entry(whose.into()).or_insert_with(|| own.clone());
        let mut turn = ShareTurn { whose: whose.into(), of: self.of.clone(), own: None, common: None };
        // The semaphores are never closed.
        turn.own = own.acquire_owned().await.ok();
        turn.common = self.all.clone().acquire_owned().await.ok();
        turn
    }
}

impl Drop for ShareTurn {
    fn drop(&mut self) {
        (self.own, self.common) = (None, None);
        let mut shares = lock(&self.of);
        if shares.get(&self.whose).is_some_and(|known| Arc::strong_count(known) == 1) {
            shares.remove(&self.whose);
        }
    }
}

fn lock(of: &Mutex<EachShare>) -> MutexGuard<'_, EachShare> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Shares, lock};
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn an_instance_beyond_its_share_waits_and_another_does_not() {
        let shares = Shares::new(2, 3);
        let first = shares.turn("one").await;
        let second = shares.turn("one").await;
        assert!(timeout(SOON, shares.turn("one")).await.is_err());
        let other = timeout(SOON, shares.turn("two")).await.expect("a turn of its own");
        assert!(timeout(SOON, shares.turn("three")).await.is_err(), "all are taken");
        drop(first);
        let third = timeout(SOON, shares.turn("one")).await.expect("the turn that was given back");
        drop((second, third, other));
        assert!(lock(&shares.of).is_empty(), "an instance without a request is forgotten, one that gave up too");
    }
}
