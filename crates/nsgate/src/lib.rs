//! The programs `nsgate`, `haproxy` and `neutron-ns-metadata-proxy`: only composition lives here.
//!
//! [`haproxy_name`] is what runs under the name that OpenStack Neutron starts, [`namespace_proxy`] under the
//! name that it started until Ocata, [`cli`] is the operator's command. All
//! turn their words into a [`nsgate_config::Config`] and end in [`gate::run`], the one place where launcher and
//! forwarder meet; [`host`] does the same for a whole host.

mod audit;
pub mod cli;
mod counted;
mod doctor;
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
pub mod pool;
pub mod shown;
mod site;
mod sys;
mod terminal;
