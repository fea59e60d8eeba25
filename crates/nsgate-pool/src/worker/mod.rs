//! The receiving half: a worker serves every network that is handed over, as long as its owner stays connected.
//!
//! A worker reads no configuration of networks and keeps no state outside its memory. One network's trouble (an accept that
//! fails, an agent that misbehaves) stays in its own forwarder. Networks share a bound on connections, of which each network
//! has a reserved part.

mod budget;
mod claims;
mod counters;
mod dispatcher;
mod endpoint;
mod kept;
mod life;
mod merge;
pub mod metrics;
mod network;
mod page;
mod refused;
mod registry;
mod session;
mod store;
mod way;

pub use dispatcher::Dispatcher;
pub use store::Manager;
pub use way::DoorReader;

use crate::Allowed;
use budget::Budget;
use counters::Latency;
use endpoint::{Visitor, WorkerEndpoint};
use nsgate_config::{AbsolutePath, Config, Invalid};
use nsgate_forwarder::{Observer, Sharing, Stop, TokenKey};
use refused::Refused;
use registry::Registry;
use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use store::Store;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::timeout,
};

/// How long connections may go on after the worker was told to end. Busy ones get a last answer, which closes the connection.
const RETIRING: Duration = Duration::from_secs(2);

/// An agent that gates may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedBackend {
    /// As gates name it.
    pub path: AbsolutePath,
    /// As this process sees it.
    pub seen: PathBuf,
    /// The uid that must listen there, beside the gate's own rule.
    pub owner: Option<u32>,
}

/// What a worker may serve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The peers that may hand over.
    pub allowed: Allowed,
    /// The agents that a gate may name.
    pub backends: Vec<AllowedBackend>,
    /// Reads the door of a gate that is bound to its agent. Without it, such a gate is refused.
    pub doors: Option<DoorReader>,
    /// Networks at once.
    pub networks: usize,
    /// Peers at once that have sent nothing yet.
    pub peers: usize,
    /// Connections of guests at once, beside the reserved ones.
    pub connections: usize,
    /// Descriptors for connections and networks, if there are too few for the bounds above. Reserved connections are then taken
    /// from the shared ones.
    pub descriptors: Option<u64>,
    /// Connections that are reserved for each network.
    pub reserved: u32,
    /// For the session tokens of networks that bring no key although their guards want tokens. A token of one network is invalid
    /// in another.
    pub token_key: Option<TokenKey>,
    /// Which worker this is, from 1 on, where there is more than one.
    pub number: Option<u32>,
    /// The lines and events that this process could not write, for its metrics.
    pub lost: Lost,
}

impl Settings {
    /// Settings for these peers and agents: 100,000 networks, 10,000 shared connections, four reserved for each network, and 256
    /// peers that have sent nothing yet.
    #[must_use]
    pub fn new(allowed: Allowed, backends: Vec<AllowedBackend>) -> Self {
        Self {
            allowed,
            backends,
            doors: None,
            networks: 100_000,
            peers: 256,
            connections: 10_000,
            descriptors: None,
            reserved: 4,
            token_key: None,
            number: None,
            lost: Lost::default(),
        }
    }
}

/// Lines and events that were lost since the process began.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// Lines of the log.
    pub lines: fn() -> u64,
    /// Events of the audit.
    pub events: fn() -> u64,
}

impl Default for Lost {
    /// Counts nothing, for a process that loses none.
    fn default() -> Self {
        Self { lines: || 0, events: || 0 }
    }
}

/// Makes the observer of one network's requests, or says in a sentence why this worker cannot.
pub type Observe = Box<dyn Fn(&Config) -> Result<Box<dyn Observer>, Invalid> + Send + Sync>;

/// Serves networks.
pub struct Worker(Arc<Shared>, Vec<(String, OwnedFd)>);

/// What every part of a worker knows.
struct Shared {
    settings: Settings,
    observe: Observe,
    networks: Mutex<Registry>,
    store: Option<Store>,
    budget: Arc<Budget>,
    sharing: Sharing,
    latency: Arc<Latency>,
    handovers: AtomicU64,
    refusals: AtomicU64,
    refused: Refused,
    phase: watch::Sender<Phase>,
}

/// The phase of a worker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Networks may be handed over.
    Open,
    /// Another worker takes over: each network is served until its owner leaves.
    Leaving,
    /// Networks end.
    Ending(Stop),
}

impl Shared {
    fn networks(&self) -> MutexGuard<'_, Registry> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// A worker that serves nothing yet.
    #[must_use]
    pub fn new(settings: Settings, observe: Observe) -> Self {
        let budget = Budget::new(&settings);
        let sharing = Sharing { places: budget.places.clone(), reserved: settings.reserved };
        let shared = Arc::new(Shared {
            settings,
            observe,
            networks: Mutex::default(),
            store: None,
            budget,
            sharing,
            latency: Arc::default(),
            handovers: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            refused: Refused::default(),
            phase: watch::Sender::new(Phase::Open),
        });
        Self(shared, Vec::new())
    }

    /// The same with a service manager that keeps networks for the next worker. `kept` are the names and descriptors that it has
    /// kept for this one. Needs a runtime.
    ///
    /// # Errors
    /// A socket that cannot be waited for.
    pub fn keeping(self, manager: Option<Manager>, passed: Vec<(String, OwnedFd)>) -> io::Result<Self> {
        let Self(mut shared, _) = self;
        if let (Some(manager), Some(shared)) = (manager, Arc::get_mut(&mut shared)) {
            shared.store = Some(Store::new(manager)?);
        }
        Ok(Self(shared, passed))
    }

    /// Takes handovers at `handover`, a listening `SOCK_SEQPACKET` socket, and serves metrics at `metrics`, until `stop` ends it
    /// or another worker has taken over every network.
    ///
    /// [`Stop::Now`] cuts everything off. Any other value ends the handovers at once, closes connections with their next
    /// answer, and finishes the requests under way. If the sender of `stop` is dropped, its last value holds; without one, that
    /// is [`Stop::Now`].
    ///
    /// Dropping the future ends everything, as [`Stop::Now`] does.
    ///
    /// # Errors
    /// A socket that cannot be waited for.
    pub async fn serve(
        self,
        handover: OwnedFd,
        metrics: Option<OwnedFd>,
        stop: watch::Receiver<Option<Stop>>,
    ) -> io::Result<()> {
        // Ends with this future.
        let mut telling = JoinSet::new();
        if let Some(socket) = metrics {
            let (listener, shared) = (endpoint::listener(socket)?, self.0.clone());
            telling.spawn(metrics::serve(listener, metrics::READERS, move || {
                std::future::ready(page::text(&shared).into())
            }));
        }
        self.attend(WorkerEndpoint::socket(handover)?, stop).await;
        Ok(())
    }

    /// The same as one of several workers: a [`Dispatcher`] at the other end of `dispatcher` passes on peers and requests for
    /// metrics.
    ///
    /// # Errors
    /// A socket that cannot be waited for.
    pub async fn serve_dispatched(self, dispatcher: OwnedFd, stop: watch::Receiver<Option<Stop>>) -> io::Result<()> {
        self.attend(WorkerEndpoint::dispatcher(dispatcher)?, stop).await;
        Ok(())
    }

    async fn attend(self, door: WorkerEndpoint, mut stop: watch::Receiver<Option<Stop>>) {
        let Self(shared, passed) = self;
        let _last_word = LastWord(shared.clone());
        // Every network and every peer holds a copy of the sender. Nothing is sent: the channel closes when the last copy is dropped.
        let (alive, mut ended) = mpsc::channel::<()>(1);
        kept::restore(&shared, passed, &alive).await;
        let fresh = Arc::new(Semaphore::new(shared.settings.peers));
        let mut phase = shared.phase.subscribe();
        let mut asked = None;
        while asked.is_none() && *phase.borrow_and_update() == Phase::Open {
            tokio::select! {
                biased;
                stop = next(&mut stop, None) => asked = Some(stop),
                _ = phase.changed() => {}
                visitor = door.next(&fresh) => match visitor {
                    None => {}
                    Some((Visitor::Peer(peer), place)) => {
                        tokio::spawn(session::meet(shared.clone(), (peer, false), place, alive.clone()));
                    }
                    Some((Visitor::Dispatcher(peer), place)) => {
                        tokio::spawn(session::meet(shared.clone(), (peer, true), place, alive.clone()));
                    }
                    Some((Visitor::Metrics(stream), place)) => {
                        tokio::spawn(metrics::write(page::text(&shared), stream, place));
                    }
                }
            }
        }
        if asked.is_none() {
            // A peer that has connected in this moment sees the connection close, and turns to the other worker.
            drop(door);
            drop(alive);
            tokio::select! {
                biased;
                stop = next(&mut stop, None) => asked = Some(stop),
                _ = ended.recv() => {}
            }
        } else {
            drop((door, alive));
        }
        if let Some(asked) = asked {
            end(&shared, asked, stop, &mut ended).await;
        }
    }
}

/// Ends the networks when the future that serves them is dropped: nothing else would.
struct LastWord(Arc<Shared>);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.phase.send_replace(Phase::Ending(Stop::Now));
    }
}

/// Ends every network: first with the next answer on each connection, then after the requests under way, or at once.
async fn end(shared: &Shared, asked: Stop, mut stop: watch::Receiver<Option<Stop>>, ended: &mut mpsc::Receiver<()>) {
    let first = if asked == Stop::Now { Stop::Now } else { Stop::Retire };
    let _ = shared.phase.send(Phase::Ending(first));
    let gently = async {
        if timeout(RETIRING, ended.recv()).await.is_err() {
            let _ = shared.phase.send(Phase::Ending(Stop::Drain));
            let _ = ended.recv().await;
        }
    };
    tokio::select! {
        biased;
        () = gently => return,
        _ = next(&mut stop, Some(asked)) => {}
    }
    // Asked a second time.
    let _ = shared.phase.send(Phase::Ending(Stop::Now));
    let _ = ended.recv().await;
}

/// Waits for a value other than the known one. If the sender is gone without a value, the worker ends at once.
async fn next(stop: &mut watch::Receiver<Option<Stop>>, known: Option<Stop>) -> Stop {
    let asked = stop.wait_for(|asked| asked.is_some() && *asked != known).await.map(|asked| *asked);
    match asked {
        Ok(asked) => asked.unwrap_or(Stop::Now),
        Err(_) if known.is_some() => std::future::pending().await,
        Err(_) => Stop::Now,
    }
}
