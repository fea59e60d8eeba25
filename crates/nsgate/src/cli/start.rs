//! What a start on this host would say of a configuration beside its text: who could have written it, user and group, every
//! path. It walks them by the launcher's own function.

use crate::site;
use nsgate_config::{Config, HostConfig, PoolConfig};
use nsgate_launcher::{Mode, Options, Written, check_gate, check_host, check_pool};
use std::path::Path;

/// What a text asks for.
pub(super) enum Start {
    /// `nsgate run`.
    Gate(Box<Config>),
    /// What an agent starts as haproxy, for a network.
    Agents(Box<Config>),
    /// The same for a host.
    Host(Box<HostConfig>),
    /// `nsgate pool`.
    Pool(Box<PoolConfig>),
    /// Settings start nothing.
    Nothing,
}

impl Start {
    /// Its warnings. An error is why it would start nothing.
    pub(super) fn tried(self, file: &Path, written: Written) -> Result<Vec<String>, String> {
        let options = |written| {
            let mut options = Options::new(Mode::Foreground);
            options.written = Some(written);
            options
        };
        let said = match self {
            Self::Gate(config) => check_gate(&config, None, &options(written)),
            Self::Agents(mut config) => {
                let site = site::load()?;
                (config.process.allow_root, config.process.audit) = (site.allow_root, site.audit);
                let pool = site.pool.map(|pool| pool.socket);
                check_gate(&config, pool.as_ref(), &options(written.by_agent()))
            }
            Self::Host(mut config) => {
                let site = site::load()?;
                (config.process.allow_root, config.process.audit) = (site.allow_root, site.audit);
                check_host(&config, file, &options(written.by_agent()))
            }
            Self::Pool(config) => check_pool(&config, &options(written)),
            Self::Nothing => Ok(Vec::new()),
        };
        said.map_err(|error| error.to_string())
    }
}
