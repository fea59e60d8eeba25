//! The page that a confined process counts in, read from outside.

use crate::census::{shared_file, starts_at};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// The name of that memory (memfd_create(2)).
pub const COUNTERS: &str = "nsgate-counters";
/// Its length in bytes.
const LENGTH: usize = 4096;

/// The kernel's name of a mapping of it (proc_pid_maps(5)).
pub(super) fn is_page(mapping: &str) -> bool {
    mapping.strip_prefix("/memfd:").and_then(|name| name.strip_suffix(" (deleted)")) == Some(COUNTERS)
}

/// The numbers in the page of process `pid`, 512 of them; `None` if it has no such page. Each is as the process left it:
/// a reader bounds it.
///
/// It is read as memory of the process, by a descriptor that cannot write. That takes the right to trace it: as root,
/// CAP_SYS_PTRACE, and where Yama is, a `ptrace_scope` below 3.
///
/// # Errors
/// It cannot be read: the process has ended, or the reader may not.
pub fn counters(pid: i32) -> io::Result<Option<Vec<u64>>> {
    let process = Path::new("/proc").join(pid.to_string());
    let maps = fs::read_to_string(process.join("maps"))?;
    let mut pages = maps.lines().filter(|line| shared_file(line).is_some_and(is_page));
    let Some(start) = pages.next().and_then(starts_at).and_then(|start| u64::try_from(start).ok()) else {
        return Ok(None);
    };
    let mut bytes = [0; LENGTH];
    File::open(process.join("mem"))?.read_exact_at(&mut bytes, start)?;
    let number = |word: &[u8]| word.try_into().map_or(0, u64::from_ne_bytes);
    Ok(Some(bytes.chunks_exact(8).map(number).collect()))
}

#[cfg(test)]
mod tests {
    use super::{counters, is_page};

    #[test]
    fn a_page_is_known_by_its_whole_name() {
        assert!(is_page("/memfd:nsgate-counters (deleted)"));
        for other in ["/memfd:nsgate-counters", "/tmp/memfd:nsgate-counters (deleted)", "/memfd:nsgate (deleted)", ""] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn a_process_without_one_has_none() {
        assert_eq!(counters(std::process::id().try_into().unwrap()).unwrap(), None);
        assert!(counters(i32::MAX).is_err());
    }
}
