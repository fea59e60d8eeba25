//! What each process is for, by one name.

use nsgate_sandbox::{CompiledPolicy, Filter, PermittedCall, RefusedCall};

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// What a confined process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves guests of one network.
    Gate,
    /// Serves guests of one network, and has one connection to an agent, which is bound to it.
    BoundGate,
    /// The same, and its root shows a system log that may come back.
    BoundGateWithLog,
    /// Serves the instances of a whole host.
    HostProxy,
    /// Reads the configuration of a host's proxy anew, and nothing else.
    Reader,
    /// Watches a gate in the foreground.
    Supervisor,
    /// Serves the guests of many networks.
    Worker,
    /// Stands for one network of a worker, and serves it where there is none.
    Keeper,
    /// Hands one network over to a worker that a service manager keeps it for, and ends.
    Courier,
    /// Makes the dispatcher and the workers of a pool that has more than one.
    Zygote,
    /// Passes each peer of such a pool on to its worker.
    Dispatcher,
    /// Carries gates' requests to Nova.
    Agent,
    /// Has the secret and the directory of an agent, and signs for it.
    Signer,
    /// The same, and its root shows a system log that may come back.
    SignerWithLog,
    /// The same, and connects to the database that its directory is in.
    SignerWithDatabase,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 15] = [
        Self::Gate,
        Self::HostProxy,
        Self::Reader,
        Self::Supervisor,
        Self::Worker,
        Self::Keeper,
        Self::Courier,
        Self::Zygote,
        Self::Dispatcher,
        Self::BoundGate,
        Self::BoundGateWithLog,
        Self::Agent,
        Self::Signer,
        Self::SignerWithLog,
        Self::SignerWithDatabase,
    ];

    /// Its name, which is also that of its policy file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::BoundGate => "boundgate",
            Self::BoundGateWithLog => "boundgatelog",
            Self::HostProxy => "hostproxy",
            Self::Reader => "reader",
            Self::Supervisor => "supervisor",
            Self::Worker => "worker",
            Self::Keeper => "keeper",
            Self::Courier => "courier",
            Self::Zygote => "zygote",
            Self::Dispatcher => "dispatcher",
            Self::Agent => "agent",
            Self::Signer => "signer",
            Self::SignerWithLog => "signerlog",
            Self::SignerWithDatabase => "signerdb",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Its policy of system calls.
    #[must_use]
    pub fn compiled(self) -> &'static CompiledPolicy {
        match self {
            Self::Gate => &GATE,
            Self::BoundGate => &BOUNDGATE,
            Self::BoundGateWithLog => &BOUNDGATELOG,
            Self::HostProxy => &HOSTPROXY,
            Self::Reader => &READER,
            Self::Supervisor => &SUPERVISOR,
            Self::Worker => &WORKER,
            Self::Keeper => &KEEPER,
            Self::Courier => &COURIER,
            Self::Zygote => &ZYGOTE,
            Self::Dispatcher => &DISPATCHER,
            Self::Agent => &AGENT,
            Self::Signer => &SIGNER,
            Self::SignerWithLog => &SIGNERLOG,
            Self::SignerWithDatabase => &SIGNERDB,
        }
    }

    /// What it may ask of the kernel on this architecture: what its policy includes first, and then what it adds.
    #[must_use]
    pub fn permitted(self) -> Vec<PermittedCall> {
        self.compiled().permitted().filter(|call| call.is_on(std::env::consts::ARCH)).collect()
    }

    /// The role of a process whose call was refused, where its name says which.
    #[must_use]
    pub fn of_refused(refused: &RefusedCall) -> Option<Self> {
        match refused.process.as_deref()? {
            NAME_OF_READER => Some(Self::Reader),
            NAME_OF_SIGNER => Some(Self::Signer),
            _ => None,
        }
    }
}

/// What the reader of a host's configuration is called, beside its program's name.
const NAME_OF_READER: &str = "haproxy-reader";
/// What an agent's signer is called.
const NAME_OF_SIGNER: &str = "nsgate-signer";

impl From<Role> for Filter {
    fn from(role: Role) -> Self {
        role.compiled().into()
    }
}
