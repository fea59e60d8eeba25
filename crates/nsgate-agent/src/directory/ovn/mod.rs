//! OVN's southbound database: which ports are bound, where, and which instance is behind each.
//!
//! Neutron's own look-up (`get_network_port_bindings_by_ip` in `impl_idl_ovn.py`) walks all ports for each request. Here a
//! copy of the ports of one chassis is kept, with an index; the answers are the same, but for these:
//!
//! - A port without `neutron:device_id` or `neutron:project_id` is refused by name. Neutron raises `KeyError`, and the guest
//!   has no answer.
//! - A datapath without a name finds nothing. Neutron raises `KeyError` for every address in it, in each other network as well.
//! - An address is one in each spelling (`2001:DB8::1`). Neutron compares text.
//! - Before the first copy, without a row of the own chassis, and when no server has been heard for
//!   [`OvnOptions::stale_after`], the answer is that the directory is away. Neutron answers from what it had, without end.

mod copy;
mod follower;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod options;
mod session;
mod shared;
mod tables;
#[cfg(test)]
mod tests;
mod trouble;

pub use follower::OvnFollower;
pub use options::{OvnOptions, OvnServer};
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
