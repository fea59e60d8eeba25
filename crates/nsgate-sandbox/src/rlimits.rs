//! Resource limits: what the process could still use up.

use crate::{Error, Result};
use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        stat::{SFlag, fstat},
    },
};
use std::{fs, os::fd::AsFd};

/// Sets the limits and reads them back. `descriptors` is the number of open files, not the caller's limit:
/// container engines leave a thousand million, and some leave too few. `address_space` is in bytes.
/// With `forks` the number of the user's processes stays as it was. `file` is the longest file that may be written, in
/// bytes; without it a file may grow.
pub(crate) fn apply(
    descriptors: u64,
    address_space: Option<u64>,
    forks: bool,
    file: Option<u64>,
) -> Result<Vec<String>> {
    let mut shortfalls = Vec::new();
    exactly(Resource::RLIMIT_CORE, "RLIMIT_CORE", 0)?;
    if !forks {
        no_process()?;
    }
    exactly(Resource::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 0)?;
    exactly(Resource::RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE", 0)?;
    if let (Some(bytes), false) = (file, writes_a_file()) {
        exactly(Resource::RLIMIT_FSIZE, "RLIMIT_FSIZE", bytes)?;
    }
    if let Some(bytes) = address_space {
        exactly(Resource::RLIMIT_AS, "RLIMIT_AS", bytes)?;
    }
    let (_, hard) = descriptors_now(descriptors)?;
    if setrlimit(Resource::RLIMIT_NOFILE, descriptors, descriptors).is_err() {
        // Not privileged enough to raise it: take what there is.
        let most = hard.min(descriptors);
        exactly(Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE", most)?;
        shortfalls.push(format!("only {most} descriptors instead of {descriptors}: RLIMIT_NOFILE cannot be raised"));
    }
    Ok(shortfalls)
}

/// Makes room for `wanted` descriptors, as far as this process may: to its hard limit, and beyond that with
/// CAP_SYS_RESOURCE to what the kernel has for any process (fs.nr_open). Returns how many there are, `wanted` at most.
///
/// # Errors
/// The limit cannot be read, or not be set to what it may be.
pub fn raise_descriptors(wanted: u64) -> Result<u64> {
    let (soft, hard) = descriptors_now(wanted)?;
    if soft >= wanted {
        return Ok(wanted);
    }
    let most = fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    let beyond = wanted.min(most.unwrap_or(u64::MAX));
    if hard < beyond && setrlimit(Resource::RLIMIT_NOFILE, beyond, beyond).is_ok() {
        return Ok(beyond);
    }
    let soft = wanted.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).map_err(rlimit_error("RLIMIT_NOFILE", soft))?;
    Ok(soft)
}

fn descriptors_now(wanted: u64) -> Result<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).map_err(rlimit_error("RLIMIT_NOFILE", wanted))
}

/// No other process and no thread (RLIMIT_NPROC).
pub(crate) fn no_process() -> Result<()> {
    exactly(Resource::RLIMIT_NPROC, "RLIMIT_NPROC", 0)
}

/// In the foreground standard error may be a file, and a limit of 0 would end the process at its first line.
fn writes_a_file() -> bool {
    is_file(std::io::stdout()) || is_file(std::io::stderr())
}

fn is_file(output: impl AsFd) -> bool {
    fstat(output).is_ok_and(|status| status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits())
}

fn exactly(resource: Resource, name: &'static str, value: u64) -> Result<()> {
    setrlimit(resource, value, value).map_err(rlimit_error(name, value))?;
    let found = getrlimit(resource).map_err(rlimit_error(name, value))?;
    if found == (value, value) {
        return Ok(());
    }
    Err(Error::StillHolds { what: name, expected: value.to_string(), found: format!("{found:?}") })
}

fn rlimit_error(name: &'static str, value: u64) -> impl Fn(Errno) -> Error {
    move |source| Error::Rlimit { name, value, source }
}
