//! A gate, and the process that runs it.

use crate::{
    AbsolutePath, Account, Audit, Backend, Guards, Identity, Limits, Listener, Log, Netns, RateLimit, Timeouts, Trace,
};

/// One network's proxy: everything the forwarder needs to know. Nothing in it is privileged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gate {
    /// Stamped on every request.
    pub identity: Identity,
    /// Where guests are heard: at least one.
    pub listeners: Vec<Listener>,
    /// Where requests go.
    pub backend: Backend,
    /// Bounds.
    pub limits: Limits,
    /// Patience.
    pub timeouts: Timeouts,
    /// Further attempts, one second apart, at an agent whose socket is missing or refuses (haproxy's `retries`).
    pub retries: u32,
    /// All of them hold at once, for IPv4 and IPv6 alike.
    pub rate_limits: Vec<RateLimit>,
    /// What is demanded of a request beside being well-formed.
    pub guards: Guards,
    /// The agent gets a trace context of the gate's own with every request; none if absent. A guest's never passes.
    pub trace: Option<Trace>,
}

/// How the process that runs a gate comes into being.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Runs as this user.
    pub user: Account,
    /// Runs as this group; the user's own group if absent.
    pub group: Option<Account>,
    /// Root is accepted as user or group.
    pub allow_root: bool,
    /// Goes into the background once it serves.
    pub daemon: bool,
    /// Receives the pid as the host sees it.
    pub pid_file: Option<AbsolutePath>,
    /// Binds in this namespace rather than in the one it is started in.
    pub netns: Option<Netns>,
    /// An IPv4 address that the namespace does not have (yet) is bound all the same (IP_FREEBIND, ip(7)).
    pub freebind: bool,
    /// Lines go to the system log; to standard error if absent.
    pub log: Option<Log>,
    /// An event for every request; none if absent.
    pub audit: Option<Audit>,
    /// What a kernel that cannot give everything means.
    pub sandbox: SandboxLevel,
}

/// What happens on a kernel that lacks a part of the confinement. The floor is required on either level: ids, no
/// capabilities, `no_new_privs`, seccomp, the small root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxLevel {
    /// All that the kernel has is enforced, and what it lacks is said.
    #[default]
    Default,
    /// The gate does not start, and what the kernel lacks is said.
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

/// What one configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The proxy.
    pub gate: Gate,
    /// Its process.
    pub process: Process,
}

/// How often the agent is asked again, where nothing else is said.
pub(crate) const RETRIES: u32 = 3;

impl Process {
    /// The process of a gate that runs as `user`, in the foreground, where it is started, and without a log. What is to be otherwise
    /// is written into the value.
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
