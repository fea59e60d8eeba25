//! Step 1: what is loaded into this program that it did not ask for (ld.so(8): LD_PRELOAD, /etc/ld.so.preload).
//!
//! An allocator that is loaded into every program of a host asks the kernel for things that the filter does not let pass, and
//! the gate would be killed by its first such call, minutes or days later. So there is no start with one. Anything else that
//! is loaded may do no harm, and is said.

use crate::LaunchError;
use std::{fs, path::Path};

/// Where the loader finds what it loads into every program.
const EVERYWHERE: &str = "/etc/ld.so.preload";

/// Beginnings of the names of what the program needs: the loader, the C library and its parts, the unwinder.
const NEEDED: [&str; 8] =
    ["ld-linux", "ld-musl-", "libc.so", "libc-2.", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so"];

/// What is loaded beside what the program needs, in a warning if there is something.
pub(crate) fn look() -> Result<Option<String>, LaunchError> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let own = fs::read_link("/proc/self/exe").unwrap_or_default();
    let strange = strangers(&maps, &own);
    if strange.is_empty() {
        return Ok(None);
    }
    let everywhere = fs::read_to_string(EVERYWHERE).unwrap_or_default();
    let from =
        |object: &str| if everywhere.contains(object) { EVERYWHERE } else { "LD_PRELOAD, or a library that it needs" };
    let malloc: *const () = (libc::malloc as *const libc::c_void).cast();
    match holder_of(&maps, malloc.addr()).filter(|holder| strange.contains(holder)) {
        Some(allocator) => {
            Err(LaunchError::Preloaded { object: allocator.to_owned(), from: from(allocator).to_owned() })
        }
        None => Ok(Some(format!(
            "loaded into this program without being asked for: {}; what it asks of the kernel may end the gate",
            strange.join(" ")
        ))),
    }
}

/// Programs and libraries in a list of mappings (proc_pid_maps(5)) that are not needed, each once.
fn strangers<'a>(maps: &'a str, own: &Path) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for object in maps.lines().filter_map(|line| mapping(line).filter(|one| one.1.contains('x')).map(|one| one.2)) {
        let name = object.rsplit('/').next().unwrap_or_default();
        let needed = NEEDED.iter().any(|needed| name.starts_with(needed)) || Path::new(object) == own;
        if object.starts_with('/') && !needed && !found.contains(&object) {
            found.push(object);
        }
    }
    found
}

/// The object in which an address lies.
fn holder_of(maps: &str, address: usize) -> Option<&str> {
    let holds = |range: &str| {
        let (start, end) = range.split_once('-')?;
        let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).ok());
        Some((start?..end?).contains(&address))
    };
    maps.lines().filter_map(mapping).find(|(range, ..)| holds(range) == Some(true)).map(|(.., object)| object)
}

/// Addresses, access and name of a mapping.
fn mapping(line: &str) -> Option<(&str, &str, &str)> {
    let mut words = line.splitn(6, ' ');
    let (range, access) = (words.next()?, words.next()?);
    Some((range, access, words.nth(3)?.trim().trim_end_matches(" (deleted)")))
}

#[cfg(test)]
mod tests {
    use super::{holder_of, strangers};
    use std::path::Path;

    const MAPS: &str = "\
        55d0-55e0 r-xp 00000000 08:01 1                          /usr/lib/nsgate/bin/haproxy\n\
        7f00-7f10 r-xp 00000000 08:01 2                          /usr/lib/x86_64-linux-gnu/libc.so.6\n\
        7f10-7f20 rw-p 00000000 00:00 0 \n\
        7f20-7f30 r-xp 00000000 08:01 3                          /usr/lib/x86_64-linux-gnu/libjemalloc.so.2\n\
        7f30-7f40 r--p 00000000 08:01 3                          /usr/lib/x86_64-linux-gnu/libjemalloc.so.2\n\
        7f40-7f50 r-xp 00000000 08:01 4                          /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n\
        7ffd-7ffe r-xp 00000000 00:00 0                          [vdso]\n";

    #[test]
    fn what_was_not_asked_for_is_told_from_what_was() {
        let jemalloc = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
        assert_eq!(strangers(MAPS, Path::new("/usr/lib/nsgate/bin/haproxy")), [jemalloc]);
        assert_eq!(holder_of(MAPS, 0x7f2f), Some(jemalloc));
        assert_eq!(holder_of(MAPS, 0x7f00), Some("/usr/lib/x86_64-linux-gnu/libc.so.6"));
        assert_eq!(holder_of(MAPS, 0x1), None);
    }
}
