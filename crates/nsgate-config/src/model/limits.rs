//! Bounds, timeouts and rate limits. Every number has a default and a unit.

use std::{ops::RangeInclusive, time::Duration};

/// Longest time in both dialects.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Range of [`Limits::backend_requests`] in both dialects.
pub(crate) const BACKEND_REQUESTS: RangeInclusive<u32> = 1..=65_536;
/// Range of [`RateLimit::requests`] in both dialects.
pub(crate) const RATE_REQUESTS: RangeInclusive<u32> = 1..=1_000_000;

/// Bounds of one gate. Together they are its memory ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Guest connections open at once (haproxy's `maxconn`). For a further one, the gate closes an idle connection of the source
    /// that has the most. If none is idle, the connection waits in the kernel's queue.
    pub connections: u32,
    /// Guest connections open at once from one source address (an IPv6 address as a whole). A further one is refused if none of
    /// them is idle. At most `connections`; a smaller `connections` lowers the default too.
    pub connections_per_source: u32,
    /// Requests of one source address at the agent at once; further ones wait their turn. Keep it a fraction of
    /// `backend_requests`: otherwise one guest that never reads its answers takes all of them.
    pub requests_per_source: u32,
    /// Requests at the agent at once, all sources together; further ones wait in order of arrival. The addresses of one IPv6 /64
    /// together have at most three quarters of them.
    pub backend_requests: u32,
    /// Incomplete request heads at once, all sources together. The gate goes on reading a further one when another head is
    /// complete, has timed out, or has given way after a second.
    pub unfinished_heads: u32,
    /// The same for one source address.
    pub unfinished_heads_per_source: u32,
    /// Bytes of a request's target (path and query); more is answered 414.
    pub target_bytes: u32,
    /// Bytes of a request's head (request line and headers); more is answered 431 (414 for the request line alone). The same
    /// bound holds for chunk extensions (413) and for trailers (431).
    pub head_bytes: u32,
    /// Header fields of a request, and trailers of its body; more is answered 431.
    pub headers: u32,
    /// Bytes of a request's body; more is answered 413.
    pub body_bytes: u32,
    /// Bytes of one request to the agent, head and body. Neutron's agents since 2025.1 read a request with one `recv(4096)`
    /// (`neutron/common/metadata.py`) and lose the rest.
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
    /// Largest [`Limits::connections`] in both dialects.
    pub const MOST_CONNECTIONS: u32 = 1_000_000;

    /// Sets `connections`, and lowers the bound of one source to it, as a dialect does. For a number from outside the text
    /// (haproxy's `-n`); one out of range becomes the nearest in range.
    pub fn limit_connections(&mut self, connections: u32) {
        self.connections = connections.clamp(1, Self::MOST_CONNECTIONS);
        self.connections_per_source = self.connections_per_source.min(self.connections);
    }
}

/// How long the gate waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the complete head of a request, from its first byte or the accept (`timeout http-request`); then 408.
    pub request: Duration,
    /// For a connection to the agent, waiting in the queue included (`timeout connect`); then 503.
    pub connect: Duration,
    /// For the complete body of a request, from the end of its head; then 408.
    pub body: Duration,
    /// For a guest to send more of a body or to take more of an answer (`timeout client`).
    pub client: Duration,
    /// For the agent to send its answer's head, or more of its body (`timeout server`); then 504.
    pub server: Duration,
    /// For the next request on a kept connection (`timeout http-keep-alive`).
    pub keep_alive: Duration,
    /// For a connection as a whole. After this time the gate finishes the request under way and closes the connection; after
    /// twice this time it cuts it.
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
