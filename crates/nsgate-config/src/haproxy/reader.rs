//! What has been read so far, and the gate it amounts to.

use super::{keywords::Section, limiter::Limiter};
use crate::{
    AbsolutePath, Account, Backend, Config, Gate, Guards, Identity, Limits, Listener, Log, Process, Timeouts, UriPath,
    report::{Place, Report},
};

#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) section: Option<Section>,
    /// In a section that was refused as a whole.
    pub(super) lost: bool,
    pub(super) listens: bool,
    pub(super) log: Option<Log>,
    pub(super) log_tag: Option<String>,
    pub(super) user: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) pid_file: Option<AbsolutePath>,
    pub(super) daemon: bool,
    pub(super) limits: Limits,
    pub(super) proxy_connections: Option<u32>,
    pub(super) timeouts: Timeouts,
    pub(super) retries: Option<u32>,
    pub(super) listeners: Vec<Listener>,
    pub(super) backend: Option<Backend>,
    pub(super) identity: Option<(Identity, Place)>,
    pub(super) limiter: Limiter,
    pub(super) monitor: Option<UriPath>,
    pub(super) statistics: Option<UriPath>,
}

/// haproxy's default number of retries.
const RETRIES: u32 = 3;

impl Reader {
    /// The configuration, or `None` after reporting what is missing.
    pub(super) fn finish(self, report: &mut Report<'_>) -> Option<Config> {
        let nowhere = Place::default();
        if self.lost && !self.listens {
            return None;
        }
        if self.listeners.is_empty() {
            report.error(nowhere, "there is no `bind`", "write `bind 169.254.169.254:80` into section `listen`");
        }
        if self.backend.is_none() {
            report.error(
                nowhere,
                "there is no `server`",
                "write `server metadata /PATH/OF/SOCKET` into section `listen`",
            );
        }
        if self.identity.is_none() {
            let help = "write `http-request set-header X-Neutron-Network-ID UUID` into section `listen`";
            report.error(nowhere, "there is no identity: the agent could not tell whose request it is", help);
        }
        if self.user.is_none() {
            report.error(
                nowhere,
                "there is no `user`: haproxy would go on as root",
                "write `user NAME` into section `global`",
            );
        }
        let rate_limits = self.limiter.finish(report);
        let mut limits = self.limits;
        if let Some(connections) = self.proxy_connections {
            limits.connections = limits.connections.min(connections);
        }
        limits.connections_per_source = limits.connections_per_source.min(limits.connections);
        let tag = self.log_tag.unwrap_or_else(|| "haproxy".to_owned());
        Some(Config {
            gate: Gate {
                identity: self.identity?.0,
                listeners: self.listeners,
                backend: self.backend?,
                limits,
                timeouts: self.timeouts,
                retries: self.retries.unwrap_or(RETRIES),
                rate_limits,
                guards: Guards::default(),
                trace: None,
            },
            process: Process {
                user: self.user?,
                group: self.group,
                allow_root: false,
                daemon: self.daemon,
                pid_file: self.pid_file,
                netns: None,
                freebind: false,
                log: self.log.map(|log| Log { tag, ..log }),
                audit: None,
                sandbox: crate::SandboxLevel::default(),
            },
        })
    }
}
