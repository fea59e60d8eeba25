//! Addresses to listen at.

use crate::Invalid;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    str::FromStr,
};

/// A TCP port, 1 to 65535. Port 0, at which the kernel would choose one, is impossible by type (CWE-693).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpPort(NonZeroU16);

impl TcpPort {
    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<u16> for TcpPort {
    type Error = Invalid;

    fn try_from(number: u16) -> Result<Self, Invalid> {
        NonZeroU16::new(number).map(Self).ok_or_else(|| Invalid::new("port 0 is not a port; write 1 to 65535"))
    }
}

impl FromStr for TcpPort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // `u16::from_str` takes a leading `+`; a port has digits only.
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::new(format!("`{text}` is not a port; write 1 to 65535 in decimal digits")));
        }
        let number: u16 =
            text.parse().map_err(|_| Invalid::new(format!("port {text} is out of range; write 1 to 65535")))?;
        Self::try_from(number)
    }
}

impl fmt::Display for TcpPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Name of a network interface: 1 to 15 bytes, no `/`, white space or control (netdevice(7), `dev_valid_name`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// Checks a name.
    ///
    /// # Errors
    /// A sentence that says why no interface can have this name.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > 15 {
            return Err(Invalid::new(format!("`{text}` is not an interface name: those have 1 to 15 bytes")));
        }
        if text == "."
            || text == ".."
            || text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
        {
            return Err(Invalid::new(format!(
                "`{text}` is not an interface name: no `/`, `:`, space or control character in it"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One TCP address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Local address. `::` accepts IPv4 as well unless `0.0.0.0` has a listener of its own at the same port.
    pub address: IpAddr,
    /// Local port.
    pub port: TcpPort,
    /// Bound to this interface (SO_BINDTODEVICE, socket(7)); a link-local IPv6 address needs one.
    pub interface: Option<InterfaceName>,
}

impl Listener {
    /// Address and port as the standard library has them, without the interface.
    #[must_use]
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port.get())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.socket_address())?;
        match &self.interface {
            Some(name) => write!(f, "%{name}"),
            None => Ok(()),
        }
    }
}

impl Listener {
    /// Reads what [`Display`](fmt::Display) writes: `169.254.169.254:80`, `[fe80::a9fe:a9fe]:80%tap0`.
    ///
    /// # Errors
    /// A sentence for a text that is no such address, or an address on which no guest could be heard.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let (endpoint, interface) = match text.split_once('%') {
            Some((endpoint, name)) => (endpoint, Some(InterfaceName::new(name)?)),
            None => (text, None),
        };
        let (address, port) = endpoint.rsplit_once(':').ok_or_else(|| Invalid::new(format!("`{text}` has no port")))?;
        let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse().map(IpAddr::V6).ok(),
            None => address.parse().map(IpAddr::V4).ok(),
        };
        let address = address.ok_or_else(|| {
            let form = "169.254.169.254:80 or [fe80::a9fe:a9fe]:80%INTERFACE";
            Invalid::new(format!("`{text}` is not an address; write {form}"))
        })?;
        plausible(Self { address, port: port.parse()?, interface })
    }
}

/// Refuses an address at which no guest can connect.
pub(crate) fn plausible(listener: Listener) -> Result<Listener, Invalid> {
    match listener.address {
        IpAddr::V6(ip) if ip.is_unicast_link_local() && listener.interface.is_none() => {
            Err(Invalid::new(format!("`{ip}` is link-local: it needs the interface it is on")))
        }
        ip if ip.is_multicast() => {
            Err(Invalid::new(format!("`{ip}` is a multicast address: no guest can connect to it")))
        }
        IpAddr::V4(ip) if ip.is_broadcast() => {
            Err(Invalid::new(format!("`{ip}` is the broadcast address: no guest can connect to it")))
        }
        _ => Ok(listener),
    }
}
