//! `nsgate remove`: the pool serves a network no longer.

use super::pool_socket;
use nsgate_config::{Identity, Uuid};

/// Ends one network of the pool; the process that kept it there ends as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  nsgate remove --network-id 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10")]
pub(super) struct Remove {
    /// The pool's socket, instead of the one in /etc/nsgate/nsgate.toml
    #[arg(long, value_name = "PATH")]
    pool: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Exactly one identity.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// A network of the DHCP agent
    #[arg(long, value_name = "UUID")]
    network_id: Option<String>,
    /// A router of the L3 agent
    #[arg(long, value_name = "UUID")]
    router_id: Option<String>,
    /// A network of OVN's agents
    #[arg(long, value_name = "UUID")]
    ovn_network_id: Option<String>,
}

impl Remove {
    pub(super) fn execute(self) -> Result<u8, String> {
        let socket = pool_socket(self.pool.as_deref())?;
        let identity = self.which.identity()?;
        nsgate_pool::remove(socket.as_path(), identity).map_err(|error| format!("{socket}: {error}"))?;
        Ok(0)
    }
}

impl Which {
    fn identity(self) -> Result<Identity, String> {
        let Self { network_id, router_id, ovn_network_id } = self;
        let network = network_id.map(|id| (id, Identity::Network as fn(Uuid) -> Identity));
        let router = router_id.map(|id| (id, Identity::Router as fn(Uuid) -> Identity));
        let ovn = ovn_network_id.map(|id| (id, Identity::OvnNetwork as fn(Uuid) -> Identity));
        let said = network.or(router).or(ovn);
        let (said, make) = said.ok_or("name a network: --network-id, --router-id or --ovn-network-id")?;
        said.parse().map(make)
    }
}
