//! Which networks are bound, for the log: a network has one door as a rule, and two while its gate has a successor.

use nsgate_config::{Identity, Uuid};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// Doors of each network, by its header and id.
#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<HashMap<(&'static str, Uuid), usize>>);

/// A door that is open. To drop it closes it.
#[derive(Debug)]
pub(super) struct OpenDoor {
    doors: Arc<Doors>,
    identity: Identity,
}

impl Doors {
    /// Counts a door, and says so.
    pub(super) fn open(doors: &Arc<Self>, identity: Identity) -> OpenDoor {
        let (header, id) = (identity.header(), identity.uuid());
        let count = doors.change(identity, |count| count + 1);
        match count {
            1 => tracing::info!("{header} {id}: bound"),
            count => tracing::info!("{header} {id}: bound once more: {count} processes speak for it now"),
        }
        OpenDoor { doors: doors.clone(), identity }
    }

    fn change(&self, identity: Identity, change: impl FnOnce(usize) -> usize) -> usize {
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (identity.header(), identity.uuid());
        let count = change(doors.get(&key).copied().unwrap_or_default());
        match count {
            0 => doors.remove(&key),
            count => doors.insert(key, count),
        };
        count
    }
}

impl OpenDoor {
    /// Its holder has closed it, or kept to another protocol.
    pub(super) fn closed(self, outcome: io::Result<()>) {
        let (header, id) = (self.identity.header(), self.identity.uuid());
        match outcome {
            Ok(()) => tracing::info!("{header} {id}: its gate has closed the connection that bound it"),
            Err(error) => tracing::warn!("{header} {id}: the connection that bound it is closed: {error}"),
        }
    }
}

impl Drop for OpenDoor {
    fn drop(&mut self) {
        self.doors.change(self.identity, |count| count.saturating_sub(1));
    }
}
