//! How many descriptors a process's bounds need, and which bounds fit its limit (RLIMIT_NOFILE).

use crate::{Limits, Pool};

/// Descriptors that a process asks for beside those of its guests, agents, listeners and networks.
const OWN: u64 = 64;
/// Fewest that are enough for that: standard streams, event loop, signals, log, audit, a reader of the configuration.
const FEWEST_OWN: u64 = 24;
/// Descriptors for each listener: its own, and that of a guest that waits for a place.
const OF_A_LISTENER: u64 = 2;
/// Fewest that must be left for guests and agents.
const FEWEST: u64 = 8;
/// Listeners of a usual network.
const LISTENERS: usize = 2;
/// Bounds on a pool's peers that have sent nothing yet, and their share of the descriptors.
const FEWEST_PEERS: u32 = 8;
const MOST_PEERS: u32 = 256;
const PART_OF_PEERS: u64 = 16;

/// There are too few descriptors to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooFewDescriptors {
    /// The limit.
    pub present: u64,
    /// Fewest for the smallest bounds.
    pub needed: u64,
}

impl Limits {
    /// Most descriptors that a gate with so many listeners needs within these bounds: one for each guest, and one for each
    /// request at the agent.
    #[must_use]
    pub fn descriptors(&self, listeners: usize) -> u64 {
        OWN + of_listeners(listeners) + u64::from(self.connections) + u64::from(self.at_the_agent())
    }

    fn at_the_agent(&self) -> u32 {
        self.backend_requests.min(self.connections)
    }

    /// These bounds, or smaller ones if there are too few descriptors. Requests at the agent are reduced first, down to a
    /// quarter of the room, then connections. If connections are reduced, one source gets a quarter of them at most; the same
    /// holds for requests. So of two bounds that do not fit, the larger never gives one source less.
    ///
    /// # Errors
    /// There are too few descriptors to serve at all.
    pub fn within(&self, descriptors: u64, listeners: usize) -> Result<Self, TooFewDescriptors> {
        let own = FEWEST_OWN + of_listeners(listeners);
        let room = descriptors.saturating_sub(own);
        if room < FEWEST {
            return Err(TooFewDescriptors { present: descriptors, needed: own + FEWEST });
        }
        if room >= u64::from(self.connections) + u64::from(self.at_the_agent()) {
            return Ok(self.clone());
        }
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let left = room.saturating_sub(self.connections).max(room / 4);
        let backend_requests = self.at_the_agent().min(left);
        let connections = self.connections.min(room - backend_requests);
        Ok(Self {
            connections,
            connections_per_source: of_one(self.connections_per_source, connections, self.connections),
            backend_requests,
            requests_per_source: of_one(self.requests_per_source, backend_requests, self.at_the_agent()),
            ..self.clone()
        })
    }
}

/// One source's part of `fitting`: its own bound, and at most a quarter if `fitting` is less than `asked`.
fn of_one(own: u32, fitting: u32, asked: u32) -> u32 {
    if fitting < asked { own.min((fitting / 4).max(1)) } else { own }
}

fn of_listeners(listeners: usize) -> u64 {
    u64::try_from(listeners).unwrap_or(u64::MAX).saturating_mul(OF_A_LISTENER)
}

/// Descriptors that a network with so many listeners takes of its worker: the connection that handed it over, the door to its agent if
/// it has one, its listeners, and two for each reserved connection.
#[must_use]
pub fn descriptors_of_a_network(listeners: usize, reserved: u32) -> u64 {
    (2 + u64::from(reserved) * 2).saturating_add(of_listeners(listeners))
}

/// The bounds of a worker that has fewer descriptors than its settings need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolRoom {
    /// Peers at once that have connected and sent nothing yet.
    pub peers: u32,
    /// Descriptors for networks and connections.
    pub descriptors: u64,
    /// Networks at once, each with one listener and its reserved connections.
    pub networks: u32,
    /// Shared connections beside one network. Each further network takes some of them.
    pub connections: u32,
}

impl Pool {
    /// Peers at once that have connected to a worker and sent nothing yet, if there are enough descriptors.
    #[must_use]
    pub fn peers(&self) -> u32 {
        MOST_PEERS
    }

    /// Most descriptors that a worker needs within its bounds: two for each connection, reserved or shared.
    #[must_use]
    pub fn descriptors(&self) -> u64 {
        let of_networks = u64::from(self.networks) * descriptors_of_a_network(LISTENERS, self.reserved_connections);
        OWN + u64::from(MOST_PEERS) + u64::from(self.connections) * 2 + of_networks
    }

    /// The bounds of a worker with so many descriptors; `None` if its settings fit.
    ///
    /// # Errors
    /// There are too few descriptors for one network.
    pub fn room(&self, descriptors: u64) -> Result<Option<PoolRoom>, TooFewDescriptors> {
        if descriptors >= self.descriptors() {
            return Ok(None);
        }
        let of_a_network = descriptors_of_a_network(1, self.reserved_connections);
        let needed = FEWEST_OWN + u64::from(FEWEST_PEERS) + of_a_network;
        if descriptors < needed {
            return Err(TooFewDescriptors { present: descriptors, needed });
        }
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let peers = number(descriptors / PART_OF_PEERS).clamp(FEWEST_PEERS, MOST_PEERS);
        let left = descriptors - FEWEST_OWN - u64::from(peers);
        Ok(Some(PoolRoom {
            peers,
            descriptors: left,
            networks: self.networks.min(number(left / of_a_network)),
            connections: self.connections.min(number((left - of_a_network) / 2)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AbsolutePath;

    #[test]
    fn bounds_that_fit_stay_as_they_are_and_others_fit_afterwards() {
        for connections in [1, 2, 16, 1024, 1_000_000] {
            for per_source in [1, 256].map(|most: u32| most.min(connections)) {
                let limits = Limits { connections, connections_per_source: per_source, ..Limits::default() };
                for listeners in [1, 2, 16] {
                    assert_eq!(limits.within(limits.descriptors(listeners), listeners), Ok(limits.clone()));
                    for present in 0..3000 {
                        let Ok(fitted) = limits.within(present, listeners) else {
                            assert!(present < 32 + 2 * listeners as u64);
                            continue;
                        };
                        let taken = u64::from(fitted.connections + fitted.at_the_agent()) + 2 * listeners as u64;
                        assert!(taken + FEWEST_OWN <= present, "{fitted:?} in {present}");
                        let bounds = [fitted.connections, fitted.connections_per_source, fitted.requests_per_source];
                        assert!(bounds.iter().all(|bound| *bound >= 1) && fitted.backend_requests >= 1, "{fitted:?}");
                        assert!(fitted.connections_per_source <= fitted.connections);
                    }
                }
            }
        }
    }

    #[test]
    fn one_source_does_not_get_all_of_what_is_left() {
        let fitted = Limits::default().within(64, 1).unwrap();
        assert_eq!((fitted.connections, fitted.connections_per_source), (29, 7));
        assert_eq!((fitted.backend_requests, fitted.requests_per_source), (9, 2));
    }

    #[test]
    fn a_larger_number_of_connections_never_leaves_a_source_less_of_those_that_do_not_fit() {
        let of = |connections| {
            let mut limits = Limits::default();
            limits.limit_connections(connections);
            limits
        };
        for present in [64, 256, 1024, 4096, 20_000, 65_536, 524_288] {
            let fitted: Vec<Limits> = [1024, 2048, 20_000, 65_536, 524_288, 1_000_000]
                .into_iter()
                .map(of)
                .filter(|limits| limits.connections >= u32::try_from(present).unwrap())
                .map(|limits| limits.within(present, 1).unwrap())
                .collect();
            let quarter = |all: u32| (all / 4).max(1);
            for (smaller, larger) in fitted.iter().zip(fitted.iter().skip(1)) {
                assert_eq!(smaller, larger, "{present} descriptors");
            }
            for fitted in fitted {
                assert_eq!(
                    fitted.connections_per_source,
                    256.min(quarter(fitted.connections)),
                    "{present}: {fitted:?}"
                );
                assert_eq!(
                    fitted.requests_per_source,
                    16.min(quarter(fitted.backend_requests)),
                    "{present}: {fitted:?}"
                );
            }
        }
        let fitted = of(1_000_000).within(20_000, 1).unwrap();
        assert_eq!((fitted.connections, fitted.connections_per_source), (19_910, 256));
        assert_eq!((fitted.backend_requests, fitted.requests_per_source), (64, 16));
    }

    #[test]
    fn a_larger_number_of_requests_at_the_agent_never_leaves_a_source_less_of_them() {
        let of = |backend_requests| Limits { backend_requests, ..Limits::default() }.within(1024, 1).unwrap();
        let fitted = [64, 128, 1024, 65_536].map(of);
        assert!(fitted.iter().all(|fitted| fitted.requests_per_source == 16), "{fitted:?}");
        assert!(fitted.windows(2).all(|two| two[0].backend_requests <= two[1].backend_requests), "{fitted:?}");
    }

    #[test]
    fn connections_that_fit_are_kept_and_the_agent_has_what_is_left() {
        let mut last = u32::MAX;
        for connections in 51..=75 {
            let limits = Limits { connections, connections_per_source: connections, ..Limits::default() };
            let fitted = limits.within(126, 1).unwrap();
            assert_eq!((fitted.connections, fitted.connections_per_source), (connections, connections));
            assert!(fitted.backend_requests == 100 - connections && fitted.backend_requests < last, "{fitted:?}");
            last = fitted.backend_requests;
        }
    }

    #[test]
    fn a_pool_fits_with_what_it_reserves() {
        let pool = Pool {
            socket: AbsolutePath::new("/run/pool.sock").unwrap(),
            group: None,
            backends: Vec::new(),
            workers: 1,
            networks: 10_000,
            connections: 8192,
            reserved_connections: 4,
            metrics: None,
        };
        assert_eq!(pool.room(pool.descriptors()), Ok(None));
        for present in 0..3000 {
            let Ok(room) = pool.room(present) else {
                assert!(present < 44, "{present}");
                continue;
            };
            let room = room.unwrap();
            let of_networks = u64::from(room.networks) * descriptors_of_a_network(1, 4);
            assert!(room.networks >= 1 && of_networks <= room.descriptors, "{room:?}");
            assert!(FEWEST_OWN + u64::from(room.peers) + room.descriptors <= present, "{room:?} in {present}");
        }
        let room = pool.room(20_000).unwrap().unwrap();
        assert_eq!((room.networks, room.connections), (1643, 8192));
    }
}
