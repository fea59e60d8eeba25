//! From keys to a configuration: every value is judged, and all that is wrong is said at once.

use super::{
    audit,
    draft::{Draft, DraftLimits, DraftLog, DraftTimeouts, Time, Who, number_on_command_line},
    place, time,
};
use crate::{
    AbsolutePath, Account, Backend, CommandLine, Config, Diagnostic, Diagnostics, Facility, Gate, Identity,
    InterfaceName, Level, Limits, Listener, Log, Netns, Parsed, Process, RateLimit, SandboxLevel, Timeouts, Uuid,
    model::{
        gate::RETRIES,
        limits::{BACKEND_REQUESTS, RATE_REQUESTS},
        listener::plausible,
    },
    report::{Place, Report},
};
use std::{ops::RangeInclusive, time::Duration};
use toml::Spanned;

/// How a UUID becomes an identity.
type Kind = fn(Uuid) -> Identity;

/// The judge of one draft.
pub(super) struct Judge<'a> {
    text: &'a str,
    command_line: Option<CommandLine>,
    report: Report<'a>,
}

impl Draft {
    /// The configuration, if every value is right. `file` and `text` are where the draft was read from; for one that
    /// comes from the command line alone, `text` is empty.
    ///
    /// # Errors
    /// Everything that is wrong, with its place, or with its flag.
    pub fn finish(self, file: &str, text: &str) -> Result<Parsed, Diagnostics> {
        let mut judge = Judge::new(file, text, self.command_line.clone());
        let config = judge.config(self);
        judge.finish(config).map(|(config, warnings)| Parsed { config, warnings })
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, command_line: Option<CommandLine>) -> Self {
        Self { text, command_line, report: Report::new(file, text) }
    }

    /// The value and its warnings, or everything that is wrong.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<Diagnostic>), Diagnostics> {
        self.report.finish(value)
    }

    fn config(&mut self, draft: Draft) -> Option<Config> {
        let identity = self.identity(&draft);
        let listeners: Vec<Listener> =
            draft.listen.iter().filter_map(|said| self.take("listen", said, |text| listener(text))).collect();
        if draft.listen.is_empty() {
            self.missing("listen", "listen = [\"169.254.169.254:80\"]");
        }
        let backend = self.need("backend", &draft.backend, "backend = \"/var/lib/neutron/metadata_proxy\"", |path| {
            AbsolutePath::new(path).and_then(Backend::new)
        });
        let owner = self.maybe("backend_owner", &draft.backend_owner, account);
        let user = self.need("user", &draft.user, "user = \"neutron\"", account);
        let group = self.maybe("group", &draft.group, account);
        let pid_file = self.maybe("pid_file", &draft.pid_file, |path| AbsolutePath::new(path));
        let netns = self.maybe("netns", &draft.netns, |name| Netns::new(name));
        let sandbox = self.sandbox(&draft.sandbox);
        let retries = self.number("retries", &draft.retries, RETRIES, 0..=100);
        let limits = self.limits(&draft.limits);
        let timeouts = self.timeouts(&draft.timeouts);
        let rate_limits = draft.rate_limits.iter().filter_map(|rate| {
            let requests = self.number("requests", &Some(rate.requests.clone()), 1, RATE_REQUESTS);
            let window = self.take("window", &rate.window, whole_window)?;
            Some(RateLimit { requests, window })
        });
        let rate_limits = rate_limits.collect();
        let guards = self.guards(&draft.guards);
        let audit = self.audit(draft.audit.as_ref());
        let trace = audit::trace(draft.trace.as_ref());
        let log = match &draft.log {
            Some(log) => Some(self.log(log)?),
            None => None,
        };
        let backend = backend.map(|mut backend| {
            backend.owner = owner;
            backend
        });
        Some(Config {
            gate: Gate {
                identity: identity?,
                listeners,
                backend: backend?,
                limits,
                timeouts,
                retries,
                rate_limits,
                guards,
                trace,
            },
            process: Process {
                user: user?,
                group,
                allow_root: draft.allow_root,
                daemon: draft.daemon,
                pid_file,
                netns,
                freebind: draft.freebind,
                log,
                audit,
                sandbox: sandbox.unwrap_or_default(),
            },
        })
    }

    pub(super) fn sandbox(&mut self, said: &Option<Spanned<String>>) -> Option<SandboxLevel> {
        self.maybe("sandbox", said, |level| match level.as_str() {
            "default" => Ok(SandboxLevel::Default),
            "strict" => Ok(SandboxLevel::Strict),
            other => Err(format!("`{other}` is not a level; write \"default\" or \"strict\"")),
        })
    }

    fn identity(&mut self, draft: &Draft) -> Option<Identity> {
        let make: [(&str, &Option<Spanned<String>>, Kind); 3] = [
            ("network_id", &draft.network_id, Identity::Network),
            ("router_id", &draft.router_id, Identity::Router),
            ("ovn_network_id", &draft.ovn_network_id, Identity::OvnNetwork),
        ];
        let mut given = make.into_iter().filter_map(|(key, said, make)| Some((key, said.as_ref()?, make)));
        let Some((key, said, make)) = given.next() else {
            self.missing("network_id", "one of network_id, router_id, ovn_network_id");
            return None;
        };
        if let Some((second, said, _)) = given.next() {
            self.wrong(second, said, format!("a second identity, beside `{key}`: an agent refuses a request with two"));
        }
        self.take(key, said, |text| text.parse()).map(make)
    }

    fn limits(&mut self, draft: &DraftLimits) -> Limits {
        let default = Limits::default();
        let connections = self.number("connections", &draft.connections, default.connections, 1..=1_000_000);
        let per_source = default.connections_per_source.min(connections);
        Limits {
            connections,
            connections_per_source: self.number(
                "connections_per_source",
                &draft.connections_per_source,
                per_source,
                1..=connections,
            ),
            requests_per_source: self.number(
                "requests_per_source",
                &draft.requests_per_source,
                default.requests_per_source,
                1..=65_536,
            ),
            backend_requests: self.number(
                "backend_requests",
                &draft.backend_requests,
                default.backend_requests,
                BACKEND_REQUESTS,
            ),
            unfinished_heads: self.number(
                "unfinished_heads",
                &draft.unfinished_heads,
                default.unfinished_heads,
                1..=65_536,
            ),
            unfinished_heads_per_source: self.number(
                "unfinished_heads_per_source",
                &draft.unfinished_heads_per_source,
                default.unfinished_heads_per_source,
                1..=65_536,
            ),
            target_bytes: self.number("target_bytes", &draft.target_bytes, default.target_bytes, 64..=262_144),
            head_bytes: self.number("head_bytes", &draft.head_bytes, default.head_bytes, 1024..=262_144),
            headers: self.number("headers", &draft.headers, default.headers, 8..=1000),
            body_bytes: self.number("body_bytes", &draft.body_bytes, default.body_bytes, 0..=16_777_216),
            backend_request_bytes: self.number(
                "backend_request_bytes",
                &draft.backend_request_bytes,
                default.backend_request_bytes,
                512..=33_554_432,
            ),
        }
    }

    fn timeouts(&mut self, draft: &DraftTimeouts) -> Timeouts {
        let default = Timeouts::default();
        let mut time = |key, said: &Option<Spanned<Time>>, default| {
            said.as_ref().and_then(|said| self.take(key, said, time::judge)).unwrap_or(default)
        };
        Timeouts {
            request: time("request", &draft.request, default.request),
            connect: time("connect", &draft.connect, default.connect),
            client: time("client", &draft.client, default.client),
            server: time("server", &draft.server, default.server),
            keep_alive: time("keep_alive", &draft.keep_alive, default.keep_alive),
            body: time("body", &draft.body, default.body),
            connection: time("connection", &draft.connection, default.connection),
        }
    }

    pub(super) fn log(&mut self, draft: &DraftLog) -> Option<Log> {
        let socket = match &draft.socket {
            Some(_) => self.maybe("socket", &draft.socket, |path| AbsolutePath::new(path)),
            None => Some(AbsolutePath::usual_log()),
        };
        let facility = self.maybe("facility", &draft.facility, |name| {
            Facility::named(name).ok_or_else(|| format!("not a facility; one of {}", Facility::names().join(", ")))
        });
        let level = self.maybe("level", &draft.level, |name| {
            let found = LEVELS.iter().find(|(known, _)| known == name).map(|(_, level)| *level);
            found.ok_or_else(|| format!("not a level; one of {}", LEVELS.map(|(name, _)| name).join(", ")))
        });
        let tag = self.maybe("tag", &draft.tag, |tag| {
            let fits = (1..=128).contains(&tag.len()) && !tag.contains(char::is_control);
            if fits { Ok(tag.clone()) } else { Err("a tag has 1 to 128 printable characters".to_owned()) }
        });
        Some(Log {
            socket: socket?,
            facility: facility.unwrap_or_default(),
            level: level.unwrap_or_default(),
            tag: tag.unwrap_or_else(|| "nsgate".to_owned()),
        })
    }

    pub(super) fn number(
        &mut self,
        key: &str,
        said: &Option<Spanned<i64>>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let Some(said) = said else { return default };
        let found = u32::try_from(*said.get_ref()).ok().filter(|number| range.contains(number));
        if found.is_none() {
            self.wrong(key, said, format!("write a number from {} to {}", range.start(), range.end()));
        }
        found.unwrap_or(default)
    }

    pub(super) fn need<T, V, E: Into<String>>(
        &mut self,
        key: &str,
        said: &Option<Spanned<V>>,
        form: &str,
        judge: impl FnOnce(&V) -> Result<T, E>,
    ) -> Option<T> {
        if said.is_none() {
            self.missing(key, form);
        }
        self.maybe(key, said, judge)
    }

    pub(super) fn maybe<T, V, E: Into<String>>(
        &mut self,
        key: &str,
        said: &Option<Spanned<V>>,
        judge: impl FnOnce(&V) -> Result<T, E>,
    ) -> Option<T> {
        said.as_ref().and_then(|said| self.take(key, said, judge))
    }

    pub(super) fn take<T, V, E: Into<String>>(
        &mut self,
        key: &str,
        said: &Spanned<V>,
        judge: impl FnOnce(&V) -> Result<T, E>,
    ) -> Option<T> {
        judge(said.get_ref()).map_err(|reason| self.wrong(key, said, reason.into())).ok()
    }

    pub(super) fn wrong<V>(&mut self, key: &str, said: &Spanned<V>, reason: String) {
        let Some(number) = number_on_command_line(&said.span()) else {
            self.report.error(place(self.text, said.span()), format!("`{key}`: {reason}"), "");
            return;
        };
        let option = format!("--{}", flag(key));
        let message = format!("{option}: {reason}");
        match &self.command_line {
            Some(line) => self.report.put(line.error(line.value(&option, number), &message, "")),
            None => self.report.error(Place::default(), message, ""),
        }
    }

    pub(super) fn missing(&mut self, key: &str, form: &str) {
        let flag = flag(key);
        let message = format!("`{key}` (--{flag}) is missing");
        match &self.command_line {
            // Nothing but words was said: the answer is one more of them.
            Some(line) if self.text.is_empty() => {
                let form = form.split_once(" = ").map_or(form, |(_, value)| value).trim_matches(['[', ']', '"']);
                let help = format!("write --{flag} {form}");
                self.report.put(line.error(Some(line.end()), &message, &help));
            }
            _ => self.report.error(Place::default(), message, format!("write {form}")),
        }
    }
}

/// The option that says the same as a key.
fn flag(key: &str) -> String {
    match key {
        "backends" => "backend".to_owned(),
        key => key.replace('_', "-"),
    }
}

/// Names of the levels, most severe first.
pub(super) const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warning", Level::Warning),
    ("notice", Level::Notice),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

pub(super) fn account(who: &Who) -> Result<Account, String> {
    match who {
        Who::Name(name) => Ok(Account::named(name)?),
        // 4294967295 is "no change" to setresuid(2), and so nobody's number.
        Who::Number(number) => match u32::try_from(*number) {
            Ok(id) if id != u32::MAX => Ok(Account::Id(id)),
            _ => Err(format!("{number} is not an account's number; 0 to 4294967294")),
        },
    }
}

fn whole_window(time: &Time) -> Result<Duration, String> {
    match time::judge(time)? {
        window if window >= Duration::from_secs(1) => Ok(window),
        _ => Err("a window is at least one second".to_owned()),
    }
}

pub(crate) fn listener(text: &str) -> Result<Listener, String> {
    let (endpoint, interface) = match text.split_once('%') {
        Some((endpoint, name)) => (endpoint, Some(InterfaceName::new(name)?)),
        None => (text, None),
    };
    let (address, port) = endpoint.rsplit_once(':').ok_or_else(|| format!("`{text}` has no port"))?;
    let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse().map(std::net::IpAddr::V6).ok(),
        None => address.parse().map(std::net::IpAddr::V4).ok(),
    };
    let address = address.ok_or_else(|| {
        format!("`{text}` is not an address; write 169.254.169.254:80 or [fe80::a9fe:a9fe]:80%INTERFACE")
    })?;
    plausible(Listener { address, port: port.parse()?, interface })
}
