//! The privileged minute of a gate.
//!
//! [`launch`] takes a validated configuration and a process that may do everything, and returns in a process that may
//! do nothing but serve: listeners bound, paths pinned, daemonized, pid file written, privileges gone, read back.
//! [`order`] is the list of steps, top to bottom; `plan` says what each kind of process wants of them; every other module is
//! a step, or a part of one.
//!
//! Refuses to leave anything behind: a start that fails has bound nothing, written nothing and started nothing.

#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod accounts;
mod acl;
mod agent;
mod audience;
mod audit_output;
mod bound;
mod cleanup;
mod clock;
mod config_file;
mod counter_page;
mod daemon;
mod descriptors;
mod door;
mod endpoint;
mod endpoints;
mod errand;
mod error;
mod file_kind;
mod fit;
mod gate_side;
mod holders;
mod inherited;
mod lender;
mod listeners;
mod log_file;
mod log_socket;
mod look_up;
mod managed;
mod manager;
mod mark;
mod namespace;
mod opened;
mod options;
pub mod order;
mod output;
mod paths;
mod pid_file;
mod pinned;
mod pinned_config;
mod plan;
mod preloaded;
mod private_directory;
mod reach;
mod reader;
mod replace;
mod rights;
mod roles;
mod root;
mod root_names;
mod running;
mod secret;
mod signals;
mod signer;
mod starter;
mod succession;
mod supervisor;
mod sys;
mod trust;
mod turn;
mod unprivileged;
mod walk;
mod wide;
mod written;
mod zygote;

pub use accounts::resolve;
pub use agent::Agent;
pub use audit_output::AuditOutput;
pub use cleanup::{Leftover, cleanup};
pub use clock::{LocalTime, local_time};
pub use config_file::{ConfigText, MOST, MOST_OF_HOST, read_config, read_config_up_to, read_roots};
pub use counter_page::{CounterPage, counters};
pub use daemon::Readiness;
pub use error::LaunchError;
pub use fit::{Fitted, fit_limits, fit_pool};
pub use log_socket::LogSocket;
pub use manager::{Keeping, Watchdog, tell_manager};
pub use mark::{Whose, whose};
pub use nsgate_sandbox::Ids;
pub use options::{Binding, Mode, Options};
pub use order::{launch, launch_agent, launch_courier, launch_host, launch_keeper, launch_worker};
pub use output::Output;
pub use paths::{check_agent, check_gate, check_host, check_pool, check_reach, pool_socket};
pub use reach::{HANDOVER, KeptOut, kept_out_of};
pub use reader::{Incoming, Nonsense, ReaderAnswer, ReaderPipes};
pub use replace::Replace;
pub use roles::{Role, expected, gates};
pub use running::{Carried, Launched, Running};
pub use signals::{SignalRequest, Signals};
pub use signer::{RunningSigner, SignerBegins, SignerServes};
pub use written::Written;
pub use zygote::{EXIT_ON_SIGNAL, PoolProcess, Zygote, raise};

/// The types of other crates in this crate's interface, in the version that it is built with.
pub mod reexports {
    pub use nix::{errno::Errno, sys::signal::Signal};
    pub use nsgate_config;
    pub use nsgate_sandbox;
}
