//! One variant per step: what was asked, what the host answered, what to do.

use nix::errno::Errno;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why there is no gate. Nothing was started and nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The configuration cannot be read.
    #[error("{}: {reason}", path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Descriptors, umask or limits of the starter could not be put in order.
    #[error("{call}: {source}; the process cannot start from a clean state: {}", nsgate_sandbox::likely(call, *source))]
    Clean {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// An allocator was loaded into the program.
    #[error(
        "an allocator is loaded into this program, {object} ({from}); the gate's filter would kill it at the first call of its own \
         (mprotect, madvise), so there is no gate: load it into the programs that need it, and not into nsgate"
    )]
    Preloaded {
        /// The library.
        object: String,
        /// Why it is loaded.
        from: String,
    },
    /// Descriptors of the caller are still open.
    #[error("after close_range the open descriptors are {found}, expected 0 to 2 alone; /proc must be mounted")]
    Descriptors {
        /// What is open.
        found: String,
    },
    /// The limit of descriptors is too low to serve with.
    #[error(
        "RLIMIT_NOFILE allows {present} descriptors, and at least {needed} are needed to serve; raise the hard limit \
         (`ulimit -Hn`, or LimitNOFILE= of the unit)"
    )]
    TooFewDescriptors {
        /// How many there are.
        present: u64,
        /// How many are enough for the smallest bounds.
        needed: u64,
    },
    /// User or group is not acceptable.
    #[error("{kind} `{name}`: {reason}")]
    Account {
        /// `user` or `group`.
        kind: &'static str,
        /// As the configuration has it.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A path cannot be trusted, or is not what it should be.
    #[error("{purpose} {}: {reason}", path.display())]
    Path {
        /// What the path is for.
        purpose: &'static str,
        /// The component that is wrong.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The network namespace cannot be entered.
    #[error("network namespace {name}: {reason}")]
    Namespace {
        /// As the configuration has it.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {listener}: {call}: {source}{advice}")]
    Listen {
        /// As the configuration has it.
        listener: String,
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: Errno,
        /// What to do.
        advice: &'static str,
    },
    /// Another process listens there, or has bound the address.
    #[error("cannot listen on {listener}: bind: {}; {who}", Errno::EADDRINUSE)]
    Taken {
        /// As the configuration has it.
        listener: String,
        /// Who, as far as it can be seen, and what to do.
        who: String,
    },
    /// Another start of the same gate does not come to its end.
    #[error(
        "another start of {whose}, {process}, has not come to its end for 20 s: it is stopped, or hangs; `kill -CONT` lets one that \
         is stopped go on, `kill` ends it; then start anew"
    )]
    AnotherStart {
        /// Whose gate.
        whose: String,
        /// The process that starts it.
        process: String,
    },
    /// What is bound is not what was asked for.
    #[error("asked to listen on {listener}, but the kernel says {found}; refusing to go on")]
    BoundElsewhere {
        /// As the configuration has it.
        listener: String,
        /// What the socket says.
        found: String,
    },
    /// The daemon could not be made.
    #[error("{call}: {source}; the gate could not be started as a process of its own: {}", nsgate_sandbox::likely(call, *source))]
    Daemon {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// The server of a host's proxy has a name that stands for no address.
    #[error(
        "server `{server}`: {reason}; write its address, or see to it that `getent ahosts` on this host knows the name"
    )]
    Server {
        /// As the configuration has it.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The second process of a host's proxy could not be made; the text is its own.
    #[error("the reader of the configuration could not be started: {0}")]
    Reader(String),
    /// The process that signs for an agent could not be made; the text is its own.
    #[error("the signer could not be started: {0}")]
    Signer(String),
    /// The audit's events have nowhere to go.
    #[error("audit to {to}: {reason}")]
    Audit {
        /// As the configuration has it.
        to: nsgate_config::AuditTo,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The event loop, or what else the process needs before it is confined.
    #[error("the process could not be prepared: {0}")]
    Prepare(#[source] io::Error),
    /// A step of the confinement.
    #[error(transparent)]
    Sandbox(#[from] nsgate_sandbox::Error),
    /// The gate failed after the fork; the text is its own.
    #[error("{0}")]
    Gate(String),
}

impl LaunchError {
    /// What is wrong with a path.
    pub(crate) fn path(purpose: &'static str, path: &Path, reason: &str) -> Self {
        Self::Path { purpose, path: path.to_owned(), reason: reason.to_owned() }
    }

    /// A call of step 1, which puts the starter in order, has failed.
    pub(crate) fn clean(call: &'static str) -> impl Fn(Errno) -> Self {
        move |source| Self::Clean { call, source }
    }

    /// A call that makes or watches a process has failed.
    pub(crate) fn daemon(call: &'static str) -> impl Fn(Errno) -> Self {
        move |source| Self::Daemon { call, source }
    }
}
