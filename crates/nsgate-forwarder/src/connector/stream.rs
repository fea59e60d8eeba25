//! A connection to the agent that bothers the event loop as little as it can.
//!
//! A request is written at once, before anybody is asked to watch the socket: it fits the socket's buffer. Only then is
//! the socket watched, for reading alone, so that the next wake-up is the answer and not the news that one may write.

use std::{
    io::{ErrorKind, Read, Result, Write},
    os::unix::net::UnixStream,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

/// A connected, non-blocking UNIX stream socket.
#[derive(Debug)]
pub struct AgentStream(State);

#[derive(Debug)]
enum State {
    /// Nobody watches it yet.
    Plain(UnixStream),
    /// Watched for reading; for writing as well if the request did not fit.
    Watched(AsyncFd<UnixStream>),
    /// Between the two, or it could not be watched.
    Gone,
}

impl AgentStream {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(State::Plain(stream))
    }

    #[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; this one does")]
    fn watch(&mut self, interest: Interest) -> Result<&AsyncFd<UnixStream>> {
        if let State::Plain(_) = self.0 {
            if let State::Plain(stream) = std::mem::replace(&mut self.0, State::Gone) {
                self.0 = State::Watched(AsyncFd::try_with_interest(stream, interest)?);
            }
        }
        match &self.0 {
            State::Watched(watched) => Ok(watched),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncWrite for AgentStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if let State::Plain(stream) = &self.0 {
            match (&*stream).write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return Poll::Ready(outcome),
            }
        }
        let watched = self.watch(Interest::READABLE | Interest::WRITABLE)?;
        loop {
            let mut ready = ready!(watched.poll_write_ready(cx))?;
            if let Ok(outcome) = ready.try_io(|stream| stream.get_ref().write(bytes)) {
                return Poll::Ready(outcome);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for AgentStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let watched = self.watch(Interest::READABLE)?;
        loop {
            let mut ready = ready!(watched.poll_read_ready(cx))?;
            let space = buffer.initialize_unfilled();
            let length = space.len();
            match ready.try_io(|stream| stream.get_ref().read(space)) {
                Ok(Ok(count)) => {
                    if count > 0 && count < length {
                        // There was no more: the next byte is news, and needs no call that says so.
                        ready.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_) => {}
            }
        }
    }
}
