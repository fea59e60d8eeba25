//! One start of a gate at a time.
//!
//! Two starts of the same gate at once would both take over from the one that serves, and none of them would end the
//! other. So the second waits until the first has come to its end, and then takes over from it.

use crate::mark::Mark;
use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket},
};
use std::{
    os::fd::{AsRawFd, OwnedFd},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a start waits for another one.
const PATIENCE: Duration = Duration::from_secs(5);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

/// The turn of one start, until this is dropped or its process ends.
#[derive(Debug)]
pub(crate) struct StartTurn {
    /// A socket with an abstract name (unix(7)): there is one of a name in a network namespace, and nothing to clean up.
    _socket: OwnedFd,
}

impl StartTurn {
    /// Waits for the turn, in the network namespace of the gate. `None` where it did not come, or cannot be had: processes
    /// in that namespace could keep the name for ever, and a start goes on without it then.
    pub(crate) fn wait(mark: Mark) -> Option<Self> {
        let name = format!("{mark}:start");
        let end = Instant::now() + PATIENCE;
        let name = UnixAddr::new_abstract(name.as_bytes()).ok()?;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
        loop {
            match bind(socket.as_raw_fd(), &name) {
                Ok(()) => return Some(Self { _socket: socket }),
                Err(Errno::EADDRINUSE) if Instant::now() < end => sleep(BETWEEN_ATTEMPTS),
                Err(_) => return None,
            }
        }
    }
}
