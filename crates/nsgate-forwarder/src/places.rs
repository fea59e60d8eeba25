//! ConnectionRoom for connections: the gate's own, and what it shares with other gates.
//!
//! A place belongs to a connection that is there. A listener that waits for a guest has none.

use crate::turns::turns;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A bound that several gates have together.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Connections of all gates, beside those that are reserved.
    pub places: Arc<Semaphore>,
    /// So many connections each gate may have, however many the others have.
    pub reserved: u32,
}

/// A gate's places.
#[derive(Clone)]
pub(crate) struct ConnectionPlaces {
    own: Arc<Semaphore>,
    shared: Option<Arc<SharedPlaces>>,
}

/// What one gate has of what several share.
struct SharedPlaces {
    sharing: Sharing,
    taken: Mutex<OccupiedPlaces>,
    /// A reserved place has become free.
    freed: Notify,
}

#[derive(Default)]
struct OccupiedPlaces {
    reserved: u32,
    shared: Vec<OwnedSemaphorePermit>,
}

/// One connection's room; given back when dropped.
pub(crate) struct ConnectionRoom {
    part: Option<Arc<SharedPlaces>>,
    _own: Option<OwnedSemaphorePermit>,
}

impl ConnectionPlaces {
    pub(crate) fn new(bound: u32, sharing: Option<Sharing>) -> Self {
        let part = |sharing| Arc::new(SharedPlaces { sharing, taken: Mutex::default(), freed: Notify::new() });
        Self { own: turns(bound), shared: sharing.map(part) }
    }

    /// ConnectionRoom, if there is any now.
    pub(crate) fn at_once(&self) -> Option<ConnectionRoom> {
        let own = self.own.clone().try_acquire_owned().ok()?;
        let has_room = self.shared.as_ref().is_none_or(|part| part.take());
        has_room.then(|| ConnectionRoom { part: self.shared.clone(), _own: Some(own) })
    }

    /// Waits for room, in order of arrival.
    pub(crate) async fn next(self) -> ConnectionRoom {
        // The semaphores are never closed.
        let own = self.own.acquire_owned().await.ok();
        if let Some(part) = &self.shared {
            part.wait().await;
        }
        ConnectionRoom { part: self.shared, _own: own }
    }

    /// Waits until all of the gate's places are free.
    pub(crate) async fn all_free(&self, bound: u32) {
        let _ = self.own.acquire_many(bound).await;
    }
}

impl SharedPlaces {
    fn taken(&self) -> MutexGuard<'_, OccupiedPlaces> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a reserved place or a shared one, if there is one.
    fn take(&self) -> bool {
        let mut taken = self.taken();
        if taken.reserved < self.sharing.reserved {
            taken.reserved += 1;
            return true;
        }
        let permit = self.sharing.places.clone().try_acquire_owned().ok();
        let found = permit.is_some();
        taken.shared.extend(permit);
        found
    }

    async fn wait(&self) {
        while !self.take() {
            tokio::select! {
                biased;
                () = self.freed.notified() => {}
                permit = self.sharing.places.clone().acquire_owned() => {
                    self.taken().shared.extend(permit.ok());
                    return;
                }
            }
        }
    }
}

impl Drop for ConnectionRoom {
    fn drop(&mut self) {
        let Some(part) = &self.part else { return };
        let mut taken = part.taken();
        // What is shared goes back first: as long as a gate has no more than is reserved, it takes nothing of others.
        if let Some(permit) = taken.shared.pop() {
            drop(taken);
            drop(permit);
            return;
        }
        taken.reserved = taken.reserved.saturating_sub(1);
        drop(taken);
        part.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionPlaces, Sharing};
    use crate::turns::turns;

    fn sharing(shared: u32, reserved: u32) -> Sharing {
        Sharing { places: turns(shared), reserved }
    }

    #[test]
    fn a_gate_gives_back_what_is_shared_before_what_is_reserved() {
        let sharing = sharing(2, 1);
        let (one, two) =
            (ConnectionPlaces::new(9, Some(sharing.clone())), ConnectionPlaces::new(9, Some(sharing.clone())));
        let mut held: Vec<_> = (0..3).map(|_| one.at_once().unwrap()).collect();
        assert!(one.at_once().is_none());
        let other = two.at_once().unwrap();
        assert!(two.at_once().is_none(), "its own reserve alone is left");
        // The first connection, which had the reserved place.
        drop(held.remove(0));
        assert_eq!(sharing.places.available_permits(), 1);
        assert!(two.at_once().is_some());
        drop((held, other));
        assert_eq!(sharing.places.available_permits(), 2);
    }

    #[tokio::test]
    async fn whoever_waits_gets_a_reserved_place_that_becomes_free() {
        let sharing = sharing(0, 1);
        let places = ConnectionPlaces::new(9, Some(sharing));
        let held = places.at_once().unwrap();
        let waiting = tokio::spawn(places.clone().next());
        tokio::task::yield_now().await;
        drop(held);
        let found = waiting.await.unwrap();
        assert!(places.at_once().is_none());
        drop(found);
        assert!(places.at_once().is_some());
    }
}
