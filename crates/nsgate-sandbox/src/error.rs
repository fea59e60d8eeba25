//! One variant per step: what was asked of the kernel, what it answered, what to do about it.

use std::{io, path::PathBuf};

use crate::likely;
use nix::errno::Errno;

/// Result of a step of the confinement.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A step that could not be taken, or did not take although the kernel said so. The process must end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file below `/proc` that a step needs cannot be read.
    #[error("cannot read {}: {source}; a /proc of this process's own PID namespace must be mounted when it starts", path.display())]
    Proc {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// `/proc/self` is another process: `Sandbox::new` was called before `fork`, or `/proc` is another namespace's.
    #[error(
        "/proc/self/status speaks of process {found}, this one is {expected}; open the sandbox in the child, with a /proc that knows it"
    )]
    ForeignProc {
        /// The process id by `getpid`.
        expected: i32,
        /// The one in the file.
        found: String,
    },
    /// `unshare(2)` refused.
    #[error(
        "unshare({flags}): {source}; no namespaces of its own for this process: {}", likely("unshare", *source)
    )]
    Unshare {
        /// The flags asked for.
        flags: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// `unshare(2)` said yes, and the namespace is the same as before.
    #[error("the {name} namespace is still the starter's after unshare(2); this kernel cannot be trusted with it")]
    NamespaceUnchanged {
        /// `mnt`, `ipc`, `uts` or `pid`.
        name: &'static str,
    },
    /// The child is not the first process of a new PID namespace.
    #[error("this process has id {pid} in its PID namespace, not 1; fork right after namespaces::separate_pid")]
    NotFirst {
        /// The id it has.
        pid: i32,
    },
    /// Mounts could not be made private.
    #[error("mount(MS_REC|MS_PRIVATE) on /: {0}; without it a mount made here could show outside; {cause}", cause = likely("mount", *.0))]
    MakePrivate(Errno),
    /// A directory could not be taken as a window.
    #[error(
        "{call} for the window /{name}: {source}; the directory cannot be shown: {}", likely(call, *source)
    )]
    TakeWindow {
        /// The window's name in the small root.
        name: &'static str,
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// A window has a name that is not one plain path component.
    #[error("`{name}` cannot be a window's name; use one plain component such as `backend`, once")]
    WindowName {
        /// The name.
        name: &'static str,
    },
    /// A step of entering the small root failed.
    #[error(
        "{call}: {source}; no small root (it takes tmpfs, and a root file system that is not the initial ramfs): {}", likely(call, *source)
    )]
    SmallRoot {
        /// The system call and what it was for.
        call: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// The new root is not what was asked for.
    #[error("the small root shows {found}, expected {expected}; refusing to go on")]
    RootShows {
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The policy wants a small root.
    #[error("this process cannot keep the root it was started in; call small_root::enter and pass what it returns")]
    RootKept,
    /// A process without privileges stands in a root that was not made for it.
    #[error(
        "a process without privileges makes no root directory of its own, and the one that it was started in {found}; start it \
         as root, or by a unit that gives it one (TemporaryFileSystem=/, as nsgate-pool.service)"
    )]
    RootGiven {
        /// What it is.
        found: String,
    },
    /// Short names could not be made in the directory of a process without privileges.
    #[error("{call}: {source}; the short names in the service's own directory cannot be made or lead elsewhere")]
    Names {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// `strict`, and the kernel cannot give everything.
    #[error(
        "sandbox = \"strict\", and this host cannot give everything: {missing}; use another kernel, or the default"
    )]
    Strict {
        /// One sentence for each thing.
        missing: String,
    },
    /// A resource limit could not be set.
    #[error("setrlimit({name}): {source}; the limit could not be set to {value}")]
    Rlimit {
        /// The limit, as in `setrlimit(2)`.
        name: &'static str,
        /// The value asked for.
        value: u64,
        /// What the kernel said.
        source: Errno,
    },
    /// One step of giving privileges away failed.
    #[error("{call}: {source}; {advice}")]
    Drop {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The kernel's own account after the drop is not what was asked for.
    #[error("after the drop {what} is {found}, expected {expected}; the process ends rather than go on with it")]
    StillHolds {
        /// Which property.
        what: &'static str,
        /// What was asked for.
        expected: String,
        /// What the kernel says.
        found: String,
    },
    /// A privilege that was given away could be taken again.
    #[error("{call} succeeded after the drop: there is a way back, so the process ends")]
    WayBack {
        /// The call that should have failed.
        call: &'static str,
    },
    /// Landlock is there and refused the ruleset.
    #[error("Landlock (ABI {abi}): {source}; the kernel offers it, so the process does not go on without it")]
    Landlock {
        /// ABI version of the running kernel.
        abi: i32,
        /// What was refused.
        source: landlock::RulesetError,
    },
    /// A window could not be named in the ruleset.
    #[error("cannot open the window /{name} for its Landlock rule: {source}")]
    LandlockWindow {
        /// The window.
        name: &'static str,
        /// What was refused.
        source: landlock::PathFdError,
    },
    /// Landlock said yes, but not to everything the running kernel knows.
    #[error("Landlock (ABI {abi}) answered `{status}`, expected full enforcement; restrict while there is one thread")]
    LandlockPartial {
        /// ABI version of the running kernel.
        abi: i32,
        /// The status.
        status: String,
    },
    /// Opening `/` should have failed.
    #[error("opening / after Landlock gave `{found}`, expected EACCES; files are still within reach")]
    StillOpens {
        /// What happened instead.
        found: String,
    },
    /// The filter was refused.
    #[error(
        "seccomp(SECCOMP_SET_MODE_FILTER) for the {role} filter: {source}; the kernel needs CONFIG_SECCOMP_FILTER, and a container's filter may forbid seccomp(2)"
    )]
    Seccomp {
        /// The policy's name.
        role: &'static str,
        /// What the kernel said.
        source: seccompiler::Error,
    },
    /// A policy lacks calls that come after the filter is loaded.
    #[error(
        "the {role} policy does not let pass what comes after it in every process: {lacking}; the process would end there \
         without a word, so nothing was dropped: add an entry for each"
    )]
    Needed {
        /// The policy's name.
        role: &'static str,
        /// The calls, each with what it is for.
        lacking: String,
    },
    /// There is more than one thread, and a filter, ids and capabilities are one thread's.
    #[error(
        "this process has {found} threads, and would confine one of them; nothing was dropped: call Sandbox::new before any \
         thread is made (a runtime with one thread is made after it, and before the filter)"
    )]
    Threads {
        /// How many there are.
        found: u32,
    },
    /// The handler that names a refused call, in a build with debug assertions.
    #[error("sigaction(SIGSYS): {source}; a refused call could not be named")]
    Handler {
        /// What the kernel said.
        source: Errno,
    },
    /// A policy does not name an address that was to be filled in, or more than once.
    #[error("the {role} policy does not name the address `{name}` exactly once; it cannot be completed")]
    Address {
        /// The policy's name.
        role: &'static str,
        /// The address.
        name: &'static str,
    },
    /// The one file that may be opened could not be prepared.
    #[error("the file `{name}` cannot be kept within reach: {source}; it must be one plain name in its directory")]
    OneFile {
        /// The name.
        name: String,
        /// What the kernel said.
        source: Errno,
    },
    /// A directory could not be shown read-only.
    #[error(
        "{call} for a read-only view of a directory: {source}; it cannot be read anew: {}", likely(call, *source)
    )]
    View {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// The process to attest is not there.
    #[error("no process {pid}; `ps -e` lists the ids this host knows")]
    NoProcess {
        /// The id asked for.
        pid: i32,
    },
    /// A line of `/proc/PID/status` is missing or not as proc(5) describes it.
    #[error("{}: no usable `{field}` line; is this the /proc of a Linux kernel from 4.10 on?", path.display())]
    Status {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
    },
}

/// What is wrong with the text of a policy.
#[cfg(any(test, feature = "compile"))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {policy} policy: {}{reason}", syscall.as_ref().map(|name| format!("`{name}`: ")).unwrap_or_default())]
#[non_exhaustive]
pub struct PolicyError {
    /// The policy's name.
    pub policy: String,
    /// The entry, if it is about one.
    pub syscall: Option<String>,
    /// What is wrong.
    pub reason: String,
}
