//! The configuration of nsgate: from a text to checked values.
//!
//! The text is TOML, or the haproxy dialect that OpenStack Neutron writes. The result is a [`Config`] whose values are
//! valid: a port is never 0, a path is absolute and has no `..`, an identity is a UUID. This crate does no I/O and keeps no
//! global state: the caller reads the file once and passes its text.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

pub mod haproxy;
pub mod namespace_proxy;
pub mod native;

mod builder;
mod command_line;
mod diagnostic;
mod invalid;
mod model;
mod report;
mod suggest;

pub use builder::GateBuilder;
pub use command_line::{CommandLine, Spot};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use invalid::Invalid;
pub use model::{
    account::Account,
    audit::{Audit, AuditTo, Trace},
    backend::Backend,
    descriptors::{PoolRoom, TooFewDescriptors, descriptors_of_a_network},
    directory_source::{DatabaseRemote, DirectorySource, OvnSouthbound},
    gate::{Config, Gate, Process, SandboxLevel},
    guards::{
        ComponentName, Expiring, FORWARDED_HEADERS, Guards, GuestHost, MethodName, PathPrefix, RequiredHeader, Tokens,
        is_plain_path,
    },
    host_proxy::{HostConfig, HostProxy, UriPath},
    identity::{Identity, Uuid},
    instance::{Instance, ProjectId, Signature},
    instances::Instances,
    limits::{Limits, RateLimit, Timeouts},
    listener::{InterfaceName, Listener, TcpPort},
    log::{Facility, Log, LogFile, LogLevel},
    metadata_agent::{MetadataAgent, MetadataAgentConfig, NovaService, NovaUrl},
    netns::Netns,
    path::AbsolutePath,
    pool::{Fallback, Pool, PoolConfig, PoolUse},
    server::{HostName, Server, ServerHost, reachable},
    tls_files::{CertificateFiles, TlsFiles},
};
pub use suggest::closest;

/// A configuration, and the warnings about its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The configuration.
    pub config: Config,
    /// The parts of the text that have no effect, in order.
    pub warnings: Vec<Diagnostic>,
}

/// Types of other crates in this crate's interface: a draft's values with their places in the text.
pub mod reexports {
    pub use toml::Spanned;
}
