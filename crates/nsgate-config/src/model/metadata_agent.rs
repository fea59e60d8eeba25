//! The second hop: `nsgate agent`, which carries gates' requests to Nova.

use crate::{AbsolutePath, Account, DirectorySource, Invalid, Process, Server, TlsFiles};
use std::{fmt, time::Duration};

/// Most hosts of Nova's.
pub(crate) const MOST_HOSTS: usize = 16;
/// Most users who may bind connections.
pub(crate) const MOST_BINDERS: usize = 16;
/// Largest bound of connections, and of requests.
pub(crate) const MOST_AT_ONCE: u32 = 100_000;

/// What one agent's configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataAgentConfig {
    /// Gates' side.
    pub agent: MetadataAgent,
    /// Nova's side.
    pub nova: NovaService,
    /// Who knows the instances.
    pub directory: DirectorySource,
    /// Its process. It has no network namespace to enter, and no address to bind.
    pub process: Process,
}

/// Gates' side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataAgent {
    /// The UNIX socket at which gates are served. The agent makes it.
    pub socket: AbsolutePath,
    /// Besides root, processes of this group may connect.
    pub socket_group: Option<Account>,
    /// Whether a connection that names its network in each request is served.
    pub plain: bool,
    /// Who may bind a connection to a network.
    pub binders: Vec<Account>,
    /// Connections at the socket at once, beside those that bind a network.
    pub connections: u32,
    /// Connections of one network that is bound, at once.
    pub connections_per_network: u32,
}

/// Nova's metadata service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NovaService {
    /// One to sixteen. They are asked in turns; one that fails is asked after the others until it answers.
    pub hosts: Vec<NovaUrl>,
    /// The file with the secret that is shared with Nova.
    pub secret_file: AbsolutePath,
    /// For hosts with https, which there are none of without it.
    pub tls: Option<TlsFiles>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer's beginning may take, and the time between two pieces of it.
    pub answer_timeout: Duration,
    /// Requests under way at once.
    pub requests: u32,
    /// Requests of one instance under way at once.
    pub requests_per_instance: u32,
}

/// Where a host of Nova's is: `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NovaUrl {
    /// Host and port.
    pub server: Server,
    /// Whether TLS is spoken there.
    pub https: bool,
}

impl NovaUrl {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new(format!("`{text}` is not the place of a host; write \"http://192.0.2.10:8775\""));
        let (https, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong()),
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if place.contains(['/', '?', '#', '@']) {
            return Err(Invalid::new(format!("`{text}` has more than host and port: the path is the guest's own")));
        }
        Ok(Self { server: Server::new(place)?, https })
    }
}

impl fmt::Display for NovaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.server)
    }
}

impl MetadataAgentConfig {
    /// Descriptors that the process may have open: connections of gates, one of Nova's for each request and those that are
    /// kept, a door and its connections for each network, and a handful.
    #[must_use]
    pub fn descriptors(&self) -> u64 {
        let MetadataAgent { connections, connections_per_network, .. } = self.agent;
        let kept = 32 * self.nova.hosts.len() as u64;
        64 + kept
            + u64::from(self.nova.requests)
            + u64::from(connections)
            + u64::from(connections) * (1 + u64::from(connections_per_network.min(4)))
    }
}

#[cfg(test)]
mod tests {
    use super::NovaUrl;

    #[test]
    fn a_host_of_novas_is_a_scheme_a_host_and_a_port() {
        for (text, shown) in [
            ("http://192.0.2.10:8775", "http://192.0.2.10:8775"),
            ("http://[2001:db8::1]:8775/", "http://[2001:db8::1]:8775"),
            ("http://nova.example:80", "http://nova.example:80"),
            ("https://nova.example:8775", "https://nova.example:8775"),
        ] {
            assert_eq!(NovaUrl::new(text).unwrap().to_string(), shown);
        }
        for (text, what) in [
            ("192.0.2.10:8775", "http://192.0.2.10:8775"),
            ("http://192.0.2.10", "names no port"),
            ("http://192.0.2.10:8775/latest", "the path is the guest's own"),
            ("http://user@192.0.2.10:8775", "more than host and port"),
            ("https://192.0.2.10", "names no port"),
            ("ftp://192.0.2.10:8775", "is not the place of a host"),
            ("http://0.0.0.0:8775", "not the address of one host"),
        ] {
            let error = NovaUrl::new(text).unwrap_err();
            assert!(error.reason().contains(what), "{text}: {}", error.reason());
        }
    }
}
