//! UNIX sockets: connect(2) is an allowed call, so no socket outside the agent's directory may have a name in the gate's root.

use libc::{SOCK_DGRAM, SOCK_STREAM, SYS_bind, SYS_listen, SYS_socketpair};
use nix::errno::Errno;

use super::sockets::{connect, send_to, socket};
use super::{ABSTRACT, Arg, Call, End, OTHER_AGENT, OTHER_LOG, Probe, call, killed, n, refused, zeroes};

pub(super) fn probes() -> Vec<Probe> {
    let open = |kind| socket(libc::AF_UNIX, kind, 0);
    let reach = |path: &str| vec![open(SOCK_STREAM), connect(Arg::Made(0), named(path))];
    vec![
        refused(
            "another-agents-socket",
            "connects to an agent's socket in another directory",
            Errno::ENOENT,
            reach(OTHER_AGENT),
        ),
        variants(
            "climb-out-of-the-root",
            "connects to another agent's socket by `..`",
            Errno::ENOENT,
            ["/..", ".."].map(|from| reach(&format!("{from}{OTHER_AGENT}"))),
        ),
        each_killed(
            "any-long-path",
            "connects by a path of more than a few letters: the agent's own, as the host and as the gate know it",
            ["/run/lab/neutron/metadata_proxy", "/backend/metadata_proxy"].map(&reach),
        ),
        each_killed(
            "climb-out-of-a-window",
            "connects to another agent's socket by `..` from the agent's directory",
            ["/backend/..", "/backend/../.."].map(|from| reach(&format!("{from}{OTHER_AGENT}"))),
        ),
        each_killed(
            "through-proc",
            "the same through /proc: another process's root, the gate's own, its descriptors",
            ["/proc/1/root", "/proc/self/root", "/proc/self/cwd", "/proc/self/fd/3"]
                .map(|from| reach(&format!("{from}{OTHER_AGENT}"))),
        ),
        each_killed(
            "sockets-of-the-host",
            "connects to systemd, D-Bus, Docker and the journal",
            ["/run/systemd/private", "/run/dbus/system_bus_socket", "/run/docker.sock", "/run/systemd/journal/stdout"]
                .map(&reach),
        ),
        killed(
            "send-to-another-socket",
            "sends a datagram to a socket in another directory",
            [open(SOCK_DGRAM), send_to(Arg::Made(0), 0, named(OTHER_LOG))],
        ),
        refused(
            "abstract-name",
            "connects to an abstract name in its network namespace",
            Errno::EPERM,
            [open(SOCK_STREAM), connect(Arg::Made(0), hidden(ABSTRACT))],
        )
        .since(6),
        refused(
            "abstract-name-datagram",
            "connects a datagram socket to an abstract name",
            Errno::EPERM,
            [open(SOCK_DGRAM), connect(Arg::Made(0), hidden(&format!("{ABSTRACT}.log")))],
        )
        .since(6),
        killed(
            "send-to-an-abstract-name",
            "sends a datagram to an abstract name",
            [open(SOCK_DGRAM), send_to(Arg::Made(0), 0, hidden(&format!("{ABSTRACT}.log")))],
        ),
        refused(
            "a-unix-address-on-a-guests-socket",
            "connects a TCP socket to a UNIX path",
            Errno::EINVAL,
            [connect(Arg::Guest, vec![0; 2]), connect(Arg::Guest, named(OTHER_AGENT))],
        ),
        killed("socketpair", "makes a pair of UNIX sockets", [call(SYS_socketpair, [n(1), n(1), n(0), zeroes(8)])]),
        each_killed_after_opening(
            "bind-a-unix-socket",
            "offers a socket of its own: by a path beside the agent's, by an abstract name, by autobind",
            [named("/backend/mine"), hidden("nsgate.lab.mine"), vec![1, 0]],
        ),
        killed(
            "listen-on-a-unix-socket",
            "listens on a UNIX socket",
            [open(SOCK_STREAM), call(SYS_listen, [Arg::Made(0), n(1)])],
        ),
    ]
}

fn variants<const N: usize>(name: &'static str, tries: &'static str, errno: Errno, calls: [Vec<Call>; N]) -> Probe {
    Probe::new(name, tries, calls.into(), End::Refused(errno))
}

fn each_killed<const N: usize>(name: &'static str, tries: &'static str, calls: [Vec<Call>; N]) -> Probe {
    Probe::new(name, tries, calls.into(), End::Killed)
}

fn each_killed_after_opening<const N: usize>(
    name: &'static str,
    tries: &'static str,
    addresses: [Vec<u8>; N],
) -> Probe {
    let bind = |address: Vec<u8>| {
        let length = Arg::N(address.len() as u64);
        let open = socket(libc::AF_UNIX, SOCK_STREAM, 0);
        vec![open, call(SYS_bind, [Arg::Made(0), Arg::Bytes(address), length])]
    };
    Probe::new(name, tries, addresses.map(bind).into(), End::Killed)
}

/// `sockaddr_un` of a path.
pub(super) fn named(path: &str) -> Vec<u8> {
    [&[1, 0], path.as_bytes(), &[0]].concat()
}

/// `sockaddr_un` of an abstract name.
fn hidden(name: &str) -> Vec<u8> {
    [&[1, 0, 0], name.as_bytes()].concat()
}
