//! Step 6 without the host's mounts: a keeper's mount namespace begins as a copy of the worker's, which has a handful of
//! mounts where the host has one for each network namespace.
//!
//! Promises nothing: where there is no worker, or an older one, or a kernel that says no, the host's mounts are copied.

use crate::pinned::Pinned;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, connect, getsockopt, listen, socket, sockopt,
};
use nsgate_sandbox::namespaces::Lender;
use std::os::fd::{AsRawFd, OwnedFd};

/// A connection to the worker that answers at the pool's socket, as the user that this process is now.
pub(crate) fn connection(pool: &Pinned) -> Option<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let connection = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).ok()?;
    let socket = pool.socket().ok()?;
    let address = format!("/proc/self/fd/{}", socket.as_raw_fd());
    connect(connection.as_raw_fd(), &UnixAddr::new(address.as_str()).ok()?).ok()?;
    Some(connection)
}

/// The worker at the other end: the kernel names the process that listens there.
pub(crate) fn of(connection: &OwnedFd) -> Option<Lender> {
    let worker = getsockopt(connection, sockopt::PeerCredentials).ok()?;
    Lender::of(worker.pid())
}

/// Has the kernel name this process, and no longer the one that bound the socket, to processes that connect from now on:
/// it names the last that said listen(2).
pub(crate) fn answer_for(endpoints: &[OwnedFd], queue: i32) {
    for endpoint in endpoints {
        // It listens already: what could fail costs keepers a moment each.
        let _ = listen(endpoint, Backlog::new(queue).unwrap_or(Backlog::MAXCONN));
    }
}
