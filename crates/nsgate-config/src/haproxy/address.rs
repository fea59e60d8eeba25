//! Addresses, as haproxy writes them: an IP address with its port, the path of a socket.

use crate::{AbsolutePath, TcpPort};
use std::net::{IpAddr, Ipv4Addr};

/// `1.2.3.4:80`, `*:80`, `:80`, `[fe80::1]:80`, and what older Neutron wrote without brackets: `fe80::1:80`, `:::80`.
pub(super) fn endpoint(text: &str) -> Result<(IpAddr, TcpPort), String> {
    let (address, port) = text.rsplit_once(':').ok_or_else(|| format!("`{text}` has no port"))?;
    let port: TcpPort = port.parse()?;
    let plain = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let ip = match plain {
        "" | "*" if plain == address => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => plain.parse().map_err(|_| format!("`{address}` is not an IP address"))?,
    };
    Ok((ip, port))
}

/// Longest path of a socket: haproxy leaves room for what it adds to those that it binds (`str2sa_range`, src/tools.c).
const LONGEST_SOCKET: usize = 97;

/// The path of a socket. haproxy would expand `$`, so a path with one is refused.
pub(super) fn socket(text: &str) -> Result<AbsolutePath, String> {
    if text.contains('$') {
        return Err(format!("`{text}` contains `$`: environment variables are not expanded"));
    }
    if text.len() > LONGEST_SOCKET {
        return Err(format!("the path is {} bytes long; haproxy takes a socket's up to {LONGEST_SOCKET}", text.len()));
    }
    Ok(AbsolutePath::new(text)?)
}
