//! How a connection gives way to another one: a part of what [`Exchange`] does, in a file of its own. It goes in a circle with its
//! parent for that reason alone.

use super::{Exchange, ExchangeState as State};
use std::{future::poll_fn, sync::atomic::Ordering, task::Poll, time::Duration};
use tokio::time::Instant;

/// How long the gate waits for a guest before its connection may give way to another one: between two requests, and
/// within one.
const IDLE: Duration = Duration::from_millis(20);
const STALLED: Duration = Duration::from_secs(1);

/// Which connections may give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    /// All of them: for a connection that has no place.
    Connections,
    /// Those whose head is not complete.
    Heads,
    /// Those that do not take their answer.
    Answers,
}

impl Exchange {
    /// How long the gate has waited for this guest, if that is long enough to give way to others.
    pub(crate) fn keeps_waiting(&self, among: Among, now: Instant) -> Option<Duration> {
        let progress = self.lock();
        let (since, patience) = match (progress.state, among) {
            (State::Fresh | State::Idle | State::Unread | State::Closing, Among::Connections) => (progress.since, IDLE),
            (State::Head, Among::Connections | Among::Heads) => (progress.began, STALLED),
            (State::HeadRead | State::Content, Among::Connections) => (progress.released, STALLED),
            (State::Answer(_) | State::Ended { .. }, Among::Connections | Among::Answers) => (progress.since, STALLED),
            _ => return None,
        };
        let waited = now.saturating_duration_since(since);
        (waited >= patience).then_some(waited)
    }

    /// Says that the connection ends with the answer under way, if there is a request whose answer that can be. Asked for
    /// that while a head is on its way, the library would close at once.
    pub(crate) fn end_with_answer(&self) -> bool {
        let mut progress = self.lock();
        let is_under_way = progress.state.is_under_way();
        progress.ends |= is_under_way;
        is_under_way
    }

    /// Whether it makes a difference to ask that the connection ends with the answer under way.
    pub(crate) fn may_be_asked_to_end(&self) -> bool {
        let progress = self.lock();
        progress.state.is_under_way() && !progress.ends
    }

    /// Asks the connection to give way to another one.
    pub(crate) fn displace(&self) {
        self.displaced.store(true, Ordering::Relaxed);
        self.lock().wake();
    }

    /// It is asked to give way, and has not heard it.
    pub(crate) fn is_displaced(&self) -> bool {
        self.displaced.load(Ordering::Relaxed)
    }

    /// The same as [`Self::displaced`] where there is no reader any more.
    pub(crate) async fn displaced_without_reader(&self) {
        poll_fn(|cx| {
            self.reads_on(cx.waker().clone());
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
}

#[cfg(test)]
mod tests {
    use super::{Among, Exchange, Instant, STALLED};
    use crate::{
        exchange::{AfterAnswer, ExchangeEvent, ReadHead},
        strict,
    };
    use std::sync::Arc;

    #[test]
    fn a_head_behind_a_request_that_was_refused_in_the_queue_gives_way_like_any_other() {
        let exchange = Exchange::new("10.0.0.5:1".parse().unwrap(), Arc::new(()));
        exchange.begin();
        let head = strict::parse_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &nsgate_config::Limits::default()).unwrap();
        exchange.read_head(ReadHead { head, whole: true });
        assert!(exchange.take_head().is_some());
        exchange.on(ExchangeEvent::Forward);
        exchange.on(ExchangeEvent::Wait);
        exchange.respond(AfterAnswer::Open, |record, _| record.status = 503);
        exchange.on(ExchangeEvent::End);
        exchange.flushed();
        exchange.begin();
        assert!(exchange.keeps_waiting(Among::Heads, Instant::now() + STALLED).is_some());
    }
}
