//! `[limits]`, `[timeouts]` and `[[rate_limits]]`: checks the keys, and writes them.

use super::{
    draft::{DraftLimits, DraftRate, DraftTime, DraftTimeouts},
    time,
    validator::Validator,
};
use crate::{
    Gate, Limits, RateLimit, Timeouts,
    model::limits::{BACKEND_REQUESTS, RATE_REQUESTS},
};
use std::time::Duration;
use toml::Spanned;

impl Validator<'_> {
    pub(super) fn limits(&mut self, draft: &DraftLimits) -> Limits {
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

    pub(super) fn timeouts(&mut self, draft: &DraftTimeouts) -> Timeouts {
        let default = Timeouts::default();
        let mut time = |key, said: &Option<Spanned<DraftTime>>, default| {
            said.as_ref().and_then(|said| self.value(key, said, time::parse)).unwrap_or(default)
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

    pub(super) fn rate_limits(&mut self, drafts: &[DraftRate]) -> Vec<RateLimit> {
        let limits = drafts.iter().filter_map(|rate| {
            let requests = self.number("requests", &Some(rate.requests.clone()), 1, RATE_REQUESTS);
            let window = self.value("window", &rate.window, whole_window)?;
            Some(RateLimit { requests, window })
        });
        limits.collect()
    }
}

fn whole_window(time: &DraftTime) -> Result<Duration, String> {
    match time::parse(time)? {
        window if window >= Duration::from_secs(1) => Ok(window),
        _ => Err("a window is at least one second".to_owned()),
    }
}

/// The tables.
pub(super) fn render(gate: &Gate) -> String {
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(&content);
        text.push('\n');
    };
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
    line(format!("request = \"{}\"", time::write(timeouts.request)));
    line(format!("connect = \"{}\"", time::write(timeouts.connect)));
    line(format!("client = \"{}\"", time::write(timeouts.client)));
    line(format!("server = \"{}\"", time::write(timeouts.server)));
    line(format!("keep_alive = \"{}\"", time::write(timeouts.keep_alive)));
    line(format!("body = \"{}\" # from the head's end to the body's", time::write(timeouts.body)));
    line(format!(
        "connection = \"{}\" # age at which it is closed after the request under way",
        time::write(timeouts.connection)
    ));
    for rate in &gate.rate_limits {
        line("\n[[rate_limits]] # for each source address".to_owned());
        line(format!("requests = {}", rate.requests));
        line(format!("window = \"{}\"", time::write(rate.window)));
    }
    text
}
