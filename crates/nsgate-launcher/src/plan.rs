//! What each kind of process pins, binds, shows and keeps: one constructor for each kind.
//!
//! A struct of wants and no trait. A kind is then one short list of values, a reader compares two of them line by line, and a
//! step of the drop reads a field where it would call a method that has five bodies elsewhere. No step asks for the kind.

use crate::{LaunchError, Role, endpoint::Purpose, mark::Mark};
use nsgate_config::{
    AbsolutePath, Account, Backend, Config, DirectorySource, HostConfig, Identity, Listener, MetadataAgentConfig,
    PoolConfig, Process, Server,
};
use nsgate_sandbox::Policy;
use std::{num::NonZeroU8, path::Path, slice, time::Duration};

/// Descriptors of a process that hands a network over and is gone.
const DESCRIPTORS_OF_A_COURIER: u64 = 64;

/// Descriptors of a signer: the stream to the agent, the reader's pipes, a few connections to a database, its log, its event loop.
const DESCRIPTORS_OF_A_SIGNER: u64 = 64;

/// What one process is to have. What is empty or `None` is not wanted.
pub(crate) struct Plan<'a> {
    /// What every kind is told alike: user, namespace, pid file, log, audit.
    pub(crate) process: &'a Process,
    /// What it is for, and so its policy. The steps never ask for it.
    pub(crate) role: Role,

    /// Pinned, connected to and bound to its network: the agent's socket. No directory is shown.
    pub(crate) door: Option<PlannedDoor<'a>>,
    /// Pinned and shown: the directory of each agent's socket.
    pub(crate) backends: &'a [Backend],
    /// The process connects to the agents itself.
    pub(crate) asks_agents: bool,
    /// Pinned and shown: the directory of the socket of the pool that a network is handed over to.
    pub(crate) pool: Option<&'a AbsolutePath>,
    /// Pinned for the reader: the configuration, which is read anew.
    pub(crate) configuration: Option<&'a Path>,
    /// Looked up: the hosts that it connects to, each at one TCP port.
    pub(crate) servers: Vec<&'a Server>,

    /// A process beside it, which has the secret and the directory.
    pub(crate) signer: Option<PlannedSigner<'a>>,

    /// Bound in the namespace.
    pub(crate) listeners: &'a [Listener],
    /// Routers that an answer of a listener may pass, and one.
    pub(crate) hop_limit: Option<NonZeroU8>,
    /// Written into the root's name: a process with the same mark may be succeeded.
    pub(crate) mark: Mark,
    /// Pinned and bound: the UNIX sockets that it is reached at.
    pub(crate) sockets: Vec<(&'a AbsolutePath, Purpose)>,
    /// The group that may connect to the socket for handovers, or to that for gates.
    pub(crate) handover_group: Option<&'a Account>,
    /// A service manager may start it without privileges, bind its sockets, and keep descriptors for it.
    pub(crate) managed: bool,

    /// Kept: descriptors that it may have open, if the kernel lets it.
    pub(crate) descriptors: u64,
    /// Kept: a page of counters.
    pub(crate) counts: bool,
    /// Kept: what speaks to the pool as the user that has started the process.
    pub(crate) carries: bool,
}

/// The process that signs for an agent.
pub(crate) struct PlannedSigner<'a> {
    /// Looked up, and Landlock lets it connect to their ports: where the directory asks.
    pub(crate) servers: Vec<&'a Server>,
    /// Pinned, and shown in its root alone: the sockets of the directory's database.
    pub(crate) databases: Vec<&'a Backend>,
}

impl PlannedSigner<'_> {
    /// What it is for, where its root shows a system log that may come back.
    pub(crate) fn role(&self, log_comes_back: bool) -> Role {
        match (self.servers.is_empty() && self.databases.is_empty(), log_comes_back) {
            (false, _) => Role::SignerWithDatabase,
            (true, true) => Role::SignerWithLog,
            (true, false) => Role::Signer,
        }
    }

    /// What is asked of its confinement in this role.
    pub(crate) fn policy(&self, role: Role) -> Policy {
        self.servers
            .iter()
            .fold(role.policy(DESCRIPTORS_OF_A_SIGNER), |policy, server| policy.connects_to(server.port.get()))
    }
}

/// The one connection to an agent, which is bound to a network while this process is root.
pub(crate) struct PlannedDoor<'a> {
    pub(crate) backend: &'a Backend,
    pub(crate) identity: Identity,
    /// Further attempts, one second apart, at an agent that is not there.
    pub(crate) retries: u32,
    /// How long one attempt may take.
    pub(crate) patience: Duration,
}

impl<'a> Plan<'a> {
    /// One network's proxy.
    pub(crate) fn gate(config: &'a Config) -> Self {
        let gate = &config.gate;
        if gate.backend.binds() {
            let (backend, identity, retries) = (&gate.backend, gate.identity, gate.retries);
            let patience = gate.timeouts.connect;
            let door = PlannedDoor { backend, identity, retries, patience };
            return Self { door: Some(door), ..Self::network(config, Role::BoundGate) };
        }
        Self { backends: slice::from_ref(&gate.backend), asks_agents: true, ..Self::network(config, Role::Gate) }
    }

    /// A gate without a way to its agent.
    fn network(Config { gate, process }: &'a Config, role: Role) -> Self {
        Self {
            listeners: &gate.listeners,
            hop_limit: gate.guards.hop_limit,
            mark: Mark::One(gate.identity),
            descriptors: gate.limits.descriptors(gate.listeners.len()),
            counts: true,
            ..Self::of(process, role)
        }
    }

    /// A whole host's proxy: it connects to a TCP port and shows no agent. `file` is its configuration.
    pub(crate) fn host(HostConfig { proxy, process }: &'a HostConfig, file: &'a Path) -> Self {
        Self {
            configuration: Some(file),
            servers: vec![&proxy.server],
            listeners: &proxy.listeners,
            hop_limit: proxy.guards.hop_limit,
            mark: Mark::Host,
            descriptors: proxy.limits.descriptors(proxy.listeners.len()),
            counts: true,
            ..Self::of(process, Role::HostProxy)
        }
    }

    /// A gate whose network a pool's worker serves: it shows the pool as well.
    pub(crate) fn keeper(config: &'a Config, pool: &'a AbsolutePath) -> Self {
        Self { role: Role::Keeper, pool: Some(pool), ..Self::gate(config) }
    }

    /// A service manager keeps no door: what is bound anew for a later worker takes a process that holds the first.
    ///
    /// # Errors
    /// The gate is bound to its agent.
    pub(crate) fn without_door(config: &Config) -> Result<(), LaunchError> {
        let backend = &config.gate.backend;
        if !backend.binds() {
            return Ok(());
        }
        let why = "a service manager keeps no connection that is bound to a network: leave a keeper (launch_keeper), or name the \
                   socket as `backend`";
        Err(LaunchError::path("agent", backend.path().as_path(), why))
    }

    /// A keeper that ends once its network is handed over: the worker asks its agent, nothing finds it later, and it counts
    /// nothing.
    pub(crate) fn courier(config: &'a Config, pool: &'a AbsolutePath) -> Self {
        Self {
            role: Role::Courier,
            asks_agents: false,
            mark: Mark::Unmarked,
            descriptors: DESCRIPTORS_OF_A_COURIER,
            counts: false,
            carries: true,
            ..Self::keeper(config, pool)
        }
    }

    /// A pool's worker, or the zygote of several: it is handed listeners and binds none.
    pub(crate) fn worker(PoolConfig { pool, process }: &'a PoolConfig) -> Self {
        let metrics = pool.metrics.as_ref().map(|path| (path, Purpose::Metrics));
        Self {
            backends: &pool.backends,
            asks_agents: true,
            sockets: [(&pool.socket, Purpose::Handover)].into_iter().chain(metrics).collect(),
            handover_group: pool.group.as_ref(),
            managed: true,
            descriptors: pool.descriptors(),
            ..Self::of(process, if pool.workers > 1 { Role::Zygote } else { Role::Worker })
        }
    }

    /// The second hop: it serves gates at a UNIX socket, and connects to Nova's ports. Its signer has the directory. One that is a
    /// file is read anew by a reader.
    pub(crate) fn agent(config: &'a MetadataAgentConfig) -> Self {
        let MetadataAgentConfig { agent, nova, directory, process } = config;
        Self {
            configuration: match directory {
                DirectorySource::File(path) => Some(path.as_path()),
                _ => None,
            },
            servers: nova.hosts.iter().map(|host| &host.server).collect(),
            signer: Some(PlannedSigner {
                servers: directory.servers().collect(),
                databases: directory.sockets().collect(),
            }),
            sockets: vec![(&agent.socket, Purpose::Gates)],
            handover_group: agent.socket_group.as_ref(),
            managed: true,
            descriptors: config.descriptors(),
            counts: true,
            ..Self::of(process, Role::Agent)
        }
    }

    /// Nothing beside what every kind has.
    fn of(process: &'a Process, role: Role) -> Self {
        Self {
            process,
            role,
            door: None,
            backends: &[],
            asks_agents: false,
            pool: None,
            configuration: None,
            servers: Vec::new(),
            signer: None,
            listeners: &[],
            hop_limit: None,
            mark: Mark::Unmarked,
            sockets: Vec::new(),
            handover_group: None,
            managed: false,
            descriptors: 0,
            counts: false,
            carries: false,
        }
    }

    /// Every agent that it has to do with.
    pub(crate) fn agents(&self) -> &'a [Backend] {
        self.door.as_ref().map_or(self.backends, |door| slice::from_ref(door.backend))
    }

    /// What it is for, where its root shows a system log that may come back. To find that one takes calls that a bound gate
    /// has no other use for.
    pub(crate) fn role(&self, log_comes_back: bool) -> Role {
        match (self.role, log_comes_back) {
            (Role::BoundGate, true) => Role::BoundGateWithLog,
            (role, _) => role,
        }
    }

    /// What is asked of its confinement in this role, with so many descriptors.
    pub(crate) fn policy(&self, role: Role, descriptors: u64) -> Policy {
        let policy = role.policy(descriptors);
        self.servers.iter().fold(policy, |policy, server| policy.connects_to(server.port.get()))
    }
}
