//! How the southbound database is followed.

use crate::{ovsdb::Remote, tls::TlsClient};
use std::time::Duration;

/// How the southbound database is followed.
#[derive(Clone, Debug)]
pub struct OvnOptions {
    /// The servers that have it: one, or the members of a cluster. They are asked in turn.
    pub remotes: Vec<Remote>,
    /// Whom to believe, for remotes with TLS.
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
    pub fn new(remotes: Vec<Remote>, chassis: Option<String>) -> Self {
        Self {
            remotes,
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
