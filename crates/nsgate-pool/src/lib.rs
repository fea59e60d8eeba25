//! Many gates, one worker.
//!
//! A process that may bind in a network's namespace binds the listeners there. It hands them to a worker that was never
//! privileged, with the validated gate that they are for. The network lives as long as the connection that handed it over.
//!
//! One message is one datagram of a `SOCK_SEQPACKET` socket (unix(7)), at most 16 KiB long, with a first line that names
//! protocol, version and word. [`protocol`] says which there are, [`Offer`] and [`Served`] are the sending half, and the
//! feature `worker` adds the receiving one. The kernel says who the sender is; the receiver looks at every descriptor.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod ask;
mod channel;
mod descriptor;
mod offer;
#[cfg(feature = "worker")]
pub mod openmetrics;
mod peer;
pub mod protocol;
pub mod record;
mod shard;
mod sys;
#[cfg(feature = "worker")]
pub mod worker;

pub use ask::{AskError, Listing, keep, keep_over, list, listener, remove, stores};
pub use channel::Channel;
pub use descriptor::{check, check_door, check_hop_limit};
pub use offer::{Offer, OfferError, Offered, ProtocolError, Served, Unserved, WorkerNotice};
pub use peer::{Allowed, Peer};
pub use shard::shard;

/// The types of other crates in this crate's interface, in the version that it is built with.
pub mod reexports {
    pub use nsgate_config;
    #[cfg(feature = "worker")]
    pub use nsgate_forwarder;
    #[cfg(feature = "worker")]
    pub use tokio::{net::UnixListener, sync::watch};
}
