//! A page of numbers that a confined process counts in and that root can read from outside: memory (memfd_create(2)) that is
//! mapped before the last privilege goes.
//!
//! Promises that the process keeps no descriptor of it, and that it leads nowhere: the memory has a fixed length, no seal can
//! be taken away, and a later mapping can only read.

use crate::sys::{self, COUNTERS};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
    unistd::ftruncate,
};
use nsgate_sandbox::attest;
use std::{io, os::fd::AsFd, sync::atomic::AtomicU64};

/// The name of that memory.
pub(crate) const COUNTERS_NAME: &str = "nsgate-counters";

/// The numbers in the page of process `pid`, 512 of them; `None` if it has no such page ([`attest::shared_page`]).
///
/// # Errors
/// It cannot be read: the process has ended, or the reader may not.
pub fn counters(pid: i32) -> io::Result<Option<Vec<u64>>> {
    attest::shared_page(pid, COUNTERS_NAME)
}

/// The numbers.
pub type CounterPage = &'static [AtomicU64; COUNTERS];

/// A page, if one is wanted. A process that gets none serves all the same, with a warning.
pub(crate) fn wanted(wanted: bool, warnings: &mut Vec<String>) -> Option<CounterPage> {
    let page = wanted.then(make)?;
    page.map_err(|errno| {
        warnings.push(format!("no memory for counters: {errno}; `nsgate status --all` and metrics lack its numbers"));
    })
    .ok()
}

fn make() -> Result<CounterPage, Errno> {
    let memory = memfd_create(COUNTERS_NAME, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    ftruncate(&memory, 4096)?;
    let page = sys::map_counters(memory.as_fd())?;
    // What is mapped already stays writable (Linux 5.1).
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::from_bits_retain(seals)))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::make;
    use std::{fs, os::unix::fs::FileExt, sync::atomic::Ordering};

    #[test]
    fn what_is_counted_is_read_and_nothing_else_is_written() {
        let page = make().unwrap();
        page[7].store(4711, Ordering::Relaxed);
        let own = i32::try_from(std::process::id()).unwrap();
        let read = super::counters(own).unwrap().unwrap();
        assert_eq!((read.len(), read[7], read[8]), (512, 4711, 0));
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| line.contains("/memfd:nsgate-counters")).unwrap();
        let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
        assert_eq!(links.filter(|link| link.to_string_lossy().contains("nsgate-counters")).count(), 0, "a descriptor");
        // As root it can be opened by its place among the mappings: to read, and never to be changed or cut short.
        let area = line.split(' ').next().unwrap();
        let Ok(file) = fs::OpenOptions::new().read(true).write(true).open(format!("/proc/self/map_files/{area}"))
        else {
            return;
        };
        assert!(file.write_at(b"x", 0).is_err(), "written to");
        assert!(file.set_len(0).is_err() && file.set_len(8192).is_err(), "of another length");
    }
}
