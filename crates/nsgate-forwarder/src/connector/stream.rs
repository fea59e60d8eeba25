//! A connection to the agent that bothers the event loop as little as it can.
//!
//! A request is written at once, before anybody is asked to watch the socket: it fits the socket's buffer. Where the agent
//! is prompt, the answer is looked for when the other guests have been seen to. Only then is the socket watched, for
//! reading alone, so that the next wake-up is the answer and not the news that one may write.

use super::prompt::Promptness;
use std::{
    io::{ErrorKind, Read, Result, Write},
    os::unix::net::UnixStream,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

/// A connected, non-blocking UNIX stream socket.
#[derive(Debug)]
pub struct AgentStream {
    state: SocketState,
    /// Bytes that have arrived are read at once, before the socket is watched.
    looks: bool,
    prompt: Arc<Promptness>,
}

#[derive(Debug)]
enum SocketState {
    /// The event loop does not watch it yet.
    Plain(UnixStream),
    /// Watched for reading; for writing as well if the request did not fit.
    Watched(AsyncFd<UnixStream>),
    /// Between the two, or it could not be watched.
    Gone,
}

impl AgentStream {
    pub(super) fn new(stream: UnixStream, prompt: Arc<Promptness>) -> Self {
        Self { state: SocketState::Plain(stream), looks: false, prompt }
    }

    /// Comes back when the other guests have been seen to, where an answer may be there by then.
    pub(super) async fn settle(&mut self) {
        if self.prompt.looks() {
            tokio::task::yield_now().await;
            self.looks = true;
        }
    }

    /// Reads the bytes that have arrived, if there are any.
    fn look(&self, buffer: &mut ReadBuf<'_>) -> Result<bool> {
        let SocketState::Plain(stream) = &self.state else { return Ok(false) };
        match (&*stream).read(buffer.initialize_unfilled()) {
            Ok(count) => {
                buffer.advance(count);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }

    #[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; this one does")]
    fn watch(&mut self, interest: Interest) -> Result<&AsyncFd<UnixStream>> {
        self.looks = false;
        if let SocketState::Plain(_) = self.state {
            if let SocketState::Plain(stream) = std::mem::replace(&mut self.state, SocketState::Gone) {
                self.state = SocketState::Watched(AsyncFd::try_with_interest(stream, interest)?);
            }
        }
        match &self.state {
            SocketState::Watched(watched) => Ok(watched),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncWrite for AgentStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if let SocketState::Plain(stream) = &self.state {
            match (&*stream).write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return Poll::Ready(outcome),
            }
        }
        poll_write_watched(self.watch(Interest::READABLE | Interest::WRITABLE)?, cx, bytes)
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
        if std::mem::take(&mut self.looks) {
            let found = self.look(buffer);
            self.prompt.found(!matches!(found, Ok(false)));
            if found? {
                return Poll::Ready(Ok(()));
            }
        }
        poll_read_watched(self.watch(Interest::READABLE)?, cx, buffer)
    }
}

/// Reads what there is, when there is something.
#[inline]
pub(super) fn poll_read_watched(
    watched: &AsyncFd<UnixStream>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<Result<()>> {
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

/// Writes what there is room for, when there is some.
#[inline]
pub(super) fn poll_write_watched(
    watched: &AsyncFd<UnixStream>,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<Result<usize>> {
    loop {
        let mut ready = ready!(watched.poll_write_ready(cx))?;
        if let Ok(outcome) = ready.try_io(|stream| stream.get_ref().write(bytes)) {
            return Poll::Ready(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::prompt::WORTH, AgentStream, Arc, Promptness};
    use std::{io::Write, os::unix::net::UnixStream, time::Duration};
    use tokio::{io::AsyncReadExt, runtime::Builder};

    /// A connection to an agent that was prompt so far.
    fn pair() -> (AgentStream, UnixStream) {
        let prompt = Arc::new(Promptness::default());
        prompt.found(true);
        let (gate, agent) = UnixStream::pair().unwrap();
        gate.set_nonblocking(true).unwrap();
        (AgentStream::new(gate, prompt), agent)
    }

    #[test]
    fn an_answer_that_is_there_is_read_without_an_event_loop_to_watch_for_it() {
        let without = Builder::new_current_thread().build().unwrap();
        let (mut gate, mut agent) = pair();
        agent.write_all(b"hello").unwrap();
        let mut bytes = [0; 16];
        let mut settled = |gate: &mut AgentStream| {
            without.block_on(async {
                gate.settle().await;
                gate.read(&mut bytes).await
            })
        };
        assert_eq!(settled(&mut gate).unwrap(), 5);
        let (mut gate, agent) = pair();
        drop(agent);
        assert_eq!(settled(&mut gate).unwrap(), 0, "an agent that closed is seen as well");
    }

    #[test]
    fn an_answer_that_is_not_there_yet_is_watched_for() {
        let (mut gate, mut agent) = pair();
        let prompt = gate.prompt.clone();
        let agent = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            agent.write_all(b"hello").unwrap();
            agent
        });
        let with = Builder::new_current_thread().enable_io().build().unwrap();
        let mut bytes = [0; 16];
        let read = async {
            gate.settle().await;
            gate.read(&mut bytes).await
        };
        assert_eq!(with.block_on(read).unwrap(), 5);
        (1..WORTH).for_each(|_| prompt.found(false));
        assert!(!prompt.looks(), "it was not prompt");
        with.block_on(async { drop(gate) });
        agent.join().unwrap();
    }
}
