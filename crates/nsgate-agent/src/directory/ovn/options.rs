//! How the southbound database is followed.

use crate::{ovsdb::Remote, tls::TlsClient};
use std::time::Duration;

/// A server of the southbound database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OvnServer {
    /// Where it is.
    pub remote: Remote,
    /// What the log calls it: a process that is confined may know it by another path or address than its operator.
    pub name: String,
}

impl From<Remote> for OvnServer {
    fn from(remote: Remote) -> Self {
        Self { name: remote.to_string(), remote }
    }
}

/// How the southbound database is followed.
#[derive(Clone, Debug)]
pub struct OvnOptions {
    /// The servers that have it: one, or the members of a cluster. They are asked in turn.
    pub servers: Vec<OvnServer>,
    /// Whom to believe, for servers with TLS.
    pub tls: Option<TlsClient>,
    /// The `system-id` of this chassis. Only its ports are copied. Without it, the ports of all chassis are.
    pub chassis: Option<String>,
    /// Whether only the leader of a cluster is asked. Any member has the whole database.
    pub only_the_leader: bool,
    /// How long a server may be silent before it is asked whether it is there.
    pub probe_after: Duration,
    /// How long it may be silent before another is asked. A first copy may take three times as long.
    pub give_up_after: Duration,
    /// How long answers are given from the copy without a word from a server.
    pub stale_after: Duration,
    /// The longest pause before servers are asked again, after rounds in which none could be followed.
    pub longest_pause: Duration,
    /// Bytes of a message. A first copy is one message: about 700 bytes for a port.
    pub longest_message: usize,
}

impl OvnOptions {
    /// For these servers and this chassis, with the bounds that suit most clouds.
    #[must_use]
    pub fn new<S: Into<OvnServer>>(servers: Vec<S>, chassis: Option<String>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            tls: None,
            chassis,
            only_the_leader: false,
            probe_after: Duration::from_secs(5),
            give_up_after: Duration::from_secs(30),
            stale_after: Duration::from_secs(60),
            longest_pause: Duration::from_secs(5),
            longest_message: 256 << 20,
        }
    }
}
