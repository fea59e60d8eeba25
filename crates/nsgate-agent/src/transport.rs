//! A connection to a server: over a UNIX socket, over TCP, or with TLS over TCP.

use crate::tls::{TlsServer, TlsStream};
use std::{
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A connection. What was written to one with TLS is sent for certain once it was flushed.
#[derive(Debug)]
pub enum Transport {
    /// Over a UNIX socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
    /// With TLS over TCP.
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Connects to a UNIX socket.
    ///
    /// # Errors
    /// As connect(2).
    pub async fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).await.map(Self::Unix)
    }

    /// Connects to an address, and shakes hands with the server there if it is one of TLS. Short messages leave at once.
    ///
    /// # Errors
    /// As connect(2), or why the two do not come to an agreement.
    pub async fn tcp(address: SocketAddr, tls: Option<&TlsServer>) -> io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, tls).await
    }

    /// The same over a connection that was made.
    ///
    /// # Errors
    /// As [`Self::tcp`].
    pub async fn over(socket: TcpStream, tls: Option<&TlsServer>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        match tls {
            None => Ok(Self::Tcp(socket)),
            Some(server) => server.shake_hands(socket).await.map(|stream| Self::Tls(Box::new(stream))),
        }
    }
}

/// Calls the same function of whichever connection it is.
macro_rules! each {
    ($this:ident, $stream:ident => $call:expr) => {
        match $this.get_mut() {
            Self::Unix($stream) => $call,
            Self::Tcp($stream) => $call,
            Self::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, room))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
