//! Nova's metadata service, reached over TCP at one address.

use super::Connector;
use std::{io::Result, net::SocketAddr};
use tokio::net::TcpStream;

/// A TCP address.
#[derive(Clone, Copy, Debug)]
pub struct TcpConnector(SocketAddr);

impl TcpConnector {
    /// Connects to `server` and to nothing else.
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {
        Self(server)
    }
}

impl Connector for TcpConnector {
    type Stream = TcpStream;

    /// A server that does not answer delays the requests of the same time, but no later ones.
    const AT_ONCE: usize = 64;

    async fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.0).await?;
        // A request is one write. Waiting for more to send would only delay it.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
