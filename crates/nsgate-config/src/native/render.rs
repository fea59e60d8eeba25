//! A configuration as text: the gate that would run, with every default written out.

use super::{Site, audit, finish::LEVELS, guards, time::write as time};
use crate::{Account, Config, Identity, Log, Netns, PoolConfig};

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
    line(format!("backend = {}", quoted(gate.backend.path().as_str())));
    if let Some(owner) = &gate.backend.owner {
        line(format!("backend_owner = {}", account(owner)));
    }
    line(format!("user = {}", account(&process.user)));
    if let Some(group) = &process.group {
        line(format!("group = {}", account(group)));
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
        line(self::log(log));
    }
    let limits = &gate.limits;
    line("\n[limits]".to_owned());
    line(format!("connections = {}", limits.connections));
    line(format!("connections_per_source = {}", limits.connections_per_source));
    line(format!("requests_per_source = {} # at the agent at once", limits.requests_per_source));
    line(format!("backend_requests = {} # at the agent at once", limits.backend_requests));
    line(format!("unfinished_heads = {}", limits.unfinished_heads));
    line(format!("unfinished_heads_per_source = {}", limits.unfinished_heads_per_source));
    line(format!("target_bytes = {}", limits.target_bytes));
    line(format!("head_bytes = {}", limits.head_bytes));
    line(format!("headers = {}", limits.headers));
    line(format!("body_bytes = {}", limits.body_bytes));
    line(format!("backend_request_bytes = {} # head and body together", limits.backend_request_bytes));
    let timeouts = &gate.timeouts;
    line("\n[timeouts]".to_owned());
    line(format!("request = \"{}\"", time(timeouts.request)));
    line(format!("connect = \"{}\"", time(timeouts.connect)));
    line(format!("client = \"{}\"", time(timeouts.client)));
    line(format!("server = \"{}\"", time(timeouts.server)));
    line(format!("keep_alive = \"{}\"", time(timeouts.keep_alive)));
    line(format!("body = \"{}\" # from the head's end to the body's", time(timeouts.body)));
    line(format!(
        "connection = \"{}\" # age at which it is closed after the request under way",
        time(timeouts.connection)
    ));
    for rate in &gate.rate_limits {
        line("\n[[rate_limits]] # for each source address".to_owned());
        line(format!("requests = {}", rate.requests));
        line(format!("window = \"{}\"", time(rate.window)));
    }
    text.push_str(&guards::render(&gate.guards));
    text + &audit::render(process.audit.as_ref(), gate.trace.as_ref())
}

/// TOML of a pool that reads back to the same configuration, with every default written out.
#[must_use]
pub fn render_pool(config: &PoolConfig) -> String {
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
        line(format!("handover_group = {}", account(group)));
    }
    line(format!("workers = {}", pool.workers));
    line(format!("networks = {}", pool.networks));
    line(format!("connections = {}", pool.connections));
    line(format!("reserved_connections = {}", pool.reserved_connections));
    if let Some(metrics) = &pool.metrics {
        line(format!("metrics = {}", quoted(metrics.as_str())));
    }
    line(format!("user = {}", account(&process.user)));
    if let Some(group) = &process.group {
        line(format!("group = {}", account(group)));
    }
    line(format!("allow_root = {}", process.allow_root));
    line(format!("daemon = {}", process.daemon));
    if let Some(path) = &process.pid_file {
        line(format!("pid_file = {}", quoted(path.as_str())));
    }
    line(format!("sandbox = \"{}\"", process.sandbox.as_str()));
    if let Some(log) = &process.log {
        line(self::log(log));
    }
    text + &audit::render(process.audit.as_ref(), None)
}

/// TOML of a site's settings that reads back to the same, with every default written out.
#[must_use]
pub(super) fn site(site: &Site) -> String {
    let mut text = format!("allow_root = {}\nsandbox = \"{}\"\n", site.allow_root, site.sandbox.as_str());
    if let Some(pool) = &site.pool {
        text.push_str(&format!(
            "pool = {}\npool_patience = \"{}\"\npool_fallback = {}\n",
            quoted(pool.socket.as_str()),
            time(pool.patience),
            pool.fallback
        ));
    }
    text + &guards::render(&site.guards) + &audit::render(site.audit.as_ref(), site.trace.as_ref())
}

/// `[log]`.
fn log(log: &Log) -> String {
    let level = LEVELS.iter().find(|(_, level)| *level == log.level).map_or("info", |(name, _)| name);
    format!(
        "\n[log]\nsocket = {}\nfacility = \"{}\"\nlevel = \"{level}\"\ntag = {}",
        quoted(log.socket.as_str()),
        log.facility.name,
        quoted(&log.tag)
    )
}

fn account(account: &Account) -> String {
    match account {
        Account::Name(name) => quoted(name),
        Account::Id(id) => id.to_string(),
    }
}

/// A TOML basic string. The values have no control characters.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
