//! The dispatcher of several workers. It passes each peer on to the worker of the network that the peer names, and asks every
//! worker what concerns all.
//!
//! The dispatcher peeks at a message and leaves it in the socket: the worker reads it, checks the peer, and answers. A worker
//! also refuses what the dispatcher does not understand. The dispatcher asks the kernel for the numbers of the listeners in a
//! message, and closes its copies. A listener that one worker has is not passed to another ([`Claims`]).

use super::{
    claims::Claims,
    endpoint::{self, ASK, PAGE, PEER, Peering, Visitor, WorkerEndpoint},
    life::network_label,
    merge::merge,
    metrics,
};
use crate::{
    Allowed, Peer,
    protocol::{Reply, Request, SilentWorker},
    shard, sys,
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nsgate_forwarder::Stop;
use std::{
    future::Future,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout, timeout_at},
};

/// How long a peer may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a worker may take to begin an answer, and for each message of it. The asking process waits longer, so that it still
/// gets the other workers' answers when one worker is stopped.
const ANSWER: Duration = Duration::from_secs(2);

/// Passes peers on.
pub struct Dispatcher(Arc<Workers>);

struct Workers {
    peers: usize,
    allowed: Allowed,
    all: Vec<Peering>,
    claims: Mutex<Claims>,
    left: watch::Sender<bool>,
}

impl Dispatcher {
    /// A dispatcher of the workers at the other ends of `workers`, from the first to the last
    /// ([`super::Worker::serve_dispatched`]). At most so many peers at once may have sent nothing yet. Needs a runtime.
    ///
    /// # Errors
    /// A socket that cannot be waited for.
    pub fn new(allowed: Allowed, workers: Vec<OwnedFd>, peers: usize) -> io::Result<Self> {
        let all = workers.into_iter().map(Peering::new).collect::<io::Result<_>>()?;
        Ok(Self(Arc::new(Workers { peers, allowed, all, claims: Mutex::default(), left: watch::Sender::new(false) })))
    }

    /// The same in the place of another dispatcher, with the record of listeners in `memory`. That is a file which each dispatcher
    /// inherits, and which is empty at first (memfd_create(2)).
    #[must_use]
    pub fn remembering(self, memory: OwnedFd) -> Self {
        *self.0.claims() = Claims::remembered(memory);
        self
    }

    /// Takes peers at `handover` and serves metrics at `metrics`, until `stop` changes or another pool has taken over. The
    /// workers go on: their parent ends them. Dropping the future closes both sockets.
    ///
    /// # Errors
    /// A socket that cannot be waited for.
    pub async fn serve(
        self,
        handover: OwnedFd,
        metrics: Option<OwnedFd>,
        mut stop: watch::Receiver<Option<Stop>>,
    ) -> io::Result<()> {
        let workers = self.0;
        // Ends with this future.
        let mut telling = JoinSet::new();
        if let Some(socket) = metrics {
            let (listener, workers) = (endpoint::listener(socket)?, workers.clone());
            telling.spawn(metrics::serve(listener, metrics::READERS, move || {
                let page = page(workers.clone());
                async { page.await.into() }
            }));
        }
        let door = WorkerEndpoint::socket(handover)?;
        let fresh = Arc::new(Semaphore::new(workers.peers));
        let mut left = workers.left.subscribe();
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(Option::is_some) => return Ok(()),
                _ = left.wait_for(|left| *left) => return Ok(()),
                visitor = door.next(&fresh) => {
                    if let Some((Visitor::Peer(peer), place)) = visitor {
                        tokio::spawn(meet(workers.clone(), peer, place));
                    }
                }
            }
        }
    }
}

impl Workers {
    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A peer that has just come.
async fn meet(workers: Arc<Workers>, peer: Peering, place: OwnedSemaphorePermit) {
    let said = match timeout(PATIENCE, peer.peek()).await {
        Ok(Ok(Some(said))) => Request::parse(&said.bytes).ok().map(|request| (request, said.descriptors)),
        // The worker tells a silent peer what is wrong.
        Err(_) => None,
        // It has left again.
        Ok(Ok(None) | Err(_)) => return,
    };
    let may = Peer::of(peer.channel()).is_ok_and(|who| workers.allowed.authorize(who).is_ok());
    match said {
        Some((request @ (Request::List | Request::Leave), _)) if may => {
            // The peer has sent its message: give its place to another peer, even if this one never reads the answer.
            drop(place);
            // Read the message now: closing a connection with unread data discards the answer.
            match peer.receive().await {
                Ok(Some(message)) if message.descriptors.is_empty() && request == Request::List => {
                    list(&workers, &peer).await;
                }
                Ok(Some(message)) if message.descriptors.is_empty() => leave(&workers, &peer).await,
                Ok(Some(_)) => refuse(&peer, "descriptors came with a message that takes none").await,
                Ok(None) | Err(_) => {}
            }
            return;
        }
        Some((Request::Serve(config), descriptors)) => {
            // Behind the listeners there may be a door, of which each handover has another.
            let cookies = cookies(descriptors.iter().take(config.gate.listeners.len()));
            // Copies: the worker gets its own.
            drop(descriptors);
            let index = shard(&config.gate.identity, workers.all.len());
            // The worker refuses a stranger, who therefore claims nothing.
            let claimed = if may { claim(&workers, &cookies, index).await } else { Ok(()) };
            match claimed {
                Ok(()) => pass_on(&workers, peer, index).await,
                Err(reason) => {
                    let _ = peer.receive().await;
                    refuse(&peer, &format!("{}: {reason}", network_label(&config.gate.identity))).await;
                }
            }
        }
        Some((Request::Remove(identity), _)) => pass_on(&workers, peer, shard(&identity, workers.all.len())).await,
        _ => pass_on(&workers, peer, 0).await,
    }
    drop(place);
}

/// The kernel's numbers of the sockets that come with a message. The worker refuses other descriptors.
fn cookies<'a>(descriptors: impl Iterator<Item = &'a OwnedFd>) -> Vec<u64> {
    descriptors.filter_map(|descriptor| sys::cookie(descriptor.as_fd()).ok()).collect()
}

/// Claims listeners for a worker. A worker that got one of them before is asked whether it still has it. If that worker does not
/// answer, it may.
async fn claim(workers: &Workers, cookies: &[u64], index: usize) -> Result<(), String> {
    loop {
        let claimed = workers.claims().claim(cookies, index);
        let Err((holder, cookie)) = claimed else { return Ok(()) };
        let held = match workers.all.get(holder) {
            Some(worker) => holds(worker, cookie).await,
            None => Ok(None),
        };
        let by = match held {
            Ok(None) => {
                workers.claims().forget(holder, cookie);
                continue;
            }
            Ok(Some(network)) => network,
            Err(error) => format!("a network of worker {}, which does not answer ({error}),", holder + 1),
        };
        return Err(format!("a listener that comes with it is that of {by} already"));
    }
}

/// The network of a worker that has this listener.
async fn holds(worker: &Peering, cookie: u64) -> io::Result<Option<String>> {
    let until = Instant::now() + ANSWER;
    let worker = ask_worker(worker, &Request::Holds(cookie), until).await?;
    match word(&worker, until).await? {
        Reply::Network(status) => Ok(Some(network_label(&status.identity))),
        _ => Ok(None),
    }
}

/// Passes the connection on; the worker reads it from the first message.
async fn pass_on(workers: &Workers, peer: Peering, index: usize) {
    let Some(worker) = workers.all.get(index) else { return };
    if let Err(error) = worker.send_with(PEER, &[peer.channel().as_fd()]).await {
        let _ = peer.receive().await;
        refuse(&peer, &format!("worker {} does not answer: {error}", index + 1)).await;
    }
}

/// Tells the peer and the log.
async fn refuse(peer: &Peering, reason: &str) {
    tracing::warn!("a handover is refused: {reason}");
    let _ = peer.send(&Reply::Refused(reason.to_owned()).to_bytes()).await;
}

/// Begins a conversation with a worker.
async fn ask_worker(worker: &Peering, request: &Request, until: Instant) -> io::Result<Peering> {
    let begun = async {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let (own, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        worker.send_with(ASK, &[other.as_fd()]).await?;
        let own = Peering::new(own)?;
        own.send(&request.to_bytes()).await?;
        Ok(own)
    };
    timeout_at(until, begun).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The next word of a worker.
async fn word(worker: &Peering, until: Instant) -> io::Result<Reply> {
    let said = timeout_at(until, worker.receive()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let said = said.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    Reply::parse(&said.bytes).map_err(io::Error::other)
}

/// Does the same with all workers at once, so that those that do not answer cost one wait. Returns the results in their order.
fn with_each<F>(workers: &Arc<Workers>, work: impl Fn(Arc<Workers>, usize) -> F) -> Vec<(u32, JoinHandle<F::Output>)>
where
    F: Future<Output: Send> + Send + 'static,
{
    (1..).zip((0..workers.all.len()).map(|index| tokio::spawn(work(workers.clone(), index)))).collect()
}

/// Asks the worker at `index`.
async fn ask_at(workers: Arc<Workers>, index: usize, request: Request, until: Instant) -> io::Result<Peering> {
    let worker = workers.all.get(index).ok_or(io::ErrorKind::NotFound)?;
    ask_worker(worker, &request, until).await
}

/// Whether the worker at `index` answers. The question is about a listener that cannot exist: no socket's number is 0.
async fn answers(workers: Arc<Workers>, index: usize) -> io::Result<()> {
    let worker = workers.all.get(index).ok_or(io::ErrorKind::NotFound)?;
    holds(worker, 0).await.map(drop)
}

/// Passes on what every worker says, and names the workers that say nothing. Each worker is asked only when its turn comes: if
/// its messages waited in a socket, it would leave the peer as one that does not read.
async fn list(workers: &Arc<Workers>, peer: &Peering) {
    for (index, (number, alive)) in with_each(workers, answers).into_iter().enumerate() {
        let listed = async {
            alive.await.map_err(io::Error::other)??;
            let until = Instant::now() + ANSWER;
            list_one(&ask_at(workers.clone(), index, Request::List, until).await?, peer, until).await
        };
        match listed.await {
            Ok(true) => {}
            // It has left, or does not read.
            Ok(false) => return,
            Err(error) => {
                let silent = Reply::Silent(SilentWorker { number, reason: error.to_string() });
                if peer.send(&silent.to_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = peer.send(&Reply::Done.to_bytes()).await;
}

/// Whether the peer wants to hear more.
async fn list_one(worker: &Peering, peer: &Peering, mut until: Instant) -> io::Result<bool> {
    loop {
        match word(worker, until).await? {
            reply @ Reply::Network(_) => {
                if peer.send(&reply.to_bytes()).await.is_err() {
                    return Ok(false);
                }
            }
            _ => return Ok(true),
        }
        until = Instant::now() + ANSWER;
    }
}

async fn leave(workers: &Arc<Workers>, peer: &Peering) {
    tracing::info!("another pool takes over: networks are served until their owners have left");
    let until = Instant::now() + ANSWER;
    let tell = |workers, index| async move {
        let asked = ask_at(workers, index, Request::Leave, until).await?;
        word(&asked, until).await
    };
    for (number, told) in with_each(workers, tell) {
        if let Err(error) = told.await.map_err(io::Error::other).and_then(|told| told) {
            tracing::warn!("worker {number} cannot be told that another pool takes over: {error}");
        }
    }
    let _ = peer.send(&Reply::Done.to_bytes()).await;
    let _ = workers.left.send(true);
}

/// The pool's page of metrics: that of every worker that answers.
async fn page(workers: Arc<Workers>) -> String {
    let read = |workers: Arc<Workers>, index: usize| async move {
        let page = timeout(ANSWER, page_of(workers.all.get(index)?)).await;
        page.ok().flatten()
    };
    let mut pages = Vec::new();
    for (_, page) in with_each(&workers, read) {
        pages.push(page.await.ok().flatten());
    }
    merge(&pages)
}

async fn page_of(worker: &Peering) -> Option<String> {
    let (own, other) = UnixStream::pair().ok()?;
    worker.send_with(PAGE, &[other.as_fd()]).await.ok()?;
    drop(other);
    metrics::read_page(own).await
}
