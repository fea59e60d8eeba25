//! The gate's listeners: who gets in, how many, and how it ends.

use crate::{
    Connector, Observer,
    agent::Turnstile,
    callers::{Callers, Directory, Terms},
    connection,
    guards::{Guarded, TokenKey},
    rate::Limiter,
    service::Shared,
    source::{Source, Sources, turns},
};
use nsgate_config::{Gate, Guards, HostProxy, RateLimit};
use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::sleep,
};

/// How a gate ends. Listeners are closed first, in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Another process serves the same listeners from now on. A connection is closed with the next answer on it, which
    /// says so, or when nothing comes: no guest loses a request.
    Retire,
    /// Requests under way are finished, and a connection without one is closed.
    Drain,
    /// At once.
    Now,
}

/// Waits until something else is asked for than what is `known`. A gate whose owner is gone ends at once.
pub(crate) async fn next_stop(stop: &mut watch::Receiver<Option<Stop>>, known: Option<Stop>) -> Stop {
    let asked = stop.wait_for(|asked| asked.is_some() && *asked != known).await;
    asked.ok().and_then(|asked| *asked).unwrap_or(Stop::Now)
}

/// One network's proxy, or one host's.
pub struct Forwarder<C> {
    shared: Arc<Shared<C>>,
    sources: Arc<Sources>,
    places: Places,
    idle: Arc<Notify>,
}

/// Room for connections: the gate's own, and what it shares with other gates.
#[derive(Clone)]
struct Places {
    own: Arc<Semaphore>,
    shared: Option<Sharing>,
}

/// A bound that several gates have together.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Connections of all gates.
    pub places: Arc<Semaphore>,
    /// So many connections each gate may have whatever the others do.
    pub reserved: u32,
}

/// One connection's room; given back when dropped.
type Permits = (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>);

impl Places {
    /// Waits for room. `taken` is the number of connections that the gate has.
    async fn acquire(&self, taken: u32) -> Permits {
        // The semaphores are never closed.
        let own = self.own.clone().acquire_owned().await.ok();
        match &self.shared {
            Some(shared) if taken >= shared.reserved => (own, shared.places.clone().acquire_owned().await.ok()),
            _ => (own, None),
        }
    }

    /// Room, if there is any now.
    fn try_acquire(&self, taken: u32) -> Option<Permits> {
        let own = self.own.clone().try_acquire_owned().ok()?;
        match &self.shared {
            Some(shared) if taken >= shared.reserved => {
                Some((Some(own), Some(shared.places.clone().try_acquire_owned().ok()?)))
            }
            _ => Some((Some(own), None)),
        }
    }
}

/// How many connections a gate has.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<AtomicU32>);

impl Gauge {
    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// After an error of accept that is not about the one connection (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Without a connection for so long, memory is given back.
const IDLE: Duration = Duration::from_secs(1);

impl<C: Connector> Forwarder<C> {
    /// A forwarder for `gate`, which reaches the agent through `connector` and tells `observer` of every request.
    pub fn new(gate: Gate, connector: C, observer: impl Observer) -> Self {
        let (terms, callers) = (Terms::of_gate(&gate), Callers::of_gate(&gate));
        Self::with(terms, callers, gate.rate_limits, &gate.guards, connector, observer)
    }

    /// A forwarder for a whole host, and who its instances are, which may change while it serves. Requests from an
    /// address that none of them has are answered 503 and reach nobody.
    pub fn for_host(mut host: HostProxy, connector: C, observer: impl Observer) -> (Self, Directory) {
        let directory = Directory::new(std::mem::take(&mut host.instances));
        let (terms, callers) = (Terms::of_host(&host), Callers::of_host(&host, directory.clone()));
        (Self::with(terms, callers, Vec::new(), &host.guards, connector, observer), directory)
    }

    fn with(
        terms: Terms,
        callers: Callers,
        rates: Vec<RateLimit>,
        guards: &Guards,
        connector: C,
        observer: impl Observer,
    ) -> Self {
        let limits = &terms.limits;
        Self {
            places: Places { own: turns(limits.connections), shared: None },
            sources: Arc::default(),
            idle: Arc::default(),
            shared: Arc::new(Shared {
                connector,
                observer: Arc::new(observer),
                limiter: Limiter::new(rates),
                guarded: Guarded::new(guards),
                turnstile: Turnstile::new(C::AT_ONCE),
                turns: turns(limits.backend_requests),
                heads: turns(limits.unfinished_heads),
                connections: Arc::default(),
                retiring: AtomicBool::new(false),
                callers,
                terms,
            }),
        }
    }

    /// Shares a bound for connections with other gates.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.places.shared = Some(sharing);
        self
    }

    /// Makes and checks session tokens with this key, where the gate's guards want tokens. Without a key whoever asks for
    /// a token is refused, and so is every token.
    #[must_use]
    pub fn keyed(self, key: Option<TokenKey>) -> Self {
        if let (Some(guarded), Some(key)) = (&self.shared.guarded, key) {
            guarded.key(key);
        }
        self
    }

    /// How many connections this forwarder has, also while it serves.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge(self.shared.connections.clone())
    }

    /// Serves until `stop` says otherwise (or is dropped, which means [`Stop::Now`]), and until every connection has
    /// ended. Must run on a tokio runtime with time and I/O; one thread is enough.
    pub async fn serve(self, listeners: Vec<TcpListener>, stop: watch::Receiver<Option<Stop>>) {
        if self.shared.guarded.as_ref().is_some_and(Guarded::lacks_key) {
            tracing::error!("session tokens are wanted, and the gate was given no key to make them with: none is good");
        }
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(self.accepting(listener, stop.clone()));
        }
        tasks.spawn(idling(self.shared.clone(), self.idle.clone(), stop));
        while tasks.join_next().await.is_some() {}
        // Every place is free again when every connection has ended.
        let all = self.shared.terms.limits.connections;
        let _ = self.places.own.acquire_many(all).await;
    }

    fn accepting(
        &self,
        listener: TcpListener,
        mut stop: watch::Receiver<Option<Stop>>,
    ) -> impl Future<Output = ()> + use<C> {
        let entrance = Entrance {
            shared: self.shared.clone(),
            sources: self.sources.clone(),
            idle: self.idle.clone(),
            stop: stop.clone(),
        };
        let places = self.places.clone();
        async move {
            loop {
                let accepted = async {
                    // At the bound the rest wait in the kernel's queue.
                    let place = places.acquire(entrance.shared.connections.load(Ordering::Relaxed)).await;
                    (place, listener.accept().await)
                };
                tokio::select! {
                    biased;
                    asked = next_stop(&mut stop, None) => {
                        if asked != Stop::Now {
                            entrance.last_ones(&listener, &places).await;
                        }
                        return;
                    }
                    (place, accepted) = accepted => match accepted {
                        Ok((socket, peer)) => entrance.enter(socket, peer, place),
                        Err(error) => pause(&error).await,
                    },
                }
            }
        }
    }
}

/// An error of accept: most are about a guest that has left again.
async fn pause(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    tracing::error!("accept4(2): {error}; trying again in {} ms", ACCEPT_PAUSE.as_millis());
    sleep(ACCEPT_PAUSE).await;
}

struct Entrance<C> {
    shared: Arc<Shared<C>>,
    sources: Arc<Sources>,
    idle: Arc<Notify>,
    stop: watch::Receiver<Option<Stop>>,
}

impl<C: Connector> Entrance<C> {
    fn enter(&self, socket: TcpStream, peer: SocketAddr, permits: Permits) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(place) = self.sources.enter(Source::of(peer.ip()), &self.shared.terms.limits) else {
            // The source has all the connections it may have. Nothing is said: that would cost more than it is worth.
            return;
        };
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let (shared, idle, stop) = (self.shared.clone(), self.idle.clone(), self.stop.clone());
        tokio::spawn(async move {
            connection::serve(shared.clone(), socket, peer, place, stop).await;
            if shared.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
                idle.notify_one();
            }
            drop(permits);
        });
    }

    /// Guests whose connection the kernel has already made are served before the listener is closed.
    async fn last_ones(&self, listener: &TcpListener, places: &Places) {
        while let Some(place) = places.try_acquire(self.shared.connections.load(Ordering::Relaxed)) {
            let next = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await;
            let Poll::Ready(Ok((socket, peer))) = next else { return };
            self.enter(socket, peer, place);
        }
    }
}

/// Tells the observer when the last connection has been gone for a while, until the gate is asked to end.
async fn idling<C: Connector>(shared: Arc<Shared<C>>, idle: Arc<Notify>, mut stop: watch::Receiver<Option<Stop>>) {
    loop {
        let quiet = async {
            idle.notified().await;
            sleep(IDLE).await;
        };
        tokio::select! {
            biased;
            asked = next_stop(&mut stop, None) => {
                // Somebody else serves the next connection: answers say that they are the last ones on theirs.
                shared.retiring.store(asked == Stop::Retire, Ordering::Relaxed);
                return;
            }
            () = quiet => {}
        }
        if shared.connections.load(Ordering::Relaxed) == 0 {
            shared.observer.idle();
        }
    }
}
