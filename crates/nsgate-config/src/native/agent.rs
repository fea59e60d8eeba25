//! The configuration of `nsgate agent` in TOML.

use super::{
    agent_directory::{self, DraftDirectory},
    agent_nova::DraftNova,
    audit,
    draft::{DraftAccount, DraftAudit, DraftLog},
    log,
    process::{account, render_account},
    time, tls,
    toml_text::{quoted, read_toml},
    validator::Validator,
};
use crate::{
    AbsolutePath, Account, Backend, Diagnostic, Diagnostics, MetadataAgent, MetadataAgentConfig, Process,
    model::metadata_agent::{MOST_AT_ONCE, MOST_BINDERS},
};
use serde::Deserialize;
use toml::Spanned;

/// The keys of an agent's text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DraftAgent {
    /// The process, and the gates' side.
    pub agent: DraftGates,
    /// Nova's metadata service.
    pub nova: DraftNova,
    /// Who knows which instance has an address.
    pub directory: DraftDirectory,
    /// The system log. Without this table, lines go to standard error.
    pub log: Option<DraftLog>,
    /// Events about requests. Without this table there are none.
    pub audit: Option<DraftAudit>,
}

/// `[agent]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DraftGates {
    /// Path of the UNIX socket at which gates are served. The agent creates it.
    pub socket: Option<Spanned<String>>,
    /// Besides root, processes of this group may connect to the socket. Gates whose connection is bound need none: root connects.
    pub socket_group: Option<Spanned<DraftAccount>>,
    /// Whether to serve a connection that names its network in each request, as haproxy and older gates do. Each process that may
    /// connect can ask for every network then.
    pub plain: bool,
    /// The users whose processes may bind a connection to a network. A gate's starter is root.
    pub binders: Option<Vec<Spanned<DraftAccount>>>,
    /// Connections at the socket at once, beside those that bind a network. Further ones wait.
    pub connections: Option<Spanned<i64>>,
    /// Connections of one network that is bound, at once.
    pub connections_per_network: Option<Spanned<i64>>,
    /// The user that the agent runs as.
    pub user: Option<Spanned<DraftAccount>>,
    /// The group that the agent runs as. The user's own group without this key.
    pub group: Option<Spanned<DraftAccount>>,
    /// Whether root is accepted as user or group.
    pub allow_root: bool,
    /// Whether the agent goes into the background.
    pub daemon: bool,
    /// Path of the file that receives the pid.
    pub pid_file: Option<Spanned<String>>,
    /// What to do on a kernel that lacks a part of the confinement: `strict` does not start, `default` logs what is missing.
    pub sandbox: Option<Spanned<String>>,
}

impl DraftAgent {
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
    /// All errors, each with its place.
    pub fn finish(self, file: &str, text: &str) -> Result<(MetadataAgentConfig, Vec<Diagnostic>), Diagnostics> {
        let mut validator = Validator::new(file, text, None);
        let config = validator.metadata_agent(&self);
        validator.finish(config)
    }
}

impl Validator<'_> {
    fn metadata_agent(&mut self, draft: &DraftAgent) -> Option<MetadataAgentConfig> {
        let agent = self.gates(&draft.agent);
        let nova = self.nova(&draft.nova);
        let directory = self.directory(&draft.directory);
        let process = self.agents_process(&draft.agent);
        let audit = self.audit(draft.audit.as_ref());
        let log = match &draft.log {
            Some(log) => Some(self.log(log)?),
            None => None,
        };
        Some(MetadataAgentConfig {
            agent: agent?,
            nova: nova?,
            directory: directory?,
            process: Process { log, audit, ..process? },
        })
    }

    fn gates(&mut self, draft: &DraftGates) -> Option<MetadataAgent> {
        let socket = self.must("agent.socket", &draft.socket, "socket = \"/run/nsgate/agent.sock\"", |path| {
            AbsolutePath::new(path).and_then(Backend::new).map(|backend| backend.path().clone())
        });
        let socket_group = self.optional("socket_group", &draft.socket_group, account);
        let binders = match &draft.binders {
            None => vec![Account::Name("root".to_owned())],
            Some(said) => said.iter().filter_map(|said| self.value("binders", said, account)).collect(),
        };
        if let Some(said) = draft.binders.as_ref().and_then(|said| said.get(MOST_BINDERS)) {
            self.wrong("binders", said, format!("at most {MOST_BINDERS} users are accepted"));
        }
        let connections = self.number("connections", &draft.connections, 1024, 1..=MOST_AT_ONCE);
        let per_network = self.number("connections_per_network", &draft.connections_per_network, 64, 1..=1024);
        Some(MetadataAgent {
            socket: socket?,
            socket_group,
            plain: draft.plain,
            binders,
            connections,
            connections_per_network: per_network,
        })
    }

    fn agents_process(&mut self, draft: &DraftGates) -> Option<Process> {
        let user = self.must("agent.user", &draft.user, "user = \"nsgate\"", account);
        let group = self.optional("group", &draft.group, account);
        let pid_file = self.optional("pid_file", &draft.pid_file, |path| AbsolutePath::new(path));
        let sandbox = self.sandbox(&draft.sandbox);
        let mut process = Process::new(user?);
        process.group = group;
        process.allow_root = draft.allow_root;
        process.daemon = draft.daemon;
        process.pid_file = pid_file;
        process.sandbox = sandbox.unwrap_or_default();
        Some(process)
    }
}

/// TOML of an agent that reads back to the same configuration, with every default written out.
#[must_use]
pub fn render(config: &MetadataAgentConfig) -> String {
    let MetadataAgentConfig { agent, nova, directory, process } = config;
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(&content);
        text.push('\n');
    };
    line("[agent]".to_owned());
    line(format!("socket = {}", quoted(agent.socket.as_str())));
    if let Some(group) = &agent.socket_group {
        line(format!("socket_group = {}", render_account(group)));
    }
    line(format!("plain = {}", agent.plain));
    let binders: Vec<String> = agent.binders.iter().map(render_account).collect();
    line(format!("binders = [{}]", binders.join(", ")));
    line(format!("connections = {}", agent.connections));
    line(format!("connections_per_network = {}", agent.connections_per_network));
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
    line("\n[nova]".to_owned());
    let hosts: Vec<String> = nova.hosts.iter().map(|host| quoted(&host.to_string())).collect();
    line(format!("hosts = [{}]", hosts.join(", ")));
    line(format!("secret_file = {}", quoted(nova.secret_file.as_str())));
    tls::render(nova.tls.as_ref()).into_iter().for_each(&mut line);
    line(format!("connect_timeout = {}", quoted(&time::write(nova.connect_timeout))));
    line(format!("answer_timeout = {}", quoted(&time::write(nova.answer_timeout))));
    line(format!("requests = {}", nova.requests));
    line(format!("requests_per_instance = {}", nova.requests_per_instance));
    line("\n[directory]".to_owned());
    line(agent_directory::render(directory));
    if let Some(log) = &process.log {
        line(log::render(log));
    }
    text + &audit::render(process.audit.as_ref(), None)
}

#[cfg(test)]
mod tests {
    use super::DraftAgent;
    use crate::MetadataAgentConfig;

    fn parse(text: &str) -> Result<MetadataAgentConfig, String> {
        let draft = DraftAgent::read("agent.toml", text).map_err(|errors| errors.to_string())?;
        draft.finish("agent.toml", text).map(|(config, _)| config).map_err(|errors| errors.to_string())
    }

    const USUAL: &str = "[agent]\nsocket = \"/run/nsgate/agent.sock\"\nuser = \"nsgate\"\n\
                         [nova]\nhosts = [\"http://192.0.2.10:8775\"]\nsecret_file = \"/etc/nsgate/nova-secret\"\n\
                         [directory]\nkind = \"file\"\npath = \"/etc/nsgate/instances.toml\"\n";

    #[test]
    fn the_usual_configuration_is_read_with_its_defaults_and_reads_back() {
        let MetadataAgentConfig { agent, nova, .. } = parse(USUAL).unwrap();
        assert_eq!((agent.plain, agent.connections, agent.connections_per_network), (false, 1024, 64));
        assert_eq!(agent.binders, [crate::Account::Name("root".to_owned())]);
        assert_eq!((nova.requests, nova.requests_per_instance, nova.answer_timeout.as_secs()), (256, 8, 30));
        let all = USUAL.replace(
            "[nova]\n",
            "socket_group = \"neutron\"\nplain = true\nbinders = [\"root\", 7]\nconnections = 5\nconnections_per_network = 2\n\
             group = 7\ndaemon = true\npid_file = \"/run/p\"\nsandbox = \"strict\"\n[nova]\nconnect_timeout = \"500ms\"\n\
             answer_timeout = 10\nrequests = 4\nrequests_per_instance = 1\n",
        ) + "[log]\nlevel = \"debug\"\n[audit]\nto = \"journald\"\nevents_per_second = 7\n";
        let secure = USUAL.replace("http:", "https:").replace("[directory]", "ca_file = \"/c\"\n[directory]");
        let shown = secure.replace("ca_file", "certificate_file = \"/d\"\nkey_file = \"/k\"\nca_file");
        for text in [USUAL, &all, &secure, &shown] {
            let config = parse(text).unwrap();
            assert_eq!(parse(&super::render(&config)).unwrap(), config, "{}", super::render(&config));
        }
    }

    const OVN: &str =
        "kind = \"ovn\"\nremotes = [\"tcp:192.0.2.1:6642\", \"unix:/run/ovn/ovnsb_db.sock\"]\nchassis = \"host-1\"\n";

    fn with_ovn(from: &str, to: &str) -> String {
        let (before, _) = USUAL.split_once("kind =").unwrap();
        before.to_owned() + &OVN.replacen(from, to, 1)
    }

    #[test]
    fn ovns_database_is_named_by_its_servers_and_this_host_and_reads_back() {
        for (from, to) in [
            ("", ""),
            ("chassis", "leader_only = true\nchassis"),
            ("chassis = \"host-1\"", ""),
            ("tcp:192.0.2.1:6642\"", "ssl:192.0.2.1:6642\""),
        ] {
            let tls = if to.starts_with("ssl:") {
                "ca_file = \"/c\"\ncertificate_file = \"/d\"\nkey_file = \"/k\"\n"
            } else {
                ""
            };
            let config = parse(&(with_ovn(from, to) + tls)).unwrap();
            assert_eq!(parse(&super::render(&config)).unwrap(), config, "{}", super::render(&config));
        }
        let draft = |text: &str| DraftAgent::read("agent.toml", text).unwrap().finish("agent.toml", text).unwrap().1;
        assert!(draft(&with_ovn("", "")).is_empty());
        let [warning] = &draft(&with_ovn("chassis", "#chassis"))[..] else { panic!("one warning") };
        assert!(warning.message.contains("the ports of all hosts are copied"), "{warning}");
        for (from, to, word) in [
            ("tcp:192.0.2.1:6642", "tcp:192.0.2.1", "--> agent.toml:9:12"),
            ("unix:/run/ovn/ovnsb_db.sock", "tcp:192.0.2.1:6642", "named twice"),
            ("tcp:192.0.2.1:6642", "ssl:192.0.2.1:6642", "`remotes`: ssl: wants `ca_file`"),
            ("\"host-1\"", "\"\"", "`chassis`: `` is no system-id"),
            ("\"host-1\"", "\"host 1\"", "no system-id"),
            ("remotes", "remote", "unknown field `remote`"),
            ("remotes = [", "remotes = []\n#", "`directory.remotes` is missing"),
        ] {
            let error = parse(&with_ovn(from, to)).unwrap_err();
            assert!(error.contains(word), "{to}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (from, to, word) in [
            ("http://192.0.2.10:8775", "https://192.0.2.10:8775", "`hosts`: https:// wants `ca_file`"),
            ("[directory]", "ca_file = \"/c\"\n[directory]", "`ca_file`: nobody in `hosts` begins with https://"),
            ("[directory]", "key_file = \"/k\"\n[directory]", "`key_file`: nobody in `hosts`"),
            ("http://192.0.2.10:8775\"]", "https://192.0.2.10:8775\"]\nca_file = \"c\"", "not an absolute path"),
            (
                "http://192.0.2.10:8775\"]",
                "https://192.0.2.10:8775\"]\nca_file = \"/c\"\ncertificate_file = \"/d\"",
                "`certificate_file`: it wants its private key in `key_file`",
            ),
            (
                "http://192.0.2.10:8775\"]",
                "https://192.0.2.10:8775\"]\nca_file = \"/c\"\nkey_file = \"/d\"",
                "`key_file`: it wants its certificate",
            ),
            ("http://192.0.2.10:8775", "192.0.2.10", "--> agent.toml:5:10"),
            ("8775\"]", "8775\", \"http://192.0.2.10:8775\"]", "named twice"),
            ("/etc/nsgate/nova-secret", "nova-secret", "not an absolute path"),
            ("\"file\"", "\"fil\"", "`kind`: `fil` is no directory; did you mean \"file\"?"),
            ("\"file\"", "\"ldap\"", "no directory; write \"ovn\" or \"file\""),
            ("path =", "chassis = \"a\"\npath =", "--> agent.toml:9:11"),
            ("path =", "leader_only = true\npath =", "`leader_only`: this is a key of `kind = \"ovn\"`"),
            ("path =", "remotes = []\npath =", "`remotes`: this is a key of `kind = \"ovn\"`"),
            ("\"file\"", "\"ovn\"", "`path`: this is a key of `kind = \"file\"`"),
            ("user =", "sandbox = \"lax\"\nuser =", "not a level"),
            ("user =", "plan = true\nuser =", "unknown field `plan`"),
            ("user =", "connections = 0\nuser =", "`connections`: write a number from 1 to 100000"),
            ("user =", "binders = [\"0\"]\nuser =", "`binders`: `0` looks like a number"),
        ] {
            let error = parse(&USUAL.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(word), "{to}: {error}");
        }
        let error = parse("").unwrap_err();
        for key in ["agent.socket", "agent.user", "nova.hosts", "nova.secret_file", "directory.kind"] {
            assert!(error.contains(&format!("`{key}` is missing")), "{error}");
        }
    }
}
