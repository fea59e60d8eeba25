//! An absolute path without surprises.

use crate::Invalid;
use std::{fmt, path::Path};

/// Longest accepted path in bytes, `PATH_MAX` with its terminating NUL (limits.h(0p)).
const PATH_MAX: usize = 4096;

/// An absolute path: starts with `/`, names something below it, and has no `..`, `.`, empty component or NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AbsolutePath(String);

impl AbsolutePath {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(Invalid::new(format!("`{text}` is not an absolute path; write it from `/` on")));
        };
        if text.len() >= PATH_MAX {
            return Err(Invalid::new(format!(
                "the path is {} bytes long; the kernel takes at most {}",
                text.len(),
                PATH_MAX - 1
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::new("the path contains a control character"));
        }
        for component in rest.split('/') {
            match component {
                "" => return Err(Invalid::new(format!("`{text}` has an empty component (`//` or a `/` at the end)"))),
                "." | ".." => {
                    return Err(Invalid::new(format!("`{text}` contains `{component}`; write the path without it")));
                }
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The usual socket of the system log.
    pub(crate) fn usual_log() -> Self {
        Self("/dev/log".to_owned())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for the standard library.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Directory part (`/` for `/name`) and file name, which is never empty.
    #[must_use]
    pub fn split(&self) -> (&str, &str) {
        match self.0.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((parent, name)) => (parent, name),
            // The constructor asked for a leading slash, so this arm is never taken.
            None => ("/", &self.0),
        }
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::AbsolutePath;

    #[test]
    fn splits_into_directory_and_name() {
        assert_eq!(AbsolutePath::new("/var/lib/x").unwrap().split(), ("/var/lib", "x"));
        assert_eq!(AbsolutePath::new("/x").unwrap().split(), ("/", "x"));
    }

    #[test]
    fn refuses_what_is_not_a_plain_absolute_path() {
        for text in ["", "x", "/", "//x", "/x/", "/a/../b", "/a/./b", "/a\0b", "/a\nb"] {
            assert!(AbsolutePath::new(text).is_err(), "{text:?}");
        }
    }
}
