//! `nsgate attest`: what does a process still hold?

use nsgate_sandbox::attest;

/// Reads the kernel's own account of a process (`/proc`), of a gate or of anything else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 if the process holds nothing it should not, 3 if it does, 4 if not \
    everything could be read, 1 if nothing could.\n\n\
    Example:\n  nsgate attest $(cat /var/lib/neutron/external/pids/UUID.pid.haproxy)")]
pub(super) struct Attest {
    /// The process, by the number this host sees
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pid: i32,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Exit status for a process that was read and holds what a gate would not.
const HOLDS_TOO_MUCH: u8 = 3;
/// Exit status for a process of which what was read is as it should be, and not everything could be read.
const NOT_ALL_READ: u8 = 4;

impl Attest {
    pub(super) fn execute(&self) -> Result<u8, String> {
        let holdings = attest::process(self.pid).map_err(|error| error.to_string())?;
        if self.json {
            let text = serde_json::to_string_pretty(&holdings).map_err(|error| error.to_string())?;
            println!("{text}");
        } else {
            print!("{holdings}");
        }
        Ok(match holdings.confined() {
            Some(true) => 0,
            Some(false) => HOLDS_TOO_MUCH,
            None => NOT_ALL_READ,
        })
    }
}
