//! `/proc/PID/status`, as far as it says what a process holds (proc_pid_status(5)).

use crate::{Error, Result};
use std::path::Path;

/// The lines that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcStatus {
    pub(crate) name: String,
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// Real, effective, saved, file system.
    pub(crate) uid: [u32; 4],
    /// Real, effective, saved, file system.
    pub(crate) gid: [u32; 4],
    pub(crate) groups: Vec<u32>,
    /// Inheritable, permitted, effective, bounding, ambient.
    pub(crate) capabilities: [u64; 5],
    pub(crate) no_new_privs: bool,
    /// 0 none, 1 strict, 2 filter.
    pub(crate) seccomp: u32,
    pub(crate) seccomp_filters: u32,
    pub(crate) threads: u32,
}

/// Names of the sets, in the order of [`ProcStatus::capabilities`].
pub(crate) const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

impl ProcStatus {
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self> {
        let missing = |field| Error::Status { path: path.to_owned(), field };
        let line = |field: &'static str| {
            let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            found.map(str::trim).ok_or_else(|| missing(field))
        };
        let ids = |field: &'static str| -> Result<[u32; 4]> {
            let numbers: Vec<u32> = line(field)?.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            <[u32; 4]>::try_from(numbers).map_err(|_| missing(field))
        };
        let number = |field| line(field).and_then(|word| word.parse().map_err(|_| missing(field)));
        let mut capabilities = [0; 5];
        for (slot, field) in capabilities.iter_mut().zip(SETS) {
            *slot = u64::from_str_radix(line(field)?, 16).map_err(|_| missing(field))?;
        }
        Ok(Self {
            name: line("Name")?.to_owned(),
            pid: line("Pid")?.parse().map_err(|_| missing("Pid"))?,
            parent: line("PPid")?.parse().map_err(|_| missing("PPid"))?,
            uid: ids("Uid")?,
            gid: ids("Gid")?,
            groups: line("Groups")?.split_whitespace().filter_map(|word| word.parse().ok()).collect(),
            capabilities,
            no_new_privs: number("NoNewPrivs")? == 1,
            seccomp: number("Seccomp")?,
            // Linux 5.9; on an older kernel there is the mode alone.
            seccomp_filters: number("Seccomp_filters").unwrap_or(0),
            threads: number("Threads")?,
        })
    }
}
