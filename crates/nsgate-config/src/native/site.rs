//! What a host's operator decides for every gate that an agent starts under the haproxy name.

use crate::Diagnostics;
use serde::Deserialize;

/// The site's own settings, `/etc/nsgate/nsgate.toml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Accept root as user or group of a configuration that an agent wrote. An agent that runs as root writes
    /// `user root` (`neutron/agent/metadata/driver_base.py`).
    pub allow_root: bool,
    /// `strict` refuses to start gates on a kernel that cannot give the whole confinement.
    pub sandbox: crate::SandboxLevel,
}

impl Site {
    /// Reads the settings; `file` is their name in messages.
    ///
    /// # Errors
    /// What is wrong with the text, or a key that is unknown.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {
        super::read(file, text)
    }
}
