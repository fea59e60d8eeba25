//! The receiving half: serves every network that is handed over, for as long as whoever handed it over stays connected.
//!
//! Knows no configuration of networks and keeps no state outside its memory. One network's trouble (an accept that
//! fails, an agent that misbehaves) stays in its own forwarder; what networks share is a bound for connections, of which
//! each has a part that nobody can take.

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

pub use dispatcher::Dispatcher;
pub use store::Manager;

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

/// How long connections may go on after the worker was told to end: busy ones get an answer that says it is their last.
const RETIRING: Duration = Duration::from_secs(2);

/// An agent that gates may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedBackend {
    /// As gates name it.
    pub path: AbsolutePath,
    /// As this process sees it.
    pub seen: PathBuf,
    /// Who must listen there, whatever a gate says.
    pub owner: Option<u32>,
}

/// What a worker may serve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Who may hand over.
    pub allowed: Allowed,
    /// The agents that there are.
    pub backends: Vec<AllowedBackend>,
    /// Networks at once.
    pub networks: usize,
    /// Peers that have said nothing yet, at once.
    pub peers: usize,
    /// Connections of guests at once, beside those that are reserved.
    pub connections: usize,
    /// Descriptors for all of these connections and networks, where there are too few for the bounds above: then networks
    /// take from the connections what is reserved for them.
    pub descriptors: Option<u64>,
    /// Connections that each network may have whatever the others do.
    pub reserved: u32,
    /// For the session tokens of networks whose guards want them and which bring no key. Each network's are its own.
    pub token_key: Option<TokenKey>,
    /// Which worker this is, from 1 on, where there is more than one.
    pub number: Option<u32>,
    /// What this process could not write, for its metrics.
    pub lost: Lost,
}

impl Settings {
    /// What these peers may hand over for these agents: 100,000 networks with 10,000 connections, of which each network has four
    /// whatever the others do, and 256 peers that have said nothing yet.
    #[must_use]
    pub fn new(allowed: Allowed, backends: Vec<AllowedBackend>) -> Self {
        Self {
            allowed,
            backends,
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

/// How many lines and events no destination took since the process began.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// Lines of the log.
    pub lines: fn() -> u64,
    /// Events of the audit.
    pub events: fn() -> u64,
}

impl Default for Lost {
    /// For a process that loses none.
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

/// How far a worker's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Networks come.
    Open,
    /// Another worker takes over: networks go.
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

    /// The same with a service manager that keeps networks for the next worker, and what it has kept for this one: names
    /// and descriptors. Needs a runtime.
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

    /// Takes handovers at `handover`, a listening `SOCK_SEQPACKET` socket, and tells metrics at `metrics`, until `stop`
    /// says otherwise or another worker has taken over every network.
    ///
    /// [`Stop::Now`] cuts everything off. Any other word ends the handovers at once, lets connections go with their next
    /// answer, and finishes the requests under way. A sender of `stop` that is dropped before it has said anything means
    /// [`Stop::Now`]; one that is dropped later, what it said last.
    ///
    /// To drop the future that this returns ends all of it, as [`Stop::Now`] does.
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

    /// The same as one of several workers: what comes is passed on by a [`Dispatcher`] at the other end of `dispatcher`,
    /// questions for metrics as well.
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
        // Every network and every peer holds a copy of the sender; nothing is ever sent.
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
            // Whoever has connected in this moment is told to turn to the other worker, by being left.
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

/// Networks do not outlive what serves them: where that is dropped, nothing else ends them.
struct LastWord(Arc<Shared>);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.phase.send_replace(Phase::Ending(Stop::Now));
    }
}

/// Ends every network: with the next answer on each connection, then with the requests under way, or at once.
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

/// Waits until something else is asked for than what is known. A worker whose owner has gone without a word ends at once.
async fn next(stop: &mut watch::Receiver<Option<Stop>>, known: Option<Stop>) -> Stop {
    let asked = stop.wait_for(|asked| asked.is_some() && *asked != known).await.map(|asked| *asked);
    match asked {
        Ok(asked) => asked.unwrap_or(Stop::Now),
        Err(_) if known.is_some() => std::future::pending().await,
        Err(_) => Stop::Now,
    }
}
