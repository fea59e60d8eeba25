//! Which instance has this address in this network?
//!
//! A [`Directory`] answers for one source of that knowledge. The answer is one instance or a reason to refuse: two ports with
//! one address are never guessed at.

#[cfg(feature = "server")]
mod file;
mod index;
#[cfg(feature = "server")]
pub mod neutron;
mod occupant;
#[cfg(feature = "server")]
pub mod ovn;
mod question;

#[cfg(feature = "server")]
pub use file::{FileDirectory, NotADirectory};
pub use index::{DirectoryPort, Index};
pub use occupant::{NotAnOccupant, Occupant};
pub use question::{Caller, Question};

use std::future::Future;

/// A source that knows who has which address.
pub trait Directory: Send + Sync + 'static {
    /// The one instance that `question` names.
    ///
    /// # Errors
    /// Why no instance can be named.
    fn who(&self, question: &Question) -> impl Future<Output = Result<Occupant, NoOccupant>> + Send;
}

/// Why a directory names no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOccupant {
    /// No port has the address.
    #[error("no port of the network has the address")]
    NoPort,
    /// So many ports have it (Neutron refuses these as well, `server_socket.py`).
    #[error("{0} ports of the network have the address")]
    SeveralPorts(usize),
    /// One port has it, and says no instance or no project.
    #[error("the port names no instance: {0}")]
    NoInstance(#[from] NotAnOccupant),
    /// The directory cannot be asked.
    #[error("the directory is away: {0}")]
    Away(String),
}
