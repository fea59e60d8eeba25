//! The agent that a gate sends requests to.

use crate::{AbsolutePath, Account, Invalid};

/// Longest path that fits `sockaddr_un.sun_path` with its NUL (unix(7)).
const SUN_PATH: usize = 108;

/// The metadata agent's UNIX stream socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Path of the socket. The agent may create it after the gate has started.
    path: AbsolutePath,
    /// The user that the agent must have (SO_PEERCRED, checked after every connect); any user if absent.
    pub owner: Option<Account>,
    /// It is `nsgate agent`, and the gate has one connection to it, which root makes before the start is over and which speaks
    /// for the gate's network alone. Otherwise the gate connects for each request, and says in a header which network it is for.
    binds: bool,
}

impl Backend {
    /// A backend at `path`.
    ///
    /// # Errors
    /// A sentence if the path does not fit a UNIX socket address.
    pub fn new(path: AbsolutePath) -> Result<Self, Invalid> {
        let length = path.as_str().len();
        if length >= SUN_PATH {
            return Err(Invalid::new(format!(
                "the socket's path is {length} bytes long; a UNIX socket's is at most {}",
                SUN_PATH - 1
            )));
        }
        Ok(Self { path, owner: None, binds: false })
    }

    /// The socket of `nsgate agent` at `path`.
    ///
    /// # Errors
    /// A sentence if the path does not fit a UNIX socket address.
    pub fn bound(path: AbsolutePath) -> Result<Self, Invalid> {
        Ok(Self { binds: true, ..Self::new(path)? })
    }

    /// Whether the gate has one connection to it, which is bound to its network.
    #[must_use]
    pub fn binds(&self) -> bool {
        self.binds
    }

    /// Path of the socket.
    #[must_use]
    pub fn path(&self) -> &AbsolutePath {
        &self.path
    }
}
