//! What a gate demands of a request beside being well-formed: the guards that other clouds' metadata services have.
//!
//! Everything is off by default: a request that the strict reader takes is passed on. docs/guards.md says which cloud each
//! guard comes from and what it breaks.

mod header;
mod host;
mod path;

pub use header::{FORWARDED_HEADERS, MethodName, RequiredHeader};
pub use host::GuestHost;
pub use path::{ComponentName, PathPrefix, is_plain_path};

use std::{num::NonZeroU8, time::Duration};

/// The guards of a gate. Those that are off cost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guards {
    /// A request that carries `X-Forwarded-For`, `Forwarded` or `X-Real-IP`, under any spelling that a CGI or WSGI server
    /// folds into these, is refused with 403 rather than rewritten: it came through somebody's proxy.
    pub refuse_forwarded: bool,
    /// Values that `Host` may have, each with a port or without one; any if empty. Another one is refused with 421, so that
    /// a browser in the guest whose DNS was rebound learns nothing.
    pub hosts: Vec<GuestHost>,
    /// A header without which a request is refused with 403: a plain `GET` that somebody else's program was talked into
    /// does not have it.
    pub require_header: Option<RequiredHeader>,
    /// Session tokens in the style of IMDSv2.
    pub tokens: Tokens,
    /// Methods that are passed on; any if empty. Another one is refused with 405.
    pub methods: Vec<MethodName>,
    /// Beginnings of paths that are passed on; any path if empty. Another one is refused with 403, and so is a path that
    /// is not written plainly ([`is_plain_path`]). Several `/` in a row are one, here and to the agent.
    pub paths: Vec<PathPrefix>,
    /// A path that is below none of `paths` is answered 404, as if nothing was there, and not 403: some clients take 403 for
    /// a fault that passes, and ask again for ever.
    pub hide_paths: bool,
    /// Paths that are passed on for a while only.
    pub expiring: Option<Expiring>,
    /// Routers that an answer may pass on its way to the guest, and one (IP_TTL, ip(7); IPV6_UNICAST_HOPS, ipv6(7)); the
    /// host's default if absent.
    pub hop_limit: Option<NonZeroU8>,
}

impl Guards {
    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a request must carry a token that the gate gave out to the same address (AWS's IMDSv2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tokens {
    /// The gate knows of no tokens: `PUT /latest/api/token` and the token's header are the agent's affair.
    #[default]
    Off,
    /// The gate gives tokens out. A request with a bad one is refused with 401, one without is passed on.
    Optional,
    /// A request without a good one is refused with 401.
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

/// Paths with one of these components are answered for so long after the first request of a source address, and refused
/// with 403 from then on: what a guest needs once, when it boots, is not there for whoever breaks into it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// Components of a path: `user_data` is in `/openstack/latest/user_data`.
    pub names: Vec<ComponentName>,
    /// From the first request of the address on.
    pub after: Duration,
}
