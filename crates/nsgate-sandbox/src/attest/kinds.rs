//! Kinds of descriptors, as [`Open::kind`](super::Open::kind) names them. Others have the kernel's own names: `eventpoll`,
//! `eventfd`, `signalfd`, `pipe`; and a file has its path.

/// A plain file that can only grow.
pub const LOG: &str = "log file";
/// A directory that can be walked from and not read (O_PATH, open(2)).
pub const PINNED: &str = "pinned directory";
/// A process descriptor whose process is a child of the one that holds it: the child may be waited for and signalled without the
/// descriptor as well.
pub const CHILD: &str = "pidfd of a child";
/// The null device.
pub const NULL_DEVICE: &str = "/dev/null";
/// The device that gives zeros and takes everything to nowhere (null(4)).
pub const ZERO_DEVICE: &str = "/dev/zero";
/// The device that gives zeros and takes nothing (full(4)).
pub const FULL_DEVICE: &str = "/dev/full";
/// A terminal.
pub const TERMINAL: &str = "terminal";
/// Memory without a name in any file system (memfd_create(2)).
pub const MEMORY: &str = "memory";
/// A pipe, with or without a name.
pub const PIPE: &str = "pipe";

/// A TCP socket that waits for connections.
pub const LISTENER: &str = "tcp listener";
/// A TCP socket that has another end.
pub const CONNECTION: &str = "tcp connection";
/// A TCP socket that no table has: a connection that the other end has reset, until the process closes it (the kernel takes it
/// out of the tables at once, `tcp_done` of net/ipv4/tcp.c); or one in a network namespace that no process is in. `/proc` says of
/// neither which it is.
pub const NO_TABLE: &str = "tcp in no table";
/// A UNIX socket for datagrams: a connection to a log.
pub const DATAGRAM: &str = "unix datagram";
/// A UNIX socket for a stream.
pub const STREAM: &str = "unix stream";
/// A UNIX socket for streams that waits for connections.
pub const STREAM_LISTENER: &str = "unix stream listener";
/// A UNIX socket for a sequence of packets that waits for connections.
pub const PACKET_LISTENER: &str = "unix seqpacket listener";
/// A UNIX socket for a sequence of packets.
pub const PACKETS: &str = "unix seqpacket";
/// A socket that is in no table.
pub const OTHER: &str = "other socket";
