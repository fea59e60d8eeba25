//! One start of a gate at a time.
//!
//! Two starts of the same gate at once would both take over from the one that serves, and none of them would end the
//! other. So the second waits until the first has come to its end, and then takes over from it.

use crate::{LaunchError, mark::Mark};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen, socket,
        sockopt::PeerCredentials,
    },
    unistd::geteuid,
};
use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a start waits for another one, which takes well below a second unless it is stopped or hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long for a holder of whom the kernel says nothing: a start of release 0.1.0, or one between its two calls.
const PATIENCE_WITH_UNKNOWN: Duration = Duration::from_secs(5);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

/// The turn of one start, until this is dropped or its process ends.
#[derive(Debug)]
pub(crate) struct StartTurn {
    /// A socket with an abstract name (unix(7)): there is one of a name in a network namespace, and nothing to clean up. It
    /// listens, so that the kernel tells others who holds it.
    _socket: OwnedFd,
}

/// Who holds the name.
enum NameHolder {
    /// A process of this user's: its number, if it can be seen here, and a connection that ends with its turn.
    Own(i32, OwnedFd),
    /// Another user's: no start that would take over from the same gate.
    Stranger(i32, u32),
    /// The kernel does not say.
    Unknown,
}

impl StartTurn {
    /// Waits for the turn, in the network namespace of the gate. `None` where it cannot be had, and then `warnings` may say why:
    /// another user's process in that namespace could keep the name for ever, and a start goes on without it.
    ///
    /// # Errors
    /// A process of this user's holds the name for longer than a start takes.
    pub(crate) fn wait(mark: Mark, warnings: &mut Vec<String>) -> Result<Option<Self>, LaunchError> {
        let begun = Instant::now();
        let Ok(name) = UnixAddr::new_abstract(format!("{mark}:start").as_bytes()) else { return Ok(None) };
        let stream = || {
            // A full queue must not keep this start: nobody accepts there.
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(AddressFamily::Unix, SockType::Stream, flags, None)
        };
        loop {
            let Ok(socket) = stream() else { return Ok(None) };
            match bind(socket.as_raw_fd(), &name) {
                // Where it does not listen, others wait for an unknown holder.
                Ok(()) => {
                    let _ = Backlog::new(BACKLOG).and_then(|backlog| listen(&socket, backlog));
                    return Ok(Some(Self { _socket: socket }));
                }
                Err(Errno::EADDRINUSE) => {}
                Err(_) => return Ok(None),
            }
            match holder(&socket, &name) {
                NameHolder::Own(pid, connection) => {
                    if !ends_within(&connection, PATIENCE.saturating_sub(begun.elapsed())) {
                        return Err(LaunchError::AnotherStart { whose: mark.in_words(), process: in_words(pid) });
                    }
                }
                NameHolder::Stranger(pid, uid) => {
                    warnings.push(format!(
                        "{} of uid {uid} holds the name by which starts of {} wait for each other, so this start waits for none; \
                         end it if it is not yours",
                        in_words(pid),
                        mark.in_words()
                    ));
                    return Ok(None);
                }
                NameHolder::Unknown if begun.elapsed() >= PATIENCE_WITH_UNKNOWN => return Ok(None),
                NameHolder::Unknown => sleep(BETWEEN_ATTEMPTS),
            }
        }
    }
}

/// Starts that wait at once: each has one connection, which nobody accepts.
const BACKLOG: i32 = 128;

/// Asks the kernel who listens (SO_PEERCRED, unix(7)).
fn holder(socket: &OwnedFd, name: &UnixAddr) -> NameHolder {
    let found = connect(socket.as_raw_fd(), name).and_then(|()| getsockopt(socket, PeerCredentials));
    match (found, socket.try_clone()) {
        (Ok(found), Ok(connection)) if found.uid() == geteuid().as_raw() => NameHolder::Own(found.pid(), connection),
        (Ok(found), _) => NameHolder::Stranger(found.pid(), found.uid()),
        (Err(_), _) => NameHolder::Unknown,
    }
}

/// Whether the listener behind this connection is closed in time: the kernel resets a connection that was not accepted.
fn ends_within(connection: &OwnedFd, time: Duration) -> bool {
    let mut ended = [PollFd::new(connection.as_fd(), PollFlags::POLLIN)];
    let milliseconds = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
    poll(&mut ended, PollTimeout::from(milliseconds)) != Ok(0)
}

/// A process of another container has no number here.
fn in_words(pid: i32) -> String {
    if pid > 0 { format!("process {pid}") } else { "a process that is not seen from here".to_owned() }
}
