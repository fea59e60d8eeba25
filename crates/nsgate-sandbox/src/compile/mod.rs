//! From a policy's text to a filter program. Runs when a program is built and in tests, never in a process that serves.
//!
//! [`language`] reads one text, [`inclusion`] puts the texts together that include each other, [`program`] makes a filter
//! of the result, and [`source`] writes that as Rust.

pub(crate) mod inclusion;
mod language;
mod program;
pub(crate) mod source;

pub(crate) use inclusion::Whole;

use std::{error::Error, fmt};

type Result<T> = std::result::Result<T, Problem>;

/// What is wrong with a policy's text.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The entry, if it is about one.
    pub(crate) syscall: Option<String>,
    pub(crate) reason: String,
}

impl Problem {
    fn new(reason: impl fmt::Display) -> Self {
        Self { syscall: None, reason: reason.to_string() }
    }

    fn of(syscall: &str, reason: impl fmt::Display) -> Self {
        Self { syscall: Some(syscall.to_owned()), reason: reason.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.syscall {
            write!(f, "`{name}`: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl Error for Problem {}

/// The architectures that the policies are written for, as Rust calls them. Another one has other system calls, and its C library
/// makes others: nsgate could be built for it, and would be killed at the first call that no policy names. seccompiler knows no
/// other either. debian/control, the rpm's specification and deny.toml name the same ones; a test compares.
pub(crate) const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

/// Whether there are policies for it.
///
/// # Errors
/// One sentence that a build ends with.
#[allow(dead_code, reason = "the build and the tests of policies ask")]
pub(crate) fn known(arch: &str) -> std::result::Result<(), String> {
    if ARCHITECTURES.contains(&arch) {
        return Ok(());
    }
    Err(format!(
        "nsgate is built for amd64, arm64 and riscv64 ({}), and not for {arch}: its policies of system calls \
         (crates/nsgate-sandbox/policy) are written and compared for these, and a process would be killed at the first call \
         that they do not know",
        ARCHITECTURES.join(", ")
    ))
}

/// What happens to a call that the policy does not name.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "the build makes one kind of program, the tests all")]
pub(crate) enum Mismatch {
    /// The process ends (SECCOMP_RET_KILL_PROCESS).
    Kill,
    /// The process says which call it was, and ends (SECCOMP_RET_TRAP): for builds with debug assertions.
    Trap,
    /// It goes on and the kernel's log says which call it was (SECCOMP_RET_LOG): the feature `log-violations`.
    Log,
}

impl Mismatch {
    /// That of a build.
    #[allow(dead_code, reason = "policies of one's own are compiled with a feature alone")]
    pub(crate) fn of(logs: bool, development: bool) -> Self {
        match (logs, development) {
            (true, _) => Self::Log,
            (false, true) => Self::Trap,
            (false, false) => Self::Kill,
        }
    }
}

/// With debug assertions, the standard library asks at each close whether the descriptor is open, and tokio at each socket
/// that it is given whether it waits. A process that is built for development would end there; none that is distributed is.
const DEVELOPMENT: &str = "
[[syscall]]
name = 'fcntl'
reason = 'debug assertions: is a descriptor open when it is closed (F_GETFD), does a socket wait (F_GETFL)'
when = [[{ arg = 1, equals = 1, means = 'F_GETFD' }], [{ arg = 1, equals = 3, means = 'F_GETFL' }]]
";
