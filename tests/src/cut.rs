//! Cuts a way on purpose, to see that the tests which name it fail.
//!
//! A test that asks over IPv4 and is called "over IPv6" passes for ever. So the laboratory can take one of its ways out, and
//! the runner then wants each test to fail: `cargo test --package nsgate-tests -- --among-others --cut=ipv6 ipv6`. The
//! end-to-end stage does that for every test whose name says by which way it goes; for the others a person reads the list of
//! tests that still pass.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A way through the laboratory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the gate to the agent: the agent listens beside the path that the gate was given.
    Agent,
    /// From a guest by IPv6: it has no address of it.
    Ipv6,
    /// From the gate to the system log: its reader is bound beside the path that it was asked to be at.
    Log,
    /// From keepers to the pool's worker: its socket is moved away when it is ready.
    Pool,
}

impl Way {
    /// Every way, by the word of the command line.
    pub const ALL: [(&'static str, Way); 4] =
        [("agent", Way::Agent), ("ipv6", Way::Ipv6), ("log", Way::Log), ("pool", Way::Pool)];

    /// Whether this way is cut, in this process and those forked from it.
    pub fn is_cut(self) -> bool {
        CUT.get() == Some(&self)
    }

    /// Cuts the way of this name.
    ///
    /// # Errors
    /// When there is no such way, or another one is cut already.
    pub fn cut(name: &str) -> Result<(), String> {
        let known = || Way::ALL.map(|(name, _)| name).join(", ");
        let (_, way) = Way::ALL
            .iter()
            .find(|(word, _)| *word == name)
            .ok_or_else(|| format!("no way is called {name}: {}", known()))?;
        CUT.set(*way).map_err(|_| "one way is cut already".to_owned())
    }

    /// The path of a socket that others are to find: beside it where the way is cut.
    pub(crate) fn path(self, path: &Path) -> PathBuf {
        let aside = || path.with_file_name(format!("{}.cut", path.file_name().unwrap_or_default().to_string_lossy()));
        if self.is_cut() { aside() } else { path.to_owned() }
    }
}

static CUT: OnceLock<Way> = OnceLock::new();
