//! The kernel's tables of sockets (proc_pid_net(5)): which kind one is, by its inode.

use super::kinds::{CONNECTION, DATAGRAM, LISTENER, OTHER, PACKET_LISTENER, PACKETS, STREAM, STREAM_LISTENER};
use std::{
    collections::{HashMap, HashSet},
    fs,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    path::Path,
};

/// Kinds of sockets by inode.
pub(super) struct Sockets {
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
    pub(super) fn of(directory: &Path) -> Self {
        let (known, connected, own) = (HashMap::new(), HashSet::new(), HashSet::new());
        let mut sockets = Self { known, everywhere: false, connected, own };
        sockets.add_own(directory);
        sockets
    }

    /// The kind of one socket. A process may hold sockets of many namespaces: what is not in its own is looked for in those
    /// of other processes.
    pub(super) fn kind(&mut self, inode: &str) -> &'static str {
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

    /// Whether a datagram socket that is in a table has no other end.
    pub(super) fn is_unheard(&self, target: &Path) -> bool {
        inode_of(target).is_some_and(|inode| !self.connected.contains(inode)) && tells_connected()
    }

    /// Whether a socket is in a table, and in none of the process's own namespace.
    pub(super) fn is_foreign(&self, target: &Path) -> bool {
        inode_of(target).is_some_and(|inode| self.known.contains_key(inode) && !self.own.contains(inode))
    }

    /// The sockets of the namespace of the process itself. Nothing is known yet, or what was not.
    pub(super) fn add_own(&mut self, directory: &Path) {
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
        // The third word of a socket that listens (`__SO_ACCEPTCON`, net/unix/af_unix.c).
        let listens = |words: &[&str]| words.get(3) == Some(&"00010000");
        table("unix", 6, &|words| match words.get(4) {
            Some(&"0001") if listens(words) => STREAM_LISTENER,
            Some(&"0001") => STREAM,
            Some(&"0002") => DATAGRAM,
            Some(&"0005") if listens(words) => PACKET_LISTENER,
            Some(&"0005") => PACKETS,
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
