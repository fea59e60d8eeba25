//! Network namespaces as Neutron makes them: `ip netns`, a veth pair, the metadata addresses on the gate's side.
//!
//! ```text
//!   guest ── eth0 10.0.0.11…10.0.0.250, fe80::f816:3eff:fe00:1, fd00::11
//!                │ veth
//!   gate  ── tap4f2a9c1d-30 10.0.0.1, 169.254.169.254/32, fe80::a9fe:a9fe
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cut::Way;
use crate::lab::wait_until;
use nix::sched::{CloneFlags, setns};

/// The interface on the gate's side, named as Neutron names them.
pub const GATE_INTERFACE: &str = "tap4f2a9c1d-30";
/// The metadata address every cloud uses.
pub const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The metadata address of OpenStack for IPv6 (link-local).
pub const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
/// The guest's first address.
pub const GUEST_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
/// The guest's MAC address, from which its link-local address is made (EUI-64).
pub const GUEST_MAC: &str = "fa:16:3e:00:00:01";
/// The link-local address made from [`GUEST_MAC`].
pub const GUEST_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0xf816, 0x3eff, 0xfe00, 0x0001);

/// A named network namespace (`/run/netns/NAME` of this world).
#[derive(Debug, Clone)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace, its loopback up.
    pub fn create(name: &str) -> Namespace {
        ip(&format!("netns add {name}\n-n {name} link set lo up"));
        Namespace { name: name.to_owned() }
    }

    /// A namespace that was made already.
    pub fn existing(name: &str) -> Namespace {
        Namespace { name: name.to_owned() }
    }

    /// Its name for `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// The inode that identifies it (what `/proc/PID/ns/net` shows).
    pub fn inode(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(self.path()).expect("the namespace exists").ino()
    }

    /// Runs `work` on a thread inside the namespace. Sockets made there stay there when handed out.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    // `ip netns add` makes the file first, and mounts the namespace on it then.
                    let enter = || setns(File::open(self.path()).ok()?, CloneFlags::CLONE_NEWNET).ok();
                    assert!(wait_until(2.0, || enter().is_some()), "{}: no such namespace", self.name);
                    work()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// `ip netns exec NAME PROGRAM …`, ready for arguments.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// The TCP ports that something listens on in the namespace, as `address:port` (from /proc/net/tcp and tcp6).
    pub fn listening(&self) -> Vec<(IpAddr, u16)> {
        self.inside(|| {
            let mut found = Vec::new();
            for (file, six) in [("/proc/thread-self/net/tcp", false), ("/proc/thread-self/net/tcp6", true)] {
                // The kernel lists listening sockets first. Reading all connections of a load takes seconds.
                let lines = File::open(file).map(|table| BufReader::new(table).lines().skip(1).map_while(Result::ok));
                found.extend(lines.into_iter().flatten().map_while(|line| listening_line(&line, six)));
            }
            found
        })
    }
}

fn listening_line(line: &str, six: bool) -> Option<(IpAddr, u16)> {
    let mut fields = line.split_whitespace().skip(1);
    let local = fields.next()?;
    let _remote = fields.next()?;
    if fields.next()? != "0A" {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_le_bytes);
    let address = if six {
        let bytes: Vec<u8> = (0..4).map(word).collect::<Option<Vec<_>>>()?.concat();
        IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)
    } else {
        IpAddr::from(word(0)?)
    };
    Some((address, port))
}

/// One Neutron network: the gate's namespace and a guest's.
#[derive(Debug)]
pub struct Network {
    /// Where the gate runs.
    pub gate: Namespace,
    /// Where the guests are.
    pub guest: Namespace,
}

impl Network {
    /// Makes both namespaces and the pair of interfaces; no address waits for duplicate detection.
    pub fn create() -> Network {
        Network::named("gate", "guest")
    }

    /// The same with names of the caller's choice.
    pub fn named(gate: &str, guest: &str) -> Network {
        let (gate, guest) = (Namespace::create(gate), Namespace::create(guest));
        let (g, v, tap) = (gate.name(), guest.name(), GATE_INTERFACE);
        let mut batch = format!(
            "-n {g} link add {tap} type veth peer name eth0 netns {v}\n\
             -n {v} link set eth0 address {GUEST_MAC}\n\
             -n {g} addr add 10.0.0.1/24 dev {tap}\n\
             -n {g} addr add {METADATA_V4}/32 dev {tap}\n\
             -n {g} addr add fd00::1/64 dev {tap} nodad\n\
             -n {g} addr add {METADATA_V6}/64 dev {tap} nodad\n\
             -n {v} addr add fd00::11/64 dev eth0 nodad\n"
        );
        for host in 11..=40 {
            batch.push_str(&format!("-n {v} addr add 10.0.0.{host}/24 dev eth0\n"));
        }
        batch.push_str(&format!(
            "-n {v} addr add {GUEST_LINK_LOCAL}/64 dev eth0 nodad\n\
             -n {g} link set {tap} up\n-n {v} link set eth0 up\n-n {v} route add {METADATA_V4}/32 via 10.0.0.1\n"
        ));
        if Way::Ipv6.is_cut() {
            let of_guests = format!("-n {v} addr add");
            let stays = |line: &&str| !(line.starts_with(&of_guests) && line.contains("::"));
            batch = batch.lines().filter(stays).map(|line| format!("{line}\n")).collect();
        }
        ip(&batch);
        Network { gate, guest }
    }
}

/// A /64 of which a guest may write every address, as one machine can.
pub const WHOLE_PREFIX: [u16; 4] = [0xfd00, 0, 0, 0x64];

impl Network {
    /// Gives the guest's side every address of [`WHOLE_PREFIX`]: the gate's side sends all of them there.
    pub fn route_whole_prefix(&self) {
        let (gate, guest) = (self.gate.name(), self.guest.name());
        self.guest.inside(|| std::fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1")).expect("a sysctl");
        let prefix = prefixed(0);
        ip(&format!(
            "-n {guest} route add local {prefix}/64 dev lo\n\
             -n {gate} route add {prefix}/64 via {GUEST_LINK_LOCAL} dev {GATE_INTERFACE}\n"
        ));
    }
}

/// An address of [`WHOLE_PREFIX`].
pub fn prefixed(host: u32) -> Ipv6Addr {
    let [a, b, c, d] = WHOLE_PREFIX;
    let [high, low] = [(host >> 16) as u16, host as u16];
    Ipv6Addr::new(a, b, c, d, 0, 0, high, low)
}

/// Runs `ip` with each line's arguments, in order; panics with the line and its message if one fails.
pub fn ip(lines: &str) {
    // A batch cannot change namespace line by line, so lines with the same `-n` are sent together.
    let mut groups: Vec<(Option<&str>, String)> = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (namespace, rest) = match line.strip_prefix("-n ").and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) => (Some(name), rest),
            None => (None, line),
        };
        match groups.last_mut() {
            Some((last, text)) if *last == namespace => text.push_str(&format!("{rest}\n")),
            _ => groups.push((namespace, format!("{rest}\n"))),
        }
    }
    for (namespace, text) in groups {
        if let Err(error) = batch(namespace, &text) {
            panic!("ip {}: {error}\n{text}", namespace.map(|name| format!("-n {name}")).unwrap_or_default());
        }
    }
}

fn batch(namespace: Option<&str>, text: &str) -> io::Result<()> {
    let mut command = Command::new("ip");
    if let Some(name) = namespace {
        command.args(["-n", name]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| io::Error::new(e.kind(), format!("cannot run `ip` ({e}); apt-get install iproute2")))?;
    child.stdin.take().expect("a pipe").write_all(text.as_bytes())?;
    let out = child.wait_with_output()?;
    if out.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&out.stderr).trim().to_owned()))
}
