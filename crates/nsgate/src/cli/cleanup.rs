//! `nsgate cleanup`: removes files that proxies of older versions have left.

use crate::terminal::say;
use nsgate_config::{AbsolutePath, Account, Process, Uuid};
use nsgate_launcher::{Ids, Leftover, cleanup, resolve};

/// Removes a network's or router's old configuration and pid files from Neutron's state directory, and nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 if nothing is left, 1 if something is, which is then named.\n\n\
    Example:\n  nsgate cleanup --state-path /var/lib/neutron --user neutron --id 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10")]
pub(super) struct Cleanup {
    /// Neutron's `state_path`
    #[arg(long, value_name = "DIRECTORY", value_parser = AbsolutePath::new)]
    state_path: AbsolutePath,
    /// The network or router
    #[arg(long, value_name = "UUID")]
    id: Uuid,
    /// Remove this user's files beside root's [default: the user that runs the command]
    #[arg(long, value_parser = Account::named)]
    user: Option<Account>,
}

impl Cleanup {
    pub(super) fn execute(self) -> Result<u8, String> {
        let ids = self.ids()?;
        let found = cleanup(&self.state_path, self.id, &ids).map_err(|error| error.to_string())?;
        let mut kept: Vec<String> = Vec::new();
        for leftover in found {
            match leftover {
                Leftover::Removed(path) => say!("removed {}", path.display()),
                Leftover::Kept(error) => kept.push(error.to_string()),
            }
        }
        if kept.is_empty() { Ok(0) } else { Err(kept.join("\n")) }
    }

    fn ids(&self) -> Result<Ids, String> {
        let Some(user) = &self.user else {
            return Ok(Ids { uid: nix::unistd::geteuid(), gid: nix::unistd::getegid() });
        };
        let mut process = Process::new(user.clone());
        process.allow_root = true;
        resolve(&process).map_err(|error| error.to_string())
    }
}
