//! Lines on their way to the system log.
//!
//! Promises that lines are sent in order, each in a datagram of its own. If lines of requests come fast, they wait for each other,
//! at most ten milliseconds: the log's reader is then woken once for several lines. While the log is full, a bounded number of
//! lines waits for a bounded time. Lost lines are counted, and the log gets the count when it has room.

use super::link::{LogLink, Sent};
use crate::counted;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, time::sleep};

/// Most lines that are sent together. A socket's queue has room for 10 by default (net.unix.max_dgram_qlen, unix(7)).
pub(super) const TOGETHER: usize = 8;
/// Lines that follow each other within this time wait for each other. A single line is sent at once.
pub(super) const BUSY: Duration = Duration::from_millis(1);
/// How long a line waits for others, and the time between two attempts at a full log.
pub(super) const SOON: Duration = Duration::from_millis(10);
/// Most lines that wait while the log is full, and for how long.
pub(super) const MOST: usize = 64;
const PATIENCE: Duration = Duration::from_secs(1);

/// The lines of all logs of a process.
#[derive(Debug)]
pub(super) struct Outbox(Mutex<OutboxState>);

#[derive(Debug)]
pub(super) struct OutboxState {
    pub(super) waiting: VecDeque<Datagram>,
    /// Time of the last line of a request.
    pub(super) last: Option<Instant>,
    /// In [`DUE`]: [`deliver`] will send what waits.
    due: bool,
    /// Since when the log is full.
    full: Option<Instant>,
    pub(super) lost: u64,
    link: LogLink,
}

#[derive(Debug)]
pub(super) struct Datagram {
    /// How many lost lines it reports; 0 for an ordinary line.
    confesses: u64,
    text: Vec<u8>,
}

thread_local! {
    /// Outboxes with waiting lines.
    static DUE: RefCell<Vec<Arc<Outbox>>> = const { RefCell::new(Vec::new()) };
    /// A call of [`deliver`] is scheduled.
    static ARRANGED: Cell<bool> = const { Cell::new(false) };
}

/// Sends every waiting line. Call it when this thread's event loop has ended; while the loop runs, it calls it itself.
pub(crate) fn deliver() {
    ARRANGED.set(false);
    let due = DUE.take();
    let undelivered = due.into_iter().filter(|outbox| {
        let mut state = outbox.state();
        state.deliver();
        state.due = !state.waiting.is_empty();
        state.due
    });
    let undelivered: Vec<_> = undelivered.collect();
    let full = !undelivered.is_empty();
    DUE.set(undelivered);
    if full {
        deliver_soon();
    }
}

/// Schedules [`deliver`] in the event loop; false if there is no event loop.
fn deliver_soon() -> bool {
    if ARRANGED.get() {
        return true;
    }
    let Ok(event_loop) = Handle::try_current() else { return false };
    ARRANGED.set(true);
    event_loop.spawn(async {
        sleep(SOON).await;
        deliver();
    });
    true
}

impl Outbox {
    pub(super) fn new(link: LogLink) -> Arc<Self> {
        let (waiting, last, due, full, lost) = (VecDeque::new(), None, false, None, 0);
        Arc::new(Self(Mutex::new(OutboxState { waiting, last, due, full, lost, link })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, OutboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the waiting lines and this one. `confess` words the number of lost lines.
    pub(super) fn send(self: &Arc<Self>, line: Vec<u8>, confess: impl FnOnce(u64) -> Vec<u8>) {
        let mut state = self.state();
        state.line_up(line, confess);
        self.flush(&mut state);
    }

    /// Sends one line, together with the next ones if lines come fast.
    pub(super) fn send_soon(self: &Arc<Self>, line: Vec<u8>, confess: impl FnOnce(u64) -> Vec<u8>) {
        let mut state = self.state();
        state.line_up(line, confess);
        let now = Instant::now();
        let alone = state.last.replace(now).is_none_or(|last| now.duration_since(last) > BUSY);
        if alone || state.waiting.len() >= TOGETHER || !self.wait(&mut state) {
            self.flush(&mut state);
        }
    }

    /// Sends what waits, and schedules the rest.
    fn flush(self: &Arc<Self>, state: &mut OutboxState) {
        state.deliver();
        if !state.waiting.is_empty() {
            self.wait(state);
        }
    }

    /// Sends one line at once; false if the log did not take it.
    pub(super) fn offer(&self, line: &[u8]) -> bool {
        self.state().link.send(line) == Sent::Taken
    }

    /// Schedules what waits; false if there is no event loop.
    fn wait(self: &Arc<Self>, state: &mut OutboxState) -> bool {
        if !std::mem::replace(&mut state.due, true) {
            DUE.with_borrow_mut(|due| due.push(self.clone()));
        }
        deliver_soon()
    }
}

impl OutboxState {
    /// Appends a line. If too many wait, it is lost and counted.
    fn line_up(&mut self, line: Vec<u8>, confess: impl FnOnce(u64) -> Vec<u8>) {
        if self.waiting.len() >= MOST {
            self.deliver();
        }
        if self.waiting.len() >= MOST {
            self.lose(0);
            return;
        }
        if self.lost > 0 {
            let confesses = std::mem::take(&mut self.lost);
            self.waiting.push_back(Datagram { confesses, text: confess(confesses) });
        }
        self.waiting.push_back(Datagram { confesses: 0, text: line });
    }

    /// Counts a lost line, or a lost report of `confesses` lines, which were counted before.
    fn lose(&mut self, confesses: u64) {
        self.lost = self.lost.saturating_add(confesses.max(1));
        counted::LINES.add(u64::from(confesses == 0));
    }

    /// Sends what waits, as far as the log takes it. Lines are lost if the log is gone, or full for too long.
    fn deliver(&mut self) {
        while let Some(Datagram { confesses, text }) = self.waiting.front() {
            match self.link.send(text) {
                Sent::Taken => self.full = None,
                Sent::Full if self.full.get_or_insert_with(Instant::now).elapsed() < PATIENCE => return,
                Sent::Full | Sent::Gone => {
                    let confesses = *confesses;
                    self.lose(confesses);
                }
            }
            self.waiting.pop_front();
        }
        self.full = None;
    }
}
