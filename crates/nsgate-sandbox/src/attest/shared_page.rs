//! A page of memory that a confined process shares under a name of its daemon's, such as one that it counts in, read from
//! outside.

use crate::census::{shared_file, starts_at};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// Its length in bytes.
const LENGTH: usize = 4096;

/// Whether the kernel's name of a mapping (proc_pid_maps(5)) is that of memory with this name (memfd_create(2)).
pub(super) fn is_named(mapping: &str, name: &str) -> bool {
    mapping.strip_prefix("/memfd:").and_then(|rest| rest.strip_suffix(" (deleted)")) == Some(name)
}

/// The page of memory with this name that process `pid` has mapped, as 512 numbers; `None` if it has no such page. Each is as the
/// process left it: a reader bounds it.
///
/// It is read as memory of the process, by a descriptor that cannot write. That takes the right to trace it: as root,
/// CAP_SYS_PTRACE, and where Yama is, a `ptrace_scope` below 3.
///
/// # Errors
/// It cannot be read: the process has ended, or the reader may not.
pub fn shared_page(pid: i32, name: &str) -> io::Result<Option<Vec<u64>>> {
    let process = Path::new("/proc").join(pid.to_string());
    let maps = fs::read_to_string(process.join("maps"))?;
    let mut pages = maps.lines().filter(|line| shared_file(line).is_some_and(|file| is_named(file, name)));
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
    use super::{is_named, shared_page};

    #[test]
    fn a_page_is_known_by_its_whole_name() {
        assert!(is_named("/memfd:numbers (deleted)", "numbers"));
        for other in ["/memfd:numbers", "/tmp/memfd:numbers (deleted)", "/memfd:nsgate (deleted)", ""] {
            assert!(!is_named(other, "numbers"), "{other}");
        }
    }

    #[test]
    fn a_process_without_one_has_none() {
        assert_eq!(shared_page(std::process::id().try_into().unwrap(), "nothing").unwrap(), None);
        assert!(shared_page(i32::MAX, "nothing").is_err());
    }
}
