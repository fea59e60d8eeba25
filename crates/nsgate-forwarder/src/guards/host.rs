//! Whom a request is meant for, by its `Host` (RFC 9110, section 7.2): a browser in the guest that was led here by another
//! name (DNS rebinding) says that name.

use http::{HeaderMap, header::HOST};
use nsgate_config::GuestHost;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a request names one of these hosts. One without a `Host` (HTTP/1.0) names none.
pub(super) fn is_among(hosts: &[GuestHost], headers: &HeaderMap) -> bool {
    let value = headers.get(HOST).and_then(|value| value.to_str().ok());
    let Some(host) = value.and_then(bare) else { return false };
    hosts.iter().any(|known| match (known, host) {
        (GuestHost::Address(known), Bare::Literal(address)) => *known == IpAddr::V6(address),
        (GuestHost::Address(IpAddr::V4(known)), Bare::Name(name)) => name.parse::<Ipv4Addr>() == Ok(*known),
        (GuestHost::Name(known), Bare::Name(name)) => known.eq_ignore_ascii_case(name),
        _ => false,
    })
}

/// A host without its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bare<'a> {
    /// An IPv6 address in brackets.
    Literal(Ipv6Addr),
    /// Anything else: a name, or an IPv4 address.
    Name(&'a str),
}

/// Takes a port away, which may be any: a port without a listener leads nowhere, and an empty one is none. `None` for what is not written as RFC
/// 3986, section 3.2.2, and RFC 6874 say; the strict reader has seen to the characters only.
fn bare(value: &str) -> Option<Bare<'_>> {
    let (host, port) = match value.strip_prefix('[') {
        Some(rest) => {
            let (inside, port) = rest.split_once(']')?;
            // A link-local address has the zone of the guest's own interface, which says nothing here.
            let (address, zone) = inside.split_once('%').unwrap_or((inside, "0"));
            let named =
                !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
            (Bare::Literal(address.parse().ok().filter(|_| named)?), port)
        }
        None => {
            let end = value.find(':').unwrap_or(value.len());
            let (name, port) = value.split_at_checked(end)?;
            (Bare::Name(name), port)
        }
    };
    let digits = port.strip_prefix(':').filter(|digits| !digits.is_empty()).unwrap_or("80");
    let is_port = (port.is_empty() || port.starts_with(':'))
        && (1..=5).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u16>().is_ok_and(|number| number > 0);
    is_port.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::{bare, is_among};
    use http::{HeaderMap, HeaderValue, header::HOST};
    use nsgate_config::GuestHost;
    use proptest::prelude::*;

    const HOSTS: [&str; 3] = ["169.254.169.254", "fe80::a9fe:a9fe", "metadata.example"];

    fn named(value: &str) -> bool {
        let hosts: Vec<GuestHost> = HOSTS.iter().map(|host| GuestHost::new(host).unwrap()).collect();
        let Ok(value) = HeaderValue::from_str(value) else { return false };
        is_among(&hosts, &HeaderMap::from_iter([(HOST, value)]))
    }

    #[test]
    fn a_host_is_known_with_its_port_and_without() {
        for value in [
            "169.254.169.254",
            "169.254.169.254:80",
            "169.254.169.254:9697",
            "169.254.169.254:",
            "[fe80::a9fe:a9fe]:",
            "metadata.example:",
            "[fe80::a9fe:a9fe]",
            "[FE80:0::A9FE:a9fe]:80",
            "[fe80::a9fe:a9fe%25eth0]",
            "[fe80::a9fe:a9fe%eth0]:80",
            "metadata.example",
            "Metadata.EXAMPLE:80",
        ] {
            assert!(named(value), "{value}");
        }
    }

    #[test]
    fn another_host_is_not() {
        for value in [
            "",
            ":80",
            "rebound.example",
            "169.254.169.254.rebound.example",
            "169.254.169.254::",
            "169.254.169.254:0",
            "169.254.169.254:65536",
            "169.254.169.254:080000",
            "169.254.169.254:80:80",
            "169.254.169.254@rebound.example",
            "169.254.169.254.",
            "169.254.43518",
            "0251.0376.0251.0376",
            "0xa9fea9fe",
            "2852039166",
            "fe80::a9fe:a9fe",
            "[fe80::a9fe:a9fe",
            "[fe80::a9fe:a9fe]x",
            "[fe80::a9fe:a9fe%]",
            "[fe80::a9fe:a9fe%25eth0/]",
            "[::ffff:169.254.169.254]",
            "[169.254.169.254]",
            "metadata.example.",
            "xmetadata.example",
            "localhost",
        ] {
            assert!(!named(value), "{value}");
        }
        let hosts = [GuestHost::new("metadata.example").unwrap()];
        assert!(!is_among(&hosts, &HeaderMap::new()), "no Host at all");
    }

    proptest! {
        /// Another reader, that of the http crate, finds one of the hosts in everything that is accepted.
        #[test]
        fn what_is_accepted_is_the_same_host_to_another_reader(
            host in prop_oneof!["(169\\.254\\.169\\.254|\\[fe80::a9fe:a9fe\\]|metadata\\.example)[]:.@%0-9a-z\\[]{0,6}", "[]0-9a-f:.@%\\[]{0,30}"]
        ) {
            let _ = bare(&host);
            if named(&host) {
                // RFC 6874's zone is younger than that reader.
                let without_zone = match host.split_once('%') {
                    Some((address, rest)) if address.starts_with('[') => {
                        format!("{address}]{}", rest.split_once(']').unwrap().1)
                    }
                    _ => host.clone(),
                };
                let read: http::uri::Authority = without_zone.parse().unwrap();
                let name = read.host().trim_matches(['[', ']']);
                let found = HOSTS.iter().any(|known| match known.parse::<std::net::IpAddr>() {
                    Ok(address) => name.parse() == Ok(address),
                    Err(_) => known.eq_ignore_ascii_case(name),
                });
                prop_assert!(found, "{host}");
            }
        }
    }
}
