//! Who asks: the address by which connections, requests and rates are counted.
//!
//! A machine with IPv6 has a whole /64 at its disposal, so it is counted by that; IPv4 is counted by address.

use nsgate_config::Limits;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;

/// A source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))),
            v4 => Self(v4),
        }
    }
}

/// What the connections of one source share.
#[derive(Debug)]
struct Shared {
    connections: u32,
    requests: Arc<Semaphore>,
    heads: Arc<Semaphore>,
}

/// Every source that has a connection; bounded by the number of connections.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<HashMap<Source, Shared>>);

/// A place of one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sources: Arc<Sources>,
    source: Source,
    /// Turns for requests of this source at the agent.
    pub(crate) requests: Arc<Semaphore>,
    /// Turns for heads of this source that did not come in one piece.
    pub(crate) heads: Arc<Semaphore>,
}

/// A semaphore with as many permits as a bound says.
pub(crate) fn turns(bound: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(bound).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
}

impl Sources {
    /// A place for one more connection of `source`, unless it has all that it may have.
    pub(crate) fn enter(self: &Arc<Self>, source: Source, limits: &Limits) -> Option<Place> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = table.entry(source).or_insert_with(|| Shared {
            connections: 0,
            requests: turns(limits.requests_per_source),
            heads: turns(limits.unfinished_heads_per_source),
        });
        if shared.connections >= limits.connections_per_source {
            return None;
        }
        shared.connections += 1;
        let (requests, heads) = (shared.requests.clone(), shared.heads.clone());
        Some(Place { sources: self.clone(), source, requests, heads })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = table.get_mut(&self.source) {
            shared.connections = shared.connections.saturating_sub(1);
            if shared.connections == 0 {
                table.remove(&self.source);
            }
        }
        if table.is_empty() {
            table.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, Sources};
    use nsgate_config::Limits;
    use std::sync::Arc;

    #[test]
    fn ipv4_is_counted_by_address_and_ipv6_by_its_64() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn a_source_at_its_bound_is_refused_and_the_table_empties() {
        let limits = Limits { connections_per_source: 2, ..Limits::default() };
        let sources = Arc::new(Sources::default());
        let one = Source::of("10.0.0.1".parse().unwrap());
        let places = [sources.enter(one, &limits).unwrap(), sources.enter(one, &limits).unwrap()];
        assert!(sources.enter(one, &limits).is_none());
        assert!(sources.enter(Source::of("10.0.0.2".parse().unwrap()), &limits).is_some());
        drop(places);
        assert!(sources.0.lock().unwrap().is_empty());
    }
}
