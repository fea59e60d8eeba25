//! A pool's configuration in TOML, and the flags of `nsgate pool`, which have the same names.

use super::{
    audit,
    draft::{DraftAccount, DraftAudit, DraftLog},
    log,
    process::{account, render_account},
    toml_text::{quoted, read_toml},
    validator::Validator,
};
use crate::{
    AbsolutePath, Backend, CommandLine, Diagnostic, Diagnostics, Pool, PoolConfig, Process,
    model::pool::{MOST_BACKENDS, MOST_CONNECTIONS, MOST_NETWORKS, MOST_WORKERS},
};
use serde::Deserialize;
use toml::Spanned;

/// Networks by default: several times as many as one host's agents have in practice.
const NETWORKS: u32 = 10_000;
/// Connections by default, and those that are reserved for each network.
const CONNECTIONS: u32 = 8_192;
const RESERVED: u32 = 4;

/// The keys of a pool's text or command line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftPool {
    /// The command line of the flags; errors in their values are shown there.
    #[serde(skip)]
    pub command_line: Option<CommandLine>,
    /// Path of the UNIX socket at which networks are handed over. The pool creates it.
    pub socket: Option<Spanned<String>>,
    /// Besides root, processes of this group may hand over, list and remove networks. Write the group that the keepers run in.
    pub handover_group: Option<Spanned<DraftAccount>>,
    /// Paths of the agents' sockets, at most eight. A gate with another one is refused. `[]` where each gate has `agent`.
    pub backends: Option<Vec<Spanned<String>>>,
    /// Processes that serve, 1 to 64, each confined on its own. A network keeps its worker while their number stays the same.
    pub workers: Option<Spanned<i64>>,
    /// Networks of each worker at once.
    pub networks: Option<Spanned<i64>>,
    /// Guest connections of a worker open at once, all networks together. The bounds of each gate hold as well.
    pub connections: Option<Spanned<i64>>,
    /// Connections that are reserved for each network.
    pub reserved_connections: Option<Spanned<i64>>,
    /// Path of a UNIX socket that serves metrics in the OpenMetrics text format. None without this key.
    pub metrics: Option<Spanned<String>>,
    /// The user that the workers run as.
    pub user: Option<Spanned<DraftAccount>>,
    /// The group that the workers run as. The user's own group without this key.
    pub group: Option<Spanned<DraftAccount>>,
    /// Whether root is accepted as user or group.
    #[serde(default)]
    pub allow_root: bool,
    /// Whether the worker goes into the background.
    #[serde(default)]
    pub daemon: bool,
    /// Path of the file that receives the pid.
    pub pid_file: Option<Spanned<String>>,
    /// What to do on a kernel that lacks a part of the confinement: `strict` does not start, `default` logs what is missing.
    pub sandbox: Option<Spanned<String>>,
    /// The system log. Without this table, lines go to standard error.
    pub log: Option<DraftLog>,
    /// An event for every request of every network. Off without this table.
    pub audit: Option<DraftAudit>,
}

impl DraftPool {
    /// Reads TOML without checking its values.
    ///
    /// # Errors
    /// An error of syntax, an unknown key, a value of the wrong type.
    pub fn read(file: &str, text: &str) -> Result<Self, Diagnostics> {
        read_toml(file, text)
    }

    /// Checks every value. Returns the configuration and its warnings.
    ///
    /// # Errors
    /// All errors, each with its place or its flag.
    pub fn finish(self, file: &str, text: &str) -> Result<(PoolConfig, Vec<Diagnostic>), Diagnostics> {
        let mut validator = Validator::new(file, text, self.command_line.clone());
        let config = validator.pool(self);
        validator.finish(config)
    }
}

impl Validator<'_> {
    fn pool(&mut self, draft: DraftPool) -> Option<PoolConfig> {
        let socket =
            self.required("socket", &draft.socket, "socket = \"/run/nsgate/pool.sock\"", |path| socket_path(path));
        let metrics = self.optional("metrics", &draft.metrics, |path| socket_path(path));
        let backends = self.backends(draft.backends.as_deref());
        let handover_group = self.optional("handover_group", &draft.handover_group, account);
        let user = self.required("user", &draft.user, "user = \"nsgate\"", account);
        let group = self.optional("group", &draft.group, account);
        let pid_file = self.optional("pid_file", &draft.pid_file, |path| AbsolutePath::new(path));
        let sandbox = self.sandbox(&draft.sandbox);
        let workers = self.number("workers", &draft.workers, 1, 1..=MOST_WORKERS);
        let networks = self.number("networks", &draft.networks, NETWORKS, 1..=MOST_NETWORKS);
        let connections = self.number("connections", &draft.connections, CONNECTIONS, 16..=MOST_CONNECTIONS);
        let reserved = self.number("reserved_connections", &draft.reserved_connections, RESERVED, 1..=1024);
        let audit = self.audit(draft.audit.as_ref());
        let log = match &draft.log {
            Some(log) => Some(self.log(log)?),
            None => None,
        };
        Some(PoolConfig {
            pool: Pool {
                socket: socket?,
                group: handover_group,
                backends,
                workers,
                networks,
                connections,
                reserved_connections: reserved,
                metrics,
            },
            process: Process {
                user: user?,
                group,
                allow_root: draft.allow_root,
                daemon: draft.daemon,
                pid_file,
                netns: None,
                freebind: false,
                log,
                audit,
                sandbox: sandbox.unwrap_or_default(),
            },
        })
    }
}

impl Validator<'_> {
    /// The agents that a worker connects to.
    fn backends(&mut self, draft: Option<&[Spanned<String>]>) -> Vec<Backend> {
        let Some(draft) = draft else {
            self.missing("backends", "backends = [\"/var/lib/neutron/metadata_proxy\"]");
            return Vec::new();
        };
        let backends = draft.iter().filter_map(|said| self.value("backends", said, |path| backend(path))).collect();
        if let Some(said) = draft.get(MOST_BACKENDS) {
            self.wrong("backends", said, format!("one worker reaches at most {MOST_BACKENDS} agents"));
        }
        for (index, said) in draft.iter().enumerate() {
            if draft.iter().take(index).any(|before| before.get_ref() == said.get_ref()) {
                self.wrong("backends", said, "this path is named twice".to_owned());
            }
        }
        backends
    }
}

/// A path that fits a UNIX socket address.
fn socket_path(path: &str) -> Result<AbsolutePath, String> {
    backend(path).map(|backend| backend.path().clone())
}

fn backend(path: &str) -> Result<Backend, String> {
    Ok(AbsolutePath::new(path).and_then(Backend::new)?)
}

/// TOML of a pool that reads back to the same configuration, with every default written out.
#[must_use]
pub fn render(config: &PoolConfig) -> String {
    let PoolConfig { pool, process } = config;
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(&content);
        text.push('\n');
    };
    line(format!("socket = {}", quoted(pool.socket.as_str())));
    let backends: Vec<String> = pool.backends.iter().map(|backend| quoted(backend.path().as_str())).collect();
    line(format!("backends = [{}]", backends.join(", ")));
    if let Some(group) = &pool.group {
        line(format!("handover_group = {}", render_account(group)));
    }
    line(format!("workers = {}", pool.workers));
    line(format!("networks = {}", pool.networks));
    line(format!("connections = {}", pool.connections));
    line(format!("reserved_connections = {}", pool.reserved_connections));
    if let Some(metrics) = &pool.metrics {
        line(format!("metrics = {}", quoted(metrics.as_str())));
    }
    line(format!("user = {}", render_account(&process.user)));
    if let Some(group) = &process.group {
        line(format!("group = {}", render_account(group)));
    }
    line(format!("allow_root = {}", process.allow_root));
    line(format!("daemon = {}", process.daemon));
    if let Some(path) = &process.pid_file {
        line(format!("pid_file = {}", quoted(path.as_str())));
    }
    line(format!("sandbox = \"{}\"", process.sandbox.as_str()));
    if let Some(log) = &process.log {
        line(log::render(log));
    }
    text + &audit::render(process.audit.as_ref(), None)
}

#[cfg(test)]
mod tests {
    use super::DraftPool;
    use crate::PoolConfig;

    fn parse(text: &str) -> Result<PoolConfig, String> {
        let draft = DraftPool::read("pool.toml", text).map_err(|errors| errors.to_string())?;
        draft.finish("pool.toml", text).map(|(config, _)| config).map_err(|errors| errors.to_string())
    }

    const USUAL: &str = "socket = \"/run/nsgate/pool.sock\"\nbackends = [\"/var/lib/neutron/metadata_proxy\"]\n\
                         user = \"nsgate\"\nhandover_group = \"neutron\"\n";

    #[test]
    fn the_usual_configuration_is_read_with_its_defaults() {
        let PoolConfig { pool, process } = parse(USUAL).unwrap();
        assert_eq!(pool.socket.as_str(), "/run/nsgate/pool.sock");
        assert_eq!((pool.workers, pool.networks, pool.connections), (1, 10_000, 8_192));
        assert_eq!(pool.reserved_connections, 4);
        assert_eq!(parse(&format!("{USUAL}workers = 64\n")).unwrap().pool.workers, 64);
        assert_eq!(pool.backends.len(), 1);
        assert!(!process.daemon && process.netns.is_none());
        let bound = parse(&USUAL.replace("\"/var/lib/neutron/metadata_proxy\"", "")).unwrap();
        assert!(bound.pool.backends.is_empty(), "each network comes with a door");
        assert_eq!(parse(&crate::native::render_pool(&bound)).unwrap(), bound);
        let all = format!("{USUAL}group = 7\nmetrics = \"/run/m\"\npid_file = \"/run/p\"\n[log]\nlevel = \"debug\"\n");
        for text in [USUAL, &all] {
            let config = parse(text).unwrap();
            assert_eq!(parse(&crate::native::render_pool(&config)).unwrap(), config);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (more, word) in [
            ("networks = 0\n", "`networks`: write a number from 1 to 100000\n --> pool.toml:5:12"),
            ("metrics = \"relative\"\n", "not an absolute path"),
            ("workers = \"many\"\n", "expected i64"),
            ("workers = 0\n", "`workers`: write a number from 1 to 64\n --> pool.toml:5:11"),
            ("workers = 65\n", "from 1 to 64"),
            ("worker = 2\n", "unknown field `worker`"),
            ("sandbox = \"lax\"\n", "not a level"),
        ] {
            let error = parse(&format!("{USUAL}{more}")).unwrap_err();
            assert!(error.contains(word), "{more}: {error}");
        }
        let nine: Vec<String> = (0..9).map(|number| format!("\"/a/{number}\"")).collect();
        let error = parse(&USUAL.replace("\"/var/lib/neutron/metadata_proxy\"", &nine.join(", "))).unwrap_err();
        assert!(error.contains("at most 8 agents"), "{error}");
        let error = parse(&USUAL.replace("proxy\"]", "proxy\", \"/var/lib/neutron/metadata_proxy\"]")).unwrap_err();
        assert!(error.contains("named twice"), "{error}");
        let error = parse("").unwrap_err();
        for key in ["socket", "backends", "user"] {
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }
}
