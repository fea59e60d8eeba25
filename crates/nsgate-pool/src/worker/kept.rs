//! Networks without an owner: a service manager keeps them, and they last until they are removed.

use super::{
    Phase, Shared,
    life::{follow, later, network_label},
    network::{Checked, Dismissal, Network},
    store,
};
use crate::record;
use nsgate_config::Identity;
use nsgate_forwarder::Stop;
use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot};

/// Serves the network of a record, and has the manager keep it.
pub(super) async fn keep(
    shared: &Arc<Shared>,
    identity: Identity,
    descriptors: Vec<OwnedFd>,
    alive: mpsc::Sender<()>,
) -> Result<(), String> {
    let store = shared.store.as_ref().ok_or("no service manager keeps networks for this worker")?;
    // Copies for the manager: the worker's own become listeners.
    let copies = descriptors.iter().map(OwnedFd::try_clone).collect::<Result<Vec<_>, _>>();
    let copies = copies.map_err(|error| format!("its descriptors cannot be copied: {error}"))?;
    let (network, dismissed) = begin(shared, identity, descriptors, alive)?;
    let all: Vec<BorrowedFd<'_>> = copies.iter().map(AsFd::as_fd).collect();
    if let Err(reason) = store.put(&store::name(&identity), &all).await {
        shared.networks().remove(&network);
        network.stop(Stop::Now);
        return Err(reason);
    }
    Shared::count(&shared.handovers);
    tracing::info!("{} is served, and kept by the service manager", network_label(&identity));
    tokio::spawn(last(shared.clone(), network, dismissed));
    Ok(())
}

/// Serves the networks that the manager has passed back. A network that cannot be served is removed from the manager's store, and
/// the log says why.
pub(super) async fn restore(shared: &Arc<Shared>, passed: Vec<(String, OwnedFd)>, alive: &mpsc::Sender<()>) {
    let mut names: BTreeMap<String, Vec<OwnedFd>> = BTreeMap::new();
    for (name, descriptor) in passed {
        names.entry(name).or_default().push(descriptor);
    }
    for (name, descriptors) in names {
        let count = descriptors.len();
        match again(shared, &name, descriptors, alive.clone()) {
            Ok(identity) => {
                tracing::info!("{} is served again, as the service manager has kept it", network_label(&identity));
                if let Some(store) = &shared.store {
                    store.known(&name, count);
                }
            }
            Err(reason) => {
                tracing::error!("what the service manager keeps as `{}` is not served: {reason}", name.escape_debug());
                if let Some(store) = &shared.store {
                    store.remove(&name).await;
                }
            }
        }
    }
}

/// The descriptors come in any order. The one that is not a socket is the record, which says which listener is which.
fn again(
    shared: &Arc<Shared>,
    kept_as: &str,
    descriptors: Vec<OwnedFd>,
    alive: mpsc::Sender<()>,
) -> Result<Identity, String> {
    let (mut listeners, mut records) = (BTreeMap::new(), Vec::new());
    for descriptor in descriptors {
        match record::socket_cookie(&descriptor) {
            Ok(number) => drop(listeners.insert(number, descriptor)),
            Err(_) => records.push(descriptor),
        }
    }
    let record = records.pop().ok_or("there is no record with it")?;
    let (config, _, cookies) = record::read_record(record.as_fd(), shared.settings.allowed)?;
    let identity = config.gate.identity;
    if store::name(&identity) != kept_as {
        return Err(format!("its record is that of {}", network_label(&identity)));
    }
    let ordered = cookies.iter().filter_map(|number| listeners.remove(number));
    let all = std::iter::once(record).chain(ordered).collect();
    let (network, dismissed) = begin(shared, identity, all, alive)?;
    Shared::count(&shared.handovers);
    tokio::spawn(last(shared.clone(), network, dismissed));
    Ok(identity)
}

/// Checks record and listeners like a handover, and begins to serve.
fn begin(
    shared: &Arc<Shared>,
    identity: Identity,
    mut descriptors: Vec<OwnedFd>,
    alive: mpsc::Sender<()>,
) -> Result<(Arc<Network>, oneshot::Receiver<Dismissal>), String> {
    if descriptors.is_empty() {
        return Err("no record came with it".to_owned());
    }
    let listeners = descriptors.split_off(1);
    let record = descriptors.pop().ok_or("no record came with it")?;
    let (config, notes, cookies) = record::read_record(record.as_fd(), shared.settings.allowed)?;
    if config.gate.identity != identity {
        return Err(format!("its record is that of {}", network_label(&config.gate.identity)));
    }
    let checked = Checked::new(shared, config, &notes, listeners)?;
    if checked.cookies() != cookies {
        return Err("its listeners are not those that the record was written for".to_owned());
    }
    let mut networks = shared.networks();
    let allotment = networks.admit(&checked, shared)?;
    let begun = checked.begin(allotment, alive);
    networks.insert(&begun.0);
    Ok(begun)
}

/// Waits for the end of a kept network. The manager keeps a network beyond the worker's end.
async fn last(shared: Arc<Shared>, network: Arc<Network>, mut dismissed: oneshot::Receiver<Dismissal>) {
    let mut phase = shared.phase.subscribe();
    let mut known = Phase::Open;
    let stop = loop {
        tokio::select! {
            biased;
            Ok(dismissal) = &mut dismissed => {
                if let Some(store) = &shared.store {
                    store.remove(&store::name(&network.gate.identity)).await;
                }
                break dismissal.stop;
            }
            now = later(&mut phase, known) => {
                known = now;
                if let Phase::Ending(stop) = now {
                    break stop;
                }
            }
        }
    };
    shared.networks().remove(&network);
    tracing::info!("{} is no longer served", network_label(&network.gate.identity));
    network.stop(stop);
    follow(&shared, &network).await;
}
