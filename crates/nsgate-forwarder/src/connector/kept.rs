//! Connections that come by a door, and are kept: a request costs no connect, no accept and no close.
//!
//! A door is a descriptor that brings connected sockets (`nsgate_agent::binding`). Nothing here makes a socket or connects one.

use super::{
    Connector,
    stream::{poll_read_watched, poll_write_watched},
};
use std::{
    io::{Error, ErrorKind, Read, Result, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    sync::{
        Mutex as AsyncMutex,
        mpsc::{Receiver, Sender, channel, error::TrySendError},
        watch,
    },
    task::JoinHandle,
};

/// Brings connections to the agent, one for each that was asked for. Neither call waits.
pub trait ConnectionSource: AsRawFd + Send + Sync + 'static {
    /// Asks for one connection more.
    ///
    /// # Errors
    /// The agent has closed the door, or takes nothing now.
    fn ask(&self) -> Result<()>;

    /// What one [`ConnectionSource::ask`] has led to: a connection in non-blocking mode, or `None` where the door has as many as it may.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::WouldBlock`] if it is not there yet; anything else is the end of the door.
    fn take(&self) -> Result<Option<UnixStream>>;
}

/// Takes connections from a door, and keeps them.
#[derive(Debug)]
pub struct DoorConnector<D: ConnectionSource> {
    door: Arc<AsyncFd<D>>,
    /// What the door brings, in the order in which it was asked.
    brought: AsyncMutex<Receiver<Option<UnixStream>>>,
    /// The door was asked, and what it brings is not taken: the request that asked has ended.
    owed: AtomicBool,
    idle: Arc<Idle>,
    ended: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

/// Says when a door has been closed by the agent.
#[derive(Clone, Debug)]
pub struct DoorEnd(watch::Receiver<Option<String>>);

impl DoorEnd {
    /// Why, when it is. Does not come back where the connector has ended before the door.
    pub async fn wait(mut self) -> String {
        loop {
            if let Some(why) = self.0.borrow_and_update().clone() {
                return why;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Connections without a request. The one that was used last is used next: of more than are needed the agent hears no more.
#[derive(Debug)]
struct Idle {
    kept: Mutex<Vec<AsyncFd<UnixStream>>>,
    /// Connections with a request.
    busy: AtomicUsize,
    /// One is kept while there are no more of both.
    most: usize,
}

impl Idle {
    fn at_most(most: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), busy: AtomicUsize::new(0), most })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AsyncFd<UnixStream>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection of a door.
#[derive(Debug)]
pub struct KeptStream {
    /// Watched for reading, and for writing as well if a request did not fit. Nothing if it could not be watched.
    watched: Option<AsyncFd<UnixStream>>,
    writes: bool,
    idle: Arc<Idle>,
}

impl<D: ConnectionSource> DoorConnector<D> {
    /// Takes connections from `door`, which is in non-blocking mode. Must run on a tokio runtime with I/O.
    ///
    /// # Errors
    /// The event loop cannot watch the door.
    pub fn new(door: D) -> Result<Self> {
        let door = Arc::new(watched(door, Interest::READABLE)?);
        let (bring, brought) = channel(1);
        let (end, ended) = watch::channel(None);
        let task = tokio::spawn(attend(door.clone(), bring, end));
        let (brought, owed, idle) = (AsyncMutex::new(brought), AtomicBool::new(false), Idle::at_most(usize::MAX));
        Ok(Self { door, brought, owed, idle, ended, task })
    }

    /// The same, but a connection is kept only while there are at most `most`, those with a request among them: for a process that
    /// has no descriptor to spare.
    #[must_use]
    pub fn keeping(mut self, most: usize) -> Self {
        self.idle = Idle::at_most(most);
        self
    }

    /// The end of the door.
    #[must_use]
    pub fn end(&self) -> DoorEnd {
        DoorEnd(self.ended.clone())
    }

    fn closed(&self) -> Error {
        let why = self.ended.borrow().clone();
        let why = why.unwrap_or_else(|| "the agent has closed the door".to_owned());
        Error::new(ErrorKind::NotConnected, why)
    }

    /// The next connection that the door brings.
    async fn next(&self, brought: &mut Receiver<Option<UnixStream>>) -> Result<UnixStream> {
        if !self.owed.load(Ordering::Relaxed) {
            self.door.get_ref().ask().map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => error,
                _ => self.closed(),
            })?;
            self.owed.store(true, Ordering::Relaxed);
        }
        let stream = brought.recv().await;
        self.owed.store(false, Ordering::Relaxed);
        // A door that has as many connections as it may have brings one when another has ended.
        stream.ok_or_else(|| self.closed())?.ok_or(ErrorKind::WouldBlock.into())
    }

    /// A connection that was kept, and over which nothing has come since.
    fn kept(&self) -> Option<AsyncFd<UnixStream>> {
        loop {
            // The lock is not held while the socket is asked.
            let watched = self.idle.lock().pop()?;
            if is_quiet(&watched) {
                return Some(watched);
            }
        }
    }
}

impl<D: ConnectionSource> Drop for DoorConnector<D> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeptStream {
    fn new(watched: AsyncFd<UnixStream>, idle: &Arc<Idle>) -> Self {
        idle.busy.fetch_add(1, Ordering::Relaxed);
        Self { watched: Some(watched), writes: false, idle: idle.clone() }
    }
}

impl Drop for KeptStream {
    fn drop(&mut self) {
        self.idle.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<D: ConnectionSource> Connector for DoorConnector<D> {
    type Stream = KeptStream;

    const KEEPS: bool = true;

    async fn connect(&self) -> Result<KeptStream> {
        match self.kept() {
            Some(watched) => Ok(KeptStream::new(watched, &self.idle)),
            None => self.connect_afresh().await,
        }
    }

    async fn connect_afresh(&self) -> Result<KeptStream> {
        let mut brought = self.brought.lock().await;
        // Of those that are kept one is given up: together they are never more than the requests at once.
        drop(self.idle.lock().pop());
        let stream = loop {
            let stream = self.next(&mut brought).await?;
            // An agent that has ended since it brought this one has closed its end.
            if matches!((&stream).read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock) {
                break stream;
            }
        };
        Ok(KeptStream::new(self::watched(stream, Interest::READABLE)?, &self.idle))
    }

    fn keep(mut stream: KeptStream) {
        // One that is watched for writing would wake this process each time the agent has read.
        if let (Some(watched), false) = (stream.watched.take(), stream.writes) {
            let mut kept = stream.idle.lock();
            if kept.len() + stream.idle.busy.load(Ordering::Relaxed) <= stream.idle.most {
                kept.push(watched);
            }
        }
    }

    fn rest(&self) {
        self.idle.lock().truncate(1);
    }
}

/// Takes what the door brings until the agent closes it.
async fn attend<D: ConnectionSource>(
    door: Arc<AsyncFd<D>>,
    bring: Sender<Option<UnixStream>>,
    end: watch::Sender<Option<String>>,
) {
    let why = loop {
        let mut ready = match door.readable().await {
            Ok(ready) => ready,
            Err(error) => break error,
        };
        match ready.try_io(|door| door.get_ref().take()) {
            // One is asked for at a time. What comes unasked would take descriptors without a bound.
            Ok(Ok(brought)) => match bring.try_send(brought) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(_)) => {
                    break Error::new(ErrorKind::InvalidData, "it brings more than is asked for");
                }
            },
            Ok(Err(error)) => break error,
            Err(_) => {}
        }
    };
    let why = match why.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => "the agent has closed the door".to_owned(),
        _ => format!("the agent's door is of no use: {why}"),
    };
    end.send_replace(Some(why));
}

#[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; these do")]
fn watched<T: AsRawFd>(inner: T, interest: Interest) -> Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, interest)
}

/// Whether nothing has come over a connection that is kept: no byte that no request asked for, and no end.
fn is_quiet(watched: &AsyncFd<UnixStream>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match watched.poll_read_ready(&mut cx) {
            Poll::Pending => return true,
            Poll::Ready(Err(_)) => return false,
            // The last piece may have filled its buffer: then the socket is asked.
            Poll::Ready(Ok(mut ready)) => match ready.try_io(|stream| stream.get_ref().read(&mut [0])) {
                Ok(_) => return false,
                Err(_) => continue,
            },
        }
    }
}

impl AsyncWrite for KeptStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let Some(watched) = &self.watched else { return Poll::Ready(Err(ErrorKind::NotConnected.into())) };
        if !self.writes {
            match watched.get_ref().write(bytes) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                outcome => return Poll::Ready(outcome),
            }
            let stream = self.watched.take().map(AsyncFd::into_inner).ok_or(ErrorKind::NotConnected)?;
            self.watched = Some(self::watched(stream, Interest::READABLE | Interest::WRITABLE)?);
            self.writes = true;
        }
        let watched = self.watched.as_ref().ok_or(ErrorKind::NotConnected)?;
        poll_write_watched(watched, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for KeptStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        match &self.watched {
            Some(watched) => poll_read_watched(watched, cx, buffer),
            None => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        }
    }
}
