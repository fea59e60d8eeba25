//! A pool: one worker that serves many gates, or a few, and the process that runs it.

use crate::{AbsolutePath, Account, Backend, Process};
use std::time::Duration;

/// Largest number of networks of one worker.
pub(crate) const MOST_NETWORKS: u32 = 100_000;
/// Largest number of guest connections of one worker.
pub(crate) const MOST_CONNECTIONS: u32 = 1_000_000;
/// Most agents of one worker: each is a window in its small root.
pub(crate) const MOST_BACKENDS: usize = 8;
/// Most workers of one pool.
pub(crate) const MOST_WORKERS: u32 = 64;

/// What a pool's workers serve, and for whom. The bounds are those of each worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pool {
    /// Where networks are handed over: a UNIX socket that the pool makes.
    pub socket: AbsolutePath,
    /// Besides root, processes whose group is this one may hand over, list and remove networks. Keepers are not root any
    /// more when they hand over again, so it is the group that they run in.
    pub group: Option<Account>,
    /// The agents that gates may ask for, at most 8; a gate with another one is refused. One that is bound to its agent needs none.
    pub backends: Vec<Backend>,
    /// Processes that serve, 1 to 64. Each network has its own, and keeps it.
    pub workers: u32,
    /// Networks served at once.
    pub networks: u32,
    /// Connections of guests open at once that all networks share, beside those that are reserved. The bounds of each gate
    /// hold as well.
    pub connections: u32,
    /// Connections that are reserved for each network, beside the shared ones.
    pub reserved_connections: u32,
    /// The socket that serves metrics in the OpenMetrics text format to every process that may connect.
    pub metrics: Option<AbsolutePath>,
}

/// What one pool's configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// The pool.
    pub pool: Pool,
    /// Its process. It has no network namespace of its own to enter, and no address to bind.
    pub process: Process,
}

/// How a gate that an agent starts becomes a pool's: the site's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// The pool's socket.
    pub socket: AbsolutePath,
    /// How long a keeper waits for a worker before it serves by itself.
    pub patience: Duration,
    /// When it serves by itself.
    pub fallback: Fallback,
}

/// When a keeper serves its network by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Whenever no worker serves it, also from its start on.
    Always,
    /// Once a worker has served it: a start that no worker takes the network from fails.
    Later,
    /// Never.
    Never,
}

impl PoolUse {
    /// A pool at `socket`, with the default patience and fallback.
    #[must_use]
    pub fn at(socket: AbsolutePath) -> Self {
        Self { socket, patience: Duration::from_secs(5), fallback: Fallback::Always }
    }
}
