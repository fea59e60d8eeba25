//! What the layers of one connection tell each other about the request under way.
//!
//! The strict reader, the service and the watchdog run on one task, one after another: the lock is never contended.

mod displacement;
mod state;

pub(crate) use displacement::Among;
pub(crate) use state::{AfterAnswer, ExchangeEvent, ExchangeState};

use crate::{AccessRecord, Observer, Reason, Termination, strict::Head};
use nsgate_config::Timeouts;
use state::Transition;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    task::Waker,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// Bytes of a request line that the log gets.
pub(crate) const LONGEST_LINE: usize = 1024;

/// ForwarderContext by the layers.
pub(crate) struct Exchange {
    progress: Mutex<ExchangeProgress>,
    observer: Arc<dyn Observer>,
    client: SocketAddr,
    /// It is asked to give way.
    displaced: AtomicBool,
}

/// How far the connection is.
struct ExchangeProgress {
    state: ExchangeState,
    /// When that wait began.
    since: Instant,
    /// A head that no service has taken.
    head: Option<ReadHead>,
    /// The request under way, for the log.
    record: Option<AccessRecord>,
    /// When its first byte came.
    began: Instant,
    /// When its head was complete.
    released: Instant,
    /// Bytes written to the guest for it.
    written: u64,
    /// The connection was asked to end with the response under way.
    ends: bool,
    /// The connection's task, once its reader has waited.
    task: Option<Waker>,
}

/// A head that was found good.
pub(crate) struct ReadHead {
    pub(crate) head: Head,
    /// With it came the whole content.
    pub(crate) whole: bool,
}

impl Exchange {
    pub(crate) fn new(client: SocketAddr, observer: Arc<dyn Observer>) -> Arc<Self> {
        let now = Instant::now();
        let progress = ExchangeProgress {
            state: ExchangeState::Fresh,
            since: now,
            head: None,
            record: None,
            began: now,
            released: now,
            written: 0,
            ends: false,
            task: None,
        };
        Arc::new(Self { progress: Mutex::new(progress), observer, client, displaced: AtomicBool::new(false) })
    }

    pub(crate) fn client(&self) -> SocketAddr {
        self.client
    }

    fn lock(&self) -> MutexGuard<'_, ExchangeProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a question about where the exchange stands is answered.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&ExchangeState) -> T) -> T {
        question(&self.lock().state)
    }

    /// Tells of an event that has no data of its own. The moment when the wait that it ends or goes on with began.
    #[inline(always)]
    pub(crate) fn on(&self, event: ExchangeEvent) -> Instant {
        let mut progress = self.lock();
        progress.step(event);
        progress.since
    }

    /// The first byte of a request came.
    pub(crate) fn begin(&self) {
        let mut progress = self.lock();
        progress.step(ExchangeEvent::Begin);
        progress.began = progress.since;
        progress.written = 0;
        #[allow(clippy::disallowed_methods, reason = "the date of a line")]
        let date = SystemTime::now();
        progress.record = Some(AccessRecord::begun(self.client, date));
    }

    /// A head was found good.
    pub(crate) fn read_head(&self, read: ReadHead) {
        let mut progress = self.lock();
        progress.step(ExchangeEvent::ReadHead);
        progress.released = progress.since;
        let elapsed = progress.released.duration_since(progress.began);
        if let Some(record) = &mut progress.record {
            record.head_time = Some(elapsed);
            record_line(record, &read.head.line);
        }
        progress.head = Some(read);
    }

    /// So much of a request line has come; the head is not complete.
    pub(crate) fn sees(&self, line: &[u8]) {
        self.note(|record| record_line(record, line));
    }

    /// The service begins with a request: its head, and when that was complete. `None` if no head was read.
    pub(crate) fn take_head(&self) -> Option<(ReadHead, Instant)> {
        let mut progress = self.lock();
        progress.step(ExchangeEvent::Take);
        Some((progress.head.take()?, progress.released))
    }

    /// The response begins: `note` adds to what the log will say, and is told when.
    pub(crate) fn respond(&self, after: AfterAnswer, note: impl FnOnce(&mut AccessRecord, Instant)) {
        let mut progress = self.lock();
        progress.step(ExchangeEvent::Respond(after));
        let now = progress.since;
        if let Some(record) = &mut progress.record {
            note(record, now);
        }
    }

    /// So many bytes were written to the guest.
    pub(crate) fn wrote(&self, count: usize) {
        let mut progress = self.lock();
        progress.written = progress.written.saturating_add(count.try_into().unwrap_or(u64::MAX));
        progress.step(ExchangeEvent::Write);
    }

    /// All that was handed over is written. If that was the response's last byte, the request is over: when the clock was
    /// asked last. Whether a request is still in flight.
    pub(crate) fn flushed(&self) -> bool {
        let mut progress = self.lock();
        let transition = progress.step(ExchangeEvent::Flush);
        if transition.completes {
            let elapsed = progress.since.duration_since(progress.began);
            self.log(progress, elapsed, None);
        }
        transition.state.is_in_flight()
    }

    /// The connection ends: where the exchange stood. What becomes of its parts from now on is no news.
    pub(crate) fn leave(&self) -> ExchangeState {
        let mut progress = self.lock();
        let left = progress.state;
        progress.step(ExchangeEvent::Leave);
        left
    }

    /// The request under way is over: it is logged, once.
    pub(crate) fn end(&self, cut: Option<(Termination, Reason)>) {
        let progress = self.lock();
        let elapsed = progress.began.elapsed();
        self.log(progress, elapsed, cut);
    }

    fn log(
        &self,
        mut progress: MutexGuard<'_, ExchangeProgress>,
        elapsed: Duration,
        cut: Option<(Termination, Reason)>,
    ) {
        let written = progress.written;
        let Some(mut record) = progress.record.take() else { return };
        drop(progress);
        record.total_time = elapsed;
        record.bytes = written;
        if let (Some((termination, reason)), Termination::NORMAL) = (cut, record.termination) {
            (record.termination, record.reason) = (termination, Some(reason));
        }
        self.observer.request(&record);
    }

    /// Adds to what the log will say.
    pub(crate) fn note(&self, add: impl FnOnce(&mut AccessRecord)) {
        if let Some(record) = &mut self.lock().record {
            add(record);
        }
    }

    /// Whether the request under way is a HEAD: its response has no content (RFC 9110, section 9.3.2).
    pub(crate) fn is_head(&self) -> bool {
        self.lock().record.as_ref().is_some_and(|record| record.request_line.starts_with(b"HEAD "))
    }

    /// Where the exchange stands, and when the patience with the guest ends; never while the agent is waited for, whose time
    /// is counted where it is asked.
    pub(crate) fn patience(&self, timeouts: &Timeouts) -> (ExchangeState, Option<Instant>) {
        let progress = self.lock();
        (progress.state, progress.deadline(timeouts))
    }

    /// The task that is woken when the reader has something to look at.
    pub(crate) fn reads_on(&self, task: Waker) {
        self.lock().task = Some(task);
    }
}

impl ExchangeProgress {
    #[inline(always)]
    fn step(&mut self, event: ExchangeEvent) -> Transition {
        let transition = self.state.step(event);
        self.state = transition.state;
        if transition.restarts_clock {
            self.since = Instant::now();
        }
        if transition.wakes_reader {
            self.wake();
        }
        transition
    }

    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let patience = match self.state {
            ExchangeState::Fresh | ExchangeState::Head | ExchangeState::HeadQueued => timeouts.request,
            ExchangeState::HeadRead | ExchangeState::Content => {
                return Some((self.since + timeouts.client).min(self.released + timeouts.body));
            }
            ExchangeState::Answer(_) | ExchangeState::Ended { .. } => timeouts.client,
            ExchangeState::Idle | ExchangeState::Unread => timeouts.keep_alive,
            ExchangeState::Agent
            | ExchangeState::Queued
            | ExchangeState::Rest(_)
            | ExchangeState::Incomplete
            | ExchangeState::Refused(_)
            | ExchangeState::Closing => return None,
        };
        Some(self.since + patience)
    }
}

fn record_line(record: &mut AccessRecord, line: &[u8]) {
    record.request_line.clear();
    record.request_line.extend(line.iter().take(LONGEST_LINE));
}

#[cfg(test)]
mod tests {
    use super::{AfterAnswer, Arc, Exchange, ExchangeEvent, ReadHead};
    use crate::strict;
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::Wake,
    };

    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_reader_is_woken_when_it_has_something_to_look_at() {
        let exchange = Exchange::new("10.0.0.5:1".parse().unwrap(), Arc::new(()));
        let wakes = Arc::new(Wakes::default());
        exchange.reads_on(wakes.clone().into());
        let mut known = 0;
        let mut woken = || std::mem::replace(&mut known, wakes.0.load(Ordering::Relaxed)) != known;
        exchange.begin();
        let head = strict::parse_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &nsgate_config::Limits::default()).unwrap();
        exchange.read_head(ReadHead { head, whole: true });
        assert!(exchange.take_head().is_some());
        exchange.on(ExchangeEvent::Forward);
        assert!(!woken());
        exchange.on(ExchangeEvent::Wait);
        assert!(woken(), "a guest that has gone may leave the queue");
        exchange.on(ExchangeEvent::Connect);
        exchange.respond(AfterAnswer::Open, |record, _| record.status = 200);
        assert!(exchange.flushed() && !woken(), "more of the response is to come");
        exchange.on(ExchangeEvent::End);
        assert!(woken(), "the library may read on");
        exchange.on(ExchangeEvent::AwaitEnd);
        assert!(!exchange.flushed() && woken(), "it was told that the response was not written");
        assert!(!exchange.flushed() && !woken());
        exchange.displace();
        assert!(woken());
    }
}
