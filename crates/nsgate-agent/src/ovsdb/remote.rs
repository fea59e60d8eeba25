//! Where a server is: `unix:PATH`, `tcp:HOST:PORT`, `ssl:HOST:PORT` (ovsdb(7), section "Active OVSDB Connections").

use crate::{tls::TlsClient, transport::Transport};
use std::{fmt, io, path::PathBuf, str::FromStr};
use tokio::net::TcpStream;

/// The port of a server where none is said.
const PORT: u16 = 6640;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A UNIX socket.
    Unix(PathBuf),
    /// An address, or a name that is looked up, and a port.
    Tcp(String, u16),
    /// The same, with TLS.
    Tls(String, u16),
}

/// A text that is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the address of a database; it looks like unix:/run/ovn/ovnsb_db.sock, tcp:192.0.2.1:6642 or ssl:[2001:db8::1]:6642"
)]
pub struct NotARemote(String);

impl FromStr for Remote {
    type Err = NotARemote;

    fn from_str(text: &str) -> Result<Self, NotARemote> {
        let form = || NotARemote(text.to_owned());
        match text.split_once(':').ok_or_else(form)? {
            ("unix", path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            (scheme @ ("tcp" | "ssl"), rest) => {
                let (host, port) = host_and_port(rest).ok_or_else(form)?;
                Ok(if scheme == "tcp" { Self::Tcp(host.to_owned(), port) } else { Self::Tls(host.to_owned(), port) })
            }
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
            Self::Tcp(host, port) | Self::Tls(host, port) => {
                let scheme = if matches!(self, Self::Tls(..)) { "ssl" } else { "tcp" };
                if host.contains(':') {
                    write!(f, "{scheme}:[{host}]:{port}")
                } else {
                    write!(f, "{scheme}:{host}:{port}")
                }
            }
        }
    }
}

impl Remote {
    /// Connects. `tls` is for a remote with TLS.
    ///
    /// # Errors
    /// As connect(2), the name of the host cannot be looked up, or the server is not the one that `tls` believes.
    pub async fn connect(&self, tls: Option<&TlsClient>) -> io::Result<Transport> {
        match self {
            Self::Unix(path) => Transport::unix(path).await,
            Self::Tcp(host, port) => Transport::over(TcpStream::connect((host.as_str(), *port)).await?, None).await,
            Self::Tls(host, port) => {
                let server = tls.ok_or_else(|| io::Error::other("no `ca_file` says whom to believe"))?.server(host);
                let server = server.map_err(io::Error::other)?;
                Transport::over(TcpStream::connect((host.as_str(), *port)).await?, Some(&server)).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_read_as_open_vswitch_writes_it() {
        for text in [
            "unix:/run/ovn/ovnsb_db.sock",
            "tcp:192.0.2.1:6642",
            "tcp:[2001:db8::1]:6642",
            "tcp:db.example:1",
            "ssl:192.0.2.1:6642",
            "ssl:[2001:db8::1]:6642",
        ] {
            assert_eq!(text.parse::<Remote>().map(|remote| remote.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("tcp:192.0.2.1".parse::<Remote>(), Ok(Remote::Tcp("192.0.2.1".into(), PORT)));
        assert_eq!("tcp:[::1]".parse::<Remote>(), Ok(Remote::Tcp("::1".into(), PORT)));
        for text in [
            "",
            "/run/db",
            "unix:db",
            "tcp:",
            "tcp:[::1",
            "tcp:[x]:1",
            "tcp:a:0",
            "tcp:a:b",
            "tcp:a b:1",
            "udp:a:1",
            "ssl:",
        ] {
            assert!(matches!(text.parse::<Remote>(), Err(NotARemote(_))), "{text}");
        }
    }
}
