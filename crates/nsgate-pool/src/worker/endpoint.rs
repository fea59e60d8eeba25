//! Where peers connect, and the connection to one of them.

use crate::{Channel, channel::Message, sys};
use nix::errno::Errno;
use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::UnixListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// After an error of accept that is not about the one connection (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a peer may take to read what it is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket for handovers.
pub(super) struct Endpoint(AsyncFd<OwnedFd>);

impl Endpoint {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        watched(socket, Interest::READABLE).map(Self)
    }

    /// The next peer, once there is room for one that has said nothing yet. `None` if it has left again.
    pub(super) async fn accept(&self, fresh: &Arc<Semaphore>) -> Option<(Peering, OwnedSemaphorePermit)> {
        // Never closed.
        let place = fresh.clone().acquire_owned().await.ok()?;
        let accepted = self.0.async_io(Interest::READABLE, |socket| Ok(sys::accept(socket.as_fd())?)).await;
        match accepted.and_then(Peering::new) {
            Ok(peering) => Some((peering, place)),
            Err(error) if error.raw_os_error() == Some(Errno::ECONNABORTED as i32) => None,
            Err(error) => {
                tracing::error!(
                    "a handover cannot be accepted: {error}; trying again in {} ms",
                    ACCEPT_PAUSE.as_millis()
                );
                sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

#[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; these do")]
fn watched<T: AsRawFd>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(descriptor, interest)
}

/// The socket for metrics.
pub(super) fn listener(socket: OwnedFd) -> io::Result<UnixListener> {
    UnixListener::from_std(socket.into())
}

/// A connection to a peer.
pub(super) struct Peering(AsyncFd<Channel>);

impl Peering {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        watched(Channel::from(socket), Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    pub(super) fn channel(&self) -> &Channel {
        self.0.get_ref()
    }

    /// The next message; `None` if the peer is gone.
    pub(super) async fn receive(&self) -> io::Result<Option<Message>> {
        self.0.async_io(Interest::READABLE, Channel::receive).await
    }

    /// Says something. A peer that does not read is left after a while.
    pub(super) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.0.async_io(Interest::WRITABLE, |channel| channel.send(bytes, &[]));
        timeout(PATIENCE, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
