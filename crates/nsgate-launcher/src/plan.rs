//! What the steps need to know of a configuration: one plan for each kind of process.

use crate::mark::Mark;
use nsgate_config::{AbsolutePath, Backend, Config, Guards, HostConfig, Listener, Pool, PoolConfig, Process, Server};
use nsgate_sandbox::{Policy, Role};
use std::{num::NonZeroU8, path::Path};

/// Descriptors of a process that hands a network over and is gone.
const DESCRIPTORS_OF_A_COURIER: u64 = 64;

/// What the steps need to know of a configuration.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) process: &'a Process,
    pub(crate) listeners: &'a [Listener],
    /// How many the process may have open, if the kernel lets it.
    pub(crate) descriptors: u64,
    pub(crate) kind: Kind<'a>,
    /// Whose gate it will be.
    pub(crate) mark: Mark,
    pub(crate) hop_limit: Option<NonZeroU8>,
}

impl<'a> Plan<'a> {
    fn new(process: &'a Process, listeners: &'a [Listener], descriptors: u64, kind: Kind<'a>) -> Self {
        Self { process, listeners, descriptors, kind, mark: Mark::Nobody, hop_limit: None }
    }

    pub(crate) fn gate(Config { gate, process }: &'a Config) -> Self {
        let descriptors = gate.limits.descriptors(gate.listeners.len());
        Self::new(process, &gate.listeners, descriptors, Kind::Gate(&gate.backend))
            .hop_limit(&gate.guards)
            .of(Mark::One(gate.identity))
    }

    pub(crate) fn host(HostConfig { proxy, process }: &'a HostConfig, file: &'a Path) -> Self {
        let descriptors = proxy.limits.descriptors(proxy.listeners.len());
        Self::new(process, &proxy.listeners, descriptors, Kind::Host(&proxy.server, file))
            .hop_limit(&proxy.guards)
            .of(Mark::Host)
    }

    pub(crate) fn keeper(Config { gate, process }: &'a Config, pool: &'a AbsolutePath) -> Self {
        let descriptors = gate.limits.descriptors(gate.listeners.len());
        Self::new(process, &gate.listeners, descriptors, Kind::Keeper(&gate.backend, pool))
            .hop_limit(&gate.guards)
            .of(Mark::One(gate.identity))
    }

    pub(crate) fn courier(Config { gate, process }: &'a Config, pool: &'a AbsolutePath) -> Self {
        let kind = Kind::Courier(&gate.backend, pool);
        Self::new(process, &gate.listeners, DESCRIPTORS_OF_A_COURIER, kind).hop_limit(&gate.guards)
    }

    pub(crate) fn worker(PoolConfig { pool, process }: &'a PoolConfig) -> Self {
        Self::new(process, &[], pool.descriptors(), Kind::Worker(pool))
    }

    fn of(self, mark: Mark) -> Self {
        Self { mark, ..self }
    }

    fn hop_limit(self, guards: &Guards) -> Self {
        Self { hop_limit: guards.hop_limit, ..self }
    }
}

/// What the process will be, and so what it may reach.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// One network's proxy: the agent.
    Gate(&'a Backend),
    /// A whole host's: one TCP port, and a reader of its configuration.
    Host(&'a Server, &'a Path),
    /// One network's keeper: the agent and the pool.
    Keeper(&'a Backend, &'a AbsolutePath),
    /// One network on its way into a pool that keeps it: the pool.
    Courier(&'a Backend, &'a AbsolutePath),
    /// A pool's worker: the agents.
    Worker(&'a Pool),
}

impl<'a> Kind<'a> {
    pub(crate) fn backends(self) -> &'a [Backend] {
        match self {
            Self::Gate(backend) | Self::Keeper(backend, _) | Self::Courier(backend, _) => std::slice::from_ref(backend),
            Self::Host(..) => &[],
            Self::Worker(pool) => &pool.backends,
        }
    }

    /// What the process is for.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Gate(_) => Role::Gate,
            Self::Host(..) => Role::HostProxy,
            Self::Keeper(..) => Role::Keeper,
            Self::Courier(..) => Role::Courier,
            Self::Worker(pool) if pool.workers > 1 => Role::Zygote,
            Self::Worker(_) => Role::Worker,
        }
    }

    pub(crate) fn policy(self, descriptors: u64) -> Policy {
        match self {
            Self::Gate(_) => Policy::gate(descriptors),
            Self::Host(server, _) => Policy::host_proxy(descriptors, server.port.get()),
            Self::Keeper(..) => Policy::keeper(descriptors),
            Self::Courier(..) => Policy::courier(descriptors),
            Self::Worker(pool) if pool.workers > 1 => Policy::zygote(descriptors),
            Self::Worker(_) => Policy::worker(descriptors),
        }
    }
}
