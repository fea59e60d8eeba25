//! How the agent is reached.

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

/// Opens one connection to the agent for each request.
///
/// An error of kind [`ErrorKind::WouldBlock`] says that the agent's queue is full (connect(2) on a UNIX socket answers
/// EAGAIN). One of kind [`ErrorKind::PermissionDenied`] that no system call gave says that the wrong process listens, and
/// asking again is no use. Anything else says that the agent is not there yet. EACCES is among it: between bind(2) and
/// chmod(2) the socket of an agent that starts is closed to other users.
pub trait Connector: Send + Sync + 'static {
    /// The connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// How many may try to connect at the same time. One, where that takes no time and a full queue is to be taken in turn.
    const AT_ONCE: usize = 1;

    /// Connects once.
    fn connect(&self) -> impl Future<Output = Result<Self::Stream>> + Send;

    /// Between a request and its answer: comes back when it is worth while to read. At once, unless a connector knows better.
    fn settle(stream: &mut Self::Stream) -> impl Future<Output = ()> + Send {
        let _ = stream;
        std::future::ready(())
    }
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
