//! Which networks are served: at most one for each identity.

use super::{
    Shared,
    budget::Allotment,
    network::{Checked, Dismissal, Network},
};
use nsgate_config::{Gate, Identity, Uuid};
use nsgate_forwarder::Stop;
use std::{collections::BTreeMap, mem, sync::Arc};

/// An identity as a key.
type Key = (&'static str, Uuid);

/// Networks in the order of their identities, and the network of each listener.
#[derive(Default)]
pub(super) struct Registry {
    networks: BTreeMap<Key, Arc<Network>>,
    listeners: BTreeMap<u64, Key>,
}

fn key(identity: &Identity) -> Key {
    (identity.header(), identity.uuid())
}

impl Registry {
    /// Returns the network's part of the worker's descriptors if it may be served. An equal gate under the same identity succeeds
    /// the present one. So does another gate that brings one of its listeners: only a process with the right to do so can have
    /// taken the listener from its owner. Any other gate under the same identity is refused, since one of the two is a mistake.
    pub(super) fn admit(&self, checked: &Checked, shared: &Shared) -> Result<Arc<Allotment>, String> {
        let most = shared.settings.networks;
        let gate = checked.gate();
        // A socket under two identities would give a guest's request now the one and now the other.
        let own = key(&gate.identity);
        let other = checked.cookies().iter().find_map(|cookie| self.listeners.get(cookie).filter(|key| **key != own));
        if let Some((header, id)) = other {
            return Err(format!("a listener that comes with it is that of {header} {id} already"));
        }
        match self.networks.get(&key(&gate.identity)) {
            Some(present) => match difference(&present.gate, gate) {
                // The successor takes over its descriptors.
                None => Ok(present.allotment.clone()),
                Some(_) if checked.cookies().iter().any(|cookie| present.cookies.contains(cookie)) => {
                    Ok(present.allotment.clone())
                }
                Some(what) => Err(format!(
                    "{} {} is served already, with {what}; remove that one first",
                    gate.identity.header(),
                    gate.identity.uuid()
                )),
            },
            None if self.networks.len() >= most => {
                Err(format!("this pool serves {most} networks already, all that it may (`networks`)"))
            }
            None => shared.budget.allot(gate.listeners.len(), shared.settings.reserved).map(Arc::new),
        }
    }

    /// Adds a network that was admitted. Its predecessor's owner is dismissed.
    pub(super) fn insert(&mut self, network: &Arc<Network>) {
        if let Some(before) = self.networks.insert(key(&network.gate.identity), network.clone()) {
            for cookie in &before.cookies {
                self.listeners.remove(cookie);
            }
            before.dismiss(Dismissal { reason: "another process has handed the network over", stop: Stop::Retire });
        }
        let key = key(&network.gate.identity);
        self.listeners.extend(network.cookies.iter().map(|cookie| (*cookie, key)));
    }

    /// Removes this very network.
    pub(super) fn remove(&mut self, network: &Arc<Network>) {
        let key = key(&network.gate.identity);
        if self.networks.get(&key).is_some_and(|present| Arc::ptr_eq(present, network)) {
            self.networks.remove(&key);
            for cookie in &network.cookies {
                self.listeners.remove(cookie);
            }
        }
    }

    /// The network with this identity.
    pub(super) fn get(&self, identity: &Identity) -> Option<Arc<Network>> {
        self.networks.get(&key(identity)).cloned()
    }

    /// The network with this listener.
    pub(super) fn holder(&self, cookie: u64) -> Option<Arc<Network>> {
        self.networks.get(self.listeners.get(&cookie)?).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Network>> {
        self.networks.values().cloned().collect()
    }
}

/// The first difference between two gates of one identity.
fn difference(present: &Gate, new: &Gate) -> Option<&'static str> {
    if present == new {
        return None;
    }
    let pairs = [
        (present.listeners == new.listeners, "other listeners"),
        (present.backend == new.backend, "another backend"),
        (present.limits == new.limits, "other limits"),
        (present.timeouts == new.timeouts, "other timeouts"),
        (present.rate_limits == new.rate_limits, "other rate limits"),
    ];
    debug_assert_eq!(mem::discriminant(&present.identity), mem::discriminant(&new.identity));
    Some(pairs.into_iter().find(|(same, _)| !same).map_or("other settings", |(_, what)| what))
}
