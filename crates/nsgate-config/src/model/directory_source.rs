//! Who knows which instance has an address.

use crate::{AbsolutePath, Backend, Invalid, Server, TlsFiles};
use std::fmt;

/// Most servers of a database.
pub(crate) const MOST_REMOTES: usize = 8;

/// Who knows which instance has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectorySource {
    /// A TOML file, which is read again when it changes.
    File(AbsolutePath),
    /// OVN's southbound database.
    Ovn(OvnSouthbound),
}

/// OVN's southbound database, and what is copied of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OvnSouthbound {
    /// One to eight servers that have it: one, or members of a cluster.
    pub remotes: Vec<DatabaseRemote>,
    /// The `system-id` of this host. Without it, the ports of all hosts are copied.
    pub chassis: Option<String>,
    /// Whether only the leader of a cluster is followed.
    pub leader_only: bool,
    /// For servers with TLS, which there are none of without it.
    pub tls: Option<TlsFiles>,
}

/// Where a server of a database is, as Open vSwitch writes it (ovsdb(7), section "Active OVSDB Connections").
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseRemote {
    /// `unix:PATH`. The server makes the socket, now or later.
    Unix(Backend),
    /// `tcp:HOST:PORT`.
    Tcp(Server),
    /// `ssl:HOST:PORT`: the same over TLS.
    Ssl(Server),
}

impl DirectorySource {
    /// Servers of the directory that are reached over TCP, in the order of the configuration.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.remotes().iter().filter_map(|remote| match remote {
            DatabaseRemote::Tcp(server) | DatabaseRemote::Ssl(server) => Some(server),
            DatabaseRemote::Unix(_) => None,
        })
    }

    /// Sockets of the directory's servers, in the order of the configuration.
    pub fn sockets(&self) -> impl Iterator<Item = &Backend> {
        self.remotes().iter().filter_map(|remote| match remote {
            DatabaseRemote::Unix(socket) => Some(socket),
            DatabaseRemote::Tcp(_) | DatabaseRemote::Ssl(_) => None,
        })
    }

    fn remotes(&self) -> &[DatabaseRemote] {
        match self {
            Self::File(_) => &[],
            Self::Ovn(ovn) => &ovn.remotes,
        }
    }
}

impl DatabaseRemote {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let wrong = |why: &str| Err(Invalid::new(format!("`{text}` {why}")));
        if text.contains(',') {
            return wrong("looks like several servers; write each as a text of its own: [\"tcp:…\", \"tcp:…\"]");
        }
        match text.split_once(':') {
            Some(("unix", path)) => Ok(Self::Unix(Backend::new(AbsolutePath::new(path)?)?)),
            Some(("tcp", place)) => Ok(Self::Tcp(Server::new(place)?)),
            Some(("ssl", place)) => Ok(Self::Ssl(Server::new(place)?)),
            Some(("punix" | "ptcp" | "pssl", _)) => wrong(
                "is where a server listens; write where to connect to: without the `p`, and with the server's address",
            ),
            _ => wrong(
                "is not the address of a database; write \"tcp:192.0.2.1:6642\", \"ssl:[2001:db8::1]:6642\" or \
                 \"unix:/run/ovn/ovnsb_db.sock\"",
            ),
        }
    }
}

impl fmt::Display for DatabaseRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(socket) => write!(f, "unix:{}", socket.path()),
            Self::Tcp(server) => write!(f, "tcp:{server}"),
            Self::Ssl(server) => write!(f, "ssl:{server}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DatabaseRemote;

    #[test]
    fn a_server_of_a_database_is_written_as_open_vswitch_writes_it() {
        for text in [
            "unix:/run/ovn/ovnsb_db.sock",
            "tcp:192.0.2.1:6642",
            "tcp:[2001:db8::1]:6642",
            "tcp:db.example:6642",
            "ssl:192.0.2.1:6642",
        ] {
            assert_eq!(DatabaseRemote::new(text).unwrap().to_string(), text);
        }
        for (text, what) in [
            ("", "is not the address of a database"),
            ("192.0.2.1:6642", "is not the address of a database"),
            ("/run/ovn/ovnsb_db.sock", "is not the address of a database"),
            ("unix:ovnsb_db.sock", "is not an absolute path"),
            ("tcp:192.0.2.1", "names no port"),
            ("tcp:0.0.0.0:6642", "not the address of one host"),
            ("ssl:192.0.2.1", "names no port"),
            ("ptcp:6642", "is where a server listens"),
            ("punix:/run/ovn/ovnsb_db.sock", "is where a server listens"),
            ("tcp:192.0.2.1:6642,tcp:192.0.2.2:6642", "looks like several servers"),
        ] {
            let error = DatabaseRemote::new(text).unwrap_err();
            assert!(error.reason().contains(what), "{text}: {}", error.reason());
        }
    }
}
