//! Who listens at an address, by the kernel's own account: its table of sockets, and what each process has open.

use nix::unistd::geteuid;
use nsgate_config::Listener;
use nsgate_sandbox::attest::listening_lines;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::RawFd,
    path::Path,
};

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    address: IpAddr,
    port: u16,
    /// Who made it: the kernel's word, which only a privilege can change.
    uid: u32,
    pub(crate) inode: u64,
}

/// A process, and the descriptors by which it holds sockets that were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketHolder {
    pub(crate) pid: i32,
    pub(crate) holds: Vec<(RawFd, u64)>,
}

/// The sockets that keep `listener` from being bound, in the network namespace that this process is in.
pub(crate) fn in_the_way(listener: &Listener) -> Vec<Listening> {
    let all = |file: &str| listening_lines(&Path::new("/proc/self/net").join(file)).unwrap_or_default();
    let found: Vec<Listening> =
        ["tcp", "tcp6"].iter().flat_map(|file| all(file)).filter_map(|line| of_line(&line)).collect();
    let (port, wanted) = (listener.port.get(), listener.address);
    let same_family = |one: &&Listening| one.address.is_ipv4() == wanted.is_ipv4();
    let at_port = found.iter().filter(|one| one.port == port);
    let meets = |one: &&Listening| one.address == wanted || one.address.is_unspecified() || wanted.is_unspecified();
    let near: Vec<Listening> = at_port.clone().filter(same_family).filter(meets).copied().collect();
    // A listener of IPv6 hears IPv4 as well, unless it was told not to, which the table does not say.
    let far = at_port.filter(|one| !same_family(one) && (one.address.is_unspecified() || wanted.is_unspecified()));
    if near.is_empty() { far.copied().collect() } else { near }
}

impl Listening {
    /// Whether the process that made it had this process's rights.
    pub(crate) fn is_ours(&self) -> bool {
        self.uid == geteuid().as_raw()
    }
}

/// The processes that hold one of these sockets, as far as `/proc` shows them.
pub(crate) fn of(sockets: &[Listening]) -> Vec<SocketHolder> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let inodes: Vec<u64> = sockets.iter().map(|socket| socket.inode).collect();
    pids.filter(|pid| *pid != own)
        .map(|pid| SocketHolder { pid, holds: held_by(pid, &inodes) })
        .filter(|holder| !holder.holds.is_empty())
        .collect()
}

/// Which of these sockets a process holds, and by which descriptor.
fn held_by(pid: i32, inodes: &[u64]) -> Vec<(RawFd, u64)> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let held = links.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
        inodes.contains(&inode).then_some(())?;
        Some((entry.file_name().to_str()?.parse().ok()?, inode))
    });
    held.collect()
}

/// Whether a process holds one of these sockets.
pub(crate) fn holds_any(pid: i32, inodes: &[u64]) -> bool {
    !held_by(pid, inodes).is_empty()
}

/// A process in words: its number and its command line.
pub(crate) fn in_words(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = command
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).escape_debug().to_string())
        .collect();
    let line: String = words.join(" ").chars().take(LONGEST).collect();
    if line.is_empty() { format!("process {pid}") } else { format!("process {pid} (`{line}`)") }
}

/// Characters of a command line that are shown.
const LONGEST: usize = 200;

/// The socket of a line of the table (`net/ipv4/tcp_ipv4.c`, `tcp4_seq_show`).
fn of_line(line: &str) -> Option<Listening> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, _, _, _, _, uid, _, inode, ..] = *words.as_slice() else { return None };
    let (address, port) = local.split_once(':')?;
    Some(Listening {
        address: ip(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        uid: uid.parse().ok()?,
        inode: inode.parse().ok()?,
    })
}

/// An address as the table has it: words of 32 bits, each printed as a number of this host's.
fn ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes = <[u8; 16]>::try_from(words.as_flattened()).ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{holds_any, in_the_way, in_words, of, of_line};
    use nsgate_config::{Listener, TcpPort};
    use std::net::TcpListener;

    #[test]
    fn the_kernels_table_is_understood() {
        let line =
            "   0: FEA9FEA9:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 4711 1 0 100";
        let found = of_line(line).unwrap();
        assert_eq!((found.port, found.uid, found.inode), (80, 107, 4711));
        if cfg!(target_endian = "little") {
            assert_eq!(found.address.to_string(), "169.254.169.254");
        }
        assert!(of_line(&line.replacen("FEA9FEA9", "000080FE0000000000000000A9FEA9FE", 1)).is_some());
        assert!(of_line("   0: FEA9FEA9:0050 00000000:0000 0A").is_none());
    }

    #[test]
    fn a_socket_is_found_with_its_holder() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = socket.local_addr().unwrap();
        let port = TcpPort::try_from(place.port()).unwrap();
        let listener = Listener { address: place.ip(), port, interface: None };
        let found = in_the_way(&listener);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].is_ours());
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(holds_any(own, &[found[0].inode]));
        assert!(of(&found).is_empty(), "this process is not in its own way");
        let everywhere = Listener { address: [0, 0, 0, 0].into(), port, interface: None };
        assert!(!in_the_way(&everywhere).is_empty());
        let inode = found[0].inode;
        drop(socket);
        // A child that another test has forked meanwhile holds it for a moment longer.
        let gone = || in_the_way(&listener).iter().all(|other| other.inode != inode);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while !gone() && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(gone());
    }

    #[test]
    fn a_process_is_named_by_its_command() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(in_words(own).starts_with(&format!("process {own} (`")), "{}", in_words(own));
        assert_eq!(in_words(i32::MAX), format!("process {}", i32::MAX));
    }
}
