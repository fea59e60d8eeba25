//! The counters of this process, in a page that root can read from outside ([`CounterPage`]), and the reader of such a page.
//!
//! Promises that a page gives numbers only: the kernel says which process it is and whom it serves. A page with another
//! beginning or version is refused.

use nsgate_agent::gates::counters::{HopCounters, HopValues};
use nsgate_forwarder::{
    AccessRecord,
    counters::{CounterValues, Counters},
};
use nsgate_launcher::CounterPage;
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// The first number: eight bytes, of which the last is the version. Within a version a place keeps its meaning. New places may
/// follow; they are 0 in older pages.
const MAGIC: u64 = u64::from_be_bytes(*b"nsgate\0\x01");

/// Places of the numbers.
const CONNECTIONS: usize = 1;
const ACCEPTED: usize = 2;
const LOST_LINES: usize = 3;
const LOST_EVENTS: usize = 4;
const SERVES: usize = 5;
const TOKENS: usize = 6;
const LOG_MISSING: usize = 7;
const UNSERVED: usize = 8;
/// From here on, the forwarder's.
const REQUESTS: usize = 16;
/// From here on, the second hop's.
const HOP: usize = 256;
const _: () = assert!(REQUESTS + nsgate_forwarder::counters::CELLS <= HOP);

/// The page of this process.
static PAGE: OnceLock<CounterPage> = OnceLock::new();

/// Starts to count in `page`, if there is one.
pub(crate) fn begin(page: Option<CounterPage>, tokens: bool) {
    let Some(page) = page else { return };
    if PAGE.set(page).is_ok() {
        put(TOKENS, tokens.into());
        LINES.show();
        EVENTS.show();
        put(LOG_MISSING, NO_LOG.load(Ordering::Relaxed).into());
        put(0, MAGIC);
    }
}

/// Whether this process serves guests: a keeper does not, while a worker does.
pub(crate) fn serves(yes: bool) {
    put(SERVES, yes.into());
}

/// Whether no process serves the network: a keeper that is to serve by itself never has found no worker.
pub(crate) fn unserved(yes: bool) {
    put(UNSERVED, yes.into());
}

/// Something that is lost, counted since this process began.
#[derive(Debug)]
pub(crate) struct LostCounter {
    count: AtomicU64,
    /// Its place in the page.
    place: usize,
}

/// Lines of the log that no destination took.
pub(crate) static LINES: LostCounter = LostCounter { count: AtomicU64::new(0), place: LOST_LINES };
/// Events of the audit that no destination took.
pub(crate) static EVENTS: LostCounter = LostCounter { count: AtomicU64::new(0), place: LOST_EVENTS };

impl LostCounter {
    /// Adds `more`.
    pub(crate) fn add(&self, more: u64) {
        self.count.fetch_add(more, Ordering::Relaxed);
        self.show();
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn show(&self) {
        put(self.place, self.count());
    }
}

/// Whether the system log has been missing since this process began. Each line is lost then, because the host has no log (a
/// container without `/dev/log`) and not because the log takes none.
static NO_LOG: AtomicBool = AtomicBool::new(false);

/// Sets whether the system log is missing.
pub(crate) fn log_missing(yes: bool) {
    NO_LOG.store(yes, Ordering::Relaxed);
    put(LOG_MISSING, yes.into());
}

fn put(place: usize, number: u64) {
    if let Some(cell) = PAGE.get().and_then(|page| page.get(place)) {
        cell.store(number, Ordering::Relaxed);
    }
}

/// Counts the requests of the only gate of this process.
pub(crate) struct OwnCounters {
    cells: &'static [AtomicU64],
    requests: Counters<&'static [AtomicU64]>,
}

impl OwnCounters {
    /// `None` where there is no page.
    pub(crate) fn new() -> Option<Self> {
        let cells = PAGE.get()?.as_slice();
        Some(Self { cells, requests: Counters::new(cells.get(REQUESTS..)?) })
    }

    pub(crate) fn request(&self, record: &AccessRecord) {
        self.requests.count(record);
    }

    pub(crate) fn opened(&self, open: u32) {
        self.connections(open);
        if let Some(cell) = self.cells.get(ACCEPTED) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn connections(&self, open: u32) {
        if let Some(cell) = self.cells.get(CONNECTIONS) {
            cell.store(open.into(), Ordering::Relaxed);
        }
    }
}

/// Counts the requests of an agent; `None` where there is no page.
pub(crate) fn hop() -> Option<HopCounters<&'static [AtomicU64]>> {
    Some(HopCounters::new(PAGE.get()?.as_slice().get(HOP..)?))
}

/// The numbers in the page of another process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CounterReading {
    /// Connections of guests, open now.
    pub(crate) connections: u64,
    /// Connections that were accepted.
    pub(crate) accepted: u64,
    pub(crate) lost_lines: u64,
    pub(crate) lost_events: u64,
    /// Whether the system log has never been there.
    pub(crate) log_missing: bool,
    /// Whether the process serves guests.
    pub(crate) serves: bool,
    /// Whether it is a keeper whose network no process serves.
    pub(crate) unserved: bool,
    /// Whether its gate knows of session tokens.
    pub(crate) tokens: bool,
    pub(crate) numbers: CounterValues,
    /// What an agent counts.
    pub(crate) hop: HopValues,
}

impl CounterReading {
    /// `None` if this is no page of this version.
    pub(crate) fn of(page: &[u64]) -> Option<Self> {
        let at = |place: usize| page.get(place).copied().unwrap_or(0);
        (at(0) == MAGIC).then(|| Self {
            // As many as a process can have.
            connections: at(CONNECTIONS).min(u32::MAX.into()),
            accepted: at(ACCEPTED),
            lost_lines: at(LOST_LINES),
            lost_events: at(LOST_EVENTS),
            log_missing: at(LOG_MISSING) != 0,
            serves: at(SERVES) != 0,
            unserved: at(UNSERVED) != 0,
            tokens: at(TOKENS) != 0,
            numbers: CounterValues::new(page.get(REQUESTS..).unwrap_or_default()),
            hop: HopValues::new(page.get(HOP..).unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{CounterReading, MAGIC};

    #[test]
    fn a_page_that_is_none_says_nothing() {
        assert_eq!(CounterReading::of(&[]), None);
        assert_eq!(CounterReading::of(&[0; 512]), None, "not begun");
        assert_eq!(CounterReading::of(&[u64::MAX; 512]), None);
        assert_eq!(CounterReading::of(&[MAGIC + 1; 512]), None, "of another version");
        let mut page = [u64::MAX; 512];
        page[0] = MAGIC;
        let read = CounterReading::of(&page).unwrap();
        assert_eq!((read.connections, read.numbers.requests()), (u32::MAX.into(), u64::MAX));
        assert_eq!(CounterReading::of(&[MAGIC]).unwrap(), CounterReading::default(), "what is not there is 0");
    }
}
