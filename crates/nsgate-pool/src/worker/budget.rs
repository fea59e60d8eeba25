//! The descriptors of a worker that has too few for all that it may serve. A network takes its part before it is served, so
//! that its guests always find the connections that are reserved for it.

use super::Settings;
use nsgate_config::descriptors_of_a_network;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{sync::Semaphore, task::JoinHandle};

/// The descriptors that no network has taken.
pub(super) struct Budget {
    /// There are enough: nothing is counted.
    left: Option<Mutex<Left>>,
    /// Places that all networks share.
    pub(super) places: Arc<Semaphore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    /// Descriptors that no place takes.
    spare: u64,
    /// Places, two descriptors each.
    places: u64,
}

/// A network's part. A drop gives it back.
pub(super) struct Allotment {
    budget: Arc<Budget>,
    part: Left,
    /// Its places, as they become free.
    gathered: Option<JoinHandle<()>>,
}

impl Budget {
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        let places = settings.connections.min(Semaphore::MAX_PERMITS);
        let Some(descriptors) = settings.descriptors else {
            return Arc::new(Self { left: None, places: Arc::new(Semaphore::new(places)) });
        };
        let places = places.min(usize::try_from(descriptors / 2).unwrap_or(usize::MAX));
        let taken = u64::try_from(places).unwrap_or(u64::MAX);
        let left = Left { spare: descriptors.saturating_sub(taken.saturating_mul(2)), places: taken };
        Arc::new(Self { left: Some(Mutex::new(left)), places: Arc::new(Semaphore::new(places)) })
    }

    /// Takes the part of a network with so many listeners and reserved connections: spare descriptors first, then shared places.
    /// An error says that there are too few.
    pub(super) fn allot(self: &Arc<Self>, listeners: usize, reserved: u32) -> Result<Allotment, String> {
        let mut part = Left { spare: 0, places: 0 };
        if let Some(left) = &self.left {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = descriptors_of_a_network(listeners, reserved);
            part.places = wanted.saturating_sub(left.spare).div_ceil(2);
            part.spare = wanted.min(left.spare);
            if part.places > left.places {
                return Err(format!(
                    "this worker has not got enough descriptors (RLIMIT_NOFILE) to reserve {reserved} connections for one \
                     more network"
                ));
            }
            left.spare -= part.spare;
            left.places -= part.places;
        }
        let gathered = (part.places > 0).then(|| {
            let (places, count) = (self.places.clone(), u32::try_from(part.places).unwrap_or(u32::MAX));
            tokio::spawn(async move {
                let _held = places.acquire_many(count).await;
                std::future::pending::<()>().await;
            })
        });
        Ok(Allotment { budget: self.clone(), part, gathered })
    }
}

impl Drop for Allotment {
    fn drop(&mut self) {
        if let Some(gathered) = &self.gathered {
            gathered.abort();
        }
        if let Some(left) = &self.budget.left {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            left.spare += self.part.spare;
            left.places += self.part.places;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Budget, Settings};
    use crate::Allowed;
    use tokio::task::yield_now;

    fn budget(connections: usize, descriptors: Option<u64>) -> Arc<Budget> {
        Budget::new(&Settings {
            allowed: Allowed { gid: None },
            backends: Vec::new(),
            doors: None,
            networks: 100,
            peers: 8,
            connections,
            descriptors,
            reserved: 2,
            token_key: None,
            number: None,
            lost: crate::worker::Lost::default(),
        })
    }

    #[tokio::test]
    async fn a_network_takes_what_is_spare_and_then_shared_places_and_gives_both_back() {
        // One listener and two reserved connections: 2 + 2 + 4.
        let budget = budget(10, Some(30));
        let one = budget.allot(1, 2).unwrap();
        yield_now().await;
        assert_eq!(budget.places.available_permits(), 10, "ten were spare");
        let two = budget.allot(1, 2).unwrap();
        yield_now().await;
        assert_eq!(budget.places.available_permits(), 7);
        let three = budget.allot(1, 2).unwrap();
        assert!(budget.allot(1, 2).is_err(), "24 of 30 are taken");
        yield_now().await;
        assert_eq!(budget.places.available_permits(), 3);
        drop((one, two, three));
        yield_now().await;
        assert_eq!(budget.places.available_permits(), 10);
        assert!(budget.allot(1, 2).is_ok());
    }

    #[tokio::test]
    async fn where_there_are_enough_nothing_is_counted() {
        let budget = budget(10, None);
        let _all: Vec<_> = (0..1000).map(|_| budget.allot(2, 2).ok().unwrap()).collect();
        yield_now().await;
        assert_eq!(budget.places.available_permits(), 10);
    }
}
