//! Whose requests these are: the header that the agent trusts.

use crate::Invalid;
use std::{fmt, str::FromStr};

/// A UUID in its canonical form (RFC 9562, section 4): 32 hexadecimal digits, 8-4-4-4-12.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// All zeros (RFC 9562, section 5.9).
    pub const NIL: Self = Self([0; 16]);

    /// From its sixteen bytes, in the order in which it is written (RFC 9562, section 4).
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its sixteen bytes, in the same order.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for Uuid {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong =
            || Invalid::new(format!("`{text}` is not a UUID; it looks like 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"));
        let groups = [8usize, 4, 4, 4, 12];
        let mut parts = text.split('-');
        let mut digits = Vec::with_capacity(32);
        for length in groups {
            let part = parts.next().ok_or_else(wrong)?;
            if part.len() != length {
                return Err(wrong());
            }
            for c in part.chars() {
                let digit = c.to_digit(16).ok_or_else(wrong)?;
                digits.push(u8::try_from(digit).map_err(|_| wrong())?);
            }
        }
        if parts.next().is_some() {
            return Err(wrong());
        }
        let mut bytes = [0u8; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |value, digit| (value << 4) | digit);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the gate says of every request that passes it. Exactly one: an agent refuses a request that names both a
/// network and a router (`neutron/agent/metadata/agent.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A network of the DHCP agent: `X-Neutron-Network-ID`.
    Network(Uuid),
    /// A router of the L3 agent: `X-Neutron-Router-ID`.
    Router(Uuid),
    /// A network of OVN's agents: `X-OVN-Network-ID`.
    OvnNetwork(Uuid),
}

impl Identity {
    /// Name of the header, as Neutron spells it.
    #[must_use]
    pub fn header(&self) -> &'static str {
        match self {
            Self::Network(_) => "X-Neutron-Network-ID",
            Self::Router(_) => "X-Neutron-Router-ID",
            Self::OvnNetwork(_) => "X-OVN-Network-ID",
        }
    }

    /// Value of the header.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        match self {
            Self::Network(id) | Self::Router(id) | Self::OvnNetwork(id) => *id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    #[test]
    fn reads_and_writes_the_canonical_form() {
        let text = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
        assert_eq!(text.parse::<Uuid>().unwrap().to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Uuid>().unwrap().to_string(), text);
    }

    #[test]
    fn refuses_anything_else() {
        for text in [
            "",
            "x",
            "7a1c4d2e9f7b4b599a550d3c1f6e2b10",
            "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b1/",
            "../../../etc",
            "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10-",
            "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b1é",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text:?}");
        }
    }
}
