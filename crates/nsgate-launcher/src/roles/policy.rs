//! What is asked of the confinement of each process.

use super::role::Role;
use nsgate_sandbox::{Filter, OneFile, Policy, Result};

/// Room for what a courier writes of a network, in bytes: a record in memory, which is a file to the kernel.
const RECORD: u64 = 64 * 1024;
/// The longest memory in which a dispatcher keeps which worker has each listener, in bytes: 24 for each of a million.
const CLAIMS: u64 = 24 << 20;
/// Descriptors of a process that holds a handful.
const FEW: u64 = 16;

impl Role {
    /// What is asked for, by a process that needs this many descriptors. The proxy of a host and an agent connect to
    /// ports besides ([`Policy::connects_to`]). The reader opens one file, which it names itself: without, its filter lets it open none.
    #[must_use]
    pub fn policy(self, descriptors: u64) -> Policy {
        self.asks(self.into(), descriptors)
    }

    fn asks(self, filter: Filter, descriptors: u64) -> Policy {
        let policy = Policy::new(filter, descriptors);
        match self {
            // It keeps the root that it was started in, and tells its child what it was told.
            Self::Supervisor => policy.signals_others(),
            Self::Courier => policy.in_small_root().writes_up_to(RECORD),
            Self::Zygote => policy.in_small_root().forks().writes_up_to(CLAIMS),
            Self::Reader | Self::Signer | Self::SignerWithLog | Self::SignerWithDatabase => {
                policy.in_small_root().never_returns()
            }
            Self::Gate
            | Self::BoundGate
            | Self::BoundGateWithLog
            | Self::HostProxy
            | Self::Worker
            | Self::Keeper
            | Self::Dispatcher
            | Self::Agent => policy.in_small_root(),
        }
    }

    /// What a supervisor asks for.
    pub(crate) fn supervisor() -> Policy {
        Self::Supervisor.policy(FEW)
    }

    /// What a reader of `file` asks for, which is the only thing that it may open.
    ///
    /// # Errors
    /// [`nsgate_sandbox::Error::Address`] if its policy does not name where the path is.
    pub(crate) fn reader(file: &OneFile) -> Result<Policy> {
        Ok(Self::Reader.asks(Filter::from(Self::Reader).opens(file)?, FEW))
    }
}
