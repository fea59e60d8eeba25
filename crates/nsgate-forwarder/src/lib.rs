//! Bytes in, bytes out: carries a guest's HTTP request to the metadata agent under a true identity.
//!
//! Takes open listeners and a [`Connector`]; knows no path, no user and no privilege, so an agent can embed it.
//!
//! A request passes four places, each a module that refuses what is not its own:
//!
//! 1. `strict` sees every byte before the HTTP library does, and refuses what two parsers could read differently;
//! 2. hyper serves HTTP/1: keep-alive, pipelining, bodies, 100-continue;
//! 3. `rebuild` writes the agent's request from what the table in `policy` allows, the identity first;
//! 4. `agent` sends it in one write and reads the answer tolerantly.
//!
//! Everything that grows with what a guest sends has a bound ([`nsgate_config::Limits`]), in total and for each source.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod agent;
mod callers;
mod connection;
mod connection_registry;
mod connector;
mod context;
pub mod counters;
mod digits;
mod entrance;
pub mod event;
mod exchange;
mod forward;
mod forwarder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guards;
mod guest_io;
pub mod httplog;
mod last_write;
mod path_class;
mod places;
mod policy;
mod rate;
mod reason;
mod rebuild;
mod record;
mod refusal;
mod reply;
mod seldom;
mod service;
mod source;
mod stop;
mod strict;
mod termination;
mod token_use;
mod trace;
mod turns;

pub use callers::InstanceTable;
pub use connector::{
    AgentStream, Connector, UnixConnector,
    kept::{ConnectionSource, DoorConnector, DoorEnd, KeptStream},
    tcp::TcpConnector,
};
pub use entrance::ListenerHeld;
pub use forwarder::{Forwarder, Gauge};
pub use guards::TokenKey;
pub use path_class::PathClass;
pub use places::Sharing;
pub use policy::{PassingHeader, identity_headers, passing_headers};
pub use reason::{Reason, Verdict};
pub use record::{AccessRecord, Observer};
pub use seldom::Seldom;
pub use stop::{Stop, stopped_by};
pub use termination::Termination;
pub use token_use::TokenUse;
pub use trace::TraceId;

/// The types of other crates in this crate's interface, in the version that it is built with.
pub mod reexports {
    pub use nsgate_config;
    pub use tokio::{
        io::{AsyncRead, AsyncWrite, ReadBuf},
        net::{TcpListener, TcpStream},
        sync::{Semaphore, watch},
    };
}
