//! Checks a configuration as a start on this host would, beyond its text: the file's owner and mode, user and group, every path.
//! The launcher's own function walks the paths.

use super::agent;
use crate::site;
use nsgate_config::{AbsolutePath, Config, Diagnostic, HostConfig, MetadataAgentConfig, PoolConfig, Severity};
use nsgate_launcher::{Mode, Options, Written, check_agent, check_gate, check_host, check_pool, fit_limits, fit_pool};
use std::path::Path;

/// The kind of start that a text describes.
pub(crate) enum Start {
    /// `nsgate run`.
    Gate(Box<Config>),
    /// The haproxy that an agent starts for a network, and the socket of the pool that the network is handed over to.
    Agents(Box<Config>, Option<AbsolutePath>),
    /// The haproxy that an agent starts for a host.
    Host(Box<HostConfig>),
    /// `nsgate pool`.
    Pool(Box<PoolConfig>),
    /// `nsgate agent`.
    Agent(Box<MetadataAgentConfig>),
    /// Settings start nothing.
    Nothing,
}

impl Start {
    /// The same with the site's settings, which hold for what an agent starts.
    pub(super) fn of_site(self) -> Result<Self, String> {
        Ok(match self {
            Self::Agents(mut config, _) => {
                let site = site::load()?;
                (config.process.allow_root, config.process.audit) = (site.allow_root, site.audit);
                config.gate.asks(site.agent);
                Self::Agents(config, site.pool.map(|pool| pool.socket))
            }
            Self::Host(mut config) => {
                let site = site::load()?;
                (config.process.allow_root, config.process.audit) = (site.allow_root, site.audit);
                Self::Host(config)
            }
            other => other,
        })
    }

    /// The warnings of the start, or the error that would end it.
    pub(crate) fn tried(self, file: &Path, written: Written) -> Result<Vec<String>, String> {
        let options = |written| {
            let mut options = Options::new(Mode::Foreground);
            options.written = Some(written);
            options
        };
        let fits = self.fits();
        let said = match self {
            Self::Gate(config) => check_gate(&config, None, &options(written)),
            Self::Agents(config, pool) => check_gate(&config, pool.as_ref(), &options(written.by_agent())),
            Self::Host(config) => check_host(&config, file, &options(written.by_agent())),
            Self::Pool(config) => check_pool(&config, &options(written)),
            Self::Agent(config) => {
                let said = agent::check_all(&config)?;
                check_agent(&config, &options(written)).map(|more| said.into_iter().chain(more).collect())
            }
            Self::Nothing => Ok(Vec::new()),
        };
        said.map(|said| said.into_iter().chain(fits).collect()).map_err(|error| error.to_string())
    }

    /// Warns about bounds that exceed the descriptors of a process that is started from here. An agent or a unit may have another
    /// limit, so this is no error.
    fn fits(&self) -> Option<String> {
        let shortfall = match self {
            Self::Gate(config) | Self::Agents(config, _) => {
                fit_limits(&config.gate.limits, config.gate.listeners.len()).map(|fitted| fitted.shortfall)
            }
            Self::Host(config) => {
                fit_limits(&config.proxy.limits, config.proxy.listeners.len()).map(|fitted| fitted.shortfall)
            }
            Self::Pool(config) => fit_pool(&config.pool).map(|fitted| fitted.shortfall),
            Self::Agent(_) | Self::Nothing => Ok(None),
        };
        shortfall.unwrap_or_else(|error| Some(error.to_string())).map(|short| format!("started from here: {short}"))
    }
}

/// A warning about a text as a whole.
pub(crate) fn whole(file: &str, message: String) -> Diagnostic {
    let (severity, file) = (Severity::Warning, file.to_owned());
    Diagnostic { severity, file, line: 0, column: 0, length: 1, message, help: None, source: String::new() }
}
