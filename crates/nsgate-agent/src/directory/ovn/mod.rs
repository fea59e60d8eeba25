//! OVN's southbound database: which ports are bound, where, and which instance is behind each.
//!
//! Neutron's own look-up (`get_network_port_bindings_by_ip` in `impl_idl_ovn.py`) walks all ports for each request. Here a
//! copy of the ports of one chassis is kept, with an index; the answers are the same.

mod copy;
mod follower;
mod options;
mod session;
mod shared;
mod tables;
#[cfg(test)]
mod tests;
mod trouble;

pub use follower::OvnFollower;
pub use options::OvnOptions;
pub use session::OvnSession;
pub use shared::OvnStatus;
pub use trouble::OvnTrouble;

use super::{Directory, NoOccupant, Occupant, Question};
use shared::OvnShared;
use std::sync::Arc;

/// A directory that is copied from OVN's southbound database.
#[derive(Clone, Debug)]
pub struct OvnDirectory(Arc<OvnShared>);

impl OvnDirectory {
    /// The directory, and what is to be run so that it follows the database.
    #[must_use]
    pub fn new(options: OvnOptions) -> (Self, OvnFollower) {
        let shared = Arc::new(OvnShared::new(options.stale_after));
        (Self(Arc::clone(&shared)), OvnFollower::new(options, shared))
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> OvnStatus {
        self.0.status()
    }
}

impl Directory for OvnDirectory {
    async fn who(&self, question: &Question) -> Result<Occupant, NoOccupant> {
        self.0.who(question)
    }
}
