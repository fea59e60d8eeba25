//! The keys of a gate's TOML, before their values are checked.

use crate::CommandLine;
use serde::Deserialize;
use toml::Spanned;

/// The keys of a text or a command line. A flag replaces a key of the text. [`Draft::finish`] checks the values.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The command line of the flags; errors in their values are shown there.
    #[serde(skip)]
    pub command_line: Option<CommandLine>,
    /// UUID of a network of the DHCP agent. Write exactly one of the three identities.
    pub network_id: Option<Spanned<String>>,
    /// UUID of a router of the L3 agent.
    pub router_id: Option<Spanned<String>>,
    /// UUID of a network of OVN's metadata agent.
    pub ovn_network_id: Option<Spanned<String>>,
    /// Addresses to listen at: `ADDRESS:PORT` or `[ADDRESS]:PORT`, followed by `%INTERFACE` for a link-local address.
    #[serde(default)]
    pub listen: Vec<Spanned<String>>,
    /// Path of the agent's UNIX socket. Write this key or `agent`.
    pub backend: Option<Spanned<String>>,
    /// Path of the UNIX socket of `nsgate agent`. Root connects there at the start, and the connection speaks for this network alone.
    pub agent: Option<Spanned<String>>,
    /// The user of the agent's process, which the gate asks the kernel for after each connect. Any user without this key.
    pub backend_owner: Option<Spanned<DraftAccount>>,
    /// The user that the gate runs as.
    pub user: Option<Spanned<DraftAccount>>,
    /// The group that the gate runs as. The user's own group without this key.
    pub group: Option<Spanned<DraftAccount>>,
    /// Whether root is accepted as user or group.
    #[serde(default)]
    pub allow_root: bool,
    /// Whether to bind an IPv4 address that the namespace does not have yet.
    #[serde(default)]
    pub freebind: bool,
    /// Whether the gate goes into the background.
    #[serde(default)]
    pub daemon: bool,
    /// Path of the file that receives the pid, as the host sees it.
    pub pid_file: Option<Spanned<String>>,
    /// The network namespace to bind in, by its name in `ip netns` or by path. That of the start without this key.
    pub netns: Option<Spanned<String>>,
    /// What to do on a kernel that lacks a part of the confinement: `strict` does not start, `default` logs what is missing.
    pub sandbox: Option<Spanned<String>>,
    /// Further attempts, one second apart, to connect to an agent whose socket is missing or refuses.
    pub retries: Option<Spanned<i64>>,
    /// The system log. Without this table, lines go to standard error.
    pub log: Option<DraftLog>,
    /// Bounds of one gate. Together they bound its memory.
    #[serde(default)]
    pub limits: DraftLimits,
    /// How long the gate waits.
    #[serde(default)]
    pub timeouts: DraftTimeouts,
    /// Limits of the requests from one source address within any window of time; the next request is answered 429. All limits hold.
    #[serde(default)]
    pub rate_limits: Vec<DraftRate>,
    /// Demands on a request beyond its form. Off without this table.
    #[serde(default)]
    pub guards: DraftGuards,
    /// An event for every request. Off without this table.
    pub audit: Option<DraftAudit>,
    /// Sends the agent a trace context of the gate's own with every request. A guest's own never passes.
    pub trace: Option<DraftTrace>,
}

/// An account by name or by number.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum DraftAccount {
    /// By name.
    Name(String),
    /// By number.
    Number(i64),
}

/// A time: `"30s"`, or a number of seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum DraftTime {
    /// With its unit.
    Text(String),
    /// In seconds.
    Seconds(i64),
}

/// `[log]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftLog {
    /// Path of the log's datagram socket.
    pub socket: Option<Spanned<String>>,
    /// The facility of every line.
    pub facility: Option<Spanned<String>>,
    /// The least severe line that is sent.
    pub level: Option<Spanned<String>>,
    /// The text before the pid in each line.
    pub tag: Option<Spanned<String>>,
}

/// `[limits]`, all numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is described where its value is: crate::Limits")]
pub struct DraftLimits {
    pub connections: Option<Spanned<i64>>,
    pub connections_per_source: Option<Spanned<i64>>,
    pub requests_per_source: Option<Spanned<i64>>,
    pub backend_requests: Option<Spanned<i64>>,
    pub unfinished_heads: Option<Spanned<i64>>,
    pub unfinished_heads_per_source: Option<Spanned<i64>>,
    pub target_bytes: Option<Spanned<i64>>,
    pub head_bytes: Option<Spanned<i64>>,
    pub headers: Option<Spanned<i64>>,
    pub body_bytes: Option<Spanned<i64>>,
    pub backend_request_bytes: Option<Spanned<i64>>,
}

/// `[timeouts]`, all times.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is described where its value is: crate::Timeouts")]
pub struct DraftTimeouts {
    pub request: Option<Spanned<DraftTime>>,
    pub connect: Option<Spanned<DraftTime>>,
    pub client: Option<Spanned<DraftTime>>,
    pub server: Option<Spanned<DraftTime>>,
    pub keep_alive: Option<Spanned<DraftTime>>,
    pub body: Option<Spanned<DraftTime>>,
    pub connection: Option<Spanned<DraftTime>>,
}

/// One of `[[rate_limits]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftRate {
    /// Requests allowed within the window.
    pub requests: Spanned<i64>,
    /// Length of the sliding window, at least one second.
    pub window: Spanned<DraftTime>,
}

/// `[guards]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each is described where its value is: crate::Guards")]
pub struct DraftGuards {
    pub refuse_forwarded: bool,
    pub hosts: Option<Spanned<Vec<Spanned<String>>>>,
    pub require_header: Option<Spanned<DraftHeader>>,
    pub tokens: Option<Spanned<String>>,
    pub methods: Option<Spanned<Vec<Spanned<String>>>>,
    pub paths: Option<Spanned<Vec<Spanned<String>>>>,
    pub hide_paths: Option<Spanned<bool>>,
    pub expiring: Option<DraftExpiring>,
    pub hop_limit: Option<Spanned<i64>>,
}

/// A header field that a request must have, for instance `Metadata-Flavor: Google`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftHeader {
    /// Name of the header field, in any case.
    pub name: String,
    /// The value that it must have, in any case.
    pub value: String,
}

/// `expiring`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is described where its value is: crate::Expiring")]
pub struct DraftExpiring {
    pub names: Spanned<Vec<Spanned<String>>>,
    pub after: Spanned<DraftTime>,
}

/// `[audit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftAudit {
    /// Where events go: `syslog`, `journald`, `stderr` (in the foreground), or `fd:N`, a descriptor that the starter passes.
    pub to: Spanned<String>,
    /// Events of each network in a second. Further ones are counted, and the next event says how many.
    pub events_per_second: Option<Spanned<i64>>,
}

/// `[trace]`. The table alone switches it on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftTrace {
    /// Whether the agent and Nova are asked to record.
    pub sampled: Option<bool>,
}
