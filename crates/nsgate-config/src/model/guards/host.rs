//! An accepted value of `Host`.

use crate::Invalid;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// An accepted value of `Host`, without a port (RFC 9110, section 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestHost {
    /// An address, in any spelling.
    Address(IpAddr),
    /// A name of the DNS, in lower case.
    Name(String),
}

impl GuestHost {
    /// Reads a host as a configuration writes it: `169.254.169.254`, `fe80::a9fe:a9fe` (with brackets or without them),
    /// `metadata.example`.
    ///
    /// # Errors
    /// A sentence that says what it may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last = text.rsplit('.').next().unwrap_or_default();
        // Some programs read a last label of digits as an address, others as a name (WHATWG URL, section 3.5).
        if text.len() <= 253 && text.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Name(text.to_ascii_lowercase()));
        }
        Err(Invalid::new(format!(
            "`{text}` is not a host; write 169.254.169.254, fe80::a9fe:a9fe or metadata.example, without a port"
        )))
    }
}

impl fmt::Display for GuestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::GuestHost;

    #[test]
    fn an_address_is_one_however_it_is_written() {
        let of = |text: &str| GuestHost::new(text).unwrap();
        assert_eq!(of("[FE80::A9FE:A9FE]"), of("fe80:0:0::a9fe:a9fe"));
        assert_eq!(of("Metadata.Example"), of("metadata.example"));
        for text in ["169.254.169.254", "fe80::a9fe:a9fe", "metadata.google.internal", "localhost"] {
            assert_eq!(GuestHost::new(&of(text).to_string()), Ok(of(text)), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_host() {
        for text in [
            "",
            "169.254.169.254:80",
            "[fe80::1]:80",
            "[169.254.169.254]",
            "169.254.43518",
            "0xa9fea9fe.1",
            "2852039166",
            "metadata.example.",
            "-a.example",
            "a..b",
            "a b",
            "http://a",
            "*.example",
            "bücher.example",
        ] {
            assert!(GuestHost::new(text).is_err(), "{text:?}");
        }
    }
}
