//! Which port of a network has this address? The part of a directory that each request asks.
//!
//! A directory knows a port by a key (the UUID of a row, the number of an entry). A port stands at each of its addresses.
//! All ports at an address are kept: several are a refusal, and when one remains the answer is that one.

use super::{Caller, NoOccupant, NotAnOccupant, Occupant};
use nsgate_config::Uuid;
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

/// A port: where it is, and which instance is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryPort {
    /// The network, or the router, that it is in.
    pub place: Uuid,
    /// Its addresses. One that is written twice counts once.
    pub callers: Vec<Caller>,
    /// The instance, or why the port names none.
    pub occupant: Result<Occupant, NotAnOccupant>,
}

/// Ports by key, and their keys by place and address.
#[derive(Clone, Debug)]
pub struct Index<K> {
    ports: HashMap<K, DirectoryPort>,
    keys: HashMap<(Uuid, Caller), Keys<K>>,
}

/// The ports at one address: one, as a rule.
#[derive(Clone, Debug)]
enum Keys<K> {
    One(K),
    Several(Vec<K>),
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { ports: HashMap::new(), keys: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Index<K> {
    /// Puts a port in. It takes the place of the port that had the key before.
    pub fn set(&mut self, key: K, mut port: DirectoryPort) {
        self.remove(&key);
        port.callers.sort_unstable();
        port.callers.dedup();
        for caller in &port.callers {
            match self.keys.entry((port.place, *caller)) {
                Entry::Vacant(vacant) => drop(vacant.insert(Keys::One(key))),
                Entry::Occupied(mut occupied) => occupied.get_mut().add(key),
            }
        }
        self.ports.insert(key, port);
    }

    /// Takes a port out, if it is there.
    pub fn remove(&mut self, key: &K) {
        let Some(port) = self.ports.remove(key) else { return };
        for caller in port.callers {
            if let Entry::Occupied(mut occupied) = self.keys.entry((port.place, caller)) {
                if occupied.get_mut().take(key) {
                    occupied.remove();
                }
            }
        }
    }

    /// How many ports it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ports.len()
    }

    /// Whether it holds no port.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// Every address at which a port stands with the answer for it, in an order.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn found(&self) -> Vec<String> {
        let places = self.keys.keys();
        let mut found: Vec<_> =
            places.map(|&(place, caller)| format!("{place} {caller} {:?}", self.who(place, caller))).collect();
        found.sort_unstable();
        found
    }

    /// The keys of the ports that have the address, for a message that names them.
    #[must_use]
    pub fn keys(&self, place: Uuid, caller: Caller) -> &[K] {
        match self.keys.get(&(place, caller)) {
            None => &[],
            Some(Keys::One(key)) => std::slice::from_ref(key),
            Some(Keys::Several(keys)) => keys,
        }
    }

    /// The one instance that has the address.
    ///
    /// # Errors
    /// No port has it, several have it (also if they name one instance, as in Neutron's `server_socket.py`), or the port
    /// names no instance.
    pub fn who(&self, place: Uuid, caller: Caller) -> Result<Occupant, NoOccupant> {
        match self.keys(place, caller) {
            [] => Err(NoOccupant::NoPort),
            [key] => Ok(self.ports.get(key).ok_or(NoOccupant::NoPort)?.occupant.clone()?),
            several => Err(NoOccupant::SeveralPorts(several.len())),
        }
    }
}

impl<K: Copy + Eq> Keys<K> {
    fn add(&mut self, key: K) {
        match self {
            Self::One(first) => *self = Self::Several(vec![*first, key]),
            Self::Several(keys) => keys.push(key),
        }
    }

    /// Takes a key out, and says whether none is left.
    fn take(&mut self, key: &K) -> bool {
        match self {
            Self::One(only) => only == key,
            Self::Several(keys) => {
                keys.retain(|kept| kept != key);
                if let [last] = keys.as_slice() {
                    *self = Self::One(*last);
                }
                matches!(self, Self::Several(keys) if keys.is_empty())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::net::Ipv4Addr;

    fn place(number: u8) -> Uuid {
        format!("7a1c4d2e-9f7b-4b59-9a55-{number:012x}").parse().expect("a UUID")
    }

    fn caller(number: u8) -> Caller {
        Caller::of(Ipv4Addr::new(10, 0, 0, number).into())
    }

    fn port(network: u8, callers: &[u8], instance: &str) -> DirectoryPort {
        DirectoryPort {
            place: place(network),
            callers: callers.iter().copied().map(caller).collect(),
            occupant: Occupant::new(instance, "project"),
        }
    }

    #[test]
    fn two_ports_with_one_address_are_refused_until_one_leaves() {
        let mut index = Index::default();
        index.set(1, port(1, &[2, 2], "a"));
        index.set(2, port(1, &[2, 3], "b"));
        index.set(3, port(2, &[2], "c"));
        assert_eq!(index.who(place(1), caller(2)), Err(NoOccupant::SeveralPorts(2)));
        assert_eq!(index.keys(place(1), caller(2)), [1, 2]);
        assert_eq!(index.who(place(2), caller(2)).expect("one port").instance(), "c");
        index.remove(&1);
        assert_eq!(index.who(place(1), caller(2)).expect("one port").instance(), "b");
        index.set(2, port(1, &[3], "b"));
        assert_eq!(index.who(place(1), caller(2)), Err(NoOccupant::NoPort));
        assert_eq!(index.len(), 2);
    }

    #[test]
    fn a_port_without_an_instance_says_so() {
        let mut index = Index::default();
        index.set(1, port(1, &[2], ""));
        assert!(matches!(index.who(place(1), caller(2)), Err(NoOccupant::NoInstance(_))));
    }

    #[derive(Clone, Debug)]
    enum Change {
        Set(u8, u8, Vec<u8>),
        Remove(u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            3 => (0..6u8, 0..2u8, vec(0..4u8, 0..4)).prop_map(|(key, network, callers)| Change::Set(key, network, callers)),
            1 => (0..6u8).prop_map(Change::Remove),
        ]
    }

    proptest! {
        /// A walk over all ports, as Neutron's look-up does it, is the reference.
        #[test]
        fn an_index_answers_as_a_walk_over_all_ports_does(changes in vec(change(), 0..40)) {
            let (mut index, mut all) = (Index::default(), std::collections::BTreeMap::new());
            for change in changes {
                match change {
                    Change::Set(key, network, callers) => {
                        let port = port(network, &callers, &format!("instance-{key}"));
                        index.set(key, port.clone());
                        all.insert(key, port);
                    }
                    Change::Remove(key) => {
                        index.remove(&key);
                        all.remove(&key);
                    }
                }
                for (network, address) in (0..2).flat_map(|network| (0..4).map(move |address| (network, address))) {
                    let has = |port: &&DirectoryPort| port.place == place(network) && port.callers.contains(&caller(address));
                    let found: Vec<_> = all.values().filter(has).collect();
                    let wanted = match found.as_slice() {
                        [] => Err(NoOccupant::NoPort),
                        [one] => one.occupant.clone().map_err(NoOccupant::from),
                        several => Err(NoOccupant::SeveralPorts(several.len())),
                    };
                    prop_assert_eq!(index.who(place(network), caller(address)), wanted);
                }
            }
            for key in 0..6 {
                index.remove(&key);
            }
            prop_assert!(index.keys.is_empty(), "addresses are left behind");
        }
    }
}
