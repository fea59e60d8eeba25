//! Who asks: the address by which connections, requests and rates are counted, and the /64 that it is of.

use std::net::{IpAddr, Ipv6Addr};

/// A source: one address, as haproxy counts with `stick-table type ipv6`. The guests of a network share one /64, and one
/// link-local prefix: what is counted by these is the whole network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GuestSource(IpAddr);

/// The upper half of an IPv6 address. One machine may write every address that begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prefix(u64);

impl GuestSource {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The /64 of an IPv6 address. An IPv4 address is of none: a machine has one.
    pub(crate) fn prefix(self) -> Option<Prefix> {
        match self.0 {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(Prefix(upper_half(address))),
        }
    }
}

fn upper_half(address: Ipv6Addr) -> u64 {
    let [a, b, c, d, ..] = address.segments().map(u64::from);
    a << 48 | b << 32 | c << 16 | d
}

#[cfg(test)]
mod tests {
    use super::GuestSource;

    #[test]
    fn a_source_is_one_address_and_a_64_has_many() {
        let of = |text: &str| GuestSource::of(text.parse().unwrap());
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("fe80::1"), of("fe80::2"));
        assert_eq!(of("2001:db8::1").prefix(), of("2001:db8::ffff:ffff:ffff:1").prefix());
        assert_ne!(of("2001:db8::1").prefix(), of("2001:db8:0:1::1").prefix());
        assert_eq!(of("::ffff:10.0.0.1").prefix(), None);
    }
}
