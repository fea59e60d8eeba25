//! What a process has open, by its own account of itself: descriptors, and files that it shares memory with.
//!
//! `/proc/self/fd` and `/proc/self/maps` are opened while there is a `/proc`, and read when no path leads there any more.

use crate::{Error, Result};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, readlinkat},
    sys::stat::Mode,
};
use std::{
    fs::File,
    io::{Read, Seek},
    os::fd::{AsFd, AsRawFd, RawFd},
    path::PathBuf,
};

const DESCRIPTORS: &str = "/proc/self/fd";
const MAPS: &str = "/proc/self/maps";

/// Both lists, open.
#[derive(Debug)]
pub(crate) struct Census {
    descriptors: Dir,
    maps: File,
}

/// What the C library and the event loop make for themselves; nothing outside is reached by it.
const INNER: [&str; 3] = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[signalfd]"];

impl Census {
    pub(crate) fn open() -> Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let descriptors = Dir::open(DESCRIPTORS, flags, Mode::empty()).map_err(failed(DESCRIPTORS))?;
        let maps = File::open(MAPS).map_err(|source| Error::Proc { path: PathBuf::from(MAPS), source })?;
        Ok(Self { descriptors, maps })
    }

    /// Every open descriptor but standard input, output and error and those of this list, and what each is.
    fn list(&mut self) -> Result<Vec<(RawFd, String)>> {
        let own = [self.descriptors.as_raw_fd(), self.maps.as_raw_fd()];
        let mut numbers = Vec::new();
        for entry in self.descriptors.iter() {
            let entry = entry.map_err(failed(DESCRIPTORS))?;
            numbers.extend(entry.file_name().to_str().ok().and_then(|name| name.parse::<RawFd>().ok()));
        }
        numbers.retain(|number| *number > libc::STDERR_FILENO && !own.contains(number));
        let what = |number: &RawFd| {
            let target = readlinkat(self.descriptors.as_fd(), number.to_string().as_str());
            target.map_or_else(|error| format!("unreadable ({error})"), |target| target.to_string_lossy().into_owned())
        };
        Ok(numbers.iter().map(|number| (*number, what(number))).collect())
    }

    /// Numbers of the open descriptors.
    pub(crate) fn numbers(&mut self) -> Result<Vec<RawFd>> {
        Ok(self.list()?.into_iter().map(|(number, _)| number).collect())
    }

    /// Nothing is open but `known` and the descriptor of the status, and no file's memory is shared but what is mapped at
    /// the addresses `shared`.
    pub(crate) fn prove(&mut self, known: &[RawFd], status: RawFd, shared: &[usize]) -> Result<()> {
        let is_known = |number: RawFd| number == status || known.contains(&number);
        let unknown = |(number, what): &(RawFd, String)| !is_known(*number) && !INNER.contains(&what.as_str());
        let strange: Vec<String> =
            self.list()?.iter().filter(|one| unknown(one)).map(|(number, what)| format!("{number} ({what})")).collect();
        if !strange.is_empty() {
            let expected = "what the program has opened itself; a library that is loaded into it has opened more";
            return Err(Error::StillHolds {
                what: "the list of open descriptors",
                expected: expected.to_owned(),
                found: strange.join(" "),
            });
        }
        let mut text = String::new();
        let unreadable = |source| Error::Proc { path: PathBuf::from(MAPS), source };
        self.maps.rewind().map_err(unreadable)?;
        self.maps.read_to_string(&mut text).map_err(unreadable)?;
        let known = |line: &&str| starts_at(line).is_some_and(|start| shared.contains(&start));
        let shared: Vec<&str> = text.lines().filter(|line| !known(line)).filter_map(shared_file).collect();
        if shared.is_empty() {
            return Ok(());
        }
        let expected = "no file; a library that is loaded into it shares memory with one";
        Err(Error::StillHolds {
            what: "the list of shared mappings",
            expected: expected.to_owned(),
            found: shared.join(" "),
        })
    }
}

/// The file behind a mapping that others see written to (`s` of proc_pid_maps(5)).
pub(crate) fn shared_file(line: &str) -> Option<&str> {
    let mut words = line.splitn(6, ' ');
    let (_addresses, access) = (words.next()?, words.next()?);
    let shared = access.ends_with('s');
    let name = words.nth(3).map_or("", str::trim);
    shared.then_some(if name.is_empty() { "a file without a name" } else { name })
}

/// Where a mapping begins.
pub(crate) fn starts_at(line: &str) -> Option<usize> {
    usize::from_str_radix(line.split_once('-')?.0, 16).ok()
}

fn failed(path: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Proc { path: PathBuf::from(path), source: errno.into() }
}

#[cfg(test)]
mod tests {
    use super::{Census, shared_file, starts_at};
    use std::{fs::File, os::fd::AsRawFd};

    #[test]
    fn an_unknown_descriptor_is_named() {
        // Another test of this process may open and close at the same time: only this one's is asked for.
        let strange = File::open("/etc/passwd").unwrap();
        let mut census = Census::open().unwrap();
        let known: Vec<_> = census.numbers().unwrap().into_iter().filter(|one| *one != strange.as_raw_fd()).collect();
        let error = census.prove(&known, -1, &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("{} (/etc/passwd)", strange.as_raw_fd())), "{error}");
    }

    #[test]
    fn a_mapping_that_others_write_to_is_told_from_the_programs_own() {
        let own = "7f0000000000-7f0000001000 r--p 00000000 08:01 1234                       /lib/libc.so.6";
        assert_eq!(shared_file(own), None);
        let cache = "7f0000000000-7f0000001000 r--s 00000000 08:01 1234                       /var/lib/sss/mc/passwd";
        assert_eq!(shared_file(cache), Some("/var/lib/sss/mc/passwd"));
        assert_eq!(shared_file("7f0000000000-7f0000001000 rw-s 00000000 00:01 7 "), Some("a file without a name"));
        assert_eq!(starts_at(own), Some(0x7f00_0000_0000));
        assert_eq!(shared_file("7ffd00000000-7ffd00001000 rw-p 00000000 00:00 0                 [stack]"), None);
    }
}
