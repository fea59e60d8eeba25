//! A keeper that serves its network itself, as a gate does. It goes on asking for a worker.

use super::{
    doors::KeptDoor,
    driver::{Keeper, WokenBy},
    state::KeeperState,
};
use crate::{
    audit::Observed,
    counted, door,
    gate::{self, EventLoop},
    log::AccessLog,
};
use nsgate_forwarder::{DoorEnd, Forwarder, Stop, event::EventOrigin};
use nsgate_launcher::Signals;
use std::{
    future::pending,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

/// Between two questions for a door while there is none.
const BETWEEN_DOORS: Duration = Duration::from_secs(1);

/// Serves, until a worker does or the keeper ends.
// Not inlined: the caller's frame lasts as long as the keeper sleeps, and should stay small.
#[inline(never)]
pub(super) fn serve(keeper: &mut Keeper<'_>, signals: &Signals) {
    counted::serves(true);
    let outcome = EventLoop::new().and_then(|event_loop| event_loop.run(run(keeper, signals)));
    counted::serves(false);
    keeper.stop = None;
    if let Err(error) = outcome {
        keeper.broke(&error);
    }
}

async fn run(keeper: &mut Keeper<'_>, signals: &Signals) -> io::Result<()> {
    let called = watched(signals.as_fd())?;
    let first = door(keeper);
    let mut own = open(keeper, first)?;
    keeper.opened();
    while keeper.state().is_alone() {
        if own.is_unbound && !keeper.state().ends_own() {
            if let Ok(Some(door)) = door(keeper) {
                let _ = keeper.stop.take().map(|stop| stop.send(Some(Stop::Retire)));
                own = open(keeper, Ok(Some(door)))?;
            }
        }
        match wait(keeper, &called, &mut own).await {
            Some(by) => keeper.woken(by, signals),
            None => own.is_unbound = true,
        }
    }
    if keeper.state() == KeeperState::Ended(door::CLOSED) {
        // Requests are answered 503 by now.
        let _ = timeout(door::LAST_ANSWERS, own.serving).await;
    }
    Ok(())
}

/// What serves in this process.
struct Own {
    serving: JoinHandle<()>,
    door: Option<DoorEnd>,
    /// Its door is closed, or the agent gave none, and the one that root has had bound is open: there is to be another.
    is_unbound: bool,
}

/// The door of this process, if its network has one.
fn door(keeper: &Keeper<'_>) -> io::Result<Option<OwnedFd>> {
    keeper.network.door.as_ref().map(KeptDoor::another).transpose()
}

/// Begins to serve. Without a door that there should be, guests are answered 503, as without an agent.
fn open(keeper: &mut Keeper<'_>, door: io::Result<Option<OwnedFd>>) -> io::Result<Own> {
    let network = &keeper.network;
    // Serve copies of the listeners. The keeper hands the originals over later.
    let listeners = network.listeners.iter().map(|one| tokio::net::TcpListener::from_std(one.try_clone()?));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let mut gate = network.config.gate.clone();
    gate.limits = network.limits.clone();
    let events = network.events.as_ref().map(|events| events.of(EventOrigin::of(&gate.identity)));
    let observer = Observed::new(AccessLog::new(network.sink.clone()), events).counted();
    let (key, (stop, stopped)) = (network.key.clone(), watch::channel(None));
    let is_unbound = door.is_err();
    let (serving, door) = match door.unwrap_or_else(|error| {
        tracing::error!("the agent gives this process no door: {error}; it is asked again each second");
        None
    }) {
        Some(door) => {
            let connector = door::connector(door)?;
            let end = connector.end();
            let forwarder = Forwarder::new(gate, connector, observer).keyed(key);
            (tokio::spawn(forwarder.serve(listeners, stopped)), Some(end))
        }
        None => {
            let forwarder = Forwarder::new(gate, gate::connector(&network.agents), observer).keyed(key);
            (tokio::spawn(forwarder.serve(listeners, stopped)), None)
        }
    };
    keeper.stop = Some(stop);
    Ok(Own { serving, door, is_unbound })
}

/// Waits for the first event. None if the agent has closed the door of this process.
async fn wait(keeper: &Keeper<'_>, called: &AsyncFd<BorrowedFd<'_>>, own: &mut Own) -> Option<WokenBy> {
    let Own { serving, door, is_unbound } = own;
    Some(tokio::select! {
        biased;
        called = called.readable() => {
            // The caller reads all pending signals next.
            drop(called.map(|mut called| called.clear_ready()));
            WokenBy::Signal
        }
        () = readable(keeper.door()) => WokenBy::Door,
        _ = serving, if keeper.state().ends_own() => WokenBy::Own,
        () = unbound(door.as_ref(), *is_unbound), if !keeper.state().ends_own() => return None,
        () = readable(keeper.answer()) => WokenBy::Answer,
        () = readable(keeper.worker()) => WokenBy::Worker,
        () = time(keeper) => WokenBy::Time,
    })
}

/// Waits until the agent closes the door of this process, or until it is time to ask for one again.
async fn unbound(door: Option<&DoorEnd>, is_unbound: bool) {
    match door {
        _ if is_unbound => sleep(BETWEEN_DOORS).await,
        Some(door) => drop(door.clone().wait().await),
        None => pending().await,
    }
}

async fn time(keeper: &Keeper<'_>) {
    match keeper.deadline() {
        Some(until) => sleep_until(Instant::from_std(until)).await,
        None => pending().await,
    }
}

/// Waits until the descriptor can be read. If the event loop cannot watch it, this waits for ever; another event ends the wait.
async fn readable(descriptor: Option<BorrowedFd<'_>>) {
    match descriptor.and_then(|descriptor| watched(descriptor).ok()) {
        Some(watched) => drop(watched.readable().await),
        None => pending().await,
    }
}

/// Lets the event loop watch a borrowed descriptor.
#[allow(
    deprecated,
    reason = "the successor is unsafe for types that do not own their descriptor; the owner is borrowed"
)]
fn watched(descriptor: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
