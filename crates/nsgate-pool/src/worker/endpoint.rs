//! Where peers come from, and the connection to one of them. A peer connects to a socket of this process, or to the
//! dispatcher's socket, and the dispatcher passes it on.

use crate::{Channel, channel::Message, sys};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use nsgate_forwarder::Seldom;
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// The pause after an error of accept(2) that is not about one connection (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a peer may take to read a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// Words with which a dispatcher passes a connection on.
pub(super) const PEER: &[u8] = b"peer";
pub(super) const ASK: &[u8] = b"ask";
pub(super) const PAGE: &[u8] = b"page";

/// A new connection.
pub(super) enum Visitor {
    /// A peer. The kernel says which process it is.
    Peer(Peering),
    /// The dispatcher, with a question of a peer that it has checked.
    Dispatcher(Peering),
    /// The dispatcher, which wants the page of metrics.
    Metrics(UnixStream),
}

/// Where visitors come from.
pub(super) enum WorkerEndpoint {
    /// The socket for handovers.
    Socket(AsyncFd<OwnedFd>),
    /// The dispatcher.
    Dispatcher(Peering),
}

impl WorkerEndpoint {
    pub(super) fn socket(socket: OwnedFd) -> io::Result<Self> {
        watched(socket, Interest::READABLE).map(Self::Socket)
    }

    pub(super) fn dispatcher(connection: OwnedFd) -> io::Result<Self> {
        Peering::new(connection).map(Self::Dispatcher)
    }

    /// The next visitor, once there is room for one that has sent nothing yet. `None` if it has already left.
    pub(super) async fn next(&self, fresh: &Arc<Semaphore>) -> Option<(Visitor, OwnedSemaphorePermit)> {
        // Never closed.
        let place = fresh.clone().acquire_owned().await.ok()?;
        let visitor = match self {
            Self::Socket(socket) => {
                let accepted = socket.async_io(Interest::READABLE, |socket| Ok(sys::accept(socket.as_fd())?)).await;
                accepted.and_then(Peering::new).map(Visitor::Peer)
            }
            Self::Dispatcher(dispatcher) => passed_on(dispatcher).await,
        };
        match visitor {
            Ok(visitor) => Some((visitor, place)),
            Err(error) if error.raw_os_error() == Some(Errno::ECONNABORTED as i32) => None,
            Err(error) => {
                static SELDOM: Seldom = Seldom::new();
                SELDOM.say(|more| {
                    let pause = ACCEPT_PAUSE.as_millis();
                    tracing::error!("a handover cannot be accepted: {error}; trying again in {pause} ms{more}");
                });
                sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

/// The next message of the dispatcher: a word and one connection.
async fn passed_on(dispatcher: &Peering) -> io::Result<Visitor> {
    let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let Message { bytes, mut descriptors, .. } = dispatcher.receive().await?.ok_or_else(gone)?;
    let connection = descriptors.pop().ok_or_else(gone)?;
    match bytes.as_slice() {
        PEER => Peering::new(connection).map(Visitor::Peer),
        ASK => Peering::new(connection).map(Visitor::Dispatcher),
        PAGE => UnixStream::from_std(connection.into()).map(Visitor::Metrics),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; these do")]
pub(super) fn watched<T: AsRawFd>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(descriptor, interest)
}

/// The socket for metrics.
pub(super) fn listener(socket: OwnedFd) -> io::Result<UnixListener> {
    UnixListener::from_std(socket.into())
}

/// A connection to a peer.
pub(super) struct Peering(AsyncFd<Channel>);

impl Peering {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        watched(Channel::from(socket), Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    pub(super) fn channel(&self) -> &Channel {
        self.0.get_ref()
    }

    /// Whether the peer has closed its end, even if messages of it are still unread.
    pub(super) fn is_left(&self) -> bool {
        // No event is asked for: poll(2) always reports a closed end.
        let mut one = [PollFd::new(self.channel().as_fd(), PollFlags::empty())];
        matches!(poll(&mut one, PollTimeout::ZERO), Ok(ready) if ready > 0)
    }

    /// The next message; `None` if the peer is gone.
    pub(super) async fn receive(&self) -> io::Result<Option<Message>> {
        self.0.async_io(Interest::READABLE, Channel::receive).await
    }

    /// The next message, which stays in the socket, with copies of its descriptors; `None` if the peer is gone.
    pub(super) async fn peek(&self) -> io::Result<Option<Message>> {
        self.0.async_io(Interest::READABLE, Channel::peek).await
    }

    /// Sends a message. A peer that does not read it is left after a while, and the log says so.
    pub(super) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(bytes, &[]).await
    }

    /// The same with descriptors.
    pub(super) async fn send_with(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let sent = self.0.async_io(Interest::WRITABLE, |channel| channel.send(bytes, descriptors));
        timeout(PATIENCE, sent).await.unwrap_or_else(|_| {
            tracing::warn!("a peer has not read what it is told for {} s: it is left", PATIENCE.as_secs());
            Err(io::ErrorKind::TimedOut.into())
        })
    }
}
