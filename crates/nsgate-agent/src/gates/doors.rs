//! Which networks are bound, and how many connections are open, for the log and the observer: a network has one door as a rule, and
//! two while its gate has a successor.

use super::record::HopObserver;
use nsgate_config::{Identity, Uuid};
use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Doors of each network, by its header and id.
pub(super) struct Doors {
    counts: Mutex<HashMap<(&'static str, Uuid), usize>>,
    observer: Arc<dyn HopObserver>,
}

/// A door that is open. To drop it closes it.
pub(super) struct OpenDoor {
    doors: Arc<Doors>,
    identity: Identity,
    /// Another door has brought it: to whom it was handed, the log need not say.
    is_brought: bool,
}

impl Doors {
    pub(super) fn new(observer: Arc<dyn HopObserver>) -> Self {
        Self { counts: Mutex::default(), observer }
    }

    /// Counts a door, and says so.
    pub(super) fn open(doors: &Arc<Self>, identity: Identity, is_brought: bool) -> OpenDoor {
        let (header, id) = (identity.header(), identity.uuid());
        let count = doors.change(identity, |count| count + usize::from(!is_brought));
        match count {
            _ if is_brought => {}
            1 => tracing::info!("{header} {id}: bound"),
            count => tracing::info!("{header} {id}: bound once more: {count} processes speak for it now"),
        }
        OpenDoor { doors: doors.clone(), identity, is_brought }
    }

    fn change(&self, identity: Identity, change: impl FnOnce(usize) -> usize) -> usize {
        let mut doors = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (identity.header(), identity.uuid());
        let count = change(doors.get(&key).copied().unwrap_or_default());
        match count {
            0 => doors.remove(&key),
            count => doors.insert(key, count),
        };
        self.observer.doors(doors.values().sum());
        count
    }
}

impl OpenDoor {
    /// Its holder has closed it, or kept to another protocol.
    pub(super) fn closed(self, outcome: io::Result<()>) {
        let (header, id) = (self.identity.header(), self.identity.uuid());
        match outcome {
            Ok(()) if self.is_brought => {}
            Ok(()) => tracing::info!("{header} {id}: its gate has closed the connection that bound it"),
            Err(error) => tracing::warn!("{header} {id}: the connection that bound it is closed: {error}"),
        }
    }
}

impl Drop for OpenDoor {
    fn drop(&mut self) {
        self.doors.change(self.identity, |count| count.saturating_sub(usize::from(!self.is_brought)));
    }
}

/// Connections that carry requests.
pub(super) struct OpenConnections {
    count: AtomicUsize,
    observer: Arc<dyn HopObserver>,
}

/// One of them, until it is dropped.
pub(super) struct OpenConnection<'a>(&'a OpenConnections);

impl OpenConnections {
    pub(super) fn new(observer: Arc<dyn HopObserver>) -> Self {
        Self { count: AtomicUsize::new(0), observer }
    }

    pub(super) fn open(&self) -> OpenConnection<'_> {
        self.observer.connections(self.count.fetch_add(1, Ordering::Relaxed) + 1);
        OpenConnection(self)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.observer.connections(self.0.count.fetch_sub(1, Ordering::Relaxed).saturating_sub(1));
    }
}
