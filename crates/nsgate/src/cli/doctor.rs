//! `nsgate doctor`: finds what is wrong on this host, and says what to do.

use super::{NOT_ALL_READ, table};
use crate::{
    doctor::{self, Finding, FindingLevel, Places},
    terminal::say,
};
use std::path::PathBuf;

/// Checks this host: kernel, settings, log, agents and the haproxy that they start, pool, networks, pid files, and recent
/// refusals. Says what is wrong and what to do. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 if nothing is wrong, 3 if something is, 4 if nothing is but not everything could be looked at.\n\n\
    Example:\n  nsgate doctor\n  nsgate doctor --json | jq '.[] | select(.level == \"wrong\")'"
)]
pub(super) struct Doctor {
    /// A state directory of Neutron's agents
    #[arg(
        long = "state",
        value_name = "PATH",
        help = "A state directory of Neutron's agents [default: /var/lib/neutron]"
    )]
    state: Vec<PathBuf>,
    /// The pool's socket, instead of the one in /etc/nsgate/nsgate.toml
    #[arg(long, value_name = "PATH")]
    pool: Option<String>,
    /// Print JSON instead of a page
    #[arg(long)]
    json: bool,
}

/// Exit status if something is wrong.
const WRONG: u8 = 3;

impl Doctor {
    pub(super) fn execute(self) -> Result<u8, String> {
        let said = !self.state.is_empty();
        let state = if said { self.state } else { vec![PathBuf::from("/var/lib/neutron")] };
        let found = doctor::look(&Places { state, said, pool: self.pool })?;
        if self.json {
            say!("{}", serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?);
        } else {
            show(&found);
        }
        let any = |level| found.iter().any(|one| one.level == level);
        Ok(if any(FindingLevel::Wrong) {
            WRONG
        } else if any(FindingLevel::Unseen) {
            NOT_ALL_READ
        } else {
            0
        })
    }
}

fn show(found: &[Finding]) {
    let width = found.iter().map(|one| one.about.len()).max().unwrap_or(0);
    for one in found {
        let mark = match one.level {
            FindingLevel::Ok => "ok".to_owned(),
            FindingLevel::Note => "--".to_owned(),
            FindingLevel::Wrong => table::mark(Some(false)),
            FindingLevel::Unseen => table::mark(None),
        };
        say!("{} {:width$}  {}", mark, one.about, one.what, width = width);
        if let Some(remedy) = &one.remedy {
            say!("   {:width$}  do: {}", "", remedy, width = width);
        }
    }
    let count = |level| found.iter().filter(|one| one.level == level).count();
    let wrong = match count(FindingLevel::Wrong) {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        wrong => format!("{wrong} things are wrong"),
    };
    match count(FindingLevel::Unseen) {
        0 => say!("{}", wrong),
        unseen => say!("{}, and {} could not be looked at", wrong, unseen),
    }
}
