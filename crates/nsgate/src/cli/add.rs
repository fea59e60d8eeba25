//! `nsgate add`: hands one network over to the pool where no agent starts a keeper.

use super::{pool_use, run::NetworkArgs};
use crate::{
    notify,
    pool::{hangs, run_courier, run_keeper},
    terminal::unheard,
};
use nsgate_config::{Fallback, PoolUse};
use nsgate_launcher::{Mode, Options};
use nsgate_pool::{listener, stores};

/// Hands one network over to the pool and leaves a small process that keeps it there.
///
/// The process goes into the background once a worker serves the network. While the worker is stopped or gone, the process
/// serves the network by itself. The network ends with the process (`nsgate remove`, SIGTERM).
///
/// There is no such process if the pool runs under systemd with a file descriptor store. Then systemd keeps the network for
/// this worker and later ones, until `nsgate remove`. A network with --agent has the process there too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  nsgate add --netns qdhcp-7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10 --listen 169.254.169.254:80 \\\n      \
    --network-id 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10 --backend /var/lib/neutron/metadata_proxy \\\n      \
    --user neutron --group neutron"
)]
pub(super) struct Add {
    /// The pool's socket, instead of the one in /etc/nsgate/nsgate.toml
    #[arg(long, value_name = "PATH")]
    pool: Option<String>,
    /// Stay in the foreground
    #[arg(long)]
    foreground: bool,
    /// Serve the network here if no worker takes it now, instead of failing
    #[arg(long)]
    fallback: bool,
    /// Never serve the network here: while no worker answers, no process does
    #[arg(long, conflicts_with = "fallback")]
    no_fallback: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

/// The end of the message of a keeper to which no worker has answered.
const SILENCE: &str = "the pool does not answer: timed out";

impl Add {
    pub(super) fn execute(self) -> Result<u8, String> {
        let pool = pool_use(self.pool.as_deref())?;
        let fallback = match pool.fallback {
            _ if self.fallback => Fallback::Always,
            _ if self.no_fallback => Fallback::Never,
            Fallback::Never => Fallback::Never,
            // By default the command fails if the pool refuses: the operator sees the error.
            _ => Fallback::Later,
        };
        let pool = PoolUse { fallback, ..pool };
        let (config, written) = self.network.configuration()?;
        // Only a process that stays has a pid file, runs in the foreground, serves by itself, or holds a door.
        let stays = self.foreground || self.fallback || config.process.pid_file.is_some();
        // Ask before the bind: a listener that was sent to a stopped worker would go on listening until the worker runs again.
        let keeps = match stores(pool.socket.as_path()) {
            Err(error) if hangs::is_silent(&error) && fallback != Fallback::Always => {
                return Err(hangs::said(&pool.socket, &error));
            }
            stores => stores.is_ok() && !stays && !config.gate.backend.binds(),
        };
        if keeps {
            let mut options = Options::new(Mode::Daemon);
            options.unheard = Some(unheard);
            options.written = written;
            return run_courier(&config, &pool.socket, &options).map_err(|error| error.to_string());
        }
        let mode = if self.foreground { Mode::Foreground } else { Mode::Daemon };
        let mut options = Options::new(mode);
        options.on_ready = Some(notify::ready);
        options.unheard = Some(unheard);
        options.written = written;
        run_keeper(&config, &pool, &options).map_err(|error| match error.to_string() {
            // The confined keeper has reported the silence, and cannot find out which process listens.
            silence if silence.ends_with(SILENCE) => {
                format!("{silence}; {}", hangs::why(listener(pool.socket.as_path())))
            }
            error => error,
        })
    }
}
