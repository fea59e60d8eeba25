//! What remains of a daemon's process, and the proof of it.
//!
//! A daemon that has done what takes privileges (bound its listeners, pinned its paths) hands itself over to this
//! crate step by step, and comes out holding open descriptors and nothing else: no capability, no file, no other user,
//! no way to start a program. The crate knows no daemon: what a process may ask of the kernel is a [`Filter`] of the
//! caller's, what it needs is a [`Policy`], and what another process may hold is an [`attest::Expected`]. Every step reads its result back from the kernel; a step that did not take is an
//! [`Error`] that names the system call and says what to do, never a warning.
//!
//! The order, which the types keep (a later step does not exist on an earlier value):
//!
//! | step | what | when |
//! |---|---|---|
//! | [`namespaces::separate_pid`] | PID namespace for the child | before `fork` |
//! | [`small_root::take`] | pin the directories the process may still see | before the next step |
//! | [`namespaces::separate_rest`] | mount, IPC and UTS namespaces | in the child |
//! | [`Sandbox::new`] | opens `/proc/self/status` for the last read-back | while `/proc` is still there |
//! | [`small_root::enter`] | a read-only root that shows the windows, and short names for what is in them, alone | |
//! | [`Sandbox::drop_privileges`] | rlimits, groups, ids, five capability sets, `no_new_privs` | one thread only |
//! | [`Sandbox::restrict_files`] | Landlock: no file, no TCP, scoped signals and abstract sockets | one thread only |
//! | [`Sandbox::filter_syscalls`] | seccomp: what the policy lists, anything else kills | one thread only |
//! | [`Confined`] | the only value that says all of it happened | keep it |
//!
//! Landlock, the lock on securebits and write-xor-execute memory depend on the kernel: what it could not give stands
//! in [`SandboxReport::shortfalls`]. Ids, capabilities, `no_new_privs`, the small root and seccomp are the floor: without one
//! of them there is no [`Confined`].
//!
//! A process that a service manager starts without a privilege takes the same steps from [`Sandbox::new`] on: it proves that
//! it holds nothing where another one gives it up, and [`given_root::look`] stands in the place of the namespaces and the
//! small root, which it cannot make.
//!
//! [`attest`] is the other half: it reads any process back from `/proc` and says what it still holds, beside what it should.
//!
//! Filtering before dropping does not compile:
//!
//! ```compile_fail,E0599
//! # fn wrong(filter: nsgate_sandbox::Filter) -> nsgate_sandbox::Result<()> {
//! use nsgate_sandbox::{Policy, Sandbox};
//! Sandbox::new(Policy::new(filter, 1024))?.filter_syscalls()?;
//! # Ok(()) }
//! ```
//!
//! nor does restricting files before dropping:
//!
//! ```compile_fail,E0599
//! # fn wrong(filter: nsgate_sandbox::Filter) -> nsgate_sandbox::Result<()> {
//! use nsgate_sandbox::{Policy, Root, Sandbox};
//! Sandbox::new(Policy::new(filter, 16))?.restrict_files(Root::Kept)?;
//! # Ok(()) }
//! ```
//!
//! nor skipping Landlock:
//!
//! ```compile_fail,E0599
//! # fn wrong(ids: &nsgate_sandbox::Ids, filter: nsgate_sandbox::Filter) -> nsgate_sandbox::Result<()> {
//! use nsgate_sandbox::{Policy, Sandbox};
//! Sandbox::new(Policy::new(filter, 1024))?.drop_privileges(ids)?.filter_syscalls()?;
//! # Ok(()) }
//! ```
//!
//! and nothing else makes a [`Confined`]:

#![cfg_attr(not(test), deny(clippy::too_many_lines))]
//!
//! ```compile_fail
//! # fn wrong(report: nsgate_sandbox::SandboxReport) {
//! let forged = nsgate_sandbox::Confined { report };
//! # }
//! ```

/// Whether this build's filters log what they would otherwise kill for: the feature `log-violations`, for development.
pub const LOGS_ONLY: bool = cfg!(feature = "log-violations");
#[cfg(all(feature = "log-violations", not(debug_assertions)))]
compile_error!("log-violations makes a filter that stops nothing: it exists in development builds only");

#[doc = include_str!("../POLICY.md")]
pub mod writing_a_policy {}

mod address;
pub mod attest;
mod calls;
mod causes;
mod census;
#[cfg(any(test, feature = "compile"))]
pub mod compile;
mod error;
mod explain;
mod filter;
pub mod given_root;
mod mounts;
pub mod namespaces;
mod one_file;
mod origin;
mod permitted;
mod policy;
mod privileges;
mod readback;
mod report;
mod required_calls;
mod rlimits;
mod root;
mod ruleset;
mod short_name;
pub mod small_root;
mod stage;
mod status;
mod sys;

pub use causes::likely;
#[cfg(any(test, feature = "compile"))]
pub use error::PolicyError;
pub use error::{Error, Result};
pub use explain::{NotRefused, RefusedCall};
pub use filter::{Filter, OnRefusal};
pub use given_root::GivenRoot;
pub use one_file::OneFile;
pub use origin::Origin;
pub use permitted::{CompiledPolicy, PermittedCall};
pub use policy::Policy;
pub use privileges::{Ids, none as unprivileged};
pub use report::{FilterReport, SandboxReport};
pub use rlimits::raise_descriptors;
pub use root::Root;
pub use ruleset::Landlock;
pub use short_name::ShortName;
pub use small_root::{RootWindow, SmallRoot};
pub use stage::{Confined, Dropped, Privileged, Ruled, Sandbox};

/// The types of other crates in this crate's interface, in the version that it is built with.
pub mod reexports {
    pub use landlock::{PathFdError, RulesetError};
    pub use nix::{
        errno::Errno,
        unistd::{Gid, Uid},
    };
    pub use seccompiler;
}
