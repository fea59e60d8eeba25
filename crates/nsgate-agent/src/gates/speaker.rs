//! Whose a connection of a gate's is.

use nsgate_config::Identity;

/// For whom a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// For the network that each of its requests names.
    Plain,
    /// For this network: root has said so when it connected.
    Bound(Identity),
}
