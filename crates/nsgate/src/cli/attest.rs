//! `nsgate attest`: shows what a process holds.

use super::NOT_ALL_READ;
use crate::terminal::{Progress, say, write_out};
use nsgate_launcher::{expected, gates};
use nsgate_sandbox::attest::{self, Holdings};
use serde::Serialize;
use std::{fs, thread::sleep, time::Duration};

/// Reads from `/proc` what any process holds.
///
/// A process of nsgate is compared with what its role needs. The role is known by facts that the process cannot choose.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 if no process holds what it should not, 3 if one does, 4 if none does but not \
    everything could be read, 1 if nothing could.\n\n\
    Example:\n  nsgate attest $(cat /var/lib/neutron/external/pids/UUID.pid.haproxy)\n  nsgate attest --all --json")]
pub(super) struct Attest {
    /// The process's pid on this host
    #[arg(value_parser = clap::value_parser!(i32).range(1..), required_unless_present = "all", conflicts_with = "all")]
    pid: Option<i32>,
    /// Every process called nsgate or haproxy, one line each
    #[arg(long)]
    all: bool,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Exit status if a process holds more than its role needs.
const HOLDS_TOO_MUCH: u8 = 3;
/// How often a process that holds too much is read again, and the pause between reads.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

impl Attest {
    pub(super) fn execute(&self) -> Result<u8, String> {
        match self.pid {
            Some(pid) => {
                let holdings = attest::process(pid, expected).map_err(|error| error.to_string())?;
                if self.json {
                    json(&holdings)?
                } else {
                    write_out(format_args!("{holdings}"));
                    beside(&holdings).iter().for_each(|line| say!("  {}", line));
                }
                Ok(status(&[holdings]))
            }
            None => self.everyone(),
        }
    }

    fn everyone(&self) -> Result<u8, String> {
        let found = everyone()?;
        if self.json {
            json(&found)?;
        } else if found.is_empty() {
            say!("no process is called nsgate or haproxy");
        } else {
            found.iter().for_each(|holdings| say!("{}", line(holdings)));
        }
        Ok(status(&found))
    }
}

/// The other process of an agent's two: the one carries requests, the other has the secret.
fn beside(holdings: &Holdings) -> Vec<String> {
    let pids = gates().unwrap_or_default();
    match holdings.role {
        Some("agent") => pids
            .into_iter()
            .filter(|pid| parent(*pid) == Some(holdings.pid) && is_signer(*pid))
            .map(|pid| format!("beside it: its signer, which has the secret (nsgate attest {pid})"))
            .collect(),
        Some(role) if role.starts_with("signer") => {
            parent(holdings.pid).iter().map(|pid| format!("beside it: its agent (nsgate attest {pid})")).collect()
        }
        _ => Vec::new(),
    }
}

fn is_signer(pid: i32) -> bool {
    attest::process(pid, expected).is_ok_and(|one| one.role.is_some_and(|role| role.starts_with("signer")))
}

/// A process's parent (proc_pid_status(5)).
fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Every process of this host with the name of one of nsgate's programs.
pub(crate) fn everyone() -> Result<Vec<Holdings>, String> {
    let pids = gates().map_err(|error| error.to_string())?;
    let mut progress = Progress::new("read", pids.len());
    let look = attest::Survey::new(expected);
    let read = pids.into_iter().enumerate().filter_map(|(number, pid)| {
        progress.at(number);
        // Skip a process that has ended meanwhile.
        look.process(pid).ok()
    });
    let mut found: Vec<Holdings> = read.collect();
    drop(progress);
    settle(&mut found);
    Ok(found)
}

/// Reads processes that hold too much again. A starter drops its privileges within milliseconds, and a command like this one ends.
fn settle(found: &mut Vec<Holdings>) {
    for _ in 0..LOOKS {
        if !found.iter().any(too_much) {
            return;
        }
        sleep(BETWEEN_LOOKS);
        let again = std::mem::take(found).into_iter();
        *found = again
            .filter_map(|one| if too_much(&one) { attest::process(one.pid, expected).ok() } else { Some(one) })
            .collect();
    }
}

fn too_much(holdings: &Holdings) -> bool {
    holdings.confined() == Some(false)
}

fn json(value: &impl Serialize) -> Result<(), String> {
    say!("{}", serde_json::to_string_pretty(value).map_err(|error| error.to_string())?);
    Ok(())
}

/// The exit status: that of the worst process.
fn status(all: &[Holdings]) -> u8 {
    let verdicts = || all.iter().map(Holdings::confined);
    if verdicts().any(|confined| confined == Some(false)) {
        HOLDS_TOO_MUCH
    } else if verdicts().any(|confined| confined.is_none()) {
        NOT_ALL_READ
    } else {
        0
    }
}

/// `ok       4711  gate        haproxy -f …`, or what is wrong with it.
fn line(holdings: &Holdings) -> String {
    let rows = |ok| holdings.verdict.iter().filter(move |row| row.ok == ok);
    let names = |ok| rows(ok).map(|row| row.what.clone()).collect();
    let (mark, rows): (_, Vec<String>) = match (holdings.confined(), holdings.role) {
        (Some(true), _) => ("ok", Vec::new()),
        // Give reasons for processes of nsgate only: others hold nearly everything.
        (Some(false), Some(_)) => ("NO", rows(Some(false)).map(|row| format!("{}: {}", row.what, row.found)).collect()),
        (Some(false), None) => ("NO", names(Some(false))),
        (None, _) => ("??", names(None)),
    };
    let reason = if rows.is_empty() { String::new() } else { format!("  ({})", rows.join(", ")) };
    let reason = holdings.notes.iter().fold(reason, |all, note| format!("{all}  (note: {note})"));
    format!("{mark} {:>8}  {:<10}  {}{reason}", holdings.pid, holdings.role.unwrap_or("-"), holdings.command.join(" "))
}
