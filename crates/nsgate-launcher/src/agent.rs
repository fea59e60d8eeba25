//! Where a process finds an agent.

use std::path::PathBuf;

/// An agent's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// As this process sees it.
    pub path: PathBuf,
    /// Who the agent must be.
    pub owner: Option<u32>,
}
