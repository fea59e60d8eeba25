//! A gate, and the process that runs it.

use crate::{
    AbsolutePath, Account, Audit, Backend, Guards, Identity, Limits, Listener, Log, Netns, RateLimit, Timeouts, Trace,
};

/// The proxy of one network: all that the forwarder needs. Nothing in it is privileged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gate {
    /// Set on every request.
    pub identity: Identity,
    /// Addresses to listen at, at least one.
    pub listeners: Vec<Listener>,
    /// The agent that requests go to.
    pub backend: Backend,
    /// Bounds.
    pub limits: Limits,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// Further attempts, one second apart, at an agent whose socket is missing or refuses (haproxy's `retries`).
    pub retries: u32,
    /// All of them hold at once, for IPv4 and IPv6.
    pub rate_limits: Vec<RateLimit>,
    /// Demands on a request beyond its form.
    pub guards: Guards,
    /// Sends the agent a trace context of the gate's own with every request; none if absent. A guest's own never passes.
    pub trace: Option<Trace>,
}

impl Gate {
    /// Asks the site's agent, if there is one, in the place of its own.
    pub fn asks(&mut self, agent: Option<Backend>) {
        if let Some(agent) = agent {
            self.backend = agent;
        }
    }
}

/// The process that runs a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Runs as this user.
    pub user: Account,
    /// Runs as this group; the user's own group if absent.
    pub group: Option<Account>,
    /// Accepts root as user or group.
    pub allow_root: bool,
    /// Goes into the background once it serves.
    pub daemon: bool,
    /// The file that receives the pid, as the host sees it.
    pub pid_file: Option<AbsolutePath>,
    /// The network namespace to bind in; that of the start if absent.
    pub netns: Option<Netns>,
    /// Binds an IPv4 address that the namespace does not have yet (IP_FREEBIND, ip(7)).
    pub freebind: bool,
    /// The system log; standard error if absent.
    pub log: Option<Log>,
    /// Events about requests; none if absent.
    pub audit: Option<Audit>,
    /// What to do on a kernel that lacks a part of the confinement.
    pub sandbox: SandboxLevel,
}

/// What to do on a kernel that lacks a part of the confinement. Both levels require ids, no capabilities, `no_new_privs`,
/// seccomp and the small root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxLevel {
    /// Enforce what the kernel has, and report what it lacks.
    #[default]
    Default,
    /// Do not start, and report what the kernel lacks.
    Strict,
}

impl SandboxLevel {
    /// As a configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Strict => "strict",
        }
    }
}

/// One configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The proxy.
    pub gate: Gate,
    /// Its process.
    pub process: Process,
}

/// Further attempts to reach the agent by default.
pub(crate) const RETRIES: u32 = 3;

impl Process {
    /// A process that runs as `user`, in the foreground, in the namespace of its start, and without a log. Set the fields for
    /// anything else.
    #[must_use]
    pub fn new(user: Account) -> Self {
        Self {
            user,
            group: None,
            allow_root: false,
            daemon: false,
            pid_file: None,
            netns: None,
            freebind: false,
            log: None,
            audit: None,
            sandbox: SandboxLevel::Default,
        }
    }
}
