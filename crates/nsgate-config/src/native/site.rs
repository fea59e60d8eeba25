//! What a host's operator decides for every gate that an agent starts under the haproxy name.

use super::{
    audit,
    draft::{DraftAudit, DraftGuards, DraftTime, DraftTrace},
    guards, time,
    toml_text::{quoted, read},
    validator::Validator,
};
use crate::{AbsolutePath, Audit, Diagnostics, Guards, PoolUse, SandboxLevel, Trace};
use serde::Deserialize;
use toml::Spanned;

/// The site's own settings, `/etc/nsgate/nsgate.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// Accept root as user or group of a configuration that an agent wrote. An agent that runs as root writes
    /// `user root` (`neutron/agent/metadata/driver_base.py`).
    pub allow_root: bool,
    /// `strict` refuses to start gates on a kernel that cannot give the whole confinement.
    pub sandbox: SandboxLevel,
    /// Networks are handed over to the pool here rather than served by a process each.
    pub pool: Option<PoolUse>,
    /// What every gate demands of a request: no dialect of haproxy has words for it.
    pub guards: Guards,
    /// An event for every request of every gate.
    pub audit: Option<Audit>,
    /// A trace context of the gate's own for the agent.
    pub trace: Option<Trace>,
}

/// The keys, before anybody has judged their values.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DraftSite {
    /// Accept root as user or group of a configuration that an agent wrote.
    allow_root: bool,
    /// `strict` starts no gate on a kernel that cannot give the whole confinement; `default` says what is missing.
    sandbox: SandboxLevel,
    /// Networks are handed over to the pool at this socket rather than served by a process each.
    pool: Option<Spanned<String>>,
    /// How long a keeper waits for the next worker, and a guest for one that hangs, before the keeper serves by itself.
    pool_patience: Option<Spanned<DraftTime>>,
    /// Whether a keeper serves by itself where no worker answers; without it, such a network is not started.
    pool_fallback: Option<bool>,
    /// What every gate demands of a request: no dialect of haproxy has words for it.
    guards: DraftGuards,
    /// An event for every request of every gate.
    audit: Option<DraftAudit>,
    /// A trace context of the gate's own for the agent with every request; a guest's never passes.
    trace: Option<DraftTrace>,
}

impl Site {
    /// Reads the settings; `file` is their name in messages.
    ///
    /// # Errors
    /// What is wrong with the text, or a key that is unknown.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {
        let draft: DraftSite = read(file, text)?;
        let mut validator = Validator::new(file, text, None);
        let pool = validator.optional("pool", &draft.pool, |path| AbsolutePath::new(path)).map(PoolUse::at);
        let patience = validator.optional("pool_patience", &draft.pool_patience, time::parse);
        let pool = pool.map(|pool| PoolUse {
            patience: patience.unwrap_or(pool.patience),
            fallback: draft.pool_fallback.unwrap_or(pool.fallback),
            ..pool
        });
        let guards = validator.guards(&draft.guards);
        let audit = validator.audit(draft.audit.as_ref());
        let trace = audit::trace(draft.trace.as_ref());
        let site = Self { allow_root: draft.allow_root, sandbox: draft.sandbox, pool, guards, audit, trace };
        validator.finish(Some(site)).map(|(site, _)| site)
    }

    /// The settings as TOML that reads back to the same, with every default written out.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("allow_root = {}\nsandbox = \"{}\"\n", self.allow_root, self.sandbox.as_str());
        if let Some(pool) = &self.pool {
            text.push_str(&format!(
                "pool = {}\npool_patience = \"{}\"\npool_fallback = {}\n",
                quoted(pool.socket.as_str()),
                time::write(pool.patience),
                pool.fallback
            ));
        }
        text + &guards::render(&self.guards) + &audit::render(self.audit.as_ref(), self.trace.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::Site;
    use std::time::Duration;

    #[test]
    fn a_pool_is_named_with_what_happens_without_it() {
        let site = Site::parse("x", "pool = \"/run/nsgate/pool.sock\"").unwrap().pool.unwrap();
        assert_eq!((site.patience, site.fallback), (Duration::from_secs(5), true));
        let text = "pool = \"/run/nsgate/pool.sock\"\npool_patience = \"30s\"\npool_fallback = false";
        let site = Site::parse("x", text).unwrap();
        assert_eq!(Site::parse("x", &site.render()).unwrap(), site);
        let site = site.pool.unwrap();
        assert_eq!((site.patience, site.fallback), (Duration::from_secs(30), false));
        assert_eq!(Site::parse("x", "").unwrap(), Site::default());
        assert_eq!(Site::parse("x", &Site::default().render()).unwrap(), Site::default());
        let text = "[audit]\nto = \"journald\"\n[trace]\n";
        let site = Site::parse("x", text).unwrap();
        assert!(site.audit.is_some() && site.trace.is_some_and(|trace| trace.sampled));
        assert_eq!(Site::parse("x", &site.render()).unwrap(), site);
        let error = Site::parse("x", "pool = \"pool.sock\"").unwrap_err().to_string();
        assert!(error.contains("x:1:8") && error.contains("not an absolute path"), "{error}");
    }
}
