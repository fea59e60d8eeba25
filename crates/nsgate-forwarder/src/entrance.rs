//! One of a gate's listeners: it accepts guests, and lets them wait where there is no room.

use crate::{
    Connector, Seldom, Stop, connection,
    connection_registry::{ConnectionPlace, ConnectionRegistry},
    context::ForwarderContext,
    exchange::Among,
    places::{ConnectionPlaces, ConnectionRoom},
    source::GuestSource,
    stop::next_stop,
    turns::while_others_give_way,
};
use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::sleep,
};

/// After an error of accept that is not about the one connection (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether the listeners are this forwarder's to accept at, as far as another process decides that. Asked before and
/// after each accept: it must be cheap.
pub type ListenerHeld = Arc<dyn Fn() -> bool + Send + Sync>;

pub(crate) struct Entrance<C> {
    pub(crate) shared: Arc<ForwarderContext<C>>,
    pub(crate) crowd: Arc<ConnectionRegistry>,
    pub(crate) places: ConnectionPlaces,
    pub(crate) idle: Arc<Notify>,
    /// Whether the listener is this process's, where another one decides that.
    pub(crate) held: Option<ListenerHeld>,
    /// For the connections.
    pub(crate) stop: watch::Receiver<Option<Stop>>,
}

/// A guest that is there, and has no place yet.
struct AcceptedGuest {
    socket: TcpStream,
    peer: SocketAddr,
    place: ConnectionPlace,
}

impl<C> Clone for Entrance<C> {
    fn clone(&self) -> Self {
        let Self { shared, crowd, places, idle, held, stop } = self;
        let (shared, crowd, places) = (shared.clone(), crowd.clone(), places.clone());
        Self { shared, crowd, places, idle: idle.clone(), held: held.clone(), stop: stop.clone() }
    }
}

impl<C: Connector> Entrance<C> {
    /// Takes guests until it is asked to stop.
    pub(crate) async fn attend(self, listener: TcpListener, mut stop: watch::Receiver<Option<Stop>>) {
        loop {
            tokio::select! {
                biased;
                asked = next_stop(&mut stop, None) => {
                    if asked != Stop::Now {
                        self.last_ones(&listener).await;
                    }
                    return;
                }
                accepted = self.accept(&listener) => match accepted {
                    Ok(Some((socket, peer))) => self.admit(socket, peer, &mut stop).await,
                    // The listener is closed; connections that there are go on as long as they may.
                    Ok(None) => return,
                    Err(error) => pause(&error).await,
                },
            }
        }
    }

    /// The next guest; `None` if the listener is not this process's any more.
    ///
    /// The second look decides: if the listener is held then, it was held when the guest was accepted.
    /// The first one keeps a process that has slept for long from taking a guest only to let it go.
    async fn accept(&self, listener: &TcpListener) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let is_held = || self.held.as_ref().is_none_or(|held| held());
        let accepted =
            poll_fn(|cx| if is_held() { listener.poll_accept(cx).map_ok(Some) } else { Poll::Ready(Ok(None)) });
        Ok(accepted.await?.filter(|_| is_held()))
    }

    /// Serves a guest that has come, when there is room. Where there is none, the rest wait in the kernel's queue: the
    /// guest is asked in first, because its address is not known before, and others give way to it.
    async fn admit(&self, socket: TcpStream, peer: SocketAddr, stop: &mut watch::Receiver<Option<Stop>>) {
        let Some(guest) = self.meet(socket, peer) else { return };
        if let Some(room) = self.places.at_once() {
            return self.serve(guest, room);
        }
        let mut room = Box::pin(self.places.clone().next());
        tokio::select! {
            biased;
            asked = next_stop(stop, None) => if asked != Stop::Now { self.serve_later(guest, room) },
            room = while_others_give_way(&*self.crowd, Among::Connections, &mut room) => self.serve(guest, room),
        }
    }

    /// Nothing, if its source has all the connections that it may have. Nothing is said either: that would cost more than
    /// it is worth.
    fn meet(&self, socket: TcpStream, peer: SocketAddr) -> Option<AcceptedGuest> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let place = self.crowd.enter(GuestSource::of(peer.ip()))?;
        Some(AcceptedGuest { socket, peer, place })
    }

    fn serve(&self, AcceptedGuest { socket, peer, place }: AcceptedGuest, room: ConnectionRoom) {
        let before = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        self.shared.observer.opened(before.saturating_add(1));
        let (shared, idle, stop) = (self.shared.clone(), self.idle.clone(), self.stop.clone());
        // In one piece: a future inside another one is copied as a whole, and what a connection takes counts.
        tokio::spawn(async move {
            connection::serve(shared.clone(), socket, peer, place, stop).await;
            let open = shared.connections.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
            shared.observer.closed(open);
            if open == 0 {
                idle.notify_one();
            }
            drop(room);
        });
    }

    /// Serves a guest that is there when the gate closes its listeners, once there is room.
    fn serve_later(&self, guest: AcceptedGuest, room: Pin<Box<impl Future<Output = ConnectionRoom> + Send + 'static>>) {
        let entrance = self.clone();
        tokio::spawn(async move {
            let room = room.await;
            entrance.serve(guest, room);
        });
    }

    /// Guests whose connection the kernel has already made are served before the listener is closed.
    async fn last_ones(&self, listener: &TcpListener) {
        while let Some(room) = self.places.at_once() {
            let mut next = pin!(self.accept(listener));
            let next = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
            let Poll::Ready(Ok(Some((socket, peer)))) = next else { return };
            if let Some(guest) = self.meet(socket, peer) {
                self.serve(guest, room);
            }
        }
    }
}

/// An error of accept: most are about a guest that has left again.
async fn pause(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    // What this process has run out of is missing to all of its listeners: one line is enough.
    static SELDOM: Seldom = Seldom::new();
    SELDOM.say(|more| tracing::error!("accept4(2): {error}; trying again in {} ms{more}", ACCEPT_PAUSE.as_millis()));
    sleep(ACCEPT_PAUSE).await;
}
