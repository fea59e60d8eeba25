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
    /// Serve the metrics over HTTP at this UNIX socket, to root alone or also to --group, until the command is ended
    #[arg(long, value_name = "PATH", conflicts_with = "textfile")]
    listen: Option<PathBuf>,
    /// Let this group, a name or a number, read at the socket too
    #[arg(long, value_name = "GROUP", requires = "listen")]
    group: Option<String>,
    /// Write the metrics to this file, and replace the file: for node_exporter's textfile collector
    #[arg(long, value_name = "PATH")]
    textfile: Option<PathBuf>,
    /// The pool's metrics socket, instead of /run/nsgate/metrics.sock
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
    /// Most networks; the number of the others is in nsgate_left_out_networks
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

/// The page, for one run of the command: a directory that the command line names must exist. A service goes on without the
/// directory, and says so in its log and in the page.
fn once(sources: &Sources) -> Result<String, String> {
    let missing = metrics::unread(&sources.state, sources.said);
    if sources.said && !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    let page = metrics::page(sources)?;
    page.unseen.iter().for_each(|one| complain!("{one}"));
    Ok(page.text)
}
