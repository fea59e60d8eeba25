//! All processes that serve networks of this host: gates, keepers, the proxy of the whole host, and haproxies that Neutron's agents
//! have started.
//!
//! Promises that the kernel says which process it is, whom it serves and whether it holds too much
//! ([`attest`](nsgate_sandbox::attest)). A process itself gives numbers only, never a name.

mod haproxy;
mod silent;

pub(crate) use silent::{Silent, state, stopped};

use crate::{cli::attest::everyone, counted};
use nix::unistd::{Gid, Uid};
use nsgate_config::Identity;
use nsgate_launcher::{Ids, Whose, counters, whose};
use nsgate_sandbox::attest::{Holdings, SeenWindow, Thread};
use std::{fs, io};

/// Most processes in an overview. A host has two or three for each network.
pub(crate) const MOST: usize = 20_000;

/// One process.
#[derive(Debug)]
pub(crate) struct ProcessOverview {
    pub(crate) pid: i32,
    /// Its role as attest names it; `haproxy` for the distribution's haproxy of a network.
    pub(crate) role: &'static str,
    /// Whether its connection to the agent is bound to its network.
    pub(crate) bound: bool,
    /// The network that it serves; for a haproxy, from its command line.
    pub(crate) identity: Option<Identity>,
    /// User and group of a process of nsgate.
    pub(crate) ids: Option<Ids>,
    /// The directories that a process of nsgate sees.
    pub(crate) windows: Vec<SeenWindow>,
    /// Whether it holds only what its role needs; `None` if that cannot be read.
    pub(crate) confined: Option<bool>,
    /// What it holds beyond that, or what cannot be read: the row of the verdict, and the value found.
    pub(crate) wrong: Vec<String>,
    /// Other findings, which are not about what it holds.
    pub(crate) notes: Vec<&'static str>,
    /// Why it answers no guest.
    pub(crate) silent: Option<Silent>,
    /// When it was started, in seconds since the host's start; `None` if unknown.
    pub(crate) started: Option<u64>,
    /// Its age in seconds.
    pub(crate) seconds: Option<u64>,
    /// Its counters.
    pub(crate) counted: Counted,
}

/// The counters of a process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The numbers.
    Read(counted::CounterReading),
    /// Its role has no page, or its release has none.
    None,
    /// Its page is invalid.
    Strange,
    /// Its page cannot be read, for this reason.
    Unreadable(String),
}

impl Counted {
    pub(crate) fn read(&self) -> Option<&counted::CounterReading> {
        match self {
            Self::Read(read) => Some(read),
            _ => None,
        }
    }
}

impl ProcessOverview {
    fn of(holdings: &Holdings) -> Option<Self> {
        let pid = holdings.pid;
        let foreign = haproxy::network_of_haproxy(holdings);
        let (role, identity) = match (holdings.role, foreign) {
            // How it reaches its agent is another question.
            (Some("boundgate" | "boundgatelog"), _) => ("gate", served_by(pid)),
            (Some(role), _) => (role, served_by(pid)),
            (None, Some(identity)) if holdings.confined() == Some(false) => ("haproxy", Some(identity)),
            // Another haproxy is no gate. A process with nsgate's program is one, confined or not.
            (None, None) if holdings.name == "haproxy" && holdings.confined().is_some() => return None,
            (None, identity) => ("unknown", identity),
        };
        let confined = holdings.confined();
        let started = started(pid);
        let counted = counted(pid, role);
        let rows = holdings.verdict.iter().filter(|row| row.ok == confined.map(|_| false));
        Some(Self {
            pid,
            role,
            bound: matches!(holdings.role, Some("boundgate" | "boundgatelog")),
            identity,
            ids: holdings.role.and(holdings.threads.first()).map(ids),
            windows: holdings.windows.clone().unwrap_or_default(),
            confined,
            wrong: rows.map(|row| format!("{} ({})", row.what, row.found)).collect(),
            notes: holdings.notes.clone(),
            silent: silent::of(pid, role).or_else(|| silent::unserved(&counted)),
            started,
            seconds: started.zip(uptime()).map(|(started, up)| up.saturating_sub(started)),
            counted,
        })
    }

    /// Whether it holds what it should and answers guests; `None` if the first cannot be read.
    pub(crate) fn ok(&self) -> Option<bool> {
        if self.silent.is_some() { Some(false) } else { self.confined }
    }

    /// Whether it serves a network or a whole host.
    pub(crate) fn is_a_gate(&self) -> bool {
        ["gate", "keeper", "hostproxy", "haproxy", "unknown"].contains(&self.role)
    }
}

fn ids(thread: &Thread) -> Ids {
    // The second number is the effective id (proc_pid_status(5)).
    let ([_, uid, ..], [_, gid, ..]) = (thread.users, thread.groups);
    Ids { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) }
}

fn served_by(pid: i32) -> Option<Identity> {
    match whose(pid)? {
        Whose::One(identity) => Some(identity),
        Whose::Host => None,
    }
}

fn counted(pid: i32, role: &str) -> Counted {
    if !["gate", "keeper", "hostproxy", "agent", "unknown"].contains(&role) {
        return Counted::None;
    }
    match counters(pid) {
        Ok(None) => Counted::None,
        Ok(Some(page)) => counted::CounterReading::of(&page).map_or(Counted::Strange, Counted::Read),
        // It has ended.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Counted::None,
        Err(error) => Counted::Unreadable(error.to_string()),
    }
}

/// When a process was started: the 22nd word of its status, in ticks of which a second has a hundred on every Linux
/// (proc_pid_stat(5)).
fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let started: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(started / 100)
}

/// How long the host has been there, in seconds.
pub(crate) fn uptime() -> Option<u64> {
    fs::read_to_string("/proc/uptime").ok()?.split('.').next()?.parse().ok()
}

/// When the host was started, in seconds since 1970 (`btime` of proc_stat(5)).
pub(crate) fn booted() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok())
}

/// The processes of this host.
#[derive(Debug)]
pub(crate) struct Overview {
    /// In ascending order of their pids.
    pub(crate) processes: Vec<ProcessOverview>,
    /// How many more were found.
    pub(crate) left_out: usize,
}

/// Looks at the host.
///
/// # Errors
/// `/proc` cannot be listed.
pub(crate) fn look() -> Result<Overview, String> {
    let mut processes: Vec<ProcessOverview> = everyone()?.iter().filter_map(ProcessOverview::of).collect();
    let left_out = processes.len().saturating_sub(MOST);
    processes.truncate(MOST);
    Ok(Overview { processes, left_out })
}
