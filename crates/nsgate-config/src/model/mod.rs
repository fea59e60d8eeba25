//! The values of a configuration. Each type refuses what cannot be valid, so that no other code checks it again.
//!
//! A constructor returns the reason of a refusal as a sentence. The parsers add file, line and column.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod backend;
pub(crate) mod descriptors;
pub(crate) mod directory_source;
pub(crate) mod gate;
pub(crate) mod guards;
mod host_change;
pub(crate) mod host_proxy;
pub(crate) mod identity;
pub(crate) mod instance;
pub(crate) mod instances;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod metadata_agent;
pub(crate) mod netns;
pub(crate) mod path;
pub(crate) mod pool;
pub(crate) mod server;
pub(crate) mod tls_files;
