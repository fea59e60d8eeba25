//! Who asks Keystone for tokens.

use std::fmt;

/// Longest password in bytes.
const LONGEST: usize = 1024;

/// A user of Keystone's with the project that its tokens are for.
#[derive(Debug)]
pub struct NeutronUser {
    /// Its name.
    pub name: String,
    /// The name of its domain.
    pub domain: String,
    /// The name of the project. A role of the user in it lets Neutron list the ports of all projects: `service` or `admin`, as a rule.
    pub project: String,
    /// The name of the project's domain.
    pub project_domain: String,
    /// Its password.
    pub password: UserPassword,
}

/// A password. It is overwritten when it is dropped.
pub struct UserPassword(String);

/// What was given is no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password {0}")]
pub struct NotAPassword(&'static str);

/// Never with its content.
impl fmt::Debug for UserPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password")
    }
}

impl UserPassword {
    /// From the bytes of a file or of a credential, which are overwritten. One end of line at the end is not a part of it:
    /// editors write it.
    ///
    /// # Errors
    /// It is empty, too long, no UTF-8 text, or has more than one line.
    pub fn new(text: Vec<u8>) -> Result<Self, NotAPassword> {
        let text = WipedBytes(text);
        let bytes = text.0.strip_suffix(b"\n").unwrap_or(&text.0);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok("") => Err(NotAPassword("is empty")),
            Ok(text) if text.len() > LONGEST => Err(NotAPassword("is longer than 1024 bytes")),
            Ok(text) if text.contains(char::is_control) => {
                Err(NotAPassword("has more than one line, or a control character"))
            }
            Ok(text) => Ok(Self(text.to_owned())),
            Err(_) => Err(NotAPassword("is not of UTF-8 text")),
        }
    }

    /// For the one request that shows it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for UserPassword {
    fn drop(&mut self) {
        drop(WipedBytes(std::mem::take(&mut self.0).into_bytes()));
    }
}

/// Bytes that are overwritten when they are dropped, so that nothing of them is left on the heap.
pub(super) struct WipedBytes(pub(super) Vec<u8>);

impl Drop for WipedBytes {
    fn drop(&mut self) {
        std::hint::black_box(&mut self.0).fill(0);
    }
}

impl AsRef<[u8]> for WipedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::UserPassword;

    #[test]
    fn a_password_is_one_line_and_is_never_shown() {
        for written in ["swordfish", "swordfish\n", "swordfish\r\n"] {
            let password = UserPassword::new(written.into()).unwrap();
            assert_eq!(password.reveal(), "swordfish");
            assert!(!format!("{password:?}").contains("swordfish"));
        }
        let wrong: [&[u8]; 5] = [b"", b"\n", b"one\ntwo\n", b"\xff", &[b'x'; 1025]];
        for text in wrong {
            assert!(UserPassword::new(text.to_vec()).is_err(), "{text:?}");
        }
    }
}
