//! A socket of tokio's as hyper reads and writes it, and tokio's clock as hyper waits by it.

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use std::{
    io::Result,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once.
const PIECE: usize = 8 * 1024;

/// A socket, and what was read of it before hyper had it.
pub(crate) struct HttpIo<S> {
    socket: S,
    read_before: Bytes,
}

impl<S> HttpIo<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self::after(Bytes::new(), socket)
    }

    /// `read_before` comes before what the socket still has.
    pub(crate) fn after(read_before: Bytes, socket: S) -> Self {
        Self { socket, read_before }
    }
}

impl<S: AsyncRead + Unpin> Read for HttpIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut room: ReadBufCursor<'_>) -> Poll<Result<()>> {
        if self.read_before.has_remaining() {
            let count = self.read_before.remaining().min(room.remaining());
            room.put_slice(&self.read_before.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let most = room.remaining().min(PIECE);
        let mut piece = ReadBuf::uninit(piece.get_mut(..most).unwrap_or_default());
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut piece))?;
        room.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

/// One write for each piece: hyper joins small ones.
impl<S: AsyncWrite + Unpin> Write for HttpIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Waits on tokio's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpTimer;

struct HttpSleep(Pin<Box<tokio::time::Sleep>>);

impl Future for HttpSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl Sleep for HttpSleep {}

impl Timer for HttpTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HttpSleep(Box::pin(tokio::time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HttpSleep(Box::pin(tokio::time::sleep_until(deadline.into()))))
    }
}
