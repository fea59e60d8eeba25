//! Metrics in the OpenMetrics text format, over HTTP on a UNIX socket: `curl --unix-socket PATH http://nsgate/metrics`.
//!
//! Nothing that a guest chose stands in them: names and labels are fixed, or UUIDs of the operator.

use super::{
    Shared,
    counters::{BOUNDS, REASONS},
    network::Network,
};
use nsgate_config::Tokens;
use nsgate_forwarder::TokenUse;
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// Readers at once.
const READERS: usize = 8;
/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest head of a request in bytes.
const HEAD: usize = 4096;

/// Answers until it is dropped.
pub(super) async fn serve(shared: Arc<Shared>, listener: UnixListener) {
    let readers = Arc::new(Semaphore::new(READERS));
    loop {
        // Never closed.
        let Ok(place) = readers.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, answer(&shared, stream)).await;
            drop(place);
        });
    }
}

async fn answer(shared: &Shared, mut stream: UnixStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (status, content) = if head.starts_with(b"GET /metrics ") {
        ("200 OK", text(shared))
    } else {
        ("404 Not Found", "metrics are at /metrics\n".to_owned())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(content.as_bytes()).await?;
    stream.shutdown().await
}

/// All metrics.
fn text(shared: &Shared) -> String {
    let networks = shared.networks().all();
    let mut page = Page(String::new());
    page.family("nsgate_networks", "gauge", "Networks that are served.");
    page.sample("nsgate_networks", "", networks.len());
    page.family("nsgate_handovers", "counter", "Networks that were handed over, by outcome.");
    for (outcome, count) in [("served", &shared.handovers), ("refused", &shared.refusals)] {
        page.sample("nsgate_handovers_total", &format!("outcome=\"{outcome}\""), load(count));
    }
    page.family("nsgate_connections", "gauge", "Connections of guests, by network.");
    for network in &networks {
        page.sample("nsgate_connections", &labels(network), network.connections());
    }
    page.family("nsgate_requests", "counter", "Requests, by network and class of the answer's status.");
    for network in &networks {
        let names = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        for (class, count) in names.into_iter().zip(&network.counters.classes).filter(|(_, count)| load(count) > 0) {
            page.sample("nsgate_requests_total", &format!("{},class=\"{class}\"", labels(network)), load(count));
        }
    }
    page.family("nsgate_rejections", "counter", "Requests that the gate answered by itself, by network and status.");
    for network in &networks {
        for (reason, count) in REASONS.iter().zip(&network.counters.refused).filter(|(_, count)| load(count) > 0) {
            let reason = if *reason == 0 { "cut".to_owned() } else { reason.to_string() };
            page.sample("nsgate_rejections_total", &format!("{},reason=\"{reason}\"", labels(network)), load(count));
        }
    }
    page.family(
        "nsgate_agent_errors",
        "counter",
        "Requests without an answer of the agent's (502, 503, 504), by network.",
    );
    for network in &networks {
        page.sample("nsgate_agent_errors_total", &labels(network), network.counters.refused_with(500..600));
    }
    page.family("nsgate_token_requests", "counter", "Requests, by network and how they stood to session tokens.");
    for network in networks.iter().filter(|network| network.gate.guards.tokens != Tokens::Off) {
        for (token, count) in TokenUse::ALL.iter().zip(&network.counters.tokens) {
            let labels = format!("{},token=\"{}\"", labels(network), token.name());
            page.sample("nsgate_token_requests_total", &labels, load(count));
        }
    }
    page.histogram(shared);
    page.0.push_str("# EOF\n");
    page.0
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn labels(network: &Network) -> String {
    let identity = &network.gate.identity;
    format!("kind=\"{}\",id=\"{}\"", identity.header(), identity.uuid())
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// Buckets hold everything up to their bound (OpenMetrics 1.0, section 5.3).
    fn histogram(&mut self, shared: &Shared) {
        const NAME: &str = "nsgate_request_duration_seconds";
        self.family(NAME, "histogram", "Time of a request from its first byte to the answer's last, all networks.");
        let mut total = 0;
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain(std::iter::once("+Inf".to_owned()));
        for (bound, bucket) in bounds.zip(&shared.latency.buckets) {
            total += load(bucket);
            self.sample(&format!("{NAME}_bucket"), &format!("le=\"{bound}\""), total);
        }
        self.sample(&format!("{NAME}_sum"), "", seconds(load(&shared.latency.sum)));
        self.sample(&format!("{NAME}_count"), "", total);
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
