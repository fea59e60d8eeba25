//! The values: each type refuses what could never be right, so that nobody downstream checks again.
//!
//! A constructor that refuses returns the reason as a sentence; the parsers add file, line and column to it.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod backend;
pub(crate) mod descriptors;
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
pub(crate) mod netns;
pub(crate) mod path;
pub(crate) mod pool;
pub(crate) mod server;
