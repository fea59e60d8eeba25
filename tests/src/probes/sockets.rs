//! The network: no socket of another family, no connection, no listener, no option beyond those in use.

use libc::{
    SYS_accept, SYS_accept4, SYS_bind, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt, SYS_listen,
    SYS_recvmmsg, SYS_recvmsg, SYS_sendmmsg, SYS_sendmsg, SYS_sendto, SYS_setsockopt, SYS_shutdown, SYS_socket,
};
use nix::errno::Errno;

use super::{Arg, Call, GUEST_PORT, NOTHING, NULL, Probe, call, each_killed, killed, n, refused, zeroes};
use crate::network::GUEST_V4;

/// Families whose sockets have a row of their own, and the only one that may be opened.
const SEEN_BELOW: [i32; 9] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
    libc::AF_PACKET,
    libc::AF_VSOCK,
    libc::AF_ALG,
    libc::AF_KEY,
    libc::AF_XDP,
];
/// One past the last family that Linux knows (AF_MCTP).
const FAMILIES: i32 = 46;

pub(super) fn probes() -> Vec<Probe> {
    let mut all = families();
    all.extend(connections());
    all.extend(messages());
    all.extend(options());
    all
}

fn families() -> Vec<Probe> {
    let (stream, datagram, raw) = (libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW);
    vec![
        each_killed(
            "tcp-socket",
            "opens a TCP socket, IPv4 and IPv6",
            [socket(libc::AF_INET, stream, 0), socket(libc::AF_INET6, stream, 0)],
        ),
        killed(
            "tcp-connect",
            "connects to a guest's port over TCP",
            [socket(libc::AF_INET, stream, 0), connect(Arg::Made(0), inet(GUEST_PORT))],
        ),
        killed(
            "tcp-listen",
            "listens on a TCP port of its own",
            [
                socket(libc::AF_INET, stream, 0),
                call(SYS_bind, [Arg::Made(0), Arg::Bytes(any(8081)), n(16)]),
                call(SYS_listen, [Arg::Made(0), n(1)]),
            ],
        ),
        killed("mptcp-socket", "opens a Multipath TCP socket", [socket(libc::AF_INET, stream, 262)]),
        killed(
            "udp-send",
            "sends a datagram to a guest",
            [socket(libc::AF_INET, datagram, 0), send_to(Arg::Made(0), 0, inet(53))],
        ),
        each_killed(
            "udp-socket",
            "opens a UDP socket, IPv4 and IPv6",
            [socket(libc::AF_INET, datagram, 0), socket(libc::AF_INET6, datagram, 0)],
        ),
        each_killed(
            "raw-socket",
            "opens a raw socket, ICMP",
            [socket(libc::AF_INET, raw, 1), socket(libc::AF_INET6, raw, 58), socket(libc::AF_INET, datagram, 1)],
        ),
        each_killed(
            "netlink-socket",
            "asks the kernel over netlink: routes, sockets, audit, netfilter, uevents",
            [0, 4, 9, 12, 15].map(|protocol| socket(libc::AF_NETLINK, raw, protocol)),
        ),
        killed("packet-socket", "captures packets", [socket(libc::AF_PACKET, raw, 0x0300)]),
        killed("vsock-socket", "talks to the hypervisor (AF_VSOCK)", [socket(libc::AF_VSOCK, stream, 0)]),
        killed("alg-socket", "the kernel's ciphers (AF_ALG)", [socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)]),
        killed("key-socket", "IPsec keys (AF_KEY)", [socket(libc::AF_KEY, raw, 2)]),
        killed("xdp-socket", "packets past the network stack (AF_XDP)", [socket(libc::AF_XDP, raw, 0)]),
        each_killed(
            "socket-of-any-other-family",
            "opens a socket of every family that has no row of its own",
            (0..FAMILIES).filter(|family| !SEEN_BELOW.contains(family)).map(|family| socket(family, datagram, 0)),
        ),
        killed(
            "family-with-a-high-half",
            "opens a socket whose family is AF_UNIX in its lower 16 bits only",
            [call(SYS_socket, [Arg::N(0x0001_0001), n(stream), n(0)])],
        ),
    ]
}

fn connections() -> Vec<Probe> {
    // AF_UNSPEC and nothing else: all that the kernel looks at, and short enough.
    let disconnect = || connect(Arg::Guest, vec![0; 2]);
    let short = |length: usize| inet(GUEST_PORT).into_iter().take(length).collect::<Vec<u8>>();
    vec![
        killed(
            "tcp-connect-on-a-guests-socket",
            "dissolves a guest's connection and connects its socket to another port",
            [disconnect(), connect(Arg::Guest, inet(GUEST_PORT))],
        ),
        killed(
            "tcp-connect-on-the-listener",
            "dissolves the listener and connects its socket to a guest's port",
            [connect(Arg::Listener, vec![0; 2]), connect(Arg::Listener, inet(GUEST_PORT))],
        ),
        refused(
            "tcp-connect-with-a-short-address",
            "the same with as much of an address as a call may have, which is too little for the kernel",
            Errno::EINVAL,
            [disconnect(), connect(Arg::Guest, short(15))],
        ),
        killed(
            "tcp-fast-open-on-a-guests-socket",
            "the same without connect: sendto with MSG_FASTOPEN",
            [disconnect(), send_to(Arg::Guest, libc::MSG_FASTOPEN, inet(GUEST_PORT))],
        ),
        killed(
            "bind-a-guests-socket",
            "dissolves a guest's connection and binds its socket to another port",
            [disconnect(), call(SYS_bind, [Arg::Guest, Arg::Bytes(any(8081)), n(16)])],
        ),
        killed(
            "listen-on-a-guests-socket",
            "dissolves a guest's connection and listens on its socket",
            [disconnect(), call(SYS_listen, [Arg::Guest, n(1)])],
        ),
        killed("accept", "accepts with accept(2)", [call(SYS_accept, [Arg::Listener, NULL, NULL])]),
        refused("accept-on-nothing", "accepts on no descriptor", Errno::EBADF, [accept4(NOTHING)]),
        refused("accept-on-a-guests-socket", "accepts on a connection", Errno::EINVAL, [accept4(Arg::Guest)]),
        refused(
            "accept-on-a-unix-socket",
            "accepts on a UNIX socket that cannot listen",
            Errno::EINVAL,
            [socket(libc::AF_UNIX, libc::SOCK_STREAM, 0), accept4(Arg::Made(0))],
        ),
        refused(
            "shut-down-nothing",
            "shuts a descriptor down that is no socket",
            Errno::ENOTSOCK,
            [call(SYS_shutdown, [n(0), n(2)])],
        ),
        each_killed(
            "name-the-ends",
            "asks for the addresses of a connection: getsockname, getpeername",
            [SYS_getsockname, SYS_getpeername]
                .map(|number| call(number, [Arg::Guest, zeroes(128), Arg::Bytes(128u64.to_le_bytes().to_vec())])),
        ),
    ]
}

fn messages() -> Vec<Probe> {
    vec![
        killed(
            "send-a-descriptor",
            "hands a guest's socket to the agent (sendmsg, SCM_RIGHTS)",
            [
                socket(libc::AF_UNIX, libc::SOCK_STREAM, 0),
                call(SYS_sendmsg, [Arg::Made(0), descriptor_message(), n(0)]),
            ],
        ),
        each_killed(
            "message-calls",
            "sendmsg, sendmmsg, recvmsg, recvmmsg",
            [
                call(SYS_sendmsg, [Arg::Guest, zeroes(56), n(libc::MSG_DONTWAIT)]),
                call(SYS_sendmmsg, [Arg::Guest, zeroes(64), n(1), n(libc::MSG_DONTWAIT)]),
                call(SYS_recvmsg, [Arg::Guest, zeroes(56), n(libc::MSG_DONTWAIT)]),
                call(SYS_recvmmsg, [Arg::Guest, zeroes(64), n(1), n(libc::MSG_DONTWAIT), NULL]),
            ],
        ),
    ]
}

fn options() -> Vec<Probe> {
    let (ip, tcp, socket) = (libc::IPPROTO_IP, libc::IPPROTO_TCP, libc::SOL_SOCKET);
    let set = |level: i32, option: i32| call(SYS_setsockopt, [Arg::Guest, n(level), n(option), zeroes(64), n(64)]);
    let ask = |level: i32, option: i32| {
        call(SYS_getsockopt, [Arg::Guest, n(level), n(option), zeroes(64), Arg::Bytes(64u64.to_le_bytes().to_vec())])
    };
    vec![
        each_killed(
            "route-options",
            "sets SO_MARK, SO_BINDTODEVICE, SO_PRIORITY, IP_TRANSPARENT, IP_FREEBIND, IP_OPTIONS",
            [set(socket, 36), set(socket, 25), set(socket, 12), set(ip, 19), set(ip, 15), set(ip, 4)],
        ),
        each_killed(
            "filter-options",
            "attaches a program to a socket: SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF",
            [set(socket, 26), set(socket, 50), set(socket, 52)],
        ),
        each_killed(
            "tcp-options",
            "sets TCP_REPAIR, TCP_ULP, TCP_FASTOPEN_CONNECT, TCP_CONGESTION, TCP_MD5SIG",
            [19, 31, 30, 13, 14].map(|option| set(tcp, option)),
        ),
        each_killed(
            "netfilter-options",
            "reads and replaces netfilter's tables, asks for the address before a redirect",
            [set(ip, 64), ask(ip, 64), ask(ip, 80)],
        ),
        each_killed(
            "peer-options",
            "asks for a pidfd, the groups, the label of the peer; wants credentials with each message",
            [ask(socket, 77), ask(socket, 59), ask(socket, 31), set(socket, 16)],
        ),
    ]
}

pub(super) fn socket(family: i32, kind: i32, protocol: i32) -> Call {
    call(SYS_socket, [n(family), n(kind | libc::SOCK_NONBLOCK), n(protocol)])
}

pub(super) fn connect(socket: Arg, address: Vec<u8>) -> Call {
    let length = Arg::N(address.len() as u64);
    call(SYS_connect, [socket, Arg::Bytes(address), length])
}

pub(super) fn send_to(socket: Arg, flags: i32, address: Vec<u8>) -> Call {
    let length = Arg::N(address.len() as u64);
    // The one flag that the policy wants, so that the refusal has another reason.
    let flags = n(flags | libc::MSG_NOSIGNAL);
    call(SYS_sendto, [socket, Arg::Bytes(b"x".to_vec()), n(1), flags, Arg::Bytes(address), length])
}

fn accept4(socket: Arg) -> Call {
    call(SYS_accept4, [socket, NULL, NULL, n(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)])
}

/// `sockaddr_in` of the guest.
fn inet(port: u16) -> Vec<u8> {
    let mut address = vec![2, 0];
    address.extend(port.to_be_bytes());
    address.extend(GUEST_V4.octets());
    address.extend([0; 8]);
    address
}

/// `sockaddr_in` of no address in particular.
fn any(port: u16) -> Vec<u8> {
    let mut address = inet(port);
    address[4..8].fill(0);
    address
}

/// `struct msghdr` with one byte and, as control message, the guest's descriptor.
fn descriptor_message() -> Arg {
    let control = Arg::Words(vec![Arg::N(20), Arg::N(1 | (1 << 32)), Arg::Guest]);
    let parts = Arg::Words(vec![Arg::Bytes(b"x".to_vec()), Arg::N(1)]);
    Arg::Words(vec![NULL, Arg::N(0), parts, Arg::N(1), control, Arg::N(24), Arg::N(0)])
}
