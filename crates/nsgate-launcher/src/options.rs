//! How a program asks to be launched, beside what its configuration says.

use crate::{Replace, Written};
use nsgate_config::{Identity, LogFile};
use std::{
    io,
    os::fd::{OwnedFd, RawFd},
};

/// Whether the starter leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It exits once the gate serves.
    Daemon,
    /// It stays as the gate's supervisor.
    Foreground,
}

/// How root binds a connection to a network, in words of the agent's. What is sent and heard is a line each.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What is said first, with the end of its line.
    pub line: fn(&Identity) -> String,
    /// The abstract name of this end, for ever: whom the connection is for. The number tells two of them apart.
    pub name: fn(&Identity, u64) -> String,
    /// Whether the answer, without its end, says that the connection is bound; or why it is not.
    pub answered: fn(&str) -> Result<(), String>,
}

/// How to launch, beside what the configuration says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Whether the starter leaves.
    pub mode: Mode,
    /// Gates that end once this one serves.
    pub replace: Vec<Replace>,
    /// Bytes of address space for the gate (RLIMIT_AS).
    pub address_space: Option<u64>,
    /// Called in the supervisor when the gate serves.
    pub on_ready: Option<fn()>,
    /// The gate's standard error is appended to this file.
    pub log_file: Option<LogFile>,
    /// Told to the worker that answers at the pool's socket, once the new one has taken its place. Without it, a socket at
    /// which a worker answers is an error.
    pub farewell: Option<Vec<u8>>,
    /// Called in the starter with each warning that no log takes, before the gate is there.
    pub unheard: Option<fn(&str)>,
    /// Descriptors that a service manager has passed, from 3 on without a gap, and their names (sd_listen_fds(3)). A
    /// pool's worker has a use for them, and a process with a secret.
    pub passed: Vec<(RawFd, String)>,
    /// Makes a secret that outlives the process, where a service manager keeps it ([`crate::Running::secret`]).
    pub secret: Option<fn() -> io::Result<String>>,
    /// Makes what a courier writes its network into, as the user that has started it ([`crate::Carried::record`]).
    pub record: Option<fn() -> io::Result<OwnedFd>>,
    /// How a connection to an agent is bound to a network, for a gate whose backend [binds](nsgate_config::Backend::binds).
    pub binding: Option<Binding>,
    /// Who could have written the text that the configuration was read from, if it was read from one.
    pub written: Option<Written>,
}

impl Options {
    /// A process that leaves, or stays, and nothing else.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            replace: Vec::new(),
            address_space: None,
            on_ready: None,
            log_file: None,
            farewell: None,
            unheard: None,
            passed: Vec::new(),
            secret: None,
            record: None,
            binding: None,
            written: None,
        }
    }
}
