//! One line of a verdict.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerdictRow {
    /// What.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What this process's is.
    pub found: String,
    /// Whether that is as it should be; `None` if it could not be read.
    pub ok: Option<bool>,
}
