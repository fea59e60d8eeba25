//! Which of a guest's headers reach the agent: this table, and nothing else. `cargo xtask reference --write` makes
//! docs/headers.md of it, and the suites that forge requests read it.
//!
//! What is not named here is left behind: hop-by-hop headers, everything that could be taken for an identity under any
//! spelling (a CGI or WSGI server folds `-` and `_`), and everything the agent has no use for. A name with an underscore
//! is never in the table. `content-length`, `connection`, the identity and `x-forwarded-for` are written by the gate.

use http::{HeaderName, header};
use nsgate_config::FORWARDED_HEADERS;

/// A header of a guest's request that reaches the agent.
#[derive(Debug)]
pub struct PassingHeader {
    pub(crate) name: HeaderName,
    pub(crate) required: bool,
    reason: &'static str,
}

impl PassingHeader {
    /// In lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether a request is refused that has no room for it (`backend_request_bytes`). Another header is
    /// left behind then.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Why the agent gets it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

const fn required(name: HeaderName, reason: &'static str) -> PassingHeader {
    PassingHeader { name, required: true, reason }
}

const fn with_room(name: HeaderName, reason: &'static str) -> PassingHeader {
    PassingHeader { name, required: false, reason }
}

const fn named(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// Tokens and flavours of other clouds.
const CLIENTS: &str = "clients of other clouds send it; Nova may learn to want it";
/// Copies that a client has.
const CACHES: &str = "a client asks whether its copy is still good";

/// In the order in which they are written.
pub(crate) static PASSING: [PassingHeader; 10] = [
    required(header::HOST, "a WSGI environment wants a host (RFC 9112, section 3.2); the agent asks Nova by the path"),
    required(header::CONTENT_TYPE, "a password is posted as text, and Nova looks at the type"),
    with_room(header::ACCEPT, "Nova answers JSON or text by it"),
    with_room(named("x-aws-ec2-metadata-token"), CLIENTS),
    with_room(named("x-aws-ec2-metadata-token-ttl-seconds"), CLIENTS),
    with_room(named("metadata-flavor"), CLIENTS),
    with_room(named("metadata"), CLIENTS),
    with_room(header::IF_NONE_MATCH, CACHES),
    with_room(header::IF_MODIFIED_SINCE, CACHES),
    with_room(header::USER_AGENT, "the agent's log"),
];

/// The headers of a guest's request that reach the agent, in the order in which they are written.
#[must_use]
pub fn passing_headers() -> &'static [PassingHeader] {
    &PASSING
}

/// Names by which agents, Nova or frameworks take a request for another machine's, in lower case: they never pass, and a test sees
/// that none of them is in the table.
pub fn identity_headers() -> impl Iterator<Item = &'static str> {
    const NAMES: [&str; 9] = [
        "x-neutron-network-id",
        "x-neutron-router-id",
        "x-ovn-network-id",
        "x-instance-id",
        "x-instance-id-signature",
        "x-tenant-id",
        "x-metadata-provider",
        "x-metadata-provider-signature",
        "x-forwarded-host",
    ];
    FORWARDED_HEADERS.into_iter().chain(NAMES)
}

/// Whether a value may go on: visible ASCII and blanks. Other bytes have no meaning of their own (RFC 9110, section 5.5);
/// Neutron's agents decode a request as UTF-8 and fail on what is none, and some readers end a line at U+0085 or U+2028.
pub(crate) fn readable(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

/// Whether an answer's header is about the connection to the agent, and not for the guest (RFC 9110, section 7.6.1).
pub(crate) fn hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 7] =
        ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::{PASSING, hop_by_hop, identity_headers};

    #[test]
    fn nothing_that_names_an_identity_is_in_the_table() {
        // The gate writes them itself, or acts on them.
        let its_own = ["content-length", "expect", "traceparent", "tracestate", "baggage"];
        for name in PASSING.iter().map(|one| one.name()) {
            assert!(!name.contains('_') && !hop_by_hop(name), "{name}");
            assert!(!identity_headers().chain(its_own).any(|other| other == name), "{name}");
        }
    }
}
