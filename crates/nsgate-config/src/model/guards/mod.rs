//! Demands on a request beyond its form: the guards of other clouds' metadata services.
//!
//! All are off by default. docs/guards.md says which cloud each guard comes from and which clients it breaks.

mod header;
mod host;
mod path;

pub use header::{FORWARDED_HEADERS, MethodName, RequiredHeader};
pub use host::GuestHost;
pub use path::{ComponentName, PathPrefix, is_plain_path};

use std::{num::NonZeroU8, time::Duration};

/// The guards of a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guards {
    /// Refuses a request that has `X-Forwarded-For`, `Forwarded` or `X-Real-IP` with 403: it came through a proxy. Every spelling
    /// counts that a CGI or WSGI server folds into these names. Without this guard the gate rewrites the headers.
    pub refuse_forwarded: bool,
    /// Accepted values of `Host`, each with or without a port; any if empty. Another value is refused with 421, so that a browser
    /// in the guest learns nothing by DNS rebinding.
    pub hosts: Vec<GuestHost>,
    /// A header that a request must have; without it, 403. A forged `GET` does not have it.
    pub require_header: Option<RequiredHeader>,
    /// Session tokens in the style of IMDSv2.
    pub tokens: Tokens,
    /// Accepted methods; any if empty. Another one is refused with 405.
    pub methods: Vec<MethodName>,
    /// Accepted path prefixes; any path if empty. Another path is refused with 403, and so is one that is not plain
    /// ([`is_plain_path`]). Several `/` in a row count as one, here and at the agent.
    pub paths: Vec<PathPrefix>,
    /// Answers a path outside `paths` with 404 instead of 403. Some clients retry for ever after a 403.
    pub hide_paths: bool,
    /// Paths that are passed on for a limited time.
    pub expiring: Option<Expiring>,
    /// Hop limit of answers: the number of routers that an answer may pass, plus one (IP_TTL, ip(7); IPV6_UNICAST_HOPS, ipv6(7)).
    /// The host's default if absent.
    pub hop_limit: Option<NonZeroU8>,
}

impl Guards {
    /// Whether all guards are off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a request must have a session token that the gate gave to the same address (AWS's IMDSv2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tokens {
    /// No tokens: `PUT /latest/api/token` and the token's header go to the agent.
    #[default]
    Off,
    /// The gate gives out tokens. A request with a bad token is refused with 401; a request without a token passes.
    Optional,
    /// A request without a good token is refused with 401.
    Required,
}

impl Tokens {
    /// Every value, as a configuration writes it.
    pub const ALL: [(&'static str, Self); 3] =
        [("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];

    /// As a configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("off", |(name, _)| name)
    }
}

/// Paths with one of these components pass for a limited time after the first request of a source address; then they are refused
/// with 403. A secret that a guest reads once, when it boots, is not there for an intruder later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// Components of a path: `user_data` is in `/openstack/latest/user_data`.
    pub names: Vec<ComponentName>,
    /// Time from the first request of the address on.
    pub after: Duration,
}
