//! The gates' side: a UNIX listener, and HTTP/1.1 on each connection.
//!
//! A request is carried for the network that its connection speaks for, and for no other. A request whose guest has gone is given up:
//! its gate closes the connection then.

mod answer;
mod connection;
pub mod counters;
mod doors;
pub mod event;
mod question;
mod record;
mod refusal;
mod service;
mod speaker;
mod store;
mod tether;

pub use record::{HopObserver, HopReason, HopRecord};
pub use speaker::Speaker;
pub use store::DoorStore;

use crate::{
    binding::{Binders, HeldDoor},
    nova::Nova,
    signer::Signer,
};
use doors::{Doors, OpenConnections};
use nsgate_forwarder::Stop;
use service::Service;
use std::{io, sync::Arc, time::Duration};
use tether::Tether;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::sleep,
};

/// After an error of accept that is not about the one connection (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What gates may do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GateSettings {
    /// A connection that names its network in each request is served.
    pub plain: bool,
    /// Who may bind a connection to a network.
    pub binders: Binders,
    /// Connections of one network that is bound, at once.
    pub door_connections: usize,
    /// Connections at the socket at once, beside those that bind a network. Further ones wait in the kernel's queue.
    pub connections: usize,
    /// From the first byte of a connection to the end of a request's head.
    pub head: Duration,
    /// What keeps doors while the agent is restarted.
    pub store: Option<Arc<DoorStore>>,
}

impl Default for GateSettings {
    /// Connections that name their network are refused.
    fn default() -> Self {
        let head = Duration::from_secs(10);
        Self { plain: false, binders: Binders::default(), door_connections: 64, connections: 1024, head, store: None }
    }
}

/// Serves gates. A clone serves the same.
pub struct Gates<S>(Arc<SharedGates<S>>);

struct SharedGates<S> {
    settings: GateSettings,
    service: Service<S>,
    places: Arc<Semaphore>,
    doors: Arc<Doors>,
    open: OpenConnections,
}

impl<S> Clone for Gates<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Signer> Gates<S> {
    /// Asks `signer` who a guest is, and `nova` what its metadata are.
    pub fn new(settings: GateSettings, signer: S, nova: Nova) -> Self {
        Self::observed(settings, signer, nova, Arc::new(()))
    }

    /// The same, and tells `observer` of each request.
    pub fn observed(settings: GateSettings, signer: S, nova: Nova, observer: Arc<dyn HopObserver>) -> Self {
        let places = Arc::new(Semaphore::new(settings.connections.min(Semaphore::MAX_PERMITS)));
        let (doors, open) = (Doors::new(observer.clone()), OpenConnections::new(observer.clone()));
        let service = Service::new(signer, nova, settings.plain, observer);
        Self(Arc::new(SharedGates { settings, service, places, doors: Arc::new(doors), open }))
    }

    /// Serves until `stop` says otherwise: [`Stop::Now`] ends every connection, the others let requests under way finish. A sender
    /// that is dropped means [`Stop::Now`]. Must run on a tokio runtime with time and I/O; one thread is enough.
    pub async fn serve(self, listener: UnixListener, stop: watch::Receiver<Option<Stop>>) {
        self.serve_returned(listener, Vec::new(), stop).await;
    }

    /// The same, and attends doors that [have come back](HeldDoor::returned) from the settings' store, which keeps them still.
    pub async fn serve_returned(
        self,
        listener: UnixListener,
        returned: Vec<HeldDoor>,
        mut stop: watch::Receiver<Option<Stop>>,
    ) {
        let (tether, ends) = Tether::new();
        for door in returned {
            self.0.settings.store.iter().for_each(|store| store.known());
            let (gates, tether) = (self.clone(), tether.clone());
            tokio::spawn(async move { gates.attend_door(door, tether).await });
        }
        let asked = loop {
            tokio::select! {
                biased;
                asked = tether::next(&mut stop, None) => break asked,
                (accepted, place) = self.accept(&listener) => match accepted {
                    Ok(stream) => {
                        let (gates, tether) = (self.clone(), tether.clone());
                        tokio::spawn(async move { gates.attend(stream, place, tether).await });
                    }
                    Err(error) => {
                        tracing::warn!("a connection cannot be accepted: {error}");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        };
        drop((listener, tether));
        ends.pass_on(stop, asked).await;
    }

    async fn accept(&self, listener: &UnixListener) -> (io::Result<UnixStream>, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed.
        let place = self.0.places.clone().acquire_owned().await.ok();
        (listener.accept().await.map(|(stream, _)| stream), place)
    }
}
