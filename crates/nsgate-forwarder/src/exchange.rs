//! What the layers of one connection tell each other about the request under way.
//!
//! The strict reader, the service and the watchdog run on one task, one after another: the lock is never contended.

use crate::{AccessRecord, Observer, Reason, Termination, crowd::Among, refusal::Refusal, strict::Head};
use nsgate_config::Timeouts;
use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// How long the gate waits for a guest before its connection may give way to another one: between two requests, and
/// within one.
const IDLE: Duration = Duration::from_millis(20);
const STALLED: Duration = Duration::from_secs(1);

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first head.
    Fresh,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
    /// The agent.
    Agent,
    /// The guest to take the answer.
    Answer,
    /// The agent to say the rest of its answer: the guest has taken all that there is.
    Rest,
    /// The next head.
    Idle,
    /// The guest to read a refusal, before the connection is closed.
    Closing,
}

impl Phase {
    /// Whether a part of an answer may be with the guest.
    pub(crate) fn is_within_answer(self) -> bool {
        matches!(self, Self::Answer | Self::Rest)
    }
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    since: Instant,
    /// A head that was judged and not yet taken by the service.
    pub(crate) head: Option<Head>,
    /// With that head came the whole body.
    pub(crate) whole: bool,
    /// A request was released and its answer has not ended.
    pub(crate) in_flight: bool,
    /// The request under way has its answer, or a part of it: it gets no other one.
    pub(crate) answering: bool,
    /// It has that before its body was read, and its body is not read any more.
    pub(crate) unread: bool,
    /// The head waits for its turn; or the request waits for one or for a connection, and the agent has not heard of it.
    pub(crate) queued: bool,
    /// Why the reader stopped.
    pub(crate) refusal: Option<Refusal>,
    /// The request under way, for the log.
    record: Option<AccessRecord>,
    began: Instant,
    /// When the head was complete.
    pub(crate) released: Instant,
    /// Bytes written to the guest for the request under way.
    pub(crate) written: u64,
    /// The answer's last byte was handed over, and is not written yet.
    pub(crate) answered: bool,
    /// The answer came whole from the agent, and with it the connection ends: the guest asked for that.
    pub(crate) last: bool,
    /// The connection ends with the answer under way.
    pub(crate) ending: bool,
    /// The reader, if it waits for the answer's end.
    pub(crate) reader: Option<Waker>,
    /// The reader, if it waits for the answer's end to be written.
    pub(crate) behind: Option<Waker>,
}

/// Shared by the layers.
pub(crate) struct Exchange {
    state: Mutex<State>,
    observer: Arc<dyn Observer>,
    client: SocketAddr,
    /// It is asked to give way.
    displaced: AtomicBool,
}

impl Exchange {
    pub(crate) fn new(client: SocketAddr, observer: Arc<dyn Observer>) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            phase: Phase::Fresh,
            since: now,
            head: None,
            whole: false,
            in_flight: false,
            answering: false,
            unread: false,
            queued: false,
            refusal: None,
            record: None,
            began: now,
            released: now,
            written: 0,
            answered: false,
            last: false,
            ending: false,
            reader: None,
            behind: None,
        };
        Arc::new(Self { state: Mutex::new(state), observer, client, displaced: AtomicBool::new(false) })
    }

    pub(crate) fn client(&self) -> SocketAddr {
        self.client
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the gate has waited for this guest, if that is long enough to give way to others.
    pub(crate) fn keeps_waiting(&self, among: Among, now: Instant) -> Option<Duration> {
        let state = self.lock();
        let (since, patience) = match (state.phase, among) {
            (Phase::Fresh | Phase::Idle | Phase::Closing, Among::Connections) => (state.since, IDLE),
            (Phase::Head, Among::Connections | Among::Heads) if !state.queued => (state.began, STALLED),
            (Phase::Body, Among::Connections) => (state.released, STALLED),
            (Phase::Answer, Among::Connections | Among::Answers) => (state.since, STALLED),
            _ => return None,
        };
        let waited = now.saturating_duration_since(since);
        (waited >= patience).then_some(waited)
    }

    /// Says that the connection ends with the answer under way, if there is a request whose answer that can be. Asked for
    /// that while a head is on its way, the library would close at once.
    pub(crate) fn end_with_answer(&self) -> bool {
        let mut state = self.lock();
        state.ending |= state.is_under_way();
        state.is_under_way()
    }

    /// Whether it makes a difference to ask that the connection ends with the answer under way.
    pub(crate) fn may_be_asked_to_end(&self) -> bool {
        let state = self.lock();
        state.is_under_way() && !state.ending
    }

    /// Asks the connection to give way to another one.
    pub(crate) fn displace(&self) {
        self.displaced.store(true, Ordering::Relaxed);
        if let Some(reader) = self.lock().reader.take() {
            reader.wake();
        }
    }

    /// It is asked to give way, and has not heard it.
    pub(crate) fn is_displaced(&self) -> bool {
        self.displaced.load(Ordering::Relaxed)
    }

    /// The same as [`Self::displaced`] where there is no reader that would be woken.
    pub(crate) async fn displaced_without_reader(&self) {
        poll_fn(|cx| {
            self.lock().reader = Some(cx.waker().clone());
            if self.is_displaced() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Ready when the connection is asked to give way, once for each time.
    pub(crate) async fn displaced(&self) {
        poll_fn(|_| {
            if !self.is_displaced() {
                return Poll::Pending;
            }
            self.displaced.store(false, Ordering::Relaxed);
            Poll::Ready(())
        })
        .await;
    }

    /// The connection now waits for something else, or made progress: since this moment.
    pub(crate) fn enter(&self, phase: Phase) -> Instant {
        let mut state = self.lock();
        state.enter(phase);
        state.since
    }

    /// The first byte of a request came.
    pub(crate) fn begin(&self) {
        let mut state = self.lock();
        state.enter(Phase::Head);
        state.began = state.since;
        (state.written, state.answering) = (0, false);
        #[allow(clippy::disallowed_methods, reason = "the date of a line")]
        let date = SystemTime::now();
        state.record = Some(AccessRecord::begun(self.client, date));
    }

    /// A head was judged good. `whole` says that its body is there as well.
    pub(crate) fn release(&self, head: Head, whole: bool) {
        let mut state = self.lock();
        state.enter(Phase::Body);
        state.released = state.since;
        let elapsed = state.released.duration_since(state.began);
        if let Some(record) = &mut state.record {
            record.head_time = Some(elapsed);
            record.request_line.clear();
            record.request_line.extend(head.line.iter().take(LONGEST_LINE));
        }
        state.head = Some(head);
        (state.in_flight, state.whole) = (true, whole);
    }

    /// So much of a request line has come; the head is not complete.
    pub(crate) fn sees(&self, line: &[u8]) {
        self.note(|record| {
            record.request_line.clear();
            record.request_line.extend(line.iter().take(LONGEST_LINE));
        });
    }

    /// A head was judged bad, or did not come: `line` is what came of its first line. Or the body of a good one was.
    pub(crate) fn refuse(&self, refusal: Refusal, line: Option<&[u8]>) {
        if let Some(line) = line {
            self.sees(line);
        }
        self.lock().refusal.get_or_insert(refusal);
    }

    /// More of a body came. One that nobody reads any more is no progress.
    pub(crate) fn goes_on(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Body {
            state.enter(Phase::Body);
        }
    }

    /// The guest takes nothing now, and something is to be written: it is the one that is waited for.
    pub(crate) fn blocks(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Rest {
            state.enter(Phase::Answer);
        }
    }

    /// Adds to what the log will say.
    pub(crate) fn note(&self, add: impl FnOnce(&mut AccessRecord)) {
        if let Some(record) = &mut self.lock().record {
            add(record);
        }
    }

    /// The request has to wait, for its turn or for a connection to the agent: the reader may want to know.
    pub(crate) fn waits(&self) {
        let mut state = self.lock();
        state.queued = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// The request goes to the agent.
    pub(crate) fn goes(&self) {
        self.lock().queued = false;
    }

    /// The request under way has its answer. `last` says that it is there whole, and that the connection ends with it.
    pub(crate) fn answers(&self, last: bool) {
        let mut state = self.lock();
        (state.answering, state.last) = (true, last);
    }

    /// The answer's last byte was handed over.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        state.in_flight = false;
        state.answered = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// All that was handed over is written. If that was the answer's last byte, the request is over: when the clock was
    /// asked last.
    pub(crate) fn flushed(&self) {
        let mut state = self.lock();
        if !state.answered {
            if state.phase == Phase::Answer {
                state.phase = Phase::Rest;
            }
            return;
        }
        state.phase = Phase::Idle;
        let (reader, elapsed) = (state.behind.take(), state.since.duration_since(state.began));
        self.log(state, elapsed, None);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The request under way is over: it is logged, once.
    pub(crate) fn end(&self, cut: Option<(Termination, Reason)>) {
        let state = self.lock();
        let elapsed = state.began.elapsed();
        self.log(state, elapsed, cut);
    }

    fn log(&self, mut state: MutexGuard<'_, State>, elapsed: Duration, cut: Option<(Termination, Reason)>) {
        state.answered = false;
        let written = state.written;
        let Some(mut record) = state.record.take() else { return };
        drop(state);
        record.total_time = elapsed;
        record.bytes = written;
        if let (Some((termination, reason)), Termination::NORMAL) = (cut, record.termination) {
            (record.termination, record.reason) = (termination, Some(reason));
        }
        self.observer.request(&record);
    }
}

/// Bytes of a request line that the log gets.
pub(crate) const LONGEST_LINE: usize = 1024;

impl State {
    /// The library has the head of a request, and has not written its whole answer.
    fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Body | Phase::Agent | Phase::Answer | Phase::Rest)
            && self.in_flight
            && self.head.is_none()
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    /// Whether the request under way is a HEAD: its answer has no body (RFC 9110, section 9.3.2).
    pub(crate) fn is_head(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.request_line.starts_with(b"HEAD "))
    }

    /// When the patience with the guest ends; `None` while the agent is waited for, whose time is counted where it is asked.
    pub(crate) fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let patience = match self.phase {
            Phase::Fresh | Phase::Head => timeouts.request,
            Phase::Body => return Some((self.since + timeouts.client).min(self.released + timeouts.body)),
            Phase::Answer => timeouts.client,
            Phase::Idle => timeouts.keep_alive,
            Phase::Agent | Phase::Rest | Phase::Closing => return None,
        };
        Some(self.since + patience)
    }
}
