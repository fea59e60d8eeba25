//! The socket of a guest as the HTTP library sees it: only bytes that the strict reader has found good.
//!
//! What is read and written is an event of the [`Exchange`], and what the exchange waits for says what is read next.

mod request_buffer;

use crate::{
    connection_registry::Holder,
    exchange::{Exchange, ExchangeEvent, ExchangeState},
    last_write::LastWrite,
    refusal::Refusal,
    turns::Turn,
};
use hyper::rt::{Read, ReadBufCursor, Write};
use nsgate_config::Limits;
use request_buffer::RequestBuffer;
use std::{
    io::{ErrorKind, IoSlice, Result},
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once.
const PIECE: usize = 2048;
/// Bytes of a pipelined request that are read while the one before it is answered.
const AHEAD: usize = 2 * PIECE;
/// Bytes of an answer that are put together in one piece.
const JOINED: usize = 2 * PIECE;

/// Where a head that does not come in one piece stands in the queue.
enum HeadQueue {
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
    buffer: RequestBuffer,
    /// The guest will send no more.
    closed: bool,
    /// What came was refused: nothing more is read.
    refused: bool,
    /// Has turns for heads that do not come in one piece.
    holder: Arc<Holder>,
    queue: HeadQueue,
    /// The kernel holds the end of the last answer back for the connection's.
    held_back: bool,
    /// The task that the exchange wakes.
    task: Option<Waker>,
}

/// What the reader does next.
enum NextRead {
    /// It hands the library what is good, or the end if there is nothing.
    Return,
    /// It reads the content of a request.
    Content,
    /// It waits for the response under way to be written.
    Ahead,
    /// It reads a head.
    Head { begun: bool },
}

impl<S: AsyncRead + AsyncWrite + Unpin> GuestIo<S> {
    pub(crate) fn new(socket: Arc<Mutex<S>>, exchange: Arc<Exchange>, limits: Limits, holder: Arc<Holder>) -> Self {
        Self {
            socket,
            exchange,
            buffer: RequestBuffer::new(limits),
            closed: false,
            refused: false,
            holder,
            queue: HeadQueue::Outside,
            held_back: false,
            task: None,
        }
    }

    /// Tells the exchange which task reads. The task is nearly always the same.
    fn is_polled_on(&mut self, task: &Waker) {
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.task = Some(task.clone());
            self.exchange.reads_on(task.clone());
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
        self.buffer.push(space.filled());
        Poll::Ready(Ok(count))
    }

    /// Ready when there is something good, or nothing will come any more.
    fn poll_good(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let read_on = match self.next_read() {
                NextRead::Return => false,
                NextRead::Content => ready!(self.poll_content(cx))?,
                NextRead::Ahead => {
                    self.look_ahead(cx)?;
                    return Poll::Pending;
                }
                NextRead::Head { begun } => ready!(self.poll_head(begun, cx))?,
            };
            if !read_on {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn next_read(&mut self) -> NextRead {
        if self.buffer.has_good() {
            return NextRead::Return;
        }
        self.buffer.forget_taken();
        if self.refused {
            return NextRead::Return;
        }
        if !self.buffer.has_all_content() {
            return NextRead::Content;
        }
        self.exchange.ask(|state| match state {
            ExchangeState::Fresh | ExchangeState::Idle => NextRead::Head { begun: false },
            ExchangeState::Head | ExchangeState::HeadQueued => NextRead::Head { begun: true },
            state if state.precedes_next_head() => NextRead::Ahead,
            _ => NextRead::Return,
        })
    }

    /// Reads content of the request under way; false at the end.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if let Err(refusal) = self.buffer.read_content() {
            self.refuse(refusal);
        } else if !self.buffer.has_good() {
            if self.closed || ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(false));
            }
            self.exchange.on(ExchangeEvent::Receive);
        }
        Poll::Ready(Ok(true))
    }

    /// Reads a head; false at the end.
    fn poll_head(&mut self, begun: bool, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.buffer.is_empty() {
            self.buffer.release();
            if self.closed || ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
        if !begun {
            if !self.buffer.begins(self.closed) {
                if !self.buffer.is_empty() {
                    ready!(self.poll_fill(cx))?;
                }
                return Poll::Ready(Ok(true));
            }
            self.exchange.begin();
        }
        match self.buffer.read_head() {
            Ok(Some(read)) => {
                self.queue = HeadQueue::Outside;
                self.exchange.read_head(read);
                // What came with the head goes with it, and the library need not read again.
                if self.buffer.knows_length() {
                    if let Err(refusal) = self.buffer.read_content() {
                        self.refuse(refusal);
                    }
                }
            }
            Ok(None) if self.closed => self.refuse(Refusal::CUT_HEAD),
            Ok(None) => {
                self.exchange.sees(self.buffer.line());
                ready!(self.poll_turn(cx));
                ready!(self.poll_fill(cx))?;
            }
            Err(refusal) => self.refuse(refusal),
        }
        Poll::Ready(Ok(true))
    }

    /// Ready when more of an unfinished head may be read. Most heads come in one piece and never ask.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.queue = match &mut self.queue {
                HeadQueue::Turn(_) => return Poll::Ready(()),
                HeadQueue::Waiting(turn) => {
                    let turn = ready!(turn.as_mut().poll(cx));
                    self.exchange.on(ExchangeEvent::TakeTurn);
                    HeadQueue::Turn(turn)
                }
                HeadQueue::Outside => match self.holder.heads.at_once() {
                    Some(turn) => HeadQueue::Turn(Some(turn)),
                    None => {
                        let holder = self.holder.clone();
                        self.exchange.on(ExchangeEvent::QueueHead);
                        HeadQueue::Waiting(Box::pin(async move { holder.heads.next().await }))
                    }
                },
            };
        }
    }

    /// Reads no further. The log is told as much of the request line as there is: what is refused is a head, or the content
    /// of one that it knows.
    fn refuse(&mut self, refusal: Refusal) {
        if self.buffer.has_all_content() {
            self.exchange.sees(self.buffer.line());
        }
        self.refused = true;
        self.exchange.on(ExchangeEvent::Refuse(refusal));
    }

    /// Keeps the next request for later, and notices a guest that goes away. A reset is an error at any time. The end of the
    /// guest's side is one only while the request is in the queue: later the guest may have sent all and still listen.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.buffer.forget_taken();
        while !self.closed && self.buffer.len() < AHEAD {
            match self.poll_fill(cx) {
                Poll::Ready(count) => count?,
                Poll::Pending => break,
            };
        }
        if self.closed && self.exchange.ask(|state| matches!(state, ExchangeState::Queued)) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // The library may have ended the answer without writing: telling it now that the guest has closed its side would
        // make it give up a whole answer as cut.
        self.exchange.on(ExchangeEvent::AwaitEnd);
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Read for GuestIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<Result<()>> {
        self.is_polled_on(cx.waker());
        ready!(self.poll_good(cx))?;
        let good = self.buffer.good();
        let count = buffer.remaining().min(good.len());
        buffer.put_slice(good.get(..count).unwrap_or_default());
        self.buffer.take(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + LastWrite + Unpin> Write for GuestIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let last = self.exchange.ask(|state| state.is_last_write());
        let attempt = {
            let mut socket = self.socket();
            let socket = Pin::new(&mut *socket);
            if last { socket.poll_write_last(cx, bytes) } else { socket.poll_write(cx, bytes) }
        };
        if attempt.is_pending() {
            self.exchange.on(ExchangeEvent::Block);
        }
        let count = ready!(attempt)?;
        self.held_back |= last;
        self.exchange.wrote(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let length = bytes.iter().map(|slice| slice.len()).sum::<usize>();
        if length <= JOINED {
            // Join the pieces: the kernel has less work with one, and send(2) with MSG_MORE takes one only.
            let mut whole = [const { MaybeUninit::uninit() }; JOINED];
            let mut whole = ReadBuf::uninit(&mut whole);
            bytes.iter().for_each(|slice| whole.put_slice(slice));
            return self.poll_write(cx, whole.filled());
        }
        let first = bytes.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let in_flight = self.exchange.flushed();
        // Look ahead when the library flushes, and not when it reads: to read it allocates 8 KiB, and gets nothing here.
        if in_flight && !self.buffer.has_good() && self.buffer.has_all_content() {
            self.look_ahead(cx)?;
        }
        Poll::Ready(Ok(()))
    }

    /// The connection shuts the socket down, after the last refusal. What the kernel holds back is sent now. A later close
    /// of the socket would throw it away if the guest had sent more than was read.
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
}
