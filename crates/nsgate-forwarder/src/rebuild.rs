//! The request as the agent gets it: written anew from what the policy allows, in one piece.
//!
//! Order matters. Agents since Neutron 2025.1 read a request with one `recv(4096)` and use what that holds, so the
//! identity comes first, and everything together fits.

use crate::{
    digits::address,
    policy::{PASSING, readable},
    refusal::Refusal,
    strict::Head,
};
use http::{HeaderMap, header};
use nsgate_config::{Gate, Instance, Limits};
use std::net::IpAddr;

/// The identity as a header field, with the end of its line. The same for every request of a gate: written once.
pub(crate) fn identity_line(gate: &Gate) -> Vec<u8> {
    let mut text = Vec::with_capacity(64);
    field(&mut text, &gate.identity.header().to_ascii_lowercase(), gate.identity.uuid().to_string().as_bytes());
    text
}

/// The same for an instance of a host: what Nova itself wants to know, and its proof.
pub(crate) fn instance(instance: &Instance) -> Vec<u8> {
    let mut text = Vec::with_capacity(256);
    field(&mut text, "x-instance-id", instance.id.to_string().as_bytes());
    field(&mut text, "x-tenant-id", instance.project.to_string().as_bytes());
    field(&mut text, "x-instance-id-signature", instance.signature.hexadecimal().as_bytes());
    text
}

const LENGTH: &str = "content-length";

/// Bytes that nearly all requests fit in: malloc keeps pieces of this size at hand (up to 1,032 bytes).
const ENOUGH: usize = 1024;

/// The end of a head: one connection for each request.
pub(crate) const CLOSES: &str = "connection: close\r\n\r\n";
/// The end of a head: others follow.
pub(crate) const GOES_ON: &str = "\r\n";

/// Head and body for the agent, at most `limits.backend_request_bytes` long, with the gate's own words first: `identity`,
/// the source, and `trace` (nothing, or a header field), in this order. `last` ends the head.
pub(crate) fn request(
    limits: &Limits,
    (identity, trace, last): (&[u8], &[u8], &str),
    head: &Head,
    peer: IpAddr,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let bound = usize::try_from(limits.backend_request_bytes).unwrap_or(usize::MAX);
    let mut text = Vec::with_capacity(ENOUGH.max(ENOUGH / 2 + body.len()).min(bound));
    let method = head.line.get(..head.target.start).unwrap_or_default();
    text.extend_from_slice(method);
    text.extend_from_slice(head.target());
    text.extend_from_slice(b" HTTP/1.1\r\n");
    if text.len() + 256 > bound {
        return Err(Refusal::does_not_fit(414));
    }
    text.extend_from_slice(identity);
    // An IPv4 guest of a dual-stack listener is written as IPv4, and no address has a scope: agents parse it.
    text.extend_from_slice(b"x-forwarded-for: ");
    address(peer.to_canonical(), |piece| text.extend_from_slice(piece.as_bytes()));
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(trace);
    let (mut passing, mut announced) = ([None; PASSING.len()], false);
    for (name, value) in headers {
        announced |= *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING;
        if let Some((found, _)) = passing.iter_mut().zip(&PASSING).find(|(_, known)| known.name == name) {
            // Of several fields with one name the first counts, here and in the agent.
            found.get_or_insert(value.as_bytes());
        }
    }
    let mut length = itoa::Buffer::new();
    let length = (announced || !body.is_empty()).then(|| length.format(body.len()));
    let rest = length.map_or(0, |digits| LENGTH.len() + digits.len() + 4) + last.len() + body.len();
    for (header, value) in PASSING.iter().zip(passing) {
        let Some(value) = value.filter(|value| readable(value)) else { continue };
        let fits = text.len() + header.name().len() + value.len() + 4 + rest <= bound;
        if fits {
            field(&mut text, header.name(), value);
        } else if header.required {
            return Err(Refusal::does_not_fit(if body.is_empty() { 431 } else { 413 }));
        }
    }
    if text.len() + rest > bound {
        return Err(Refusal::does_not_fit(if body.is_empty() { 431 } else { 413 }));
    }
    if let Some(digits) = length {
        field(&mut text, LENGTH, digits.as_bytes());
    }
    text.extend_from_slice(last.as_bytes());
    text.extend_from_slice(body);
    Ok(text)
}

fn field(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::{CLOSES, identity_line, request};
    use crate::strict::parse_head;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use nsgate_config::native;

    const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

    fn gate() -> nsgate_config::Gate {
        let text = format!("network_id = \"{ID}\"\nlisten = [\"1.2.3.4:80\"]\nbackend = \"/b\"\nuser = \"u\"\n");
        native::parse("x", &text).unwrap().config.gate
    }

    fn rebuilt(target: &str, fields: &[(&str, &str)], body: &str) -> Result<String, u16> {
        traced("", target, fields, body)
    }

    fn traced(trace: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Result<String, u16> {
        let gate = gate();
        let mut limits = gate.limits.clone();
        limits.target_bytes = 8192;
        let head = parse_head(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), &limits).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let peer = "::ffff:10.0.0.5".parse().unwrap();
        request(&gate.limits, (&identity_line(&gate), trace.as_bytes(), CLOSES), &head, peer, &headers, body.as_bytes())
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|refusal| refusal.status)
    }

    #[test]
    fn the_identity_comes_first_and_is_the_gates() {
        let forged = [
            "x-neutron-network-id",
            "x_neutron_network_id",
            "x-neutron-router-id",
            "x-forwarded-for",
            "x_forwarded_for",
            "forwarded",
            "x-real-ip",
            "x-instance-id",
            "x-tenant-id",
            "x-ovn-network-id",
            "connection",
        ];
        let fields: Vec<_> =
            forged.iter().map(|name| (*name, "evil")).chain([("host", "h"), ("user-agent", "curl")]).collect();
        let text = rebuilt("/a//../b?c", &fields, "").unwrap();
        assert_eq!(
            text,
            format!(
                "GET /a//../b?c HTTP/1.1\r\nx-neutron-network-id: {ID}\r\nx-forwarded-for: 10.0.0.5\r\n\
            host: h\r\nuser-agent: curl\r\nconnection: close\r\n\r\n"
            )
        );
    }

    #[test]
    fn a_value_that_is_not_visible_ascii_is_left_behind() {
        for value in ["a\u{85}x-forwarded-for: 10.0.0.99", "a\u{2028}x-real-ip: 10.0.0.99", "\u{e4}"] {
            let text =
                rebuilt("/", &[("user-agent", value), ("content-type", value), ("accept", "a\tb ~")], "").unwrap();
            assert!(!text.contains("user-agent") && !text.contains("content-type") && text.is_ascii(), "{text}");
            assert!(text.contains("accept: a\tb ~\r\n"), "{text}");
        }
    }

    #[test]
    fn a_body_gets_its_length_and_stands_in_the_same_piece() {
        let text = rebuilt("/", &[("transfer-encoding", "chunked")], "hello").unwrap();
        assert!(text.ends_with("content-length: 5\r\nconnection: close\r\n\r\nhello"), "{text}");
    }

    #[test]
    fn a_trace_context_is_the_gates_own_or_none() {
        let own = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
        let forged = [
            ("traceparent", "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01"),
            ("tracestate", "evil=1"),
            ("baggage", "evil=1"),
            ("b3", "evil"),
            ("x-b3-traceid", "evil"),
            ("uber-trace-id", "evil"),
            ("x-openstack-request-id", "evil"),
            ("host", "h"),
        ];
        let text = rebuilt("/", &forged, "").unwrap();
        assert!(!text.contains("trace") && !text.contains("evil") && !text.contains("ffff"), "{text}");
        let text = traced(own, "/", &forged, "").unwrap();
        let expected = format!("x-forwarded-for: 10.0.0.5\r\n{own}host: h\r\nconnection: close\r\n\r\n");
        assert!(text.ends_with(&expected), "{text}");
        // It is among the words that always fit.
        let long = "a".repeat(5000);
        let text = traced(own, "/", &[("user-agent", &long), ("host", "h")], "").unwrap();
        assert!(text.contains(own) && text.len() <= 4096);
    }

    #[test]
    fn what_does_not_fit_is_left_behind_or_refused() {
        let long = "a".repeat(5000);
        let text = rebuilt("/", &[("user-agent", &long), ("accept", "*/*")], "").unwrap();
        assert!(!text.contains("user-agent") && text.contains("accept") && text.len() <= 4096);
        assert_eq!(rebuilt("/", &[("host", &long)], ""), Err(431));
        assert_eq!(rebuilt("/", &[], &"b".repeat(4000)), Err(413));
        assert_eq!(rebuilt(&format!("/{}", "a".repeat(4000)), &[], ""), Err(414));
    }
}
