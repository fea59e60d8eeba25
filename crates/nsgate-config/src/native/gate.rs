//! A gate's configuration in TOML: checks its keys, and writes it.

use super::{
    audit,
    draft::Draft,
    guards, limits, log,
    process::{account, render_account},
    toml_text::{self, quoted},
    validator::Validator,
};
use crate::{
    AbsolutePath, Backend, Config, Diagnostics, Gate, Identity, Listener, Netns, Parsed, Process, Uuid,
    model::gate::RETRIES,
};
use toml::Spanned;

/// Makes an identity of a UUID.
type MakeIdentity = fn(Uuid) -> Identity;

impl Draft {
    /// Reads TOML without checking its values.
    ///
    /// # Errors
    /// An error of syntax, an unknown key, a value of the wrong type.
    pub fn read(file: &str, text: &str) -> Result<Self, Diagnostics> {
        toml_text::read_toml(file, text)
    }

    /// Checks every value. `file` and `text` are the source of the draft; `text` is empty if all of it comes from the command
    /// line.
    ///
    /// # Errors
    /// All errors, each with its place or its flag.
    pub fn finish(self, file: &str, text: &str) -> Result<Parsed, Diagnostics> {
        let mut validator = Validator::new(file, text, self.command_line.clone());
        let config = validator.config(self);
        validator.finish(config).map(|(config, warnings)| Parsed { config, warnings })
    }
}

impl Validator<'_> {
    fn config(&mut self, draft: Draft) -> Option<Config> {
        let identity = self.identity(&draft);
        let listeners: Vec<Listener> =
            draft.listen.iter().filter_map(|said| self.value("listen", said, |text| Listener::parse(text))).collect();
        if draft.listen.is_empty() {
            self.missing("listen", "listen = [\"169.254.169.254:80\"]");
        }
        let backend = self.backend(&draft);
        let owner = self.optional("backend_owner", &draft.backend_owner, account);
        let user = self.required("user", &draft.user, "user = \"neutron\"", account);
        let group = self.optional("group", &draft.group, account);
        let pid_file = self.optional("pid_file", &draft.pid_file, |path| AbsolutePath::new(path));
        let netns = self.optional("netns", &draft.netns, |name| Netns::new(name));
        let sandbox = self.sandbox(&draft.sandbox);
        let retries = self.number("retries", &draft.retries, RETRIES, 0..=100);
        let limits = self.limits(&draft.limits);
        let timeouts = self.timeouts(&draft.timeouts);
        let rate_limits = self.rate_limits(&draft.rate_limits);
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

    /// The agent, by one of the two ways to it.
    fn backend(&mut self, draft: &Draft) -> Option<Backend> {
        let Some(agent) = &draft.agent else {
            return self.required(
                "backend",
                &draft.backend,
                "backend = \"/var/lib/neutron/metadata_proxy\", or agent = \"/run/nsgate/agent.sock\"",
                |path| AbsolutePath::new(path).and_then(Backend::new),
            );
        };
        if draft.backend.is_some() {
            let why = "a second way to the agent, beside `backend`: with `agent` the gate is bound to `nsgate agent`, with `backend` \
                it connects to any agent for each request";
            self.wrong("agent", agent, why.to_owned());
        }
        self.value("agent", agent, |path| AbsolutePath::new(path).and_then(Backend::bound))
    }

    fn identity(&mut self, draft: &Draft) -> Option<Identity> {
        let make: [(&str, &Option<Spanned<String>>, MakeIdentity); 3] = [
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
        self.value(key, said, |text| text.parse()).map(make)
    }
}

/// TOML that [`super::parse`] reads back to the same configuration.
#[must_use]
pub fn render(config: &Config) -> String {
    let Config { gate, process } = config;
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(&content);
        text.push('\n');
    };
    let key = match gate.identity {
        Identity::Network(_) => "network_id",
        Identity::Router(_) => "router_id",
        Identity::OvnNetwork(_) => "ovn_network_id",
    };
    line(format!("{key} = \"{}\"", gate.identity.uuid()));
    let listen: Vec<String> = gate.listeners.iter().map(|listener| quoted(&listener.to_string())).collect();
    line(format!("listen = [{}]", listen.join(", ")));
    let key = if gate.backend.binds() { "agent" } else { "backend" };
    line(format!("{key} = {}", quoted(gate.backend.path().as_str())));
    if let Some(owner) = &gate.backend.owner {
        line(format!("backend_owner = {}", render_account(owner)));
    }
    line(format!("user = {}", render_account(&process.user)));
    if let Some(group) = &process.group {
        line(format!("group = {}", render_account(group)));
    }
    line(format!("allow_root = {}", process.allow_root));
    line(format!("freebind = {}", process.freebind));
    line(format!("daemon = {}", process.daemon));
    if let Some(path) = &process.pid_file {
        line(format!("pid_file = {}", quoted(path.as_str())));
    }
    match &process.netns {
        Some(Netns::Name(name)) => line(format!("netns = {}", quoted(name))),
        Some(Netns::Path(path)) => line(format!("netns = {}", quoted(path.as_str()))),
        None => {}
    }
    line(format!("sandbox = \"{}\"", process.sandbox.as_str()));
    line(format!("retries = {} # one second apart", gate.retries));
    if let Some(log) = &process.log {
        line(log::render(log));
    }
    text.push_str(&limits::render(gate));
    text.push_str(&guards::render(&gate.guards));
    text + &audit::render(process.audit.as_ref(), gate.trace.as_ref())
}
