//! A required header, and an accepted method.

use crate::Invalid;
use std::fmt;

/// Headers by which a proxy names its client, in lower case with `-`. A guard cannot require one of them.
pub const FORWARDED_HEADERS: [&str; 3] = ["x-forwarded-for", "forwarded", "x-real-ip"];

/// Most bytes of a name or a value.
const MOST: usize = 128;

/// A header field that a request must have, for instance `Metadata-Flavor: Google` or `Metadata: true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredHeader {
    name: String,
    value: String,
}

impl RequiredHeader {
    /// Checks name and value.
    ///
    /// # Errors
    /// A sentence that says what the name or the value may be.
    pub fn new(name: &str, value: &str) -> Result<Self, Invalid> {
        if name.is_empty() || name.len() > MOST || !name.bytes().all(token) {
            return Err(Invalid::new(format!(
                "`{name}` is not the name of a header: letters, digits and `-`, for instance `Metadata`"
            )));
        }
        let folded = name.to_ascii_lowercase().replace('_', "-");
        if FORWARDED_HEADERS.contains(&folded.as_str())
            || ["connection", "content-length", "transfer-encoding"].contains(&folded.as_str())
        {
            return Err(Invalid::new(format!(
                "`{name}` is a header of proxies and connections; demand one that has no other use"
            )));
        }
        let visible = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if value.is_empty() || value.len() > MOST || !visible || value.trim() != value {
            return Err(Invalid::new(format!(
                "`{value}` is not a value: 1 to {MOST} characters of ASCII, no blanks around them"
            )));
        }
        Ok(Self { name: name.to_ascii_lowercase(), value: value.to_owned() })
    }

    /// The name in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, compared without regard to case.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// An accepted method (RFC 9110, section 9.1), compared with regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodName(String);

impl MethodName {
    /// Checks a method.
    ///
    /// # Errors
    /// A sentence that says what it may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text == "CONNECT" {
            return Err(Invalid::new("CONNECT is never passed on: a gate is not a tunnel"));
        }
        if (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(format!("`{text}` is not a method: capital letters, for instance \"GET\"")))
    }

    /// The method.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{MethodName, RequiredHeader};

    #[test]
    fn a_header_is_one_that_a_guest_can_send() {
        for (name, value) in [("Metadata-Flavor", "Google"), ("Metadata", "true"), ("X-1", "a b")] {
            assert!(RequiredHeader::new(name, value).is_ok(), "{name}");
        }
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a:", "x"),
            ("X_Forwarded_For", "x"),
            ("forwarded", "x"),
            ("Connection", "close"),
            ("Metadata", ""),
            ("Metadata", " true"),
            ("Metadata", "tr\nue"),
            ("Metadata", "wäre"),
        ] {
            assert!(RequiredHeader::new(name, value).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn a_method_is_written_as_it_is_sent() {
        assert!(MethodName::new("GET").is_ok() && MethodName::new("M-SEARCH").is_ok());
        for text in ["", "get", "GET ", "CONNECT", "G\u{130}T"] {
            assert!(MethodName::new(text).is_err(), "{text:?}");
        }
    }
}
