//! A keeper that serves its network itself, as a gate does. It goes on asking for a worker.

use super::driver::{Keeper, WokenBy};
use crate::{
    audit::Observed,
    counted,
    gate::{self, EventLoop},
    log::AccessLog,
};
use nsgate_forwarder::{Forwarder, event::EventOrigin};
use nsgate_launcher::Signals;
use std::{
    future::pending,
    io,
    os::fd::{AsFd, BorrowedFd},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

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
    let mut own = open(keeper)?;
    keeper.opened();
    while keeper.state().is_alone() {
        let by = wait(keeper, &called, &mut own).await;
        keeper.woken(by, signals);
    }
    Ok(())
}

/// Begins to serve.
fn open(keeper: &mut Keeper<'_>) -> io::Result<JoinHandle<()>> {
    let network = &keeper.network;
    // Serve copies of the listeners. The keeper hands the originals over later.
    let listeners = network.listeners.iter().map(|one| tokio::net::TcpListener::from_std(one.try_clone()?));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let mut gate = network.config.gate.clone();
    gate.limits = network.limits.clone();
    let events = network.events.as_ref().map(|events| events.of(EventOrigin::of(&gate.identity)));
    let observer = Observed::new(AccessLog::new(network.sink.clone()), events).counted();
    let forwarder = Forwarder::new(gate, gate::connector(&network.agents), observer).keyed(network.key.clone());
    let (stop, stopped) = watch::channel(None);
    keeper.stop = Some(stop);
    Ok(tokio::spawn(forwarder.serve(listeners, stopped)))
}

/// Waits for the first event.
async fn wait(keeper: &Keeper<'_>, called: &AsyncFd<BorrowedFd<'_>>, own: &mut JoinHandle<()>) -> WokenBy {
    tokio::select! {
        biased;
        called = called.readable() => {
            // The caller reads all pending signals next.
            drop(called.map(|mut called| called.clear_ready()));
            WokenBy::Signal
        }
        _ = own, if keeper.state().ends_own() => WokenBy::Own,
        () = readable(keeper.answer()) => WokenBy::Answer,
        () = readable(keeper.worker()) => WokenBy::Worker,
        () = time(keeper) => WokenBy::Time,
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
