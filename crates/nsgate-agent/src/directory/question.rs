//! Network and caller, as a gate says them.

use nsgate_config::Identity;
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// Who asks: an address in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The network, or the router.
    pub place: Identity,
    /// The caller in it.
    pub caller: Caller,
}

/// By what a port is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Caller {
    /// A fixed address of the port.
    Address(IpAddr),
    /// The port's MAC address, taken from a link-local address that was made of it.
    Mac([u8; 6]),
}

impl Caller {
    /// As Neutron sees the address of a caller (`proxy_base.py`): IPv4 within IPv6 is IPv4, and a link-local IPv6 address
    /// stands for the MAC address that it was made of (RFC 4291, appendix A), whatever its bytes 11 and 12 are
    /// (`netutils.get_mac_addr_by_ipv6`).
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Self::Mac(mac_of(v6)),
            IpAddr::V6(v6) => Self::Address(v6.to_ipv4_mapped().map_or(address, IpAddr::V4)),
            IpAddr::V4(_) => Self::Address(address),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Mac([a, b, c, d, e, g]) => write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"),
        }
    }
}

fn mac_of(address: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, _, _, d, e, f] = address.octets();
    [a ^ 2, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_neutron_reads_it() {
        let told = |text: &str| Caller::of(text.parse().expect("an address")).to_string();
        assert_eq!(told("10.0.0.2"), "10.0.0.2");
        assert_eq!(told("::ffff:10.0.0.2"), "10.0.0.2");
        assert_eq!(told("fe80::f816:3eff:fe00:1"), "fa:16:3e:00:00:01");
        assert_eq!(told("2001:db8::f816:3eff:fe00:1"), "2001:db8::f816:3eff:fe00:1");
    }
}
