//! The network namespace to bind in.

use crate::{AbsolutePath, Invalid};

/// A network namespace other than that of the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// A name below `/run/netns`, as `ip netns add` makes it (ip-netns(8)).
    Name(String),
    /// A file such as `/proc/PID/ns/net`.
    Path(AbsolutePath),
}

impl Netns {
    /// A path if the text starts with `/`, a name otherwise.
    ///
    /// # Errors
    /// A sentence for a name that cannot be one.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.starts_with('/') {
            return AbsolutePath::new(text).map(Self::Path);
        }
        if text.is_empty()
            || text == "."
            || text == ".."
            || text.len() > 255
            || text.contains(|c: char| c == '/' || c.is_control())
        {
            return Err(Invalid::new(format!(
                "`{text}` is not a namespace's name; write a name as `ip netns` lists it, or a path"
            )));
        }
        Ok(Self::Name(text.to_owned()))
    }
}
