//! How much, how long, how often. Every number has a default and a unit.

use std::{ops::RangeInclusive, time::Duration};

/// Longest time that either dialect accepts.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// What [`Limits::backend_requests`] may be in either dialect.
pub(crate) const BACKEND_REQUESTS: RangeInclusive<u32> = 1..=65_536;
/// What [`RateLimit::requests`] may be in either dialect.
pub(crate) const RATE_REQUESTS: RangeInclusive<u32> = 1..=1_000_000;

/// Bounds of one gate. Together they are its memory ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Guest connections open at once (haproxy's `maxconn`). Beyond it an idle connection of the source that holds most
    /// gives way; where none is idle, the rest wait in the kernel's queue.
    pub connections: u32,
    /// Guest connections open at once from one source address, an IPv6 address as a whole; more are refused while none of
    /// them is idle. At most `connections`, which is also what it is where that is less than the default.
    pub connections_per_source: u32,
    /// Requests of one source address that are at the agent at once; further ones wait their turn. A fraction of
    /// `backend_requests`, or one guest that never reads its answers takes all of them.
    pub requests_per_source: u32,
    /// Requests at the agent at once, all sources together; further ones wait in order of arrival. The addresses of one
    /// IPv6 /64 have three quarters of them at most.
    pub backend_requests: u32,
    /// Heads that did not come in one piece and are not complete yet, all sources together. A guest beyond it is read on
    /// when another head is complete, has timed out, or has given way after a second.
    pub unfinished_heads: u32,
    /// The same for one source address.
    pub unfinished_heads_per_source: u32,
    /// Bytes of a request's target (path and query); more is answered 414.
    pub target_bytes: u32,
    /// Bytes of a request's head (request line and headers); more is answered 431 (414 for the request line alone). As many
    /// may be chunk extensions and trailers of its body; more is answered 413 and 431.
    pub head_bytes: u32,
    /// Header fields of a request, and trailers of its body; more is answered 431.
    pub headers: u32,
    /// Bytes of a request's body; more is answered 413.
    pub body_bytes: u32,
    /// Bytes of one request to the agent, head and body. Neutron's agents since 2025.1 read a request with a single
    /// `recv(4096)` (`neutron/common/metadata.py`) and lose what is beyond.
    pub backend_request_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_source: 256,
            requests_per_source: 16,
            backend_requests: 64,
            unfinished_heads: 256,
            unfinished_heads_per_source: 64,
            target_bytes: 3072,
            head_bytes: 16 * 1024,
            headers: 100,
            body_bytes: 4096,
            backend_request_bytes: 4096,
        }
    }
}

impl Limits {
    /// What [`Limits::connections`] is at most, in either dialect.
    pub const MOST_CONNECTIONS: u32 = 1_000_000;

    /// At most `connections` at once, and no more of one source: what a dialect says of both holds for a number that is
    /// said later as well (haproxy's `-n`). A number that no dialect accepts is the nearest that it does.
    pub fn limit_connections(&mut self, connections: u32) {
        self.connections = connections.clamp(1, Self::MOST_CONNECTIONS);
        self.connections_per_source = self.connections_per_source.min(self.connections);
    }
}

/// How long the gate waits for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a guest's complete request head, from its first byte or the accept (`timeout http-request`); then 408.
    pub request: Duration,
    /// For a connection to the agent, waiting in the queue included (`timeout connect`); then 503.
    pub connect: Duration,
    /// For a guest's complete body, from its head's end; then 408.
    pub body: Duration,
    /// For a guest to send more of a body or to take more of an answer (`timeout client`).
    pub client: Duration,
    /// For the agent to send its answer's head, or more of its body (`timeout server`); then 504.
    pub server: Duration,
    /// For the next request on a connection that is kept (`timeout http-keep-alive`).
    pub keep_alive: Duration,
    /// For a connection as a whole: after that the request under way is finished and the connection closed, and after
    /// as long again it is cut.
    pub connection: Duration,
}

impl Default for Timeouts {
    /// The values that Neutron writes into its haproxy configuration, where it has a word for them.
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            connect: Duration::from_secs(30),
            client: Duration::from_secs(32),
            server: Duration::from_secs(32),
            keep_alive: Duration::from_secs(30),
            body: Duration::from_secs(60),
            connection: Duration::from_secs(3600),
        }
    }
}

/// At most `requests` requests from one source address (an IPv6 address as a whole) within any `window`; the next one is answered 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests allowed within the window, at least 1.
    pub requests: u32,
    /// Length of the sliding window, at least one second.
    pub window: Duration,
}
