//! A keeper without a worker: it serves its network by itself, as a standalone gate does, and goes on asking.

use super::{
    keeper::Keeper,
    watch::{AGAIN, AT_ONCE},
};
use crate::{
    audit::Observed,
    counted,
    gate::{self, EventLoop},
    log::AccessLog,
};
use nsgate_forwarder::{Forwarder, Stop, event::EventOrigin};
use nsgate_launcher::{Readiness, SignalRequest, Signals};
use nsgate_pool::{OfferError, Served, Unserved};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

/// Between two attempts at a worker.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// How long a worker may take to answer. One that is stopped takes long, and there may be another in its place by then.
const ANSWER: Duration = Duration::from_secs(10);
/// How long connections may go on after a worker has taken over: busy ones get an answer that says it is their last.
const RETIRING: Duration = Duration::from_secs(10);

/// How it ended.
pub(super) enum Next {
    /// The keeper ends.
    Exit(u8),
    /// A worker serves.
    Served(Served, Signals),
}

/// Serves until a worker does, or a signal says otherwise.
pub(super) fn serve(keeper: &mut Keeper<'_>, signals: Signals, readiness: &mut Option<Readiness>) -> Next {
    counted::serves(true);
    let outcome = EventLoop::new().and_then(|event_loop| event_loop.run(run(keeper, signals, readiness)));
    counted::serves(false);
    outcome.unwrap_or_else(|error| {
        let reason = format!("the network cannot be served: {error}");
        tracing::error!("{reason}");
        if let Some(readiness) = readiness.take() {
            readiness.fail(&reason);
        }
        Next::Exit(1)
    })
}

async fn run(keeper: &mut Keeper<'_>, signals: Signals, readiness: &mut Option<Readiness>) -> io::Result<Next> {
    let called = watched(&signals)?;
    // Copies: the keeper's own are handed over later.
    let listeners = keeper.listeners.iter().map(|one| tokio::net::TcpListener::from_std(one.try_clone()?));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let connector = gate::connector(&keeper.agents);
    let mut gate = keeper.config.gate.clone();
    gate.limits = keeper.limits.clone();
    let events = keeper.events.as_ref().map(|events| events.of(EventOrigin::of(&gate.identity)));
    let observer = Observed::new(AccessLog::new(keeper.sink.clone()), events).counted();
    let forwarder = Forwarder::new(gate, connector, observer).keyed(keeper.key.clone());
    let (stop, stopped) = watch::channel(None);
    let mut serving = tokio::spawn(forwarder.serve(listeners, stopped));
    keeper.serves(readiness);
    let served = loop {
        tokio::select! {
            biased;
            signal = heard(&signals, &called) => match signal {
                Some(asked @ (SignalRequest::Reload(_) | SignalRequest::Nothing(_))) => gate::refuse(asked),
                Some(asked @ (SignalRequest::Finish | SignalRequest::Retire)) => {
                    tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
                    // A successor has the same listeners, and a copy that is not waited at would keep guests waiting.
                    keeper.listeners.clear();
                    let _ = stop.send(Some(if asked == SignalRequest::Retire { Stop::Retire } else { Stop::Drain }));
                    tokio::select! {
                        _ = &mut serving => {}
                        () = told_to_end(&signals, &called) => {}
                    }
                    return Ok(Next::Exit(0));
                }
                _ => return Ok(Next::Exit(0)),
            },
            served = attempt(keeper) => break served,
        }
    };
    tracing::info!("a worker serves the network from now on");
    let _ = stop.send(Some(Stop::Retire));
    // Whatever comes first: the last connection's end, a signal, a word of the worker, or the end of patience.
    let word = watched(&served)?;
    tokio::select! {
        biased;
        _ = timeout(RETIRING, &mut serving) => {}
        _ = called.readable() => {}
        _ = word.readable() => {}
    }
    drop((word, called));
    Ok(Next::Served(served, signals))
}

/// What the next signal asks for; `None` if none will ever come. `called` watches the signals.
async fn heard(signals: &Signals, called: &AsyncFd<BorrowedFd<'_>>) -> Option<SignalRequest> {
    loop {
        let mut ready = called.readable().await.ok()?;
        match signals.next() {
            Some(asked) => return Some(asked),
            None => ready.clear_ready(),
        }
    }
}

/// Waits for a signal that asks for the end. Others have nothing to say any more to a process that finishes.
async fn told_to_end(signals: &Signals, called: &AsyncFd<BorrowedFd<'_>>) {
    while heard(signals, called).await.is_some_and(|asked| asked != SignalRequest::End) {}
}

/// Attempts at a worker, until one serves.
async fn attempt(keeper: &mut Keeper<'_>) -> Served {
    loop {
        sleep(keeper.random.about(BETWEEN_ATTEMPTS)).await;
        match offer(keeper).await {
            Ok(served) => return served,
            Err(unserved) => refused(keeper, &unserved).await,
        }
    }
}

/// One attempt.
async fn offer(keeper: &Keeper<'_>) -> Result<Served, Unserved> {
    let offered = keeper.begin()?;
    let late = |_| OfferError::Io(io::ErrorKind::TimedOut.into());
    let watched = watched(&offered).map_err(OfferError::Io)?;
    let ready = timeout(ANSWER, watched.readable()).await.map_err(late)?;
    drop(ready.map_err(OfferError::Io)?);
    drop(watched);
    offered.settled()
}

/// A worker that does not want the network is asked again when it is another one, or may have room.
async fn refused(keeper: &mut Keeper<'_>, unserved: &Unserved) {
    let by = match (unserved.refused_by(), &unserved.error) {
        (Some(by), _) => by,
        // No worker is asked at all.
        (None, OfferError::TooLong { .. } | OfferError::Listeners { .. }) => return sleep(AGAIN).await,
        (None, _) => return,
    };
    if keeper.is_news(&unserved.to_string()) {
        tracing::error!("{}: {unserved}", keeper.pool.socket);
    }
    let again = Instant::now() + AGAIN;
    let Ok(by) = watched(&by) else { return sleep(AGAIN).await };
    sleep(AT_ONCE).await;
    // The connection of one of an earlier release is closed by now, and says nothing.
    let early = timeout(Duration::ZERO, by.readable()).await.is_ok();
    let gone = async { if early { std::future::pending().await } else { by.readable().await.map(drop) } };
    let _ = timeout_at(again, gone).await;
}

/// A descriptor as something to wait for, for as long as it is borrowed.
#[allow(
    deprecated,
    reason = "the successor is unsafe for types that do not own their descriptor; the owner is borrowed"
)]
fn watched<T: AsFd>(owner: &T) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::with_interest(owner.as_fd(), Interest::READABLE)
}
