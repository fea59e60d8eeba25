//! Lines on their way to the system log.
//!
//! Promises that lines go out in their order, each in a datagram of its own, and that a line of a request waits for others
//! only where they come fast, and no longer than ten milliseconds: whoever reads the log is woken once for several lines
//! then, which costs both sides less than once for each. While the log is full a bounded number waits, for a bounded time;
//! what is lost is counted, and said once there is room.

use super::link::{LogLink, Sent};
use crate::counted;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, time::sleep};

/// Lines that go out together. A socket's queue has room for 10 where nobody has changed it (net.unix.max_dgram_qlen,
/// unix(7)).
pub(super) const TOGETHER: usize = 8;
/// Lines that follow each other within this time are many: they wait for each other. One by itself goes out at once.
pub(super) const BUSY: Duration = Duration::from_millis(1);
/// How long a line waits for others, and how long it takes until a log that is full is tried again.
pub(super) const SOON: Duration = Duration::from_millis(10);
/// Lines that wait while the log is full, and how long.
pub(super) const MOST: usize = 64;
const PATIENCE: Duration = Duration::from_secs(1);

/// What all the logs of a process share.
#[derive(Debug)]
pub(super) struct Outbox(Mutex<OutboxState>);

#[derive(Debug)]
pub(super) struct OutboxState {
    pub(super) waiting: VecDeque<Datagram>,
    /// When the last line of a request came.
    pub(super) last: Option<Instant>,
    /// [`deliver`] will look here.
    due: bool,
    /// The log is full since then.
    full: Option<Instant>,
    pub(super) lost: u64,
    link: LogLink,
}

#[derive(Debug)]
pub(super) struct Datagram {
    /// How many lost lines it tells of; 0 for a line.
    confesses: u64,
    text: Vec<u8>,
}

thread_local! {
    /// Where lines wait.
    static DUE: RefCell<Vec<Arc<Outbox>>> = const { RefCell::new(Vec::new()) };
    /// [`deliver`] will be called for them.
    static ARRANGED: Cell<bool> = const { Cell::new(false) };
}

/// Sends every line that waits. To be called when this thread's event loop has ended; while it runs, it sees to that.
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

/// Has [`deliver`] called by the event loop; false where there is none.
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

    /// Sends one line, and those that wait before it. `confess` words how many were lost.
    pub(super) fn send(self: &Arc<Self>, line: Vec<u8>, confess: impl FnOnce(u64) -> Vec<u8>) {
        let mut state = self.state();
        state.line_up(line, confess);
        self.flush(&mut state);
    }

    /// Sends one line, with the next ones where they come fast.
    pub(super) fn send_soon(self: &Arc<Self>, line: Vec<u8>, confess: impl FnOnce(u64) -> Vec<u8>) {
        let mut state = self.state();
        state.line_up(line, confess);
        let now = Instant::now();
        let alone = state.last.replace(now).is_none_or(|last| now.duration_since(last) > BUSY);
        if alone || state.waiting.len() >= TOGETHER || !self.wait(&mut state) {
            self.flush(&mut state);
        }
    }

    /// Sends what waits, and sees to the rest later.
    fn flush(self: &Arc<Self>, state: &mut OutboxState) {
        state.deliver();
        if !state.waiting.is_empty() {
            self.wait(state);
        }
    }

    /// Sends one line at once or not at all; false if it was not taken.
    pub(super) fn offer(&self, line: &[u8]) -> bool {
        self.state().link.send(line) == Sent::Taken
    }

    /// Sees to it that what waits is delivered; false where nobody will.
    fn wait(self: &Arc<Self>, state: &mut OutboxState) -> bool {
        if !std::mem::replace(&mut state.due, true) {
            DUE.with_borrow_mut(|due| due.push(self.clone()));
        }
        deliver_soon()
    }
}

impl OutboxState {
    /// Puts a line behind the others. Where too many wait, it is lost, and the next one for which there is room says so.
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

    /// A line is lost, or what was to tell of so many: those were counted before.
    fn lose(&mut self, confesses: u64) {
        self.lost = self.lost.saturating_add(confesses.max(1));
        counted::LINES.add(u64::from(confesses == 0));
    }

    /// Sends what waits, as far as the log takes it. Where nobody is there to take it, or takes nothing for long, it is lost.
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
