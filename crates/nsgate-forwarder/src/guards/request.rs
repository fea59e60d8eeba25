//! A request as the guards see it.

use http::HeaderMap;
use std::{net::IpAddr, time::Instant};

/// A request as the guards see it.
pub(crate) struct GuardedRequest<'a> {
    /// Who asks.
    pub(crate) peer: IpAddr,
    /// What the agent would be told of that.
    pub(crate) identity: &'a [u8],
    pub(crate) method: &'a str,
    /// As it is judged (`Guarded::checked_target`).
    pub(crate) target: &'a [u8],
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: Instant,
}

impl GuardedRequest<'_> {
    /// The target without its query.
    pub(super) fn path(&self) -> &[u8] {
        self.target.split(|byte| *byte == b'?').next().unwrap_or_default()
    }
}
