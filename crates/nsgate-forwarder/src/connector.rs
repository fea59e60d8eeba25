//! How the agent is reached.

pub(crate) mod kept;
mod prompt;
mod stream;
pub(crate) mod tcp;

pub use stream::AgentStream;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt::PeerCredentials,
};
use prompt::Promptness;
use std::{
    future::Future,
    io::{Error, ErrorKind, Result},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::PathBuf,
    sync::Arc,
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Opens connections to the agent, one for each request unless it [keeps](Connector::KEEPS) them.
///
/// An error of kind [`ErrorKind::WouldBlock`] says that the agent's queue is full (connect(2) on a UNIX socket answers
/// EAGAIN). One of kind [`ErrorKind::PermissionDenied`] that no system call gave says that the wrong process listens, and
/// asking again is no use, and one of kind [`ErrorKind::NotConnected`] that there is no way to the agent any more. Anything else says that the agent is not there yet. EACCES is among it: between bind(2) and
/// chmod(2) the socket of an agent that starts is closed to other users.
pub trait Connector: Send + Sync + 'static {
    /// The connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// How many may try to connect at the same time. One, where that takes no time and a full queue is to be taken in turn.
    const AT_ONCE: usize = 1;

    /// Whether a connection may carry one request after another (RFC 9112, section 9.3). Otherwise each one asks for its end.
    const KEEPS: bool = false;

    /// Connects once, or finds a connection that was kept.
    fn connect(&self) -> impl Future<Output = Result<Self::Stream>> + Send;

    /// Between a request and its answer: comes back when it is worth while to read. At once, unless a connector knows better.
    fn settle(stream: &mut Self::Stream) -> impl Future<Output = ()> + Send {
        let _ = stream;
        std::future::ready(())
    }

    /// Connects once, and uses no connection that was kept: for a request that must not be sent twice.
    fn connect_afresh(&self) -> impl Future<Output = Result<Self::Stream>> + Send {
        self.connect()
    }

    /// Takes a connection back whose answer has ended where it said, and over which the agent goes on.
    fn keep(stream: Self::Stream) {
        drop(stream);
    }

    /// No guest is connected: closes what is kept for many.
    fn rest(&self) {}
}

/// A UNIX stream socket at a path.
#[derive(Clone, Debug)]
pub struct UnixConnector {
    path: PathBuf,
    owner: Option<u32>,
    prompt: Arc<Promptness>,
}

impl UnixConnector {
    /// Connects to `path`; if `owner` is given, the process that listens there must have that uid (SO_PEERCRED,
    /// unix(7): the credentials of the moment when it began to listen).
    #[must_use]
    pub fn new(path: PathBuf, owner: Option<u32>) -> Self {
        Self { path, owner, prompt: Arc::default() }
    }

    /// On a UNIX socket connect(2) is done when it returns: there is nothing to wait for, and nothing to ask afterwards.
    fn connect_now(&self) -> Result<AgentStream> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(socket.as_raw_fd(), &UnixAddr::new(&self.path)?)?;
        if let Some(owner) = self.owner {
            let found = getsockopt(&socket, PeerCredentials)?.uid();
            if found != owner {
                let reason = format!("the agent's socket belongs to uid {found}, expected {owner}");
                return Err(Error::new(ErrorKind::PermissionDenied, reason));
            }
        }
        Ok(AgentStream::new(UnixStream::from(socket), self.prompt.clone()))
    }
}

impl Connector for UnixConnector {
    type Stream = AgentStream;

    async fn connect(&self) -> Result<AgentStream> {
        self.connect_now()
    }

    fn settle(stream: &mut AgentStream) -> impl Future<Output = ()> + Send {
        stream.settle()
    }
}
