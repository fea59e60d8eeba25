//! Where a server is: `unix:PATH`, `tcp:HOST:PORT` (ovsdb(7), section "Active OVSDB Connections").

use std::{
    fmt, io,
    path::PathBuf,
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The port of a server where none is said.
const PORT: u16 = 6640;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A UNIX socket.
    Unix(PathBuf),
    /// An address, or a name that is looked up, and a port.
    Tcp(String, u16),
}

/// A text that is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARemote {
    /// TLS is not there yet.
    #[error("`{0}`: connections to a database over TLS (ssl:) are not there yet; use unix: or tcp:")]
    Tls(String),
    /// Another form.
    #[error(
        "`{0}` is not the address of a database; it looks like unix:/run/ovn/ovnsb_db.sock, tcp:192.0.2.1:6642 or tcp:[2001:db8::1]:6642"
    )]
    Form(String),
}

impl FromStr for Remote {
    type Err = NotARemote;

    fn from_str(text: &str) -> Result<Self, NotARemote> {
        let form = || NotARemote::Form(text.to_owned());
        match text.split_once(':').ok_or_else(form)? {
            ("unix", path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            ("tcp", rest) => {
                let (host, port) = host_and_port(rest).ok_or_else(form)?;
                Ok(Self::Tcp(host.to_owned(), port))
            }
            ("ssl", _) => Err(NotARemote::Tls(text.to_owned())),
            _ => Err(form()),
        }
    }
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let of_a_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port != 0))?;
    (!host.is_empty() && host.chars().all(of_a_host)).then_some((host, port))
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "tcp:{host}:{port}"),
        }
    }
}

impl Remote {
    /// Connects.
    ///
    /// # Errors
    /// As connect(2), or the name of the host cannot be looked up.
    pub async fn connect(&self) -> io::Result<DatabaseStream> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).await.map(DatabaseStream::Unix),
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(DatabaseStream::Tcp(stream))
            }
        }
    }
}

/// A connection to a server.
#[derive(Debug)]
pub enum DatabaseStream {
    /// Over a UNIX socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl AsyncRead for DatabaseStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for DatabaseStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_read_as_open_vswitch_writes_it() {
        for text in ["unix:/run/ovn/ovnsb_db.sock", "tcp:192.0.2.1:6642", "tcp:[2001:db8::1]:6642", "tcp:db.example:1"]
        {
            assert_eq!(text.parse::<Remote>().map(|remote| remote.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("tcp:192.0.2.1".parse::<Remote>(), Ok(Remote::Tcp("192.0.2.1".into(), PORT)));
        assert_eq!("tcp:[::1]".parse::<Remote>(), Ok(Remote::Tcp("::1".into(), PORT)));
        for text in
            ["", "/run/db", "unix:db", "tcp:", "tcp:[::1", "tcp:[x]:1", "tcp:a:0", "tcp:a:b", "tcp:a b:1", "udp:a:1"]
        {
            assert!(matches!(text.parse::<Remote>(), Err(NotARemote::Form(_))), "{text}");
        }
        assert!(matches!("ssl:192.0.2.1:6642".parse::<Remote>(), Err(NotARemote::Tls(_))));
    }
}
