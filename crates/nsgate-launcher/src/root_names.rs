//! Names in the root of a process: of the directories that it shows, and of the sockets in them.

use crate::agent::Agent;
use std::path::PathBuf;

/// Names in the small root of a backend's directory, and of the agent's socket in it. A worker has several.
pub(crate) const BACKENDS: [(&str, &str); 8] = [
    ("backend", "agent"),
    ("backend2", "agent2"),
    ("backend3", "agent3"),
    ("backend4", "agent4"),
    ("backend5", "agent5"),
    ("backend6", "agent6"),
    ("backend7", "agent7"),
    ("backend8", "agent8"),
];
/// Names in the small root of the directory of a database's socket, and of the server's socket in it. An agent's signer has several,
/// where members of a cluster are on its own host.
pub(crate) const DATABASES: [(&str, &str); 8] = [
    ("database", "southbound"),
    ("database2", "southbound2"),
    ("database3", "southbound3"),
    ("database4", "southbound4"),
    ("database5", "southbound5"),
    ("database6", "southbound6"),
    ("database7", "southbound7"),
    ("database8", "southbound8"),
];
/// Name in the small root of a gate that has one connection to its agent, and no path to it.
pub(crate) const DOOR: &str = "door";
/// Names in the small root of an agent's signer: of what leads nowhere, and says to who looks which signer this is.
pub(crate) const SIGNER: &str = "signer";
pub(crate) const SIGNER_WITH_DATABASE: &str = "signerdb";
/// Names in the small root of the directory of the pool's socket, and of the socket in it.
pub(crate) const WORKER: &str = "worker";
pub(crate) const POOL: &str = "pool";
/// Names in the small root of the system log's directory, and of the log's socket in it. The directory may hold more than a
/// log (`/dev`), so its name is long: no address that the filter lets pass (fewer than 16 bytes, of which 2 are the family
/// and one is a NUL) names anything in it, but by way of the short one.
pub(crate) const LOG: &str = "log-directory";
pub(crate) const SYSLOG: &str = "syslog";
const _: () = assert!(LOG.len() + "/".len() >= 16 - 2 && SYSLOG.len() < 16 - 2);

/// The sockets in a root, as the process sees them.
pub(crate) struct RootNames {
    pub(crate) agents: Vec<Agent>,
    pub(crate) pool: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
}

/// Whether a root of nsgate's may show a directory of this name.
pub(crate) fn is_window(name: &str) -> bool {
    [WORKER, LOG].contains(&name) || BACKENDS.iter().chain(&DATABASES).any(|(window, _)| *window == name)
}

/// Whether a root of nsgate's may show a socket of this name.
pub(crate) fn is_socket(name: &str) -> bool {
    let alone = [DOOR, POOL, SYSLOG, SIGNER, SIGNER_WITH_DATABASE].contains(&name);
    alone || BACKENDS.iter().chain(&DATABASES).any(|(_, socket)| *socket == name)
}
