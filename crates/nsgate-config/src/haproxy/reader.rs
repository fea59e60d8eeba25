//! Collects the settings of a text, and makes a configuration of them.

use super::{
    rate_rules::RateRules,
    section::Section,
    settings::{ProxySettings, RETRIES},
};
use crate::{
    AbsolutePath, Account, Backend, Config, Gate, Guards, Identity, Limits, Listener, Log, LogLevel, Process, UriPath,
    report::{Report, Span},
};

#[derive(Debug, Default)]
pub(super) struct HaproxyReader {
    pub(super) section: Option<Section>,
    /// The current section was refused as a whole: its lines are skipped.
    pub(super) lost: bool,
    pub(super) listens: bool,
    /// The name after `listen`.
    pub(super) name: Option<String>,
    pub(super) log: Option<Log>,
    pub(super) log_tag: Option<String>,
    pub(super) user: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) pid_file: Option<AbsolutePath>,
    pub(super) daemon: bool,
    /// `maxconn` of `global`.
    pub(super) connections: Option<u32>,
    /// Bounds that only `listen` sets.
    pub(super) limits: Limits,
    /// The last `defaults` section, with which the next section begins.
    pub(super) defaults: ProxySettings,
    /// The section with the listeners.
    pub(super) own: ProxySettings,
    pub(super) listeners: Vec<Listener>,
    pub(super) backend: Option<Backend>,
    pub(super) identity: Option<(Identity, Span)>,
    pub(super) rates: RateRules,
    /// Groups of keywords of which one line was read; haproxy refuses a second line.
    pub(super) once: Vec<&'static str>,
    pub(super) monitor: Option<UriPath>,
    pub(super) statistics: Option<UriPath>,
}

impl HaproxyReader {
    /// Begins a section.
    pub(super) fn enter(&mut self, section: Section) {
        (self.section, self.lost) = (Some(section), false);
        match section {
            Section::Defaults => self.defaults = ProxySettings::default(),
            Section::Listen | Section::Frontend => self.own = self.defaults.clone(),
            Section::Global | Section::Backend => {}
        }
    }

    /// The settings of the current section.
    pub(super) fn settings(&mut self) -> &mut ProxySettings {
        match self.section {
            Some(Section::Defaults) => &mut self.defaults,
            _ => &mut self.own,
        }
    }

    /// The configuration, or `None` after reporting what is missing.
    pub(super) fn finish(mut self, report: &mut Report<'_>) -> Option<Config> {
        let nowhere = Span::default();
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
        self.own.check(report);
        self.own.check_gate(report);
        let process = self.process(report);
        let limits = self.limits(report);
        let timeouts = self.own.timeouts.finish(report);
        let rate_limits = self.rates.finish(report, self.name.as_deref());
        Some(Config {
            gate: Gate {
                identity: self.identity?.0,
                listeners: self.listeners,
                backend: self.backend?,
                limits,
                timeouts,
                retries: self.own.retries.unwrap_or(RETRIES),
                rate_limits,
                guards: Guards::default(),
                trace: None,
            },
            process: process?,
        })
    }

    /// The process of the configuration.
    pub(super) fn process(&mut self, report: &mut Report<'_>) -> Option<Process> {
        let nowhere = Span::default();
        if self.user.is_none() {
            let help = "write `user NAME` into section `global`";
            report.error(nowhere, "there is no `user`: haproxy would go on as root", help);
        }
        if self.group.is_none() {
            let message = "there is no `group`: haproxy would keep root's, a gate takes the user's own";
            report.warning(nowhere, message, "write `group NAME` into section `global`");
        }
        let log = self.log(report);
        Some(Process {
            user: self.user.take()?,
            group: self.group.take(),
            allow_root: false,
            daemon: self.daemon,
            pid_file: self.pid_file.take(),
            netns: None,
            freebind: false,
            log,
            audit: None,
            sandbox: crate::SandboxLevel::default(),
        })
    }

    /// The log. Lines about requests go there only if a proxy has `log global`.
    fn log(&mut self, report: &mut Report<'_>) -> Option<Log> {
        let nowhere = Span::default();
        let Some(log) = self.log.take() else {
            let message = "there is no `log`: haproxy would log nothing, a gate writes to standard error";
            report.warning(nowhere, message, "write `log /dev/log local0 info` into section `global`");
            return None;
        };
        let tag = self.log_tag.take().unwrap_or_else(|| "haproxy".to_owned());
        if self.own.logged {
            return Some(Log { tag, ..log });
        }
        let message = "there is no `log global` below the `log` of section `global`: requests are not logged";
        report.warning(nowhere, message, "write `log global` into section `defaults`");
        // Requests have the level `info`.
        Some(Log { tag, level: log.level.min(LogLevel::Notice), ..log })
    }

    /// The bounds of the configuration.
    pub(super) fn limits(&self, report: &mut Report<'_>) -> Limits {
        let mut limits = self.limits.clone();
        match (self.connections, self.own.connections) {
            (Some(all), Some(own)) => limits.connections = all.min(own),
            (Some(said), None) | (None, Some(said)) => limits.connections = said,
            (None, None) => {
                let usual = limits.connections;
                let message =
                    format!("there is no `maxconn`: haproxy would take as many as it has descriptors, a gate {usual}");
                report.warning(Span::default(), message, "write `maxconn NUMBER` into section `global`");
            }
        }
        limits.connections_per_source = limits.connections_per_source.min(limits.connections);
        limits
    }
}
