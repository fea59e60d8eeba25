//! The user or group that a gate runs as, before it is looked up.

use crate::Invalid;
use std::fmt;

/// A user or a group as the configuration names it. The launcher looks it up, and refuses root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// A name of the account database; never one that looks like a number.
    Name(String),
    /// A number. In TOML an integer; the haproxy dialect has no numbers.
    Id(u32),
}

impl Account {
    /// Checks a name.
    ///
    /// # Errors
    /// A sentence for an empty name, for a name that looks like a number (CWE-703: `"0"` compared as a string is not root), and for
    /// a name with characters that no account name has (useradd(8)).
    pub fn named(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new("the name is empty"));
        }
        if text.len() > 256 {
            return Err(Invalid::new(format!("the name is {} bytes long; at most 256 are accepted", text.len())));
        }
        if text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
            return Err(Invalid::new(format!("`{text}` looks like a number; write the account's name")));
        }
        if let Some(c) = text.chars().find(|c| !(c.is_alphanumeric() || "_-.$@\\".contains(*c))) {
            return Err(Invalid::new(format!("`{text}` contains {c:?}, which no account name has")));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}
