//! What a process has open, by kind (proc_pid_fd(5)).

use super::kinds::{
    CHILD, CONNECTION, DATAGRAM, FULL_DEVICE, LISTENER, LOG, MEMORY, NO_TABLE, NULL_DEVICE, OTHER, PINNED, PIPE,
    STREAM, TERMINAL, ZERO_DEVICE,
};
use super::sockets::Sockets;
use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

/// Major number of the memory devices, and the minor ones of those that are good for nothing (null(4), full(4)).
const MEMORY_DEVICES: u32 = 1;
const NULL: u32 = 3;
const ZERO: u32 = 5;
const FULL: u32 = 7;

/// One open descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub number: i32,
    /// What it is ([`kinds`](super::kinds)).
    pub kind: String,
    /// The child that this is a descriptor of.
    pub child: Option<i32>,
    /// A datagram socket that has no other end.
    pub unheard: bool,
    /// With which flags it was opened, if it is a plain file and no log.
    pub file: Option<i32>,
    /// A TCP socket of another network namespace than the process's own.
    pub foreign: bool,
}

impl Open {
    /// Whether it is standard input, output or error.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        self.number <= 2
    }

    /// Which of the standard streams it is.
    fn stream(&self) -> Option<&'static str> {
        let names = ["standard input", "standard output", "standard error"];
        usize::try_from(self.number).ok().and_then(|number| names.get(number)).copied()
    }

    /// What it is, and what can be done with it, for who reads that it should not be there.
    pub(super) fn in_words(&self) -> String {
        if self.foreign {
            return format!("{} of another network namespace", self.kind);
        }
        let Some(flags) = self.file else {
            return self.stream().map_or_else(|| self.kind.clone(), |name| format!("{name}, {}", self.kind));
        };
        let may = match flags & libc::O_ACCMODE {
            libc::O_RDONLY => "can be read",
            libc::O_WRONLY => "can be written over",
            _ => "can be read and written over",
        };
        match self.stream() {
            Some(name) => format!("{name}, the file {}, {may}", self.kind),
            None => format!("{} {may}", self.kind),
        }
    }
}

/// How often a descriptor is looked at before a socket is believed to be in no table. The process goes on while it is
/// looked at: a connection that it opens after the table was read is not there, and the kernel hands out the table in
/// pieces, between which others come and go.
const LOOKS: usize = 8;

/// Every open descriptor; `None` if the directory cannot be read. `directory` is that of a process or of a thread.
pub(super) fn read_descriptors(directory: &Path) -> Option<Vec<Open>> {
    let mut sockets = Sockets::of(directory);
    let mut all = Vec::new();
    for entry in fs::read_dir(directory.join("fd")).ok()? {
        // A descriptor that is closed while the directory is read is not open.
        let Ok(entry) = entry else { continue };
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(kind) = kind_of(directory, &entry, &mut sockets) else { continue };
        let child = if kind == CHILD { described(directory, &entry) } else { None };
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let unheard = kind == DATAGRAM && sockets.is_unheard(&target);
        let foreign = [LISTENER, CONNECTION].contains(&kind.as_str()) && sockets.is_foreign(&target);
        let is_file = fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
        let file = if is_file && kind != LOG { flags(directory, &entry) } else { None };
        all.push(Open { number, kind, child, unheard, file, foreign });
    }
    Some(all)
}

/// The kind of one descriptor; `None` if it was closed meanwhile.
fn kind_of(directory: &Path, entry: &fs::DirEntry, sockets: &mut Sockets) -> Option<String> {
    for _ in 0..LOOKS {
        let kind = kind_now(directory, entry, sockets)?;
        if kind != OTHER {
            return Some(kind);
        }
        sockets.add_own(directory);
    }
    Some(OTHER.to_owned())
}

/// What a descriptor is by the tables as they were read last.
fn kind_now(directory: &Path, entry: &fs::DirEntry, sockets: &mut Sockets) -> Option<String> {
    let target = fs::read_link(entry.path()).ok()?;
    Some(if let Some(device) = memory_device(entry) {
        device.to_owned()
    } else if fs::metadata(entry.path()).is_ok_and(|found| found.file_type().is_fifo()) {
        PIPE.to_owned()
    } else if is_terminal(entry) {
        TERMINAL.to_owned()
    } else if is_log(directory, entry) {
        LOG.to_owned()
    } else if is_pinned(directory, entry) {
        PINNED.to_owned()
    } else if is_child(directory, entry) {
        CHILD.to_owned()
    } else {
        match kind(&target.to_string_lossy(), sockets) {
            unknown if unknown == OTHER => by_protocol(&entry.path()).to_owned(),
            kind => kind,
        }
    })
}

/// A device that is good for nothing, by its number: in another root the path says little, `/dev/null` may be called `/` there.
fn memory_device(entry: &fs::DirEntry) -> Option<&'static str> {
    let found = fs::metadata(entry.path()).ok().filter(|found| found.file_type().is_char_device())?;
    match (libc::major(found.rdev()), libc::minor(found.rdev())) {
        (MEMORY_DEVICES, NULL) => Some(NULL_DEVICE),
        (MEMORY_DEVICES, ZERO) => Some(ZERO_DEVICE),
        (MEMORY_DEVICES, FULL) => Some(FULL_DEVICE),
        _ => None,
    }
}

/// A plain file that can only grow, the log or the audit: neither read nor written over (`flags` of proc_pid_fdinfo(5)).
fn is_log(directory: &Path, entry: &fs::DirEntry) -> bool {
    let file = fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
    file && flags(directory, entry)
        .is_some_and(|flags| flags & (libc::O_ACCMODE | libc::O_APPEND) == libc::O_WRONLY | libc::O_APPEND)
}

/// A directory that was opened as a place and nothing else.
fn is_pinned(directory: &Path, entry: &fs::DirEntry) -> bool {
    let is_directory = fs::metadata(entry.path()).is_ok_and(|found| found.is_dir());
    is_directory && flags(directory, entry).is_some_and(|flags| flags & libc::O_PATH != 0)
}

/// With which flags a descriptor was opened (`flags` of proc_pid_fdinfo(5)).
fn flags(directory: &Path, entry: &fs::DirEntry) -> Option<i32> {
    let text = fs::read_to_string(directory.join("fdinfo").join(entry.file_name())).ok()?;
    text.lines().find_map(|line| i32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok())
}

/// A terminal: the virtual and serial ones, `/dev/tty` and `/dev/console`, and pseudo-terminals (the kernel's
/// Documentation/admin-guide/devices.txt).
fn is_terminal(entry: &fs::DirEntry) -> bool {
    fs::metadata(entry.path()).is_ok_and(|found| {
        let major = libc::major(found.rdev());
        found.file_type().is_char_device() && matches!(major, 4 | 5 | 136..=143)
    })
}

/// The process that this is a descriptor of (`Pid` of proc_pid_fdinfo(5)), as the reader numbers it.
fn described(directory: &Path, entry: &fs::DirEntry) -> Option<i32> {
    number_behind(&directory.join("fdinfo").join(entry.file_name()), "Pid:")
}

/// Whether this is a descriptor of a process whose parent is the process looked at.
fn is_child(directory: &Path, entry: &fs::DirEntry) -> bool {
    let Some(pid) = described(directory, entry) else { return false };
    let (Some(proc), own) = (directory.parent(), number_behind(&directory.join("status"), "Pid:")) else {
        return false;
    };
    own.is_some() && number_behind(&proc.join(pid.to_string()).join("status"), "PPid:") == own
}

/// The number behind a key.
fn number_behind(path: &Path, key: &str) -> Option<i32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

/// The kind of a socket that is in no table, by what the kernel calls its protocol. It has a name of its own for streams
/// since Linux 5.16 alone (`net/unix/af_unix.c`).
fn by_protocol(path: &Path) -> &'static str {
    match crate::sys::socket_protocol(path).as_deref() {
        Ok("TCP" | "TCPv6") => NO_TABLE,
        Ok("UNIX-STREAM") => STREAM,
        _ => OTHER,
    }
}

fn kind(target: &str, sockets: &mut Sockets) -> String {
    let inner = |prefix: &str| target.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']'));
    if let Some(inode) = inner("socket:[") {
        return sockets.kind(inode).to_owned();
    }
    if let Some(name) = inner("anon_inode:[") {
        return name.to_owned();
    }
    if target.starts_with("/memfd:") {
        return MEMORY.to_owned();
    }
    match target.split_once(":[") {
        Some((kind, _)) => kind.to_owned(),
        None => target.strip_prefix("anon_inode:").unwrap_or(target).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::net::UnixStream,
        path::Path,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::{OTHER, read_descriptors};

    #[test]
    fn what_can_be_done_with_a_file_is_said() {
        let place = std::env::temp_dir().join(format!("nsgate-open-{}", std::process::id()));
        let said = |options: &std::fs::OpenOptions| {
            let file = options.open(&place).unwrap();
            let number = std::os::fd::AsRawFd::as_raw_fd(&file);
            let all = read_descriptors(Path::new("/proc/self")).unwrap();
            let mut one = all.into_iter().find(|open| open.number == number).unwrap();
            let words = one.in_words();
            one.number = 2;
            (words.replace(place.to_str().unwrap(), "F"), one.in_words().replace(place.to_str().unwrap(), "F"))
        };
        let both = |words: &str, standard: &str| (words.to_owned(), standard.to_owned());
        let options = std::fs::File::options;
        let written = said(options().write(true).create(true).truncate(true));
        assert_eq!(written, both("F can be written over", "standard error, the file F, can be written over"));
        assert_eq!(said(options().read(true)).0, "F can be read");
        assert_eq!(said(options().read(true).write(true)).0, "F can be read and written over");
        // It can only grow.
        assert_eq!(said(options().append(true)).0, "log file");
        std::fs::remove_file(&place).unwrap();
    }

    #[test]
    fn connections_that_come_and_go_meanwhile_have_a_kind() {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        drop(UnixStream::pair().unwrap());
                    }
                });
            }
            let others = |open: Vec<super::Open>| open.iter().filter(|open| open.kind == OTHER).count();
            let strange = (0..200).filter_map(|_| read_descriptors(Path::new("/proc/self")).map(others)).sum::<usize>();
            done.store(true, Ordering::Relaxed);
            assert_eq!(strange, 0, "sockets in no table");
        });
    }
}
