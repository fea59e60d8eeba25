//! The proof that a request comes from a process which knows the secret that is shared with Nova.
//!
//! Nova's `metadata_proxy_shared_secret`, Neutron's option of the same name: `X-Instance-ID-Signature` is the HMAC-SHA256
//! (RFC 2104) of the instance's id, in hexadecimal digits (`neutron/common/utils.py`, `sign_instance_id`).

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// Longest secret in bytes.
const LONGEST: usize = 1024;

/// The secret that is shared with Nova. Its text is not kept: what signs is the state of SHA-256 after the key.
pub struct Secret(Hmac<Sha256>);

/// What was given is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret {0}")]
pub struct NotASecret(&'static str);

/// A signature: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InstanceSignature([u8; 64]);

/// Never with its content: it would let its reader ask Nova in the instance's name.
impl fmt::Debug for InstanceSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signature")
    }
}

/// Never with its content.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the secret that is shared with Nova")
    }
}

impl Secret {
    /// From the bytes of a file or of a credential, which are overwritten. One end of line at the end is not a part of the
    /// secret: editors write it.
    ///
    /// # Errors
    /// It is empty, too long, or has more than one line.
    pub fn new(mut text: Vec<u8>) -> Result<Self, NotASecret> {
        let outcome = Self::of(&text);
        // Nothing of it is left on the heap.
        std::hint::black_box(&mut text).fill(0);
        outcome
    }

    fn of(text: &[u8]) -> Result<Self, NotASecret> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match text {
            [] => Err(NotASecret("is empty: Nova would take every request for forged")),
            _ if text.len() > LONGEST => Err(NotASecret("is longer than 1024 bytes")),
            _ if text.iter().any(u8::is_ascii_control) => {
                Err(NotASecret("has more than one line, or a control character"))
            }
            _ => Hmac::new_from_slice(text).map(Self).map_err(|_| NotASecret("is of a length that HMAC does not take")),
        }
    }

    /// Signs the id of an instance.
    #[must_use]
    pub fn sign(&self, instance: &str) -> InstanceSignature {
        let mut mac = self.0.clone();
        mac.update(instance.as_bytes());
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(mac.finalize().into_bytes()) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        InstanceSignature(digits)
    }
}

impl InstanceSignature {
    /// From 64 digits as another process of the agent's has written them; nothing if one is no such digit.
    pub(crate) fn from_digits(digits: &[u8; 64]) -> Option<Self> {
        digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(*digits))
    }

    /// The 64 digits, in lower case.
    #[must_use]
    pub fn digits(&self) -> &[u8] {
        &self.0
    }
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    fn signed(secret: &str, instance: &str) -> String {
        let signature = Secret::new(secret.into()).expect("a secret").sign(instance);
        String::from_utf8(signature.digits().to_vec()).expect("digits")
    }

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // Test case 2.
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signed("Jefe", "what do ya want for nothing?"), known);
        for written in ["Jefe\n", "Jefe\r\n"] {
            assert_eq!(signed(written, "what do ya want for nothing?"), known, "{written:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_and_never_shown() {
        for text in ["", "\n", "one\ntwo\n", "a\0b", &"x".repeat(1025)] {
            let error = Secret::new(text.into()).expect_err("no secret").to_string();
            assert!(text.len() < 4 || !error.contains(text), "{error}");
        }
        let shown = format!("{:?}", Secret::new("swordfish".into()).expect("a secret"));
        assert!(!shown.contains("swordfish"), "{shown}");
    }
}
