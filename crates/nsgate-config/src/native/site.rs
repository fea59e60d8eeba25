//! The site's settings: what the operator decides for every gate that an agent starts.

use super::{
    audit,
    draft::{DraftAudit, DraftGuards, DraftTime, DraftTrace},
    guards, time,
    toml_text::{quoted, read_toml},
    validator::Validator,
};
use crate::{AbsolutePath, Audit, Backend, Diagnostics, Fallback, Guards, PoolUse, SandboxLevel, Trace};
use serde::Deserialize;
use toml::Spanned;

/// The site's own settings, `/etc/nsgate/nsgate.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// Accepts root as user or group in an agent's configuration. An agent that runs as root writes `user root`
    /// (`neutron/agent/metadata/driver_base.py`).
    pub allow_root: bool,
    /// What to do on a kernel that lacks a part of the confinement.
    pub sandbox: SandboxLevel,
    /// `nsgate agent`, which every gate asks instead of the agent that its configuration names.
    pub agent: Option<Backend>,
    /// The pool that networks are handed over to; without it, each network has a process of its own.
    pub pool: Option<PoolUse>,
    /// Demands of every gate on a request. The haproxy dialect has no words for them.
    pub guards: Guards,
    /// An event for every request of every gate.
    pub audit: Option<Audit>,
    /// Sends the agent a trace context of the gate's own.
    pub trace: Option<Trace>,
}

/// The keys, before their values are checked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DraftSite {
    /// Accept root as user or group in an agent's configuration.
    allow_root: bool,
    /// What to do on a kernel that lacks a part of the confinement: `strict` starts no gate, `default` logs what is missing.
    sandbox: SandboxLevel,
    /// Socket of `nsgate agent`, which every gate asks instead of the agent that its configuration names. Root connects there at
    /// each start, and the connection speaks for that gate's network alone. Beside `pool`, the worker gets one of each network's.
    agent: Option<Spanned<String>>,
    /// Socket of the pool that networks are handed over to. Without this key, each network has a process of its own.
    pool: Option<Spanned<String>>,
    /// How long a keeper waits for the next worker, and a guest for one that hangs, before the keeper serves by itself.
    pool_patience: Option<Spanned<DraftTime>>,
    /// Whether a keeper serves by itself while no worker answers. With `false`, such a network is not started.
    pool_fallback: Option<bool>,
    /// Demands of every gate on a request. The haproxy dialect has no words for them.
    guards: DraftGuards,
    /// An event for every request of every gate.
    audit: Option<DraftAudit>,
    /// Sends the agent a trace context of the gate's own with every request. A guest's own never passes.
    trace: Option<DraftTrace>,
}

impl Site {
    /// Reads the settings; `file` is their name in messages.
    ///
    /// # Errors
    /// An error in the text, or an unknown key.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {
        let draft: DraftSite = read_toml(file, text)?;
        let mut validator = Validator::new(file, text, None);
        let agent = validator.optional("agent", &draft.agent, |path| AbsolutePath::new(path).and_then(Backend::bound));
        let pool = validator.optional("pool", &draft.pool, |path| AbsolutePath::new(path)).map(PoolUse::at);
        let patience = validator.optional("pool_patience", &draft.pool_patience, time::parse);
        let pool = pool.map(|pool| PoolUse {
            patience: patience.unwrap_or(pool.patience),
            fallback: if draft.pool_fallback == Some(false) { Fallback::Never } else { pool.fallback },
            ..pool
        });
        let guards = validator.guards(&draft.guards);
        let audit = validator.audit(draft.audit.as_ref());
        let trace = audit::trace(draft.trace.as_ref());
        let site = Self { allow_root: draft.allow_root, sandbox: draft.sandbox, agent, pool, guards, audit, trace };
        validator.finish(Some(site)).map(|(site, _)| site)
    }

    /// The settings as TOML with every default written out. It reads back to the same settings.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("allow_root = {}\nsandbox = \"{}\"\n", self.allow_root, self.sandbox.as_str());
        if let Some(agent) = &self.agent {
            text.push_str(&format!("agent = {}\n", quoted(agent.path().as_str())));
        }
        if let Some(pool) = &self.pool {
            text.push_str(&format!(
                "pool = {}\npool_patience = \"{}\"\npool_fallback = {}\n",
                quoted(pool.socket.as_str()),
                time::write(pool.patience),
                pool.fallback != Fallback::Never
            ));
        }
        text + &guards::render(&self.guards) + &audit::render(self.audit.as_ref(), self.trace.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::Site;
    use crate::Fallback;
    use std::time::Duration;

    #[test]
    fn a_pool_is_named_with_what_happens_without_it() {
        let site = Site::parse("x", "pool = \"/run/nsgate/pool.sock\"").unwrap().pool.unwrap();
        assert_eq!((site.patience, site.fallback), (Duration::from_secs(5), Fallback::Always));
        let text = "pool = \"/run/nsgate/pool.sock\"\npool_patience = \"30s\"\npool_fallback = false";
        let site = Site::parse("x", text).unwrap();
        assert_eq!(Site::parse("x", &site.render()).unwrap(), site);
        let site = site.pool.unwrap();
        assert_eq!((site.patience, site.fallback), (Duration::from_secs(30), Fallback::Never));
        assert_eq!(Site::parse("x", "").unwrap(), Site::default());
        assert_eq!(Site::parse("x", &Site::default().render()).unwrap(), Site::default());
        let text = "[audit]\nto = \"journald\"\n[trace]\n";
        let site = Site::parse("x", text).unwrap();
        assert!(site.audit.is_some() && site.trace.is_some_and(|trace| trace.sampled));
        assert_eq!(Site::parse("x", &site.render()).unwrap(), site);
        let text = "agent = \"/run/nsgate/agent.sock\"";
        let site = Site::parse("x", text).unwrap();
        assert!(site.agent.as_ref().is_some_and(crate::Backend::binds));
        assert_eq!(Site::parse("x", &site.render()).unwrap(), site);
        let site = Site::parse("x", &format!("{text}\npool = \"/p\"")).unwrap();
        assert!(site.agent.is_some() && site.pool.is_some());
        assert_eq!(Site::parse("x", &site.render()).unwrap(), site);
        let error = Site::parse("x", "pool = \"pool.sock\"").unwrap_err().to_string();
        assert!(error.contains("x:1:8") && error.contains("not an absolute path"), "{error}");
    }
}
