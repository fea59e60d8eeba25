//! Short names in a small root.

use std::path::{Path, PathBuf};

/// A short name in the small root for an entry of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortName {
    pub(crate) name: &'static str,
    pub(crate) target: PathBuf,
}

impl ShortName {
    /// `/name` stands for `/window/inside`.
    #[must_use]
    pub fn new(name: &'static str, window: &'static str, inside: &str) -> Self {
        Self { name, target: Path::new(window).join(inside) }
    }

    /// The name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The target of its link, relative to the link's directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}
