//! The socket of a guest as the HTTP library sees it: only bytes that were judged.

use crate::{
    crowd::Holder,
    exchange::{Exchange, Phase},
    last_write::LastWrite,
    refusal::Refusal,
    strict::{Chunked, Framing, RequestLine, end_of_head, judge_fields},
    turns::Turn,
};
use hyper::rt::{Read, ReadBufCursor, Write};
use nsgate_config::Limits;
use std::{
    io::{ErrorKind, IoSlice, Result},
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once.
const PIECE: usize = 2048;
/// Bytes of a pipelined request that are read while the one before it is answered.
const AHEAD: usize = 2 * PIECE;

/// Empty lines that are passed over before a request: RFC 9112, section 2.2, wants one at least; some clients write two
/// behind a body. They end with CRLF, as every line here: where LF alone ends a line, two readers count differently.
const EMPTY_LINES: u8 = 4;

/// Bytes of an answer that are put together in one piece.
const JOINED: usize = 2 * PIECE;

/// Where a head that does not come in one piece stands in the queue.
enum Queue {
    /// It came in one piece, so far.
    Outside,
    /// It waits for its turn.
    Waiting(Pin<Box<dyn Future<Output = Option<Turn>> + Send>>),
    /// It has one, until it is complete.
    Turn(#[allow(dead_code, reason = "held until the head is complete")] Option<Turn>),
}

/// The reading and writing ends. The socket is shared with the connection, which writes a refusal when the HTTP library
/// has left.
pub(crate) struct GuestIo<S> {
    socket: Arc<Mutex<S>>,
    exchange: Arc<Exchange>,
    limits: Limits,
    /// Read: what is judged good, and behind it what is not judged yet.
    raw: Vec<u8>,
    /// How much of `raw` is judged, and how much of that the library has taken.
    good: usize,
    taken: usize,
    /// The request line at the beginning of `raw`, as far as it has come, and empty lines that stood before it.
    line: RequestLine,
    empty_lines: u8,
    /// How much of `raw` has been searched for a head's end. Nothing is judged meanwhile.
    searched: usize,
    body: Body,
    /// The guest will send no more.
    closed: bool,
    /// Has turns for heads that do not come in one piece.
    holder: Arc<Holder>,
    queue: Queue,
    /// The kernel holds the end of the last answer back for the connection's.
    held_back: bool,
}

enum Body {
    Length(u64),
    Chunked(Chunked),
}

impl<S: AsyncRead + AsyncWrite + Unpin> GuestIo<S> {
    pub(crate) fn new(socket: Arc<Mutex<S>>, exchange: Arc<Exchange>, limits: Limits, holder: Arc<Holder>) -> Self {
        Self {
            socket,
            exchange,
            limits,
            raw: Vec::new(),
            good: 0,
            taken: 0,
            line: RequestLine::default(),
            empty_lines: 0,
            searched: 0,
            body: Body::Length(0),
            closed: false,
            holder,
            queue: Queue::Outside,
            held_back: false,
        }
    }

    fn body_ended(&self) -> bool {
        match &self.body {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunked) => chunked.ended(),
        }
    }

    /// Reads what there is; 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut space = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut *self.socket()).poll_read(cx, &mut space))?;
        let count = space.filled().len();
        if count == 0 {
            self.closed = true;
        }
        self.raw.extend_from_slice(space.filled());
        Poll::Ready(Ok(count))
    }

    /// Judges what there is of the body, behind what is judged already. What means nothing is taken out.
    fn judge_body(&mut self) -> std::result::Result<(), Refusal> {
        let raw = self.raw.get_mut(self.good..).unwrap_or_default();
        match &mut self.body {
            Body::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(raw.len());
                *left = left.saturating_sub(here.try_into().unwrap_or(u64::MAX));
                self.good += here;
            }
            Body::Chunked(chunked) => {
                let (taken, left) = chunked.take(raw)?;
                if left < taken {
                    self.raw.drain(self.good + left..self.good + taken);
                }
                self.good += left;
            }
        }
        Ok(())
    }

    /// Judges the head at the beginning of `raw`, if it is complete; its first line as soon as that cannot be one.
    fn judge_head(&mut self) -> std::result::Result<bool, Refusal> {
        let bound = usize::try_from(self.limits.head_bytes).unwrap_or(usize::MAX);
        // No further than the bound: how much has come behind it is chance.
        let seen = self.raw.get(..bound).unwrap_or(&self.raw);
        let has_line = self.line.read(seen, &self.limits)?;
        let end = if has_line { end_of_head(seen, self.searched.max(self.line.seen(seen).len() + 2)) } else { None };
        let Some(end) = end else {
            self.searched = seen.len();
            return match (seen.len() < bound, has_line) {
                (true, _) => Ok(false),
                (_, true) => Err(Refusal::HEAD_TOO_LARGE),
                (_, false) => Err(Refusal::TARGET_TOO_LONG),
            };
        };
        let mut head = judge_fields(seen.get(..end).unwrap_or_default(), &self.line, &self.limits)?;
        let mut end = end;
        for (part, text) in head.instead.drain(..).rev() {
            end = (end + text.len()).saturating_sub(part.len());
            self.raw.splice(part, text);
        }
        self.body = match head.framing {
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::new(self.limits.body_bytes.into(), &self.limits)),
        };
        let whole = match self.body {
            Body::Length(length) => usize::try_from(length).is_ok_and(|length| self.raw.len() - end >= length),
            Body::Chunked(_) => false,
        };
        (self.good, self.searched, self.empty_lines) = (end, 0, 0);
        (self.line, self.queue) = (RequestLine::default(), Queue::Outside);
        self.exchange.release(head, whole);
        Ok(true)
    }

    /// Whether a request begins in `raw`. An empty line begins none, nor does what may be the half of one.
    fn begins(&mut self) -> bool {
        while self.empty_lines < EMPTY_LINES && self.raw.starts_with(b"\r\n") {
            self.raw.drain(..2);
            self.empty_lines += 1;
        }
        let half = self.empty_lines < EMPTY_LINES && self.raw == b"\r" && !self.closed;
        !self.raw.is_empty() && !half
    }

    /// Ready when more of an unfinished head may be read. Most heads come in one piece and never ask.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.queue = match &mut self.queue {
                Queue::Turn(_) => return Poll::Ready(()),
                Queue::Waiting(turn) => {
                    let turn = ready!(turn.as_mut().poll(cx));
                    self.exchange.lock().queued = false;
                    Queue::Turn(turn)
                }
                Queue::Outside => match self.holder.heads.at_once() {
                    Some(turn) => Queue::Turn(Some(turn)),
                    None => {
                        let holder = self.holder.clone();
                        self.exchange.lock().queued = true;
                        Queue::Waiting(Box::pin(async move { holder.heads.next().await }))
                    }
                },
            };
        }
    }

    /// Reads no further. The log is told as much of the request line as there is: what is refused is a head, or the body of
    /// one that it knows.
    fn refuse(&mut self, refusal: Refusal) {
        let line = self.body_ended().then(|| self.line.seen(&self.raw));
        self.exchange.refuse(refusal, line);
    }

    /// Ready when there is something in `good`, or nothing will come any more.
    fn poll_good(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.taken < self.good {
                return Poll::Ready(Ok(()));
            }
            self.forget_taken();
            let (refused, in_flight) = {
                let state = self.exchange.lock();
                (state.refusal.is_some(), state.in_flight || state.answered)
            };
            if refused {
                return Poll::Ready(Ok(()));
            }
            if !self.body_ended() {
                if let Err(refusal) = self.judge_body() {
                    self.refuse(refusal);
                    continue;
                }
                if self.good == 0 {
                    if self.closed || ready!(self.poll_fill(cx))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    self.exchange.goes_on();
                }
                continue;
            }
            if in_flight {
                self.look_ahead(cx)?;
                return Poll::Pending;
            }
            if self.raw.is_empty() {
                // A connection that waits holds no buffer.
                self.raw = Vec::new();
                if self.closed || ready!(self.poll_fill(cx))? == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            if self.exchange.lock().phase != Phase::Head {
                if !self.begins() {
                    if !self.raw.is_empty() {
                        ready!(self.poll_fill(cx))?;
                    }
                    continue;
                }
                self.exchange.begin();
            }
            match self.judge_head() {
                // A body of a known length has nothing in it to refuse: what came with the head goes with it, and the
                // library need not read again.
                Ok(true) if matches!(self.body, Body::Length(_)) => {
                    if let Err(refusal) = self.judge_body() {
                        self.refuse(refusal);
                    }
                }
                Ok(true) => {}
                Ok(false) if self.closed => self.refuse(Refusal::CUT_HEAD),
                Ok(false) => {
                    self.exchange.sees(self.line.seen(&self.raw));
                    ready!(self.poll_turn(cx));
                    ready!(self.poll_fill(cx))?;
                }
                Err(refusal) => self.refuse(refusal),
            }
        }
    }

    /// What was taken is forgotten.
    fn forget_taken(&mut self) {
        self.raw.drain(..self.taken);
        (self.good, self.taken) = (self.good.saturating_sub(self.taken), 0);
    }

    /// The next request is not looked at before this one's answer is written; but a guest that goes away is noticed: by a reset
    /// always, which is an error, and by a mere end of its side while the request is in the queue. Later that may be a
    /// guest which has said all it had to say and still listens.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.forget_taken();
        while !self.closed && self.raw.len() < AHEAD {
            match self.poll_fill(cx) {
                Poll::Ready(count) => count?,
                Poll::Pending => break,
            };
        }
        let mut state = self.exchange.lock();
        if self.closed && state.queued {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        state.reader.get_or_insert_with(|| cx.waker().clone());
        if state.answered {
            // The library may have ended the answer without writing: telling it now that the guest has closed its side
            // would make it give up a whole answer as cut.
            state.behind = Some(cx.waker().clone());
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for GuestIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<Result<()>> {
        self.exchange.lock().reader = Some(cx.waker().clone());
        ready!(self.poll_good(cx))?;
        let count = buffer.remaining().min(self.good.saturating_sub(self.taken));
        buffer.put_slice(self.raw.get(self.taken..self.taken + count).unwrap_or_default());
        self.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + LastWrite + Unpin> Write for GuestIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let last = self.is_last();
        let attempt = {
            let mut socket = self.socket();
            let socket = Pin::new(&mut *socket);
            if last { socket.poll_write_last(cx, bytes) } else { socket.poll_write(cx, bytes) }
        };
        if attempt.is_pending() {
            self.exchange.blocks();
        }
        let count = ready!(attempt)?;
        self.held_back |= last;
        self.wrote(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let length = bytes.iter().map(|slice| slice.len()).sum::<usize>();
        if length <= JOINED {
            // One piece: for the kernel that is less work than several, and the call that can hold an end back takes no more.
            let mut whole = [const { MaybeUninit::uninit() }; JOINED];
            let mut whole = ReadBuf::uninit(&mut whole);
            bytes.iter().for_each(|slice| whole.put_slice(slice));
            return self.poll_write(cx, whole.filled());
        }
        let first = bytes.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.exchange.flushed();
        // Whenever the library looks whether it has something to write, and not when it would read: for that it keeps
        // 8 KiB at hand, and here is nothing that it may have yet.
        if self.taken == self.good && self.body_ended() && self.exchange.lock().in_flight {
            self.look_ahead(cx)?;
        }
        Poll::Ready(Ok(()))
    }

    /// The connection shuts the socket down, after the last refusal; but what was held back goes now, and not with the
    /// socket's close: that would throw it away, did the guest send something that nobody reads.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.exchange.flushed();
        if self.held_back {
            return Pin::new(&mut *self.socket()).poll_shutdown(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> GuestIo<S> {
    fn socket(&self) -> MutexGuard<'_, S> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything that is written now is the connection's end.
    fn is_last(&self) -> bool {
        let state = self.exchange.lock();
        state.last && state.answered
    }
}

impl<S> GuestIo<S> {
    fn wrote(&self, count: usize) {
        let mut state = self.exchange.lock();
        state.written = state.written.saturating_add(count.try_into().unwrap_or(u64::MAX));
        let phase = state.phase;
        drop(state);
        if phase == Phase::Answer {
            self.exchange.enter(Phase::Answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Exchange, GuestIo, Holder, Limits, Mutex};

    #[test]
    fn a_head_that_is_too_large_is_refused_the_same_however_much_of_it_has_come() {
        let mut limits = Limits::default();
        limits.head_bytes = 1024;
        let long_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1200));
        let long_field = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(1200));
        for (text, status) in [(long_line, 414), (long_field, 431)] {
            for length in [1024, 1130, text.len()] {
                let exchange = Exchange::new("10.0.0.5:1".parse().unwrap(), Arc::new(()));
                let heads = Arc::new(Holder::alone(1));
                let mut io = GuestIo::new(Arc::new(Mutex::new(tokio::io::empty())), exchange, limits.clone(), heads);
                io.raw.extend_from_slice(&text.as_bytes()[..length]);
                assert_eq!(io.judge_head().unwrap_err().status, status, "{length}");
            }
        }
    }
}
