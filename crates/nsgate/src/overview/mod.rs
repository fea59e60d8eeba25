//! What serves the networks of this host, all of it: gates of their own, keepers, the proxy of the whole host, a pool's
//! networks, and the haproxies that Neutron's agents have started in their place.
//!
//! Promises that who a process is, for whom it serves and whether it holds too much is the kernel's word ([`attest`](nsgate_sandbox::attest)), and
//! that numbers of a process are numbers: nothing that one writes becomes a name here.

mod haproxy;
mod silent;

pub(crate) use silent::Silent;

use crate::{cli::attest::everyone, counted};
use nix::unistd::{Gid, Uid};
use nsgate_config::Identity;
use nsgate_launcher::{Ids, Whose, counters, whose};
use nsgate_sandbox::attest::{Holdings, Thread};
use std::{fs, io};

/// Most processes of which something is told: a host has two or three for each of its networks.
pub(crate) const MOST: usize = 20_000;

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// As attest calls it; `haproxy` of the distribution's in a network's place.
    pub(crate) role: &'static str,
    /// Whose requests it carries; of a haproxy, by its command line.
    pub(crate) identity: Option<Identity>,
    /// Its user and group, if it is a process of nsgate's.
    pub(crate) ids: Option<Ids>,
    /// Whether it holds nothing but what its role needs; `None` if that cannot be read.
    pub(crate) confined: Option<bool>,
    /// What it holds beside that, or what cannot be read: the row of the verdict, and what was found.
    pub(crate) wrong: Vec<String>,
    /// What is not as it should be, and is not about what it holds.
    pub(crate) notes: Vec<&'static str>,
    /// Why it answers no guest though it is there.
    pub(crate) silent: Option<Silent>,
    /// When it was started, in seconds since the host was, as far as can be known.
    pub(crate) started: Option<u64>,
    /// How long it has been there, in seconds.
    pub(crate) seconds: Option<u64>,
    /// What it has counted.
    pub(crate) counted: Counted,
}

/// The numbers of a process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// These.
    Read(counted::CounterReading),
    /// Its role counts in no page, or it is of a release that does not.
    None,
    /// It has a page that is none.
    Strange,
    /// It has one that cannot be read, for this reason.
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

impl Process {
    fn of(holdings: &Holdings) -> Option<Self> {
        let pid = holdings.pid;
        let foreign = haproxy::identity(holdings);
        let (role, identity) = match (holdings.role, foreign) {
            (Some(role), _) => (role, served_by(pid)),
            (None, Some(identity)) if holdings.confined() == Some(false) => ("haproxy", Some(identity)),
            // Another haproxy of this host is no gate. What runs nsgate's program is, confined or not.
            (None, None) if holdings.name == "haproxy" && holdings.confined().is_some() => return None,
            (None, identity) => ("unknown", identity),
        };
        let confined = holdings.confined();
        let started = started(pid);
        let rows = holdings.verdict.iter().filter(|row| row.ok == confined.map(|_| false));
        Some(Self {
            pid,
            role,
            identity,
            ids: holdings.role.and(holdings.threads.first()).map(ids),
            confined,
            wrong: rows.map(|row| format!("{} ({})", row.what, row.found)).collect(),
            notes: holdings.notes.clone(),
            silent: silent::of(pid, role),
            started,
            seconds: started.zip(uptime()).map(|(started, up)| up.saturating_sub(started)),
            counted: counted(pid, role),
        })
    }

    /// Whether it holds what it should and answers guests; `None` if the first cannot be read.
    pub(crate) fn ok(&self) -> Option<bool> {
        if self.silent.is_some() { Some(false) } else { self.confined }
    }

    /// Whether it stands for a network, or for all of a host.
    pub(crate) fn is_a_gate(&self) -> bool {
        ["gate", "keeper", "hostproxy", "haproxy", "unknown"].contains(&self.role)
    }
}

fn ids(thread: &Thread) -> Ids {
    // Effective, behind the real one (proc_pid_status(5)).
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
    if !["gate", "keeper", "hostproxy", "unknown"].contains(&role) {
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

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Overview {
    /// In ascending order of their numbers.
    pub(crate) processes: Vec<Process>,
    /// So many more were found than are told of.
    pub(crate) left_out: usize,
}

/// Looks at the host.
///
/// # Errors
/// `/proc` cannot be listed.
pub(crate) fn look() -> Result<Overview, String> {
    let mut processes: Vec<Process> = everyone()?.iter().filter_map(Process::of).collect();
    let left_out = processes.len().saturating_sub(MOST);
    processes.truncate(MOST);
    Ok(Overview { processes, left_out })
}
