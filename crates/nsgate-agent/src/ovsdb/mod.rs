//! A client of OVSDB servers: as much of RFC 7047, and of what ovsdb-server(7) adds to it, as a copy of some rows needs.
//!
//! Nothing here writes to a database. What a server sends is bounded, and is taken whole or not at all.

mod atom;
mod datum;
mod framing;
mod message;
mod monitor;
mod remote;
mod schema;
mod server;
mod table;
mod updates;

pub use atom::Atom;
pub use datum::Datum;
pub use framing::{Frames, FramingError};
pub use message::{RpcMessage, RpcRefusal, echo_reply, request};
pub use monitor::{MonitorMethod, MonitorReply, MonitorRequest, MonitorUpdate};
pub use remote::{NotARemote, Remote};
pub use schema::{Column, Content, Layout, NotTheSchema, WantedTable};
pub use server::{Cluster, NotTheMember, SERVER, ServerDatabase};
pub use table::{Changes, Row, RowChange, Table, Torn};

/// A transaction, or a row.
pub use nsgate_config::Uuid;
