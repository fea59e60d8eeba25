//! The keys, before anybody has judged their values.

use crate::CommandLine;
use serde::Deserialize;
use toml::Spanned;

/// What a text or a command line says. Later words take the place of earlier ones; [`Draft::finish`] judges them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The command line that flags were taken from: mistakes in their values are shown there.
    #[serde(skip)]
    pub command_line: Option<CommandLine>,
    /// UUID of the network whose requests come in, one of the DHCP agent's. Exactly one of the three identities is written.
    pub network_id: Option<Spanned<String>>,
    /// UUID of the router whose requests come in, one of the L3 agent's.
    pub router_id: Option<Spanned<String>>,
    /// UUID of the network whose requests come in, one of OVN's agents'.
    pub ovn_network_id: Option<Spanned<String>>,
    /// Where guests are heard: `ADDRESS:PORT` or `[ADDRESS]:PORT`, with `%INTERFACE` behind it for a link-local address.
    #[serde(default)]
    pub listen: Vec<Spanned<String>>,
    /// Path of the agent's UNIX socket.
    pub backend: Option<Spanned<String>>,
    /// The user that the agent's process must have, asked from the kernel after each connect; any user without it.
    pub backend_owner: Option<Spanned<DraftAccount>>,
    /// Who the gate runs as.
    pub user: Option<Spanned<DraftAccount>>,
    /// In which group the gate runs; the user's own without it.
    pub group: Option<Spanned<DraftAccount>>,
    /// Whether root is accepted as user or group.
    #[serde(default)]
    pub allow_root: bool,
    /// Whether an IPv4 address that the namespace does not have (yet) is bound all the same.
    #[serde(default)]
    pub freebind: bool,
    /// Whether the gate goes into the background.
    #[serde(default)]
    pub daemon: bool,
    /// Path of the file that receives the pid, as the host sees it; none without it.
    pub pid_file: Option<Spanned<String>>,
    /// The network namespace to bind in, by its name in `ip netns` or by path; the one of the start without it.
    pub netns: Option<Spanned<String>>,
    /// `strict` starts nothing on a kernel that cannot give the whole confinement; `default` says what is missing.
    pub sandbox: Option<Spanned<String>>,
    /// Further attempts, one second apart, at an agent whose socket is missing or refuses.
    pub retries: Option<Spanned<i64>>,
    /// Lines go to the system log; to standard error without this table.
    pub log: Option<DraftLog>,
    /// Bounds of one gate. Together they are its memory ceiling.
    #[serde(default)]
    pub limits: DraftLimits,
    /// How long the gate waits for whom.
    #[serde(default)]
    pub timeouts: DraftTimeouts,
    /// At most so many requests from one source address within any window; the next one is answered 429. All of them hold.
    #[serde(default)]
    pub rate_limits: Vec<DraftRate>,
    /// What is demanded of a request beyond its form; off without this table.
    #[serde(default)]
    pub guards: DraftGuards,
    /// An event for every request.
    pub audit: Option<DraftAudit>,
    /// A trace context of the gate's own for the agent with every request; a guest's never passes.
    pub trace: Option<DraftTrace>,
}

/// An account by name, or by number, which asks for it.
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
    /// What stands before the pid in each line.
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
    /// Where events go: `syslog`, `journald`, `stderr` (in the foreground), or `fd:N`, a descriptor that the starter gives.
    pub to: Spanned<String>,
    /// Events of each network in a second; what is beyond is counted, and the next event says how many.
    pub events_per_second: Option<Spanned<i64>>,
}

/// `[trace]`; the table alone switches it on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftTrace {
    /// Whether the agent and Nova are asked to record; they are, unless this says no.
    pub sampled: Option<bool>,
}
