//! The targets: each takes bytes, and panics if a promise of the product does not hold for them.

pub mod answer;
pub mod chunked;
pub mod configuration;
pub mod gates;
pub mod guards;
pub mod guest;
pub mod handover;
pub mod haproxy;
pub mod head;
pub mod host;
pub mod input;
pub mod log;
pub mod ovsdb;
pub mod rate;
pub mod toml;
pub mod wire;
pub mod words;

use crate::Target;

/// Every target.
pub const ALL: &[Target] = &[
    haproxy::TARGET,
    host::TARGET,
    words::TARGET,
    handover::TARGET,
    toml::TARGET,
    head::TARGET,
    chunked::TARGET,
    answer::TARGET,
    log::TARGET,
    rate::TARGET,
    guards::TARGET,
    ovsdb::TARGET,
];
