//! A gate from its first guest to its end.

use crate::{
    Connector, Observer, Sharing,
    agent::Turnstile,
    callers::{Callers, InstanceTable, Terms},
    connection_registry::ConnectionRegistry,
    context::ForwarderContext,
    entrance::{Entrance, ListenerHeld},
    guards::{Guarded, TokenKey},
    places::ConnectionPlaces,
    rate::Limiter,
    stop::{Stop, next_stop},
};
use nsgate_config::{Gate, Guards, HostProxy, RateLimit};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinSet,
    time::sleep,
};

/// One network's proxy, or one host's.
pub struct Forwarder<C> {
    shared: Arc<ForwarderContext<C>>,
    crowd: Arc<ConnectionRegistry>,
    places: ConnectionPlaces,
    idle: Arc<Notify>,
    held: Option<ListenerHeld>,
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

/// Without a connection for so long, memory is given back.
const IDLE: Duration = Duration::from_secs(1);

impl<C: Connector> Forwarder<C> {
    /// A forwarder for `gate`, which reaches the agent through `connector` and tells `observer` of every request.
    pub fn new(gate: Gate, connector: C, observer: impl Observer) -> Self {
        let (terms, callers) = (Terms::of_gate(&gate), Callers::of_gate(&gate));
        Self::with(terms, callers, gate.rate_limits, &gate.guards, connector, observer)
    }

    /// A forwarder for a whole host, and who its instances are, which may change while it serves. Requests from an
    /// address that none of them has are answered 503 and do not reach the agent.
    pub fn for_host(mut host: HostProxy, connector: C, observer: impl Observer) -> (Self, InstanceTable) {
        let directory = InstanceTable::new(std::mem::take(&mut host.instances));
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
            places: ConnectionPlaces::new(limits.connections, None),
            crowd: ConnectionRegistry::new(limits.clone()),
            idle: Arc::default(),
            held: None,
            shared: Arc::new(ForwarderContext {
                connector,
                observer: Arc::new(observer),
                limiter: Limiter::new(rates),
                guarded: Guarded::new(guards),
                turnstile: Turnstile::new(C::AT_ONCE),
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
        self.places = ConnectionPlaces::new(self.shared.terms.limits.connections, Some(sharing));
        self
    }

    /// Makes and checks session tokens with this key, where the gate's guards want tokens. Without a key
    /// every request for a token is refused, and so is every token.
    #[must_use]
    pub fn keyed(self, key: Option<TokenKey>) -> Self {
        if let (Some(guarded), Some(key)) = (&self.shared.guarded, key) {
            guarded.key(key);
        }
        self
    }

    /// Accepts a guest only while `held` says so. Another process that serves the same listeners when it no longer does
    /// serves alone then: a guest that was accepted in the very moment is closed again, and nothing of it was read.
    #[must_use]
    pub fn while_held(mut self, held: ListenerHeld) -> Self {
        self.held = Some(held);
        self
    }

    /// How many connections this forwarder has, also while it serves.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge(self.shared.connections.clone())
    }

    /// Serves until `stop` says otherwise, and until every connection has ended. Must run on a tokio runtime with time and
    /// I/O; one thread is enough. A sender of `stop` that is dropped before it has said anything means [`Stop::Now`]; one
    /// that is dropped later, what it said last.
    ///
    /// To drop the future that this returns ends all of it, at once: the listeners are closed, and every connection,
    /// in the middle of an answer too. To finish what is under way, say [`Stop::Drain`] and wait.
    pub async fn serve(self, listeners: Vec<TcpListener>, stop: watch::Receiver<Option<Stop>>) {
        if self.shared.guarded.as_ref().is_some_and(Guarded::lacks_key) {
            tracing::error!("session tokens are wanted, and the gate was given no key to make them with: none is good");
        }
        // Connections hear of the end by this function alone: what they listen to goes with its future.
        let (tell, told) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for listener in listeners {
            let entrance = Entrance {
                shared: self.shared.clone(),
                crowd: self.crowd.clone(),
                places: self.places.clone(),
                idle: self.idle.clone(),
                held: self.held.clone(),
                stop: told.clone(),
            };
            tasks.spawn(entrance.attend(listener, told.clone()));
        }
        tasks.spawn(idling(self.shared.clone(), self.idle.clone(), told));
        let ended = async {
            while tasks.join_next().await.is_some() {}
            // Every place is free again when every connection has ended.
            self.places.all_free(self.shared.terms.limits.connections).await;
        };
        tokio::select! {
            biased;
            () = ended => {}
            () = pass_on(stop, tell) => {}
        }
    }
}

/// Tells `tell` what `stop` says. Never ends.
async fn pass_on(mut stop: watch::Receiver<Option<Stop>>, tell: watch::Sender<Option<Stop>>) {
    let mut known = None;
    while let Ok(asked) = stop.wait_for(|asked| asked.is_some() && *asked != known).await.map(|asked| *asked) {
        known = asked;
        tell.send_replace(asked);
    }
    if known.is_none() {
        tell.send_replace(Some(Stop::Now));
    }
    std::future::pending().await
}

/// Tells the observer when the last connection has been gone for a while, until the gate is asked to end.
async fn idling<C: Connector>(
    shared: Arc<ForwarderContext<C>>,
    idle: Arc<Notify>,
    mut stop: watch::Receiver<Option<Stop>>,
) {
    loop {
        let quiet = async {
            idle.notified().await;
            sleep(IDLE).await;
        };
        tokio::select! {
            biased;
            asked = next_stop(&mut stop, None) => {
                // Another process serves the next connection. Each answer announces that it is the last one on its own.
                shared.retiring.store(asked == Stop::Retire, Ordering::Relaxed);
                return;
            }
            () = quiet => {}
        }
        if shared.connections.load(Ordering::Relaxed) == 0 {
            shared.connector.rest();
            shared.observer.idle();
        }
    }
}
