//! Which of a guest's headers reach the agent: this table, and nothing else.
//!
//! What is not named here is left behind: hop-by-hop headers, everything that could be taken for an identity under any
//! spelling (a CGI or WSGI server folds `-` and `_`), and everything the agent has no use for. A name with an underscore
//! is never in the table. `content-length`, `connection`, the identity and `x-forwarded-for` are written by the gate.

use http::{HeaderName, header};

/// Why a header passes, and what happens if the request would be too long for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    /// The agent needs it; without room for it the request is refused.
    Required,
    /// It is left behind if there is no room.
    IfThereIsRoom,
}

/// Names in the order in which they are written.
pub(crate) static PASSING: [(HeaderName, Passes); 10] = [
    // The agent builds the URL for Nova from the path, but a WSGI environment wants a host (RFC 9112, section 3.2).
    (header::HOST, Passes::Required),
    // A password is posted as text, and Nova looks at the type.
    (header::CONTENT_TYPE, Passes::Required),
    // Nova answers JSON or text by it.
    (header::ACCEPT, Passes::IfThereIsRoom),
    // Tokens and flavours of other clouds' clients; Nova may learn to want them.
    (HeaderName::from_static("x-aws-ec2-metadata-token"), Passes::IfThereIsRoom),
    (HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"), Passes::IfThereIsRoom),
    (HeaderName::from_static("metadata-flavor"), Passes::IfThereIsRoom),
    (HeaderName::from_static("metadata"), Passes::IfThereIsRoom),
    (header::IF_NONE_MATCH, Passes::IfThereIsRoom),
    (header::IF_MODIFIED_SINCE, Passes::IfThereIsRoom),
    // For the agent's log.
    (header::USER_AGENT, Passes::IfThereIsRoom),
];

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
    use super::PASSING;

    #[test]
    fn nothing_that_names_an_identity_is_in_the_table() {
        let identities = [
            "x-neutron-network-id",
            "x-neutron-router-id",
            "x-ovn-network-id",
            "x-instance-id",
            "x-tenant-id",
            "x-instance-id-signature",
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "x-metadata-provider",
            "x-metadata-provider-signature",
            "connection",
            "transfer-encoding",
            "content-length",
            "expect",
            "upgrade",
            "traceparent",
            "tracestate",
            "baggage",
        ];
        for (name, _) in &PASSING {
            assert!(!name.as_str().contains('_'), "{name}");
            assert!(!identities.contains(&name.as_str()), "{name}");
        }
    }
}
