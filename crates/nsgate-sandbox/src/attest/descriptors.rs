//! What a process has open, by kind (proc_pid_fd(5)).

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::UnixDatagram,
        },
    },
    path::Path,
};

/// The null device: major 1, minor 3 (null(4)), in the way that `stat(2)` packs them.
const NULL: u64 = 0x103;

/// Kind of a log file.
pub(super) const LOG: &str = "log file";
/// Kind of a directory that can be walked from and not read (O_PATH, open(2)).
pub(super) const PINNED: &str = "pinned directory";
/// Kind of a process descriptor whose process is a child of the one that holds it: it may be waited for and signalled
/// without the descriptor as well.
pub(super) const CHILD: &str = "pidfd of a child";

/// Kind of a TCP socket that no table has: a connection that the other end has reset, until the process closes it (the kernel
/// takes it out of the tables at once, `tcp_done` of net/ipv4/tcp.c); or one in a network namespace that no process is in, a
/// network that a service manager keeps. `/proc` says of neither which it is.
pub(super) const NO_TABLE: &str = "tcp in no table";
/// Kind of a TCP socket that waits for connections.
const LISTENER: &str = "tcp listener";
/// Kind of one that has another end.
const CONNECTION: &str = "tcp connection";
/// Kind of a connection to a log.
const DATAGRAM: &str = "unix datagram";
/// Kind of a connection to an agent.
const STREAM: &str = "unix stream";
/// Kind of a socket that is in no table.
const OTHER: &str = "other socket";

/// Kind of the socket at which a pool takes handovers.
pub(super) const DOOR: &str = "unix seqpacket listener";
/// Kind of memory without a name in any file system (memfd_create(2)).
pub(super) const MEMORY: &str = "memory";
/// Kind of a connection to a pool, or within one.
pub(super) const PEER: &str = "unix seqpacket";
/// Kind of a terminal.
pub(super) const TERMINAL: &str = "terminal";

/// One open descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(super) number: i32,
    pub(super) kind: String,
    /// The child that this is a descriptor of.
    pub(super) child: Option<i32>,
    /// A datagram socket at whose other end nobody is.
    pub(super) unheard: bool,
    /// With which flags it was opened, if it is a plain file and no log.
    pub(super) file: Option<i32>,
    /// A TCP socket of another network namespace than the process's own.
    pub(super) foreign: bool,
}

impl Open {
    /// Whether it is standard input, output or error.
    pub(super) fn is_standard(&self) -> bool {
        self.number <= 2
    }

    /// What it is, and what can be done with it, for who reads that it should not be there.
    pub(super) fn in_words(&self) -> String {
        if self.foreign {
            return format!("{} of another network namespace", self.kind);
        }
        let Some(flags) = self.file else { return self.kind.clone() };
        let may = match flags & libc::O_ACCMODE {
            libc::O_RDONLY => "can be read",
            libc::O_WRONLY => "can be written over",
            _ => "can be read and written over",
        };
        let name = ["standard input", "standard output", "standard error"];
        match usize::try_from(self.number).ok().and_then(|number| name.get(number)) {
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
pub(super) fn read(directory: &Path) -> Option<Vec<Open>> {
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
    // In another root the path says little: `/dev/null` may be called `/` there.
    let null = fs::metadata(entry.path()).is_ok_and(|found| found.file_type().is_char_device() && found.rdev() == NULL);
    Some(if null {
        "/dev/null".to_owned()
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
    number(&directory.join("fdinfo").join(entry.file_name()), "Pid:")
}

/// Whether this is a descriptor of a process whose parent is the process looked at.
fn is_child(directory: &Path, entry: &fs::DirEntry) -> bool {
    let Some(pid) = described(directory, entry) else { return false };
    let (Some(proc), own) = (directory.parent(), number(&directory.join("status"), "Pid:")) else { return false };
    own.is_some() && number(&proc.join(pid.to_string()).join("status"), "PPid:") == own
}

/// The number behind a key.
fn number(path: &Path, key: &str) -> Option<i32> {
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

/// Kinds of sockets by inode.
struct Sockets {
    known: HashMap<String, &'static str>,
    /// Whether the namespaces of all processes were looked at.
    everywhere: bool,
    /// Inodes of those that the kernel calls connected, among those of UNIX.
    connected: HashSet<String>,
    /// Inodes of those that are in the tables of the process's own network namespace.
    own: HashSet<String>,
}

/// Whether this kernel's table says of a datagram socket that it is connected: before Linux 5.15 it says so of none.
fn tells_connected() -> bool {
    let Ok((one, _other)) = UnixDatagram::pair() else { return false };
    let link = fs::read_link(format!("/proc/self/fd/{}", one.as_raw_fd())).unwrap_or_default();
    let sockets = Sockets::of(Path::new("/proc/self"));
    inode_of(&link).is_some_and(|inode| sockets.connected.contains(inode))
}

/// The number in `socket:[4711]`.
fn inode_of(target: &Path) -> Option<&str> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')
}

impl Sockets {
    /// Those of the process's network namespace.
    fn of(directory: &Path) -> Self {
        let (known, connected, own) = (HashMap::new(), HashSet::new(), HashSet::new());
        let mut sockets = Self { known, everywhere: false, connected, own };
        sockets.add_own(directory);
        sockets
    }

    /// The kind of one socket. A worker holds sockets of many namespaces: what is not in its own is looked for in those
    /// of other processes.
    fn kind(&mut self, inode: &str) -> &'static str {
        if !self.known.contains_key(inode) && !self.everywhere {
            self.everywhere = true;
            let mut seen = HashSet::new();
            for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
                    let namespace = fs::read_link(entry.path().join("ns/net")).ok();
                    if namespace.is_some_and(|namespace| seen.insert(namespace)) {
                        self.add(&entry.path());
                    }
                }
            }
        }
        self.known.get(inode).copied().unwrap_or(OTHER)
    }

    /// Whether a datagram socket that is in a table is connected to nobody.
    fn is_unheard(&self, target: &Path) -> bool {
        inode_of(target).is_some_and(|inode| !self.connected.contains(inode)) && tells_connected()
    }

    /// Whether a socket is in a table, and in none of the process's own namespace.
    fn is_foreign(&self, target: &Path) -> bool {
        inode_of(target).is_some_and(|inode| self.known.contains_key(inode) && !self.own.contains(inode))
    }

    /// The sockets of the namespace of the process itself. Nothing is known yet, or what was not.
    fn add_own(&mut self, directory: &Path) {
        let before = std::mem::take(&mut self.known);
        self.add(directory);
        self.own.extend(self.known.keys().cloned());
        for (inode, kind) in before {
            self.known.entry(inode).or_insert(kind);
        }
    }

    /// The sockets of one process's network namespace.
    fn add(&mut self, directory: &Path) {
        let mut table = |name: &str, inode: usize, kind: &dyn Fn(&[&str]) -> &'static str| {
            let text = fs::read_to_string(directory.join("net").join(name)).unwrap_or_default();
            for line in text.lines().skip(1) {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let Some(inode) = words.get(inode) {
                    self.known.insert((*inode).to_owned(), kind(&words));
                }
            }
        };
        // State 0A is LISTEN (include/net/tcp_states.h).
        let tcp = |words: &[&str]| if words.get(3) == Some(&"0A") { LISTENER } else { CONNECTION };
        table("tcp", 9, &tcp);
        table("tcp6", 9, &tcp);
        table("udp", 9, &|_| "udp");
        table("udp6", 9, &|_| "udp");
        table("raw", 9, &|_| "raw");
        table("packet", 8, &|_| "packet");
        table("netlink", 9, &|_| "netlink");
        table("unix", 6, &|words| match words.get(4) {
            Some(&"0001") => STREAM,
            Some(&"0002") => DATAGRAM,
            // The third word of a socket that listens (`__SO_ACCEPTCON`, net/unix/af_unix.c).
            Some(&"0005") if words.get(3) == Some(&"00010000") => DOOR,
            Some(&"0005") => PEER,
            _ => "unix",
        });
        // State 03 is SS_CONNECTED (include/uapi/linux/net.h).
        let text = fs::read_to_string(directory.join("net/unix")).unwrap_or_default();
        let words = |line: &'_ str| -> Option<String> {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.get(5) == Some(&"03")).then(|| words.get(6).map(|inode| (*inode).to_owned()))?
        };
        self.connected.extend(text.lines().skip(1).filter_map(words));
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

    use super::{OTHER, read};

    #[test]
    fn what_can_be_done_with_a_file_is_said() {
        let place = std::env::temp_dir().join(format!("nsgate-open-{}", std::process::id()));
        let said = |options: &std::fs::OpenOptions| {
            let file = options.open(&place).unwrap();
            let number = std::os::fd::AsRawFd::as_raw_fd(&file);
            let all = read(Path::new("/proc/self")).unwrap();
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
            let strange = (0..200).filter_map(|_| read(Path::new("/proc/self")).map(others)).sum::<usize>();
            done.store(true, Ordering::Relaxed);
            assert_eq!(strange, 0, "sockets in no table");
        });
    }
}
