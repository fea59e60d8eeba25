//! One network: its forwarder and its state.

use super::{
    Shared,
    budget::Allotment,
    counters::Tally,
    endpoint::Peering,
    way::{AgentWay, NetworkForwarder},
};
use crate::{
    check, check_hop_limit,
    protocol::{NetworkStatus, Notes},
    sys,
};
use nix::time::{ClockId, clock_gettime};
use nsgate_config::{Config, Gate};
use nsgate_forwarder::{DoorEnd, Gauge, Stop, TokenKey, counters::Counters};
use std::{
    net::TcpListener,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};

/// How much later than its owner a network may hear that its agent has ended.
const MOMENT: Duration = Duration::from_millis(50);

/// Ends a network before its owner leaves.
pub(super) struct Dismissal {
    pub(super) reason: &'static str,
    pub(super) stop: Stop,
}

/// A network that is served.
pub(super) struct Network {
    pub(super) gate: Gate,
    /// Its part of the worker's descriptors.
    pub(super) allotment: Arc<Allotment>,
    /// The kernel's numbers of its listeners.
    pub(super) cookies: Vec<u64>,
    pub(super) counters: Arc<Counters>,
    left: Arc<AtomicBool>,
    gauge: Gauge,
    since: Instant,
    stop: watch::Sender<Option<Stop>>,
    door: Option<DoorEnd>,
    dismiss: Mutex<Option<oneshot::Sender<Dismissal>>>,
}

/// A network that has passed every check, and is not served yet.
pub(super) struct Checked {
    forwarder: NetworkForwarder,
    listeners: Vec<tokio::net::TcpListener>,
    gate: Gate,
    cookies: Vec<u64>,
    counters: Arc<Counters>,
    left: Arc<AtomicBool>,
}

impl Checked {
    /// Checks everything that came with a handover.
    pub(super) fn new(
        shared: &Shared,
        config: Config,
        notes: &Notes,
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<Self, String> {
        let (named, binds) = (config.gate.listeners.len(), config.gate.backend.binds());
        let behind = if binds { " and a door behind them" } else { "" };
        if named + usize::from(binds) != descriptors.len() {
            return Err(format!(
                "the gate names {named} listeners{behind}, and {} descriptors came with it",
                descriptors.len()
            ));
        }
        let door = descriptors.split_off(named).pop();
        for (listener, descriptor) in config.gate.listeners.iter().zip(&descriptors) {
            check(listener, descriptor.as_fd())?;
            if let Some(limit) = config.gate.guards.hop_limit {
                check_hop_limit(listener, limit, descriptor.as_fd())?;
            }
        }
        let cookies = descriptors.iter().map(|descriptor| sys::cookie(descriptor.as_fd())).collect::<Result<_, _>>();
        let cookies = cookies.map_err(|error| format!("a listener cannot be told from others: SO_COOKIE: {error}"))?;
        let way = AgentWay::of(shared, &config.gate, door)?;
        let key = key(shared, notes)?;
        let listeners = descriptors.into_iter().map(|descriptor| {
            let socket = tokio::net::TcpListener::from_std(TcpListener::from(descriptor));
            socket.map_err(|error| format!("a listener cannot be waited for: {error}"))
        });
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let counters = Arc::new(Counters::default());
        let observer = (shared.observe)(&config)?;
        let tally = Tally { counters: counters.clone(), latency: shared.latency.clone(), observer };
        let forwarder = way.forwarder(shared, config.gate.clone(), tally, key);
        Ok(Self { forwarder, listeners, gate: config.gate, cookies, counters, left: Arc::default() })
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn cookies(&self) -> &[u64] {
        &self.cookies
    }

    /// The same, but accepts no guest once `owner` has left, so that two processes never serve the network at once. An owner may
    /// take its network back while this worker is stopped; the worker learns so when it runs again.
    pub(super) fn owned_by(self, owner: Weak<Peering>) -> Self {
        let left = self.left.clone();
        // If this end was closed first, the network's own end stops the accepting.
        let held = move || !left.load(Ordering::Relaxed) && owner.upgrade().is_none_or(|owner| !owner.is_left());
        Self { forwarder: self.forwarder.while_held(Arc::new(held)), ..self }
    }

    /// Begins to serve. `alive` is held until the last connection has ended.
    pub(super) fn begin(
        self,
        allotment: Arc<Allotment>,
        alive: mpsc::Sender<()>,
    ) -> (Arc<Network>, oneshot::Receiver<Dismissal>) {
        let Self { forwarder, listeners, gate, cookies, counters, left } = self;
        let (stop, stopped) = watch::channel(None);
        let (dismiss, dismissed) = oneshot::channel();
        let (gauge, door) = (forwarder.gauge(), forwarder.door_end());
        let held = allotment.clone();
        tokio::spawn(async move {
            forwarder.serve(listeners, stopped).await;
            drop((alive, held));
        });
        let (since, dismiss) = (Instant::now(), Mutex::new(Some(dismiss)));
        (Arc::new(Network { gate, allotment, cookies, counters, left, gauge, since, stop, door, dismiss }), dismissed)
    }
}

impl Network {
    /// Ends the network. A later call takes effect only if its stop is harder.
    pub(super) fn stop(&self, stop: Stop) {
        let grade = |stop: &Option<Stop>| match stop {
            None => 0,
            Some(Stop::Retire) => 1,
            Some(Stop::Drain) => 2,
            Some(Stop::Now) => 3,
        };
        self.stop.send_if_modified(|present| {
            let harder = grade(&Some(stop)) > grade(present);
            if harder {
                *present = Some(stop);
            }
            harder
        });
    }

    /// The owner has left, and another process may serve the network now. From here on no guest is accepted, not even one that
    /// waits at the listeners already.
    pub(super) fn let_go(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// Waits until the agent closes the door, and says why. Does not come back if the network has none.
    pub(super) async fn unbound(&self) -> String {
        match &self.door {
            Some(door) => door.clone().wait().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the agent has closed the door. Waits a moment for the news: both ends of a door may close at once.
    pub(super) async fn is_unbound(&self) -> bool {
        self.door.is_some() && timeout(MOMENT, self.unbound()).await.is_ok()
    }

    /// Waits until every connection has ended.
    pub(super) async fn ended(&self) {
        self.stop.closed().await;
    }

    /// Tells the owner that it no longer owns the network.
    pub(super) fn dismiss(&self, dismissal: Dismissal) {
        let dismiss = self.dismiss.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The owner may have left in this moment, and need not be told.
        let _ = dismiss.map(|dismiss| dismiss.send(dismissal));
    }

    /// Connections open now.
    pub(super) fn connections(&self) -> u32 {
        self.gauge.connections()
    }

    /// The status that an operator gets.
    pub(super) fn status(&self, worker: Option<u32>) -> NetworkStatus {
        let numbers = self.counters.numbers();
        let listen: Vec<String> = self.gate.listeners.iter().map(ToString::to_string).collect();
        NetworkStatus {
            identity: self.gate.identity,
            listen: listen.join(" "),
            backend: self.gate.backend.path().to_string(),
            age: self.since.elapsed().as_secs(),
            connections: self.connections(),
            requests: numbers.requests(),
            served: numbers.served(),
            rejected: numbers.refused(),
            failed: numbers.agent_errors(),
            worker,
        }
    }
}

/// The key of the network's tokens: its own, which came with it and goes to its next worker, or else this worker's.
fn key(shared: &Shared, notes: &Notes) -> Result<Option<TokenKey>, String> {
    let Some(text) = &notes.key else { return Ok(shared.settings.token_key.clone()) };
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    let now = now.map_err(|error| format!("how old is the key of its tokens? clock_gettime: {error}"))?;
    TokenKey::read(text, now).map(Some).ok_or_else(|| "the key of its tokens is none".to_owned())
}
