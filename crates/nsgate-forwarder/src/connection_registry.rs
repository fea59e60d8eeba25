//! Which guests are connected, how much each source holds, and which connection gives way where there is no more room.
//!
//! An address has bounds of its own. A machine with IPv6 has a whole /64 of addresses, and could take everything with
//! them; so where there is no more room, a connection that keeps the gate waiting gives way to a new one: one of the
//! holder of most, and among its connections the one that has been waited for longest.

use crate::{
    exchange::{Among, Exchange},
    source::{GuestSource, Prefix},
    turns::{GivesWay, Turns, turns},
};
use nsgate_config::Limits;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::{sync::Semaphore, time::Instant};

/// A /64 holds as much as one address if it has so many connections for each of the address's.
const GUESTS_OF_A_PREFIX: u32 = 16;
/// Seats that are kept for the next connections when the last one has gone.
const KEPT: usize = 64;
/// Connections that are looked at for one that gives way. Where there are more, the next look goes on behind them.
const LOOKED_AT: usize = 4096;

/// All connections of a gate, by source.
pub(crate) struct ConnectionRegistry {
    limits: Limits,
    requests: Arc<Semaphore>,
    heads: Arc<Semaphore>,
    table: Mutex<RegistryTable>,
}

#[derive(Default)]
struct RegistryTable {
    /// Bounded by the number of connections, as everything here.
    sources: HashMap<GuestSource, Arc<Holder>>,
    prefixes: HashMap<Prefix, Arc<PrefixShare>>,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    /// Where the next look begins.
    next: usize,
}

/// What the connections of one address have together.
pub(crate) struct Holder {
    connections: AtomicU32,
    prefix: Option<Arc<PrefixShare>>,
    /// Turns for its requests at the agent.
    pub(crate) requests: Turns,
    /// Turns for its heads that did not come in one piece.
    pub(crate) heads: Turns,
}

/// What the connections of one /64 have together.
struct PrefixShare {
    connections: AtomicU32,
    requests: Arc<Semaphore>,
}

/// A connection that is served.
struct Seat {
    holder: Arc<Holder>,
    exchange: Arc<Exchange>,
}

/// A place of one connection; given back when dropped.
pub(crate) struct ConnectionPlace {
    crowd: Arc<ConnectionRegistry>,
    source: GuestSource,
    holder: Arc<Holder>,
    seat: Option<usize>,
}

impl ConnectionRegistry {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let (requests, heads) = (turns(limits.backend_requests), turns(limits.unfinished_heads));
        Arc::new(Self { limits, requests, heads, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, RegistryTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection of `source`, unless it has all that it may have and none of them gives way.
    pub(crate) fn enter(self: &Arc<Self>, source: GuestSource) -> Option<ConnectionPlace> {
        let mut table = self.table();
        let holder = match table.sources.get(&source) {
            Some(holder) => holder.clone(),
            None => {
                let holder = Arc::new(self.holder(&mut table, source));
                table.sources.insert(source, holder.clone());
                holder
            }
        };
        let Limits { connections, connections_per_source: most, .. } = self.limits;
        // A source that may have every place waits for one as all others do.
        let has_all = most < connections && holder.connections.load(Ordering::Relaxed) >= most;
        if has_all && !table.displace(Among::Connections, Some(&holder)) {
            return None;
        }
        holder.add(1);
        Some(ConnectionPlace { crowd: self.clone(), source, holder, seat: None })
    }

    fn holder(self: &Arc<Self>, table: &mut RegistryTable, source: GuestSource) -> Holder {
        let Limits { backend_requests, requests_per_source, unfinished_heads_per_source, .. } = self.limits;
        // Three quarters: guests with another prefix, or with IPv4, find a turn even if this /64 takes all it can.
        let share = backend_requests - backend_requests / 4;
        let prefix = source.prefix().map(|prefix| {
            let new = || Arc::new(PrefixShare { connections: AtomicU32::new(0), requests: turns(share) });
            table.prefixes.entry(prefix).or_insert_with(new).clone()
        });
        let requests = prefix.as_ref().map(|prefix| prefix.requests.clone());
        let own =
            |own, prefix, all: &Arc<Semaphore>, among| Turns::new(own, prefix, all.clone(), (among, self.clone()));
        Holder {
            connections: AtomicU32::new(0),
            requests: own(requests_per_source, requests, &self.requests, Among::Answers),
            heads: own(unfinished_heads_per_source, None, &self.heads, Among::Heads),
            prefix,
        }
    }
}

impl GivesWay for ConnectionRegistry {
    fn displace_one(&self, among: Among) {
        self.table().displace(among, None);
    }
}

impl RegistryTable {
    /// Asks one connection to give way: at once if it keeps the gate waiting, or else, where places are wanted by all,
    /// after the answer under way. With `own`, only one of this holder's that keeps the gate waiting. Says whether there
    /// is one.
    fn displace(&mut self, among: Among, own: Option<&Arc<Holder>>) -> bool {
        let (count, start) = (self.seats.len(), self.next);
        self.next = if count > LOOKED_AT { (start + LOOKED_AT) % count } else { 0 };
        let now = Instant::now();
        let seats = self.seats.iter().cycle().skip(start.min(count)).take(count.min(LOOKED_AT)).flatten();
        let ranked = seats.filter_map(|seat| {
            if own.is_some_and(|own| !Arc::ptr_eq(own, &seat.holder)) || seat.exchange.is_displaced() {
                return None;
            }
            let waited = seat.exchange.keeps_waiting(among, now);
            let ends = || own.is_none() && among == Among::Connections && seat.exchange.may_be_asked_to_end();
            (waited.is_some() || ends()).then(|| ((waited.is_some(), seat.holder.weight(), waited), seat))
        });
        let found = ranked.max_by_key(|(rank, _)| *rank);
        if let Some((_, seat)) = &found {
            seat.exchange.displace();
        }
        found.is_some()
    }
}

impl Holder {
    /// A source that is alone, with so many turns of each kind.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn alone(turns: u32) -> Self {
        let (requests, heads) = (Turns::alone(turns), Turns::alone(turns));
        Self { connections: AtomicU32::new(1), prefix: None, requests, heads }
    }

    fn add(&self, one: u32) {
        self.connections.fetch_add(one, Ordering::Relaxed);
        if let Some(prefix) = &self.prefix {
            prefix.connections.fetch_add(one, Ordering::Relaxed);
        }
    }

    /// Takes one connection off; those that are left, of the address and of its /64.
    fn remove(&self) -> (u32, Option<u32>) {
        let remove = |count: &AtomicU32| count.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
        (remove(&self.connections), self.prefix.as_ref().map(|prefix| remove(&prefix.connections)))
    }

    /// How much of the gate it holds: the larger of its address's and its /64's share.
    fn weight(&self) -> u32 {
        let shared = self.prefix.as_ref().map_or(0, |prefix| prefix.connections.load(Ordering::Relaxed));
        self.connections.load(Ordering::Relaxed).max(shared / GUESTS_OF_A_PREFIX)
    }
}

impl ConnectionPlace {
    /// What its source has.
    pub(crate) fn holder(&self) -> Arc<Holder> {
        self.holder.clone()
    }

    /// The connection begins, and may be asked to give way.
    pub(crate) fn begin(&mut self, exchange: Arc<Exchange>) {
        let mut table = self.crowd.table();
        let seat = Some(Seat { holder: self.holder.clone(), exchange });
        let index = match table.free.pop() {
            Some(index) => index,
            None => {
                table.seats.push(None);
                table.seats.len().saturating_sub(1)
            }
        };
        if let Some(place) = table.seats.get_mut(index) {
            *place = seat;
            self.seat = Some(index);
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut table = self.crowd.table();
        if let Some(index) = self.seat.take() {
            if let Some(seat) = table.seats.get_mut(index) {
                *seat = None;
            }
            table.free.push(index);
        }
        let (own, shared) = self.holder.remove();
        if own == 0 {
            table.sources.remove(&self.source);
        }
        if let (Some(0), Some(prefix)) = (shared, self.source.prefix()) {
            table.prefixes.remove(&prefix);
        }
        if table.sources.is_empty() && table.seats.len() > KEPT {
            *table = RegistryTable::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Among, ConnectionPlace, ConnectionRegistry, Exchange, GuestSource};
    use nsgate_config::Limits;
    use std::{
        sync::{Arc, atomic::Ordering},
        thread::sleep,
        time::Duration,
    };

    fn source(text: &str) -> GuestSource {
        GuestSource::of(text.parse().unwrap())
    }

    /// A connection that says nothing.
    fn enter(crowd: &Arc<ConnectionRegistry>, text: &str) -> (ConnectionPlace, Arc<Exchange>) {
        let mut place = crowd.enter(source(text)).unwrap();
        let exchange = Exchange::new("10.0.0.5:1".parse().unwrap(), Arc::new(()));
        place.begin(exchange.clone());
        (place, exchange)
    }

    fn two_a_source() -> Limits {
        let mut limits = Limits::default();
        limits.connections_per_source = 2;
        limits
    }

    #[test]
    fn a_source_at_its_bound_is_refused_and_the_table_empties() {
        let crowd = ConnectionRegistry::new(two_a_source());
        let places = [enter(&crowd, "2001:db8::1").0, enter(&crowd, "2001:db8::1").0];
        assert!(crowd.enter(source("2001:db8::1")).is_none());
        assert!(crowd.enter(source("2001:db8::2")).is_some(), "a neighbour of the same /64");
        drop(places);
        let table = crowd.table();
        assert!(table.sources.is_empty() && table.prefixes.is_empty() && table.seats.iter().all(Option::is_none));
    }

    #[test]
    fn a_source_at_its_bound_takes_the_place_of_its_own_idle_connection() {
        let crowd = ConnectionRegistry::new(two_a_source());
        let (_one, first) = enter(&crowd, "10.0.0.1");
        sleep(Duration::from_millis(30));
        let (_two, second) = enter(&crowd, "10.0.0.1");
        let (_other, neighbour) = enter(&crowd, "10.0.0.2");
        assert!(crowd.enter(source("10.0.0.1")).is_some());
        assert!(first.is_displaced() && !second.is_displaced() && !neighbour.is_displaced());
        assert!(crowd.enter(source("10.0.0.1")).is_none(), "the second has only just come");
    }

    #[test]
    fn the_holder_of_most_is_found_by_address_and_by_64() {
        for (held, loser) in [
            // One address of a /64 that many share.
            (vec![("fd00::1", 9), ("fd00::2", 2), ("fd00::3", 2)], "fd00::1"),
            // An IPv4 address beside a /64 with as many connections of as many guests.
            (vec![("10.0.0.1", 9), ("fd00::2", 4), ("fd00::3", 4), ("fd00::4", 4)], "10.0.0.1"),
        ] {
            let crowd = ConnectionRegistry::new(Limits::default());
            let all: Vec<_> = held
                .iter()
                .flat_map(|(name, count)| (0..*count).map(move |_| *name))
                .map(|name| (name, enter(&crowd, name)))
                .collect();
            sleep(Duration::from_millis(30));
            crowd.table().displace(Among::Connections, None);
            let lost: Vec<_> = all.iter().filter(|(_, (_, one))| one.is_displaced()).map(|(name, _)| *name).collect();
            assert_eq!(lost, [loser]);
        }
        // A /64 of which each address holds one connection, beside a guest with four.
        let crowd = ConnectionRegistry::new(Limits::default());
        let guest: Vec<_> = (0..4).map(|_| enter(&crowd, "10.0.0.1")).collect();
        let machine: Vec<_> = (0..100).map(|number| enter(&crowd, &format!("fd00::{number:x}"))).collect();
        assert_eq!(machine[0].0.holder.prefix.as_ref().unwrap().connections.load(Ordering::Relaxed), 100);
        sleep(Duration::from_millis(30));
        for _ in 0..30 {
            assert!(crowd.table().displace(Among::Connections, None));
        }
        assert!(guest.iter().all(|(_, one)| !one.is_displaced()));
        assert_eq!(machine.iter().filter(|(_, one)| one.is_displaced()).count(), 30);
    }

    #[test]
    fn a_whole_64_leaves_a_quarter_of_the_turns_to_others() {
        let crowd = ConnectionRegistry::new(Limits::default());
        let places: Vec<_> = (0..64).map(|number| enter(&crowd, &format!("fd00::{number:x}")).0).collect();
        let held: Vec<_> = places.iter().filter_map(|place| place.holder.requests.at_once()).collect();
        assert_eq!(held.len(), 48);
        assert!(enter(&crowd, "10.0.0.1").0.holder.requests.at_once().is_some());
        assert!(enter(&crowd, "fd00:1::1").0.holder.requests.at_once().is_some());
    }
}
