//! The destination of a host's proxy: one host and one port.

use crate::{Invalid, TcpPort};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Nova's metadata service. A name is looked up once, when the process starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The host.
    pub host: ServerHost,
    /// The port, the only one that the process may connect to.
    pub port: TcpPort,
}

/// A host, by its address or by a name that is looked up once, when the proxy starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerHost {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(HostName),
}

/// A name of a host (RFC 1123, section 2.1): labels of 1 to 63 letters, digits, `-` and `_`, with 253 characters at most.
/// `_` is accepted because some hosts have it. The last label is not of digits alone, since that would be a part of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// Checks a name.
    ///
    /// # Errors
    /// A sentence that says which names are accepted.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last = text.rsplit('.').next().unwrap_or_default();
        if text.len() <= 253 && text.split('.').all(label) && last.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(format!("`{text}` is neither an address nor the name of a host")))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Server {
    /// Reads `192.0.2.10:8775`, `[2001:db8::1]:8775` or `nova.example:8775`; an IPv6 address may stand without brackets,
    /// as Neutron writes it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let (host, port) = text.rsplit_once(':').ok_or_else(|| Invalid::new(format!("`{text}` names no port")))?;
        let port: TcpPort = port.parse()?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match (bracketed.unwrap_or(host).parse::<IpAddr>(), bracketed) {
            (Ok(address), _) => {
                reachable(address)?;
                ServerHost::Address(address)
            }
            (Err(_), Some(inside)) => {
                return Err(Invalid::new(format!("`{inside}` is not an address; a name has no brackets")));
            }
            (Err(_), None) => ServerHost::Name(HostName::new(host)?),
        };
        Ok(Self { host, port })
    }
}

/// Checks that an address is that of one host.
///
/// # Errors
/// A sentence for an unspecified or a multicast address.
pub fn reachable(address: IpAddr) -> Result<(), Invalid> {
    if address.is_unspecified() || address.is_multicast() {
        return Err(Invalid::new(format!("`{address}` is not the address of one host")));
    }
    Ok(())
}

impl fmt::Display for ServerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name.as_str()),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ServerHost::Address(address) => SocketAddr::new(*address, self.port.get()).fmt(f),
            ServerHost::Name(name) => write!(f, "{}:{}", name.as_str(), self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn addresses_and_names() {
        for (text, shown) in [
            ("192.0.2.10:8775", "192.0.2.10:8775"),
            ("[2001:db8::1]:8775", "[2001:db8::1]:8775"),
            ("2001:db8::1:8775", "[2001:db8::1]:8775"),
            ("nova:8775", "nova:8775"),
            ("nova-api.internal.example.org:80", "nova-api.internal.example.org:80"),
            ("1.example:80", "1.example:80"),
        ] {
            assert_eq!(Server::new(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        let long = format!("{}:80", ["a"; 128].join("."));
        for text in [
            "192.0.2.10",
            "192.0.2.10:0",
            "192.0.2.10:65536",
            "192.0.2:80",
            "192.0.2.256:80",
            "10:80",
            ":80",
            "nova",
            "nova:",
            "nova..example:80",
            ".nova:80",
            "nova.:80",
            "-nova:80",
            "nova-:80",
            "no va:80",
            "nova/:80",
            "0.0.0.0:80",
            "[::]:80",
            "224.0.0.1:80",
            "[nova]:80",
            "[192.0.2.10:80",
            "nova:0x50",
            "nova:+80",
            long.as_str(),
        ] {
            assert!(Server::new(text).is_err(), "{text}");
        }
    }
}
