//! `nsgate remove`: ends one network of the pool.

use super::{mistake, pool_socket};
use crate::{pool::hangs, terminal::waiting};
use nsgate_config::{AbsolutePath, Identity, Invalid, Uuid};

/// Ends one network of the pool. The process that kept the network there ends as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  nsgate remove 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n  \
    nsgate remove --router-id 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10")]
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
    /// The network or router, as `nsgate list` shows it
    #[arg(value_name = "UUID")]
    id: Option<String>,
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
        let identity = self.which.identity(&socket)?;
        let removed = waiting(socket.as_str(), || nsgate_pool::remove(socket.as_path(), identity));
        removed.map_err(|error| hangs::said(&socket, &error))?;
        Ok(0)
    }
}

impl Which {
    fn identity(self, socket: &AbsolutePath) -> Result<Identity, String> {
        let Self { id, network_id, router_id, ovn_network_id } = self;
        if let Some(id) = id {
            return listed(socket, &id);
        }
        let network = network_id.map(|id| (id, "--network-id", Identity::Network as fn(Uuid) -> Identity));
        let router = router_id.map(|id| (id, "--router-id", Identity::Router as fn(Uuid) -> Identity));
        let ovn = ovn_network_id.map(|id| (id, "--ovn-network-id", Identity::OvnNetwork as fn(Uuid) -> Identity));
        let said = network.or(router).or(ovn);
        let (said, option, make) = said.ok_or("name a network: its UUID, as `nsgate list` shows it")?;
        said.parse().map(make).map_err(|invalid: Invalid| mistake::option_error(option, invalid.reason()))
    }
}

/// The one identity, of any kind, that the pool serves under this UUID.
fn listed(socket: &AbsolutePath, id: &str) -> Result<Identity, String> {
    let uuid: Uuid = id.parse().map_err(|invalid: Invalid| mistake::refused_word(id, invalid.reason(), ""))?;
    let listing = waiting(socket.as_str(), || nsgate_pool::list(socket.as_path()));
    let listing = listing.map_err(|error| hangs::said(socket, &error))?;
    let mut found = listing.networks.iter().map(|one| one.identity).filter(|identity| identity.uuid() == uuid);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        // The network may be one of a worker that does not answer.
        (None, _) if !listing.silent.is_empty() => {
            let silent: Vec<String> =
                listing.silent.iter().map(|worker| hangs::silent(socket.as_path(), worker)).collect();
            Err(format!("{socket}: `{uuid}` is not among the networks that are shown; {}", silent.join("; ")))
        }
        (None, _) => {
            let reason = format!("{socket}: the pool serves no network `{uuid}`");
            Err(mistake::refused_word(id, &reason, "`nsgate list` shows which it serves"))
        }
        (Some(_), Some(_)) => Err(mistake::refused_word(
            id,
            &format!("`{uuid}` is served under more than one identity"),
            "say which: --network-id, --router-id or --ovn-network-id",
        )),
    }
}
