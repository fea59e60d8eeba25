//! What a launch ends in, and everything that the confined process holds then.

use crate::{
    AuditOutput, CounterPage, LaunchError, LogSocket, Options, Output, Readiness,
    agent::Agent,
    manager::{Keeping, Watchdog},
    reader::ReaderPipes,
    signals::Signals,
};
use nsgate_config::Listener;
use nsgate_sandbox::Confined;
use std::{
    io::Stderr,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
};

/// Which process this is, and what it has to do.
#[derive(Debug)]
pub enum Launched<T> {
    /// The starter or the supervisor: done. Exit with this status.
    Finished(u8),
    /// The gate: serve.
    Gate(Box<Running<T>>),
}

impl<T> Launched<T> {
    /// What the gate holds. In the starter this does not return: the process exits with the status that it has to exit with.
    #[must_use]
    pub fn or_exit(self) -> Running<T> {
        match self {
            Self::Gate(running) => *running,
            Self::Finished(status) => std::process::exit(status.into()),
        }
    }
}

/// Everything a confined gate holds. Made by a completed confinement and by nothing else.
#[derive(Debug)]
#[non_exhaustive]
pub struct Running<T> {
    /// What `prepare` made.
    pub prepared: T,
    /// The listeners, non-blocking.
    pub listeners: Vec<TcpListener>,
    /// What was bound, in the same order.
    pub listening: Vec<Listener>,
    /// The agents' sockets, in the order of the configuration; a host's proxy has none.
    pub agents: Vec<Agent>,
    /// The sockets that it is reached at: a pool's worker for handovers and, if asked for, for metrics; an agent for gates.
    pub endpoints: Vec<OwnedFd>,
    /// What a service manager has kept for a pool's worker: names and descriptors, which are not judged yet.
    pub passed: Vec<(String, OwnedFd)>,
    /// The service manager, if it keeps anything.
    pub keeping: Option<Keeping>,
    /// How the service manager is told that the process is alive, if it wants to be.
    pub watchdog: Option<Watchdog>,
    /// The secret that a service manager keeps, also from an earlier process; none where it keeps nothing.
    pub secret: Option<String>,
    /// Who may hand over beside root: the number of the group.
    pub handover_gid: Option<u32>,
    /// The pool's socket, as a keeper sees it.
    pub pool: Option<PathBuf>,
    /// What a courier has of the user that has started it.
    pub carried: Carried,
    /// Who reads the configuration of a host's proxy anew.
    pub reader: Option<ReaderPipes>,
    /// The stream to an agent's signer, non-blocking, which has the reader in its place.
    pub signer: Option<UnixStream>,
    /// A gate's one connection to its agent, in non-blocking mode, where the agent has bound it to the gate's network
    /// ([`Options::binding`]); its place in [`Running::agents`] is empty.
    pub door: Option<OwnedFd>,
    /// The destinations, in the order of the configuration: one of a host's proxy, Nova's hosts of an agent.
    pub servers: Vec<SocketAddr>,
    /// Memory for numbers that a reader outside may see; a pool's worker has none, and tells its own.
    pub counters: Option<CounterPage>,
    /// The system log.
    pub log: LogSocket,
    /// Standard error, or the log file in its place.
    pub standard_error: Output<Stderr>,
    /// Where the audit's events go, if there is one.
    pub audit: Option<AuditOutput>,
    /// What this process is asked for: the signals that would end another one are blocked, and are heard here alone.
    pub signals: Signals,
    /// This process's id as the host sees it.
    pub host_pid: i32,
    /// The proof.
    pub confined: Confined,
    /// What could not be done and was not required.
    pub warnings: Vec<String>,
    /// Tells the starter.
    pub readiness: Readiness,
}

/// What a courier has of the user that has started it. It speaks to the pool once, and may be who may hand over; a keeper does so
/// again and again, as its own user.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Carried {
    /// A connection to the pool; none where no worker answered.
    pub connection: Option<OwnedFd>,
    /// What [`Options::record`] has made.
    pub record: Option<OwnedFd>,
}

impl Carried {
    pub(crate) fn of(connection: Option<OwnedFd>, options: &Options) -> Result<Self, LaunchError> {
        let record = options.record.map(|make| make()).transpose().map_err(LaunchError::Prepare)?;
        Ok(Self { connection, record })
    }

    /// The descriptors.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.connection.iter().chain(&self.record).map(AsRawFd::as_raw_fd)
    }
}
