//! `nsgate metrics`: the metrics of a whole host.

use crate::{
    metrics::{self, Sources},
    notify,
    terminal::{complain, write_out},
};
use std::path::PathBuf;

/// The metrics of this host in the OpenMetrics text format: every gate, keeper and proxy, and the pool's networks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Without --listen or --textfile the text goes to standard output, once.\n\n\
    Example:\n  nsgate metrics\n  nsgate metrics --listen /run/nsgate/host.sock\n  curl --unix-socket /run/nsgate/host.sock \
    http://nsgate/metrics\n  nsgate metrics --textfile /var/lib/prometheus/node-exporter/nsgate.prom")]
pub(super) struct Metrics {
    /// Serve it over HTTP at this UNIX socket, until ended: for root alone, or for --group
    #[arg(long, value_name = "PATH", conflicts_with = "textfile")]
    listen: Option<PathBuf>,
    /// This group, by name or number, may read it at the socket too
    #[arg(long, value_name = "GROUP", requires = "listen")]
    group: Option<String>,
    /// Write it to this file, which takes the place of the one before: for node_exporter's textfile collector
    #[arg(long, value_name = "PATH")]
    textfile: Option<PathBuf>,
    /// The pool's metrics socket, instead of /run/nsgate/metrics.sock where one is
    #[arg(long, value_name = "PATH")]
    pool_metrics: Option<PathBuf>,
    /// A state directory of Neutron's agents, in which their configurations say which networks want a proxy
    #[arg(
        long = "state",
        value_name = "PATH",
        help = "A state directory of Neutron's agents, in which their configurations say which networks want a proxy \
                [default: /var/lib/neutron]"
    )]
    state: Vec<PathBuf>,
    /// Networks at most; others are counted in nsgate_left_out_networks
    #[arg(long, value_name = "NUMBER", default_value = "5000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    networks: u32,
}

/// The default metrics socket of a pool.
const POOL: &str = "/run/nsgate/metrics.sock";

impl Metrics {
    pub(super) fn execute(self) -> Result<u8, String> {
        let said = !self.state.is_empty();
        let sources = Sources {
            pool_wanted: self.pool_metrics.is_some(),
            pool: self.pool_metrics.unwrap_or_else(|| PathBuf::from(POOL)),
            state: if said { self.state } else { vec![PathBuf::from("/var/lib/neutron")] },
            said,
            most: usize::try_from(self.networks).unwrap_or(usize::MAX),
        };
        match (self.listen, self.textfile) {
            (Some(socket), _) => metrics::serve(&socket, self.group.as_deref(), sources, notify::ready),
            (None, Some(file)) => metrics::write(&file, &once(&sources)?).map(|()| 0),
            (None, None) => {
                write_out(format_args!("{}", once(&sources)?));
                Ok(0)
            }
        }
    }
}

/// The page, for a person or a timer, who can mend a command line at once: a directory that it names must be there. A service goes on
/// without, and says so in its log and in the page.
fn once(sources: &Sources) -> Result<String, String> {
    let missing = metrics::unread(&sources.state, sources.said);
    if sources.said && !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    let page = metrics::page(sources)?;
    page.unseen.iter().for_each(|one| complain!("{one}"));
    Ok(page.text)
}
