//! One peer, from its connection to its end. A peer sends one request. A peer that hands a network over becomes its owner, and
//! may then only ask for its end. Any other peer is answered and left.

use super::{
    Phase, Shared,
    endpoint::Peering,
    kept,
    life::{follow, later, network_label},
    network::{Checked, Dismissal, Network},
};
use crate::{
    Peer,
    channel::Message,
    protocol::{Notes, Reply, Request},
};
use nsgate_config::Identity;
use nsgate_forwarder::Stop;
use std::{os::fd::OwnedFd, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::timeout,
};

/// How long a peer may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hears a new peer; `trusted` is the dispatcher. `alive` is held until the peer is done.
pub(super) async fn meet(
    shared: Arc<Shared>,
    (peering, trusted): (Peering, bool),
    place: OwnedSemaphorePermit,
    alive: mpsc::Sender<()>,
) {
    let (request, notes, descriptors) = match heard(&shared, &peering, trusted).await {
        Ok(Some(heard)) => heard,
        // It has left again.
        Ok(None) => return,
        Err(reason) => return refuse(&shared, &peering, &reason).await,
    };
    drop(place);
    match (request, descriptors) {
        // The peer did not wait for a stopped worker. It has asked again, or serves by itself.
        (Request::Serve(_), _) if peering.is_left() => {}
        (Request::Serve(config), descriptors) => {
            let (identity, peering) = (config.gate.identity, Arc::new(peering));
            let begun = Checked::new(&shared, *config, &notes, descriptors).and_then(|checked| {
                let mut networks = shared.networks();
                let allotment = networks.admit(&checked, &shared)?;
                let begun = checked.owned_by(Arc::downgrade(&peering)).begin(allotment, alive);
                networks.insert(&begun.0);
                Ok(begun)
            });
            match begun {
                Ok((network, dismissed)) => serve_owner(&shared, (peering, notes.asks), network, dismissed).await,
                Err(reason) if notes.asks => shared.refused.tell(&shared, &peering, &identity, &reason).await,
                Err(reason) => refuse(&shared, &peering, &format!("{}: {reason}", network_label(&identity))).await,
            }
        }
        (Request::Keep(identity), descriptors) => {
            let kept = kept::keep(&shared, identity, descriptors, alive).await;
            match kept {
                Ok(()) => drop(peering.send(&Reply::Done.to_bytes()).await),
                Err(reason) => refuse(&shared, &peering, &format!("{}: {reason}", network_label(&identity))).await,
            }
        }
        (_, descriptors) if !descriptors.is_empty() => {
            refuse(&shared, &peering, "descriptors came with a message that takes none").await;
        }
        (Request::Stores, _) => {
            // A question and not a handover: the answer "no" is no fault, and gets no line in the log.
            let no = || Reply::Refused("no service manager keeps networks for this worker".to_owned());
            let reply = if shared.store.is_some() { Reply::Done } else { no() };
            let _ = peering.send(&reply.to_bytes()).await;
        }
        (Request::List, _) => {
            let all = shared.networks().all();
            list(&shared, &peering, all).await;
        }
        (Request::Holds(cookie), _) => {
            let holder = shared.networks().holder(cookie);
            list(&shared, &peering, holder.into_iter().collect()).await;
        }
        (Request::Remove(identity), _) => remove(&shared, &peering, &identity).await,
        (Request::Leave, _) => leave(&shared, &peering).await,
        (Request::Finish | Request::Ping | Request::Took, _) => {
            refuse(&shared, &peering, "only the owner of a network may say this").await;
        }
    }
}

/// The first message of a peer that may speak, with its descriptors.
async fn heard(shared: &Shared, peering: &Peering, trusted: bool) -> Result<Option<Heard>, String> {
    let peer = Peer::of(peering.channel()).map_err(|error| format!("the peer is not known: SO_PEERCRED: {error}"))?;
    // Read before the peer is checked: closing a connection with unread data discards the refusal.
    let said = timeout(PATIENCE, peering.receive()).await;
    if !trusted {
        shared.settings.allowed.authorize(peer)?;
    }
    match said {
        Err(_) => Err(format!("nothing was said within {} s", PATIENCE.as_secs())),
        Ok(Err(_) | Ok(None)) => Ok(None),
        Ok(Ok(Some(Message { truncated: true, .. }))) => {
            Err("the message is longer than 16 KiB, or brings more descriptors than can be taken".to_owned())
        }
        Ok(Ok(Some(message))) => {
            Ok(Some((Request::parse(&message.bytes)?, Notes::of(&message.bytes), message.descriptors)))
        }
    }
}

/// A peer's first request, with its descriptors.
type Heard = (Request, Notes, Vec<OwnedFd>);

/// Tells the peer and the log.
pub(super) async fn refuse(shared: &Shared, peering: &Peering, reason: &str) {
    Shared::count(&shared.refusals);
    tracing::warn!("a handover is refused: {reason}");
    let _ = peering.send(&Reply::Refused(reason.to_owned()).to_bytes()).await;
}

/// Serves a network until its owner leaves or is dismissed.
async fn serve_owner(
    shared: &Shared,
    (peering, answers): (Arc<Peering>, bool),
    network: Arc<Network>,
    mut dismissed: oneshot::Receiver<Dismissal>,
) {
    Shared::count(&shared.handovers);
    let identity = network.gate.identity;
    shared.refused.forget(&identity);
    let stop = if peering.send(&Reply::Serving { answers }.to_bytes()).await.is_err() {
        Stop::Now
    } else {
        tracing::info!("{} is served", network_label(&identity));
        owned(shared, &peering, &network, &mut dismissed).await
    };
    shared.networks().remove(&network);
    tracing::info!("{} is no longer served", network_label(&identity));
    if peering.is_left() {
        network.let_go();
    }
    network.stop(stop);
    // Tell the owner that this worker ends: it turns to the next worker while connections are finished here.
    drop(peering);
    follow(shared, &network).await;
}

/// An event in the life of an owner.
enum Event {
    Said(std::io::Result<Option<Message>>),
    Dismissed(Dismissal),
    /// The agent has closed the door.
    Unbound(String),
    Phase(Phase),
}

/// Waits for the end of a network, and says how it ends.
async fn owned(
    shared: &Shared,
    peering: &Peering,
    network: &Network,
    dismissed: &mut oneshot::Receiver<Dismissal>,
) -> Stop {
    let mut phase = shared.phase.subscribe();
    let mut known = Phase::Open;
    loop {
        let event = tokio::select! {
            biased;
            said = peering.receive() => Event::Said(said),
            Ok(dismissal) = &mut *dismissed => Event::Dismissed(dismissal),
            why = network.unbound() => Event::Unbound(why),
            now = later(&mut phase, known) => Event::Phase(now),
        };
        match event {
            Event::Said(Ok(Some(message))) if message.bytes == Request::Ping.to_bytes() => {
                // An error means that the owner has left. Its last message is read all the same.
                let _ = peering.send(&Reply::Pong.to_bytes()).await;
            }
            Event::Said(said) => return owner_said(peering, network, said, known).await,
            Event::Dismissed(dismissal) => {
                let _ = peering.send(&Reply::End(dismissal.reason.to_owned()).to_bytes()).await;
                return dismissal.stop;
            }
            Event::Unbound(why) => {
                // Requests are answered 503 by now. The owner turns to this worker with another door, or ends.
                tracing::warn!("{}: {why}", network_label(&network.gate.identity));
                return Stop::Retire;
            }
            Event::Phase(Phase::Ending(stop)) => return stop,
            Event::Phase(now) => {
                known = now;
                let _ = peering.send(&Reply::Leave.to_bytes()).await;
            }
        }
    }
}

/// How the network ends after its owner's message, or after the owner left.
async fn owner_said(
    peering: &Peering,
    network: &Network,
    message: std::io::Result<Option<Message>>,
    known: Phase,
) -> Stop {
    match message {
        Ok(Some(message)) => match Request::parse(&message.bytes) {
            Ok(Request::Finish) if message.descriptors.is_empty() && !message.truncated => {
                network.stop(Stop::Drain);
                tokio::select! {
                    () = network.ended() => {
                        let _ = peering.send(&Reply::End("requests under way are finished".to_owned()).to_bytes()).await;
                    }
                    // The owner does not wait for the requests under way.
                    _ = peering.receive() => {}
                }
                Stop::Now
            }
            // The owner serves by itself at the same listeners. The requests under way are finished here.
            Ok(Request::Took) => {
                let identity = network_label(&network.gate.identity);
                network.let_go();
                tracing::warn!("{identity} was taken back: this worker was stopped, or busy, for too long");
                Stop::Retire
            }
            _ => {
                tracing::warn!(
                    "the owner of {} says something that it may not say now",
                    network_label(&network.gate.identity)
                );
                Stop::Now
            }
        },
        // Another process serves the same listeners: no guest loses a request.
        _ if known == Phase::Leaving => Stop::Retire,
        // The owner has heard of it first. Connections have one more answer.
        _ if network.is_unbound().await => Stop::Retire,
        _ => Stop::Now,
    }
}

async fn list(shared: &Shared, peering: &Peering, all: Vec<Arc<Network>>) {
    for network in all {
        if peering.send(&Reply::Network(Box::new(network.status(shared.settings.number))).to_bytes()).await.is_err() {
            return;
        }
    }
    let _ = peering.send(&Reply::Done.to_bytes()).await;
}

/// Another worker takes over: a network ends when its owner has left.
async fn leave(shared: &Shared, peering: &Peering) {
    tracing::info!("another worker takes over: networks are served until their owners have left");
    let _ = peering.send(&Reply::Done.to_bytes()).await;
    // Only from the open phase: an end that has begun goes on.
    shared.phase.send_if_modified(|phase| {
        let open = *phase == Phase::Open;
        if open {
            *phase = Phase::Leaving;
        }
        open
    });
}

async fn remove(shared: &Shared, peering: &Peering, identity: &Identity) {
    let found = shared.networks().get(identity);
    match found {
        Some(network) => {
            network.dismiss(Dismissal { reason: "the operator has removed the network", stop: Stop::Now });
            let _ = peering.send(&Reply::Done.to_bytes()).await;
        }
        None => {
            let reason = format!("{} is not served here", network_label(identity));
            let _ = peering.send(&Reply::Refused(reason).to_bytes()).await;
        }
    }
}
