//! The programs `nsgate`, `haproxy` and `neutron-ns-metadata-proxy`, composed from the other crates.
//!
//! [`haproxy_name`] is the program that OpenStack Neutron starts, [`namespace_proxy`] the one that it started until Ocata,
//! [`cli`] the operator's command. Each makes a [`nsgate_config::Config`] of its command line and calls [`gate::run`], which
//! joins launcher and forwarder; [`host`] does the same for a whole host.

#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod agent;
mod audit;
pub mod cli;
mod counted;
mod doctor;
mod door;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod haproxy_name;
pub mod host;
mod log;
mod metrics;
pub mod namespace_proxy;
mod notify;
mod overview;
mod plain_file;
pub mod pool;
mod reread;
pub mod shown;
mod site;
mod sys;
mod terminal;
