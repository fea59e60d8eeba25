//! The last question: what does the kernel say this process is, now that everything is closed?
//!
//! The descriptor of `/proc/self/status` is opened while there is a `/proc` and read when there is none any more, with
//! nothing but `read` and `close`, which the filter lets pass.

use crate::{Error, Ids, Result, status::ProcStatus};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsRawFd, RawFd},
    path::{Path, PathBuf},
};

const PATH: &str = "/proc/self/status";

/// `/proc/self/status`, open.
#[derive(Debug)]
pub(crate) struct OwnStatus {
    file: File,
    /// Seccomp filters that others loaded before: a container engine, systemd.
    filters: u32,
}

impl OwnStatus {
    /// Opens the file; it belongs to this process, also when another reads it later. There must be one thread.
    pub(crate) fn open() -> Result<Self> {
        let ProcStatus { seccomp_filters: filters, threads, .. } = read_status(File::open(PATH).map_err(failed)?)?;
        if threads != 1 {
            return Err(Error::Threads { found: threads });
        }
        Ok(Self { file: File::open(PATH).map_err(failed)?, filters })
    }

    /// Its descriptor.
    pub(crate) fn number(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Reads it and compares.
    pub(crate) fn prove(self, ids: &Ids, groups_kept: bool) -> Result<()> {
        let status = read_status(self.file)?;
        same("the users in /proc", [ids.uid.as_raw(); 4], status.uid)?;
        same("the groups in /proc", [ids.gid.as_raw(); 4], status.gid)?;
        if !groups_kept {
            same("the supplementary groups in /proc", Vec::new(), status.groups)?;
        }
        same("the capability sets in /proc", [0; 5], status.capabilities)?;
        same("no_new_privs in /proc", true, status.no_new_privs)?;
        same("the number of threads in /proc", 1, status.threads)?;
        same("the seccomp mode in /proc", 2, status.seccomp)?;
        same("the number of seccomp filters in /proc", self.filters + 1, status.seccomp_filters)
    }
}

/// With nothing but read(2) and close(2).
fn read_status(file: File) -> Result<ProcStatus> {
    let mut buffer = Vec::with_capacity(8192);
    file.take(8192).read_to_end(&mut buffer).map_err(failed)?;
    ProcStatus::parse(&String::from_utf8_lossy(&buffer), Path::new(PATH))
}

fn failed(source: io::Error) -> Error {
    Error::Proc { path: PathBuf::from(PATH), source }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: T, found: T) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::StillHolds { what, expected: format!("{expected:?}"), found: format!("{found:?}") })
}
