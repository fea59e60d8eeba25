//! The configuration text Neutron 29 writes, with every part changeable.

use std::path::{Path, PathBuf};

use crate::network::GATE_INTERFACE;

/// The network of the tests.
pub const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

/// The network or router of the gate, and the driver of Neutron that wrote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A network, by the agent of ML2 (set-header).
    Network,
    /// A router, by the agent of ML2 (set-header).
    Router,
    /// A network, by the agent of OVN (add-header).
    Ovn,
}

impl Kind {
    /// The name of the identity header.
    pub fn header(self) -> &'static str {
        match self {
            Kind::Network => "X-Neutron-Network-ID",
            Kind::Router => "X-Neutron-Router-ID",
            Kind::Ovn => "X-OVN-Network-ID",
        }
    }

    fn rules(self, id: &str) -> String {
        match self {
            Kind::Network => format!(
                "    http-request del-header X-Neutron-Router-ID\n    http-request set-header X-Neutron-Network-ID {id}\n"
            ),
            Kind::Router => format!(
                "    http-request del-header X-Neutron-Network-ID\n    http-request set-header X-Neutron-Router-ID {id}\n"
            ),
            Kind::Ovn => format!("    http-request add-header X-OVN-Network-ID {id}\n"),
        }
    }
}

/// A rate limit as Neutron writes it.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// `ip` or `ipv6`.
    pub family: &'static str,
    /// Seconds of the base window.
    pub base_window: u32,
    /// Requests in it.
    pub base_limit: u32,
    /// Seconds of the burst window.
    pub burst_window: u32,
    /// Requests in it.
    pub burst_limit: u32,
}

/// One gate's configuration. Change a field, then [`Config::text`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Network, router or OVN network.
    pub kind: Kind,
    /// The UUID in the header, the tag and the file names.
    pub id: String,
    /// The bind lines, without the word `bind`.
    pub binds: Vec<String>,
    /// The agent's socket.
    pub socket: PathBuf,
    /// The pid file.
    pub pid_file: PathBuf,
    /// The log socket.
    pub log: PathBuf,
    /// The user.
    pub user: String,
    /// The group.
    pub group: String,
    /// `info` or `debug`.
    pub level: String,
    /// `daemon`, or empty for a foreground process.
    pub daemon: bool,
    /// The identity lines; `None` for those of the kind.
    pub rules: Option<String>,
    /// Lines added to `global`, `defaults` and `listen`.
    pub extra: [String; 3],
    /// Seconds: http-request, connect, client, server, http-keep-alive.
    pub timeouts: [u32; 5],
    /// The whole host's connections.
    pub maxconn: u32,
    /// The rate limit.
    pub rate: Option<Rate>,
}

impl Config {
    /// What Neutron writes for a network with IPv4 metadata, in the laboratory's directories.
    pub fn new(kind: Kind) -> Config {
        let state = Path::new("/run/lab/neutron");
        Config {
            kind,
            id: NETWORK.to_owned(),
            binds: vec!["169.254.169.254:80".to_owned()],
            socket: state.join("metadata_proxy"),
            pid_file: state.join(format!("external/pids/{NETWORK}.pid.haproxy")),
            log: "/dev/log".into(),
            user: "neutron".to_owned(),
            group: "neutron".to_owned(),
            level: "info".to_owned(),
            daemon: true,
            rules: None,
            extra: Default::default(),
            timeouts: [30, 30, 32, 32, 30],
            maxconn: 1024,
            rate: None,
        }
    }

    /// Another network's: another UUID and pid file.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Config {
        self.pid_file = self.pid_file.with_file_name(format!("{id}.pid.haproxy"));
        self.id = id.to_owned();
        self
    }

    /// The same with IPv6 metadata beside IPv4.
    #[must_use]
    pub fn with_v6(mut self) -> Config {
        self.binds.push(format!("[fe80::a9fe:a9fe]:80 interface {GATE_INTERFACE}"));
        self
    }

    /// The same with these bind lines.
    #[must_use]
    pub fn with_binds(mut self, binds: &[&str]) -> Config {
        self.binds = binds.iter().map(|&bind| bind.to_owned()).collect();
        self
    }

    /// The same with a rate limit of `limit` in `window` seconds.
    #[must_use]
    pub fn with_rate(mut self, family: &'static str, window: u32, limit: u32) -> Config {
        self.rate =
            Some(Rate { family, base_window: window, base_limit: limit, burst_window: window, burst_limit: limit });
        self
    }

    /// The text.
    pub fn text(&self) -> String {
        let [global, defaults, listen] = &self.extra;
        let [request, connect, client, server, keep_alive] = self.timeouts;
        let binds: String = self.binds.iter().map(|bind| format!("    bind {bind}\n")).collect();
        let (tables, limits) = self.rate.map(rate_text).unwrap_or_default();
        let daemon = if self.daemon { "    daemon\n" } else { "" };
        let rules = self.rules.clone().unwrap_or_else(|| self.kind.rules(&self.id));
        format!(
            "\nglobal\n    log         {log} local0 {level}\n    log-tag     haproxy-metadata-proxy-{id}\n    \
             user        {user}\n    group       {group}\n    maxconn     {maxconn}\n    nbthread    2\n    \
             pidfile     {pid_file}\n{daemon}{global}\n\
             defaults\n    log global\n    mode http\n    option httplog\n    option dontlognull\n    \
             option http-server-close\n    option forwardfor\n    retries                 3\n    \
             timeout http-request    {request}s\n    timeout connect         {connect}s\n    \
             timeout client          {client}s\n    timeout server          {server}s\n    \
             timeout http-keep-alive {keep_alive}s\n{defaults}{tables}\n\
             listen listener\n{binds}{limits}{listen}    server metadata {socket}\n\n{rules}",
            log = self.log.display(),
            level = self.level,
            id = self.id,
            user = self.user,
            group = self.group,
            maxconn = self.maxconn,
            pid_file = self.pid_file.display(),
            socket = self.socket.display(),
        )
    }
}

fn rate_text(rate: Rate) -> (String, String) {
    let expire = rate.base_window.max(rate.burst_window);
    let table = |name: &str, window: u32| {
        format!(
            "\nbackend {name}_rate_limiter\n    stick-table type {} size 10k expire {expire}s store http_req_rate({window}s)\n",
            rate.family
        )
    };
    let tables = table("base", rate.base_window) + &table("burst", rate.burst_window);
    let deny = |name: &str, limit: u32| {
        format!("    http-request deny deny_status 429 if {{ src_http_req_rate({name}_rate_limiter) gt {limit} }}\n")
    };
    let limits = "    http-request track-sc0 src table base_rate_limiter\n    \
                  http-request track-sc1 src table burst_rate_limiter\n"
        .to_owned()
        + &deny("base", rate.base_limit)
        + &deny("burst", rate.burst_limit);
    (tables, limits)
}
