//! Why a process that runs answers no guest: it is stopped, or its network has changed.
//!
//! Reads `/proc` alone. The sockets and addresses of a process's network namespace are in `/proc/PID/net`, so there is no need to
//! enter the namespace.

use super::Counted;
use nsgate_sandbox::attest::listening_lines;
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    thread::sleep,
    time::Duration,
};

/// Interfaces that lead to no guest: the loopback, and those that tunnel modules create in each namespace.
const NOWHERE: [&str; 10] =
    ["lo", "sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip6gre0", "ip_vti0", "ip6_vti0"];
/// A process that is traced for longer counts as stopped.
const LOOK: Duration = Duration::from_millis(100);

/// The reason and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) what: String,
    pub(crate) remedy: String,
    /// Whether it answers no guest at all. If one address of two is gone, it still answers some.
    pub(crate) wholly: bool,
    /// Whether it is a keeper that waits for a worker.
    pub(crate) waits: bool,
}

/// `None` if the process can answer guests, or if that cannot be read.
pub(super) fn of(pid: i32, role: &str) -> Option<Silent> {
    if let Some(stopped) = stopped(pid) {
        return Some(stopped);
    }
    if !["gate", "keeper", "hostproxy"].contains(&role) {
        return None;
    }
    let listens = listens(pid)?;
    let lost = address(pid, &listens);
    // Look at interfaces only for a process that listens at the unspecified address. At an address of its own it serves the owner
    // of that address: on the loopback, the processes of its namespace.
    let everywhere = role != "hostproxy" && listens.iter().any(IpAddr::is_unspecified);
    lost.or_else(|| everywhere.then(|| interfaces(pid)).flatten())
}

/// It is stopped (proc_pid_stat(5)).
pub(crate) fn stopped(pid: i32) -> Option<Silent> {
    let stopped = match state(pid) {
        Some('T') => true,
        Some('t') => {
            sleep(LOOK);
            matches!(state(pid), Some('T' | 't'))
        }
        _ => false,
    };
    let said = |by: String, remedy: String| Silent {
        what: format!("it is stopped, {by}: it does nothing"),
        remedy,
        wholly: true,
        waits: false,
    };
    stopped.then(|| match tracer(pid) {
        Some(tracer) => said(
            format!("by the debugger {tracer}"),
            format!("have the debugger let it go, or end that one: `kill {tracer}`"),
        ),
        None => {
            said("by a signal (state T)".to_owned(), format!("`kill -CONT {pid}`, and look for what has stopped it"))
        }
    })
}

/// The process that traces it (`TracerPid`, proc_pid_status(5)). SIGCONT does not end a stop by a tracer.
fn tracer(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")?.trim().parse().ok())?;
    (tracer > 0).then_some(tracer)
}

/// A keeper that may not serve by itself has no worker.
pub(super) fn unserved(counted: &Counted) -> Option<Silent> {
    counted.read().filter(|read| read.unserved && !read.serves).map(|_| Silent {
        what: "no worker serves its network, and it may not by itself (`nsgate add --no-fallback`, or `pool_fallback = false`)"
            .to_owned(),
        remedy: "`nsgate doctor` says what is the matter with its pool; or start the network anew, and let it serve by itself"
            .to_owned(),
        wholly: true,
        waits: true,
    })
}

/// The first word after the name (proc_pid_stat(5)).
pub(crate) fn state(pid: i32) -> Option<char> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit_once(')')?.1.trim_start().chars().next()
}

/// The addresses at which a process listens.
fn listens(pid: i32) -> Option<BTreeSet<IpAddr>> {
    let own = sockets(pid)?;
    let lines = |name: &str| listening_lines(Path::new(&format!("/proc/{pid}/net/{name}"))).ok();
    let mut all = listeners(&lines("tcp")?, &own);
    all.extend(listeners(&lines("tcp6").unwrap_or_default(), &own));
    Some(all)
}

/// A table of a process's network namespace.
fn net(pid: i32, name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/net/{name}")).ok()
}

/// Whether it listens at an address that its namespace no longer has.
fn address(pid: i32, listens: &BTreeSet<IpAddr>) -> Option<Silent> {
    let mut there = local(&net(pid, "fib_trie")?);
    there.extend(inet6(&net(pid, "if_inet6").unwrap_or_default()));
    let loopback = |ip: &IpAddr| matches!(ip, IpAddr::V4(ip) if ip.is_loopback());
    let gone: Vec<&IpAddr> =
        listens.iter().filter(|ip| !ip.is_unspecified() && !loopback(ip) && !there.contains(ip)).collect();
    (!gone.is_empty()).then(|| {
        let shown = gone.iter().map(|ip| ip.to_string()).collect::<Vec<_>>().join(" and ");
        let remedy = format!("{}, or start the network's agent anew: it makes it", back(pid, &gone));
        let wholly = gone.len() == listens.len();
        Silent {
            what: format!("its network namespace has no address {shown}, at which it listens"),
            remedy,
            wholly,
            waits: false,
        }
    })
}

/// How to put these addresses back: a command, if only one interface can have them.
fn back(pid: i32, gone: &[&IpAddr]) -> String {
    let table = net(pid, "dev").unwrap_or_default();
    let names = table.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    let (net, names) = (format!("nsenter --net=/proc/{pid}/ns/net"), names.filter(|name| !NOWHERE.contains(name)));
    match *names.collect::<Vec<_>>() {
        [one] => {
            let add =
                |ip: &&IpAddr| format!("{net} ip address add {ip}/{} dev {one}", if ip.is_ipv4() { 32 } else { 128 });
            format!("`{}` puts it back", gone.iter().map(add).collect::<Vec<_>>().join(" && "))
        }
        _ => format!("put it back (ip address add) on the interface that had it: `{net} ip address` lists them"),
    }
}

/// Whether its namespace has no interface that leads to a guest.
fn interfaces(pid: i32) -> Option<Silent> {
    let table = net(pid, "dev")?;
    let mut names = table.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    names.all(|name| NOWHERE.contains(&name)).then(|| Silent {
        what: "its network namespace has no interface that leads to a guest: was the namespace deleted?".to_owned(),
        remedy: format!("start the network's agent anew; if it does not want the network any more, `kill {pid}`"),
        wholly: true,
        waits: false,
    })
}

/// Numbers of the sockets that a process has open.
fn sockets(pid: i32) -> Option<BTreeSet<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    let number =
        |link: std::path::PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    Some(links.filter_map(number).collect())
}

/// The addresses at which these sockets listen, from listening lines of `tcp` or `tcp6`.
fn listeners(lines: &[String], own: &BTreeSet<String>) -> BTreeSet<IpAddr> {
    let one = |line: &String| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, inode) = (words.get(1)?, words.get(9)?);
        own.contains(*inode).then(|| of_words(local.split(':').next()?)).flatten()
    };
    lines.iter().filter_map(one).collect()
}

/// Reads an address as `tcp` and `tcp6` write it: words of 32 bits in this machine's byte order.
fn of_words(text: &str) -> Option<IpAddr> {
    let bytes = bytes(text)?;
    let words = bytes.chunks_exact(4).filter_map(|word| <[u8; 4]>::try_from(word).ok());
    let bytes: Vec<u8> = words.flat_map(|word| u32::from_be_bytes(word).to_ne_bytes()).collect();
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|four| IpAddr::V4(Ipv4Addr::from(four))),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|all| IpAddr::V6(Ipv6Addr::from(all))),
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(pair).collect()
}

/// A namespace's own IPv4 addresses, from `fib_trie`, where the line below each is `/32 host LOCAL`.
fn local(table: &str) -> BTreeSet<IpAddr> {
    let mut all = BTreeSet::new();
    let mut last: Option<IpAddr> = None;
    for line in table.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.ends_with(" host LOCAL") {
            all.extend(last);
        }
    }
    all
}

/// The same of IPv6, from `if_inet6`.
fn inet6(table: &str) -> BTreeSet<IpAddr> {
    let first = table.lines().filter_map(|line| line.split_ascii_whitespace().next());
    first.filter_map(|word| Some(IpAddr::from(<[u8; 16]>::try_from(bytes(word)?).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{inet6, listeners, local};
    use nsgate_sandbox::attest::listening_lines;
    use std::{collections::BTreeSet, fs, net::TcpListener, os::fd::AsRawFd, path::Path};

    #[test]
    fn this_process_listens_where_it_does_and_has_that_address() {
        let sockets = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").unwrap()];
        let inode = |socket: &TcpListener| {
            let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
            link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').to_owned()
        };
        let own: BTreeSet<String> = sockets.iter().map(inode).collect();
        let net = |name: &str| fs::read_to_string(format!("/proc/self/net/{name}")).unwrap();
        let lines = |name: &str| listening_lines(Path::new(&format!("/proc/self/net/{name}"))).unwrap();
        let four = listeners(&lines("tcp"), &own);
        assert_eq!(four, BTreeSet::from(["127.0.0.1".parse().unwrap()]));
        assert!(four.is_subset(&local(&net("fib_trie"))), "{}", net("fib_trie"));
        let six = listeners(&lines("tcp6"), &own);
        assert_eq!(six, BTreeSet::from(["::1".parse().unwrap()]));
        assert!(six.is_subset(&inet6(&net("if_inet6"))), "{}", net("if_inet6"));
        assert!(listeners(&lines("tcp"), &BTreeSet::new()).is_empty(), "others' sockets");
    }
}
