//! Why a server of the southbound database is left.

use super::tables::DATABASE;
use crate::ovsdb::{NotTheMember, NotTheSchema, RpcRefusal, Torn};

/// Why a server is left.
#[derive(Debug, thiserror::Error)]
pub enum OvnTrouble {
    /// It serves something else.
    #[error("it serves {0} and not {DATABASE}: is it the address of the southbound database?")]
    NotOvn(String),
    /// Its schema lacks what is needed.
    #[error("{0}: is it a database of OVN?")]
    Schema(#[from] NotTheSchema),
    /// Another member of the cluster is to be asked.
    #[error(transparent)]
    Member(#[from] NotTheMember),
    /// It refuses a request.
    #[error("it refuses {0}: {1}")]
    Refused(&'static str, RpcRefusal),
    /// It sent what is not understood.
    #[error("it sent what is no message of RFC 7047: {0}")]
    Garbage(#[from] serde_json::Error),
    /// The copy and the server do not agree.
    #[error(transparent)]
    Torn(#[from] Torn),
    /// It ended a monitor: its schema changes, as a rule.
    #[error("it told of no more changes ({0})")]
    Ended(String),
}

/// A text of which a server may have written a part, fit for a line: without controls and not long.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
