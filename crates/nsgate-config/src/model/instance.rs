//! One instance, as a host's proxy knows it.

use crate::{Invalid, Uuid};
use std::fmt;

/// The headers that the proxy sets on an instance's requests.
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    /// `X-Instance-ID`.
    pub id: Uuid,
    /// `X-Tenant-ID`.
    pub project: ProjectId,
    /// `X-Instance-ID-Signature`.
    pub signature: Signature,
}

/// Without the signature: it would let its reader ask Nova in the instance's name.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instance {} of {}", self.id, self.project)
    }
}

/// A project as Keystone names it: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectId(Box<str>);

impl ProjectId {
    /// Checks a project's id.
    ///
    /// # Errors
    /// A sentence that says what it may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.into()));
        }
        Err(Invalid::new(format!("`{text}` is not a project's id: that is 1 to 64 letters, digits, `-`, `_` or `.`")))
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// HMAC-SHA256 of the instance's id under the secret that Neutron shares with Nova (`sign_instance_id`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// A sentence that says what is expected. It does not repeat the text, which may be a secret.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("this is not a signature: that is 64 hexadecimal digits");
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            for digit in pair {
                let digit = char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                *byte = (*byte << 4) | digit.ok_or_else(wrong)?;
            }
        }
        Ok(Self(bytes))
    }

    /// The signature as the header has it.
    #[must_use]
    pub fn hexadecimal(&self) -> String {
        let mut text = String::with_capacity(2 * self.0.len());
        let halves = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        text.extend(halves.filter_map(|half| char::from_digit(half.into(), 16)));
        text
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signature")
    }
}
