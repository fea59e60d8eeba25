//! Text in the OpenMetrics format 1.0, and the families that every network has, served by a pool's worker or a
//! gate of its own.
//!
//! The text holds nothing that a guest chose: names and labels are fixed, or UUIDs of the operator.

use nsgate_config::Identity;
use nsgate_forwarder::{
    TokenUse,
    counters::{CLASSES, CounterValues},
};
use std::fmt::{Display, Write};

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    /// Written before the labels of each sample.
    common: String,
}

impl Exposition {
    /// An empty page, each of whose samples has these labels (`name="value",…`) before its own.
    #[must_use]
    pub fn new(common: String) -> Self {
        Self { text: String::new(), common }
    }

    /// Begins a family: its samples follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    /// A sample of the family that was begun last.
    pub fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let comma = if self.common.is_empty() || labels.is_empty() { "" } else { "," };
        let _ = match (self.common.as_str(), labels) {
            ("", "") => writeln!(self.text, "{name} {value}"),
            (common, labels) => writeln!(self.text, "{name}{{{common}{comma}{labels}}} {value}"),
        };
    }

    /// The whole page.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }
}

/// The metrics of one network.
#[derive(Clone, Debug)]
pub struct NetworkMetrics {
    labels: String,
    /// Connections of guests, open now.
    pub connections: u64,
    /// Its requests.
    pub numbers: CounterValues,
    /// Whether its gate knows of session tokens.
    pub tokens: bool,
}

impl NetworkMetrics {
    /// A network that a process of this role ([`nsgate_sandbox`'s names](https://docs.rs/nsgate-sandbox)) serves; `None` is
    /// a whole host, or a network that is not known.
    #[must_use]
    pub fn new(
        identity: Option<&Identity>,
        role: &str,
        connections: u64,
        numbers: CounterValues,
        tokens: bool,
    ) -> Self {
        Self::labelled(labels(identity, role), connections, numbers, tokens)
    }

    /// The same with these [`labels`].
    #[must_use]
    pub fn labelled(labels: String, connections: u64, numbers: CounterValues, tokens: bool) -> Self {
        Self { labels, connections, numbers, tokens }
    }
}

/// The labels of a network: `kind`, the name of its identity header; `network`, its UUID; `role`, which process serves it.
#[must_use]
pub fn labels(identity: Option<&Identity>, role: &str) -> String {
    match identity {
        Some(identity) => format!("kind=\"{}\",network=\"{}\",role=\"{role}\"", identity.header(), identity.uuid()),
        None => format!("kind=\"\",network=\"\",role=\"{role}\""),
    }
}

/// Writes the families of networks.
pub fn networks(page: &mut Exposition, networks: &[NetworkMetrics]) {
    page.family("nsgate_connections", "gauge", "Connections of guests, by network.");
    for network in networks {
        page.sample("nsgate_connections", &network.labels, network.connections);
    }
    page.family("nsgate_requests", "counter", "Requests, by network and class of the answer's status.");
    for network in networks {
        for (class, count) in CLASSES.iter().zip(network.numbers.classes()).filter(|(_, count)| *count > 0) {
            page.sample("nsgate_requests_total", &format!("{},class=\"{class}\"", network.labels), count);
        }
    }
    page.family("nsgate_sent_bytes", "counter", "Bytes written to guests, by network.");
    for network in networks {
        page.sample("nsgate_sent_bytes_total", &network.labels, network.numbers.bytes());
    }
    page.family("nsgate_rejections", "counter", "Requests that were refused or not answered, by network and reason.");
    for network in networks {
        for (reason, count) in network.numbers.reasons().filter(|(_, count)| *count > 0) {
            let labels = format!("{},reason=\"{}\"", network.labels, reason.name());
            page.sample("nsgate_rejections_total", &labels, count);
        }
    }
    let refused = "nsgate_last_rejection_timestamp_seconds";
    page.family(refused, "gauge", "When the last request came that was refused or not answered, by network.");
    for network in networks {
        let last = network.numbers.refused_at().max(network.numbers.failed_at());
        if last > 0 {
            page.sample(refused, &network.labels, last);
        }
    }
    page.family("nsgate_agent_errors", "counter", "Requests without a whole answer of the agent's, by network.");
    for network in networks {
        page.sample("nsgate_agent_errors_total", &network.labels, network.numbers.agent_errors());
    }
    page.family("nsgate_token_requests", "counter", "Requests, by network and how they stood to session tokens.");
    for network in networks.iter().filter(|network| network.tokens) {
        for (token, count) in TokenUse::ALL.iter().zip(network.numbers.tokens()) {
            let labels = format!("{},token=\"{}\"", network.labels, token.name());
            page.sample("nsgate_token_requests_total", &labels, count);
        }
    }
}

/// A family of a page: its name, its two lines of description, its samples.
pub type Family<'a> = (&'a str, [&'a str; 2], &'a str);

/// The families of a page that [`Exposition`] has written.
pub fn families(page: &str) -> impl Iterator<Item = Family<'_>> {
    const TYPE: &str = "# TYPE ";
    let page = page.strip_suffix("# EOF\n").unwrap_or(page);
    page.split(TYPE).skip(1).filter_map(|rest| {
        // A family begins with two lines: the type, whose mark is cut off, and the help.
        let (kind, rest) = rest.split_once('\n')?;
        let (help, samples) = rest.split_once('\n')?;
        let name = kind.split(' ').next()?;
        Some((name, [kind, help], samples))
    })
}
