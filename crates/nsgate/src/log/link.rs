//! The socket of the system log, and how it is found again.
//!
//! It is opened before the drop and inherited. A syslog daemon that restarts with a new socket is found again by path,
//! which works only where the small root shows the socket's directory; a journald that systemd holds the socket for needs
//! none of that.

use crate::{counted, terminal::complain};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nsgate_launcher::LogSocket;
use std::{
    io::ErrorKind,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    path::PathBuf,
    time::{Duration, Instant},
};

/// Time between two attempts to find a log that has gone away.
pub(super) const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// The socket, and whether it is connected.
#[derive(Debug)]
pub(super) struct LogLink {
    path: Option<PathBuf>,
    socket: Option<UnixDatagram>,
    connected: bool,
    attempt: Option<Instant>,
}

/// The result of sending a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Taken,
    /// The log's queue is full.
    Full,
    /// The log is gone.
    Gone,
}

impl LogLink {
    pub(super) fn new(LogSocket { socket, connected, reconnect }: LogSocket) -> Self {
        if !connected {
            counted::log_missing(true);
        }
        Self { path: reconnect, connected, socket, attempt: None }
    }

    /// Sends one datagram, and never waits. A log that is gone is looked for once a second.
    pub(super) fn send(&mut self, datagram: &[u8]) -> Sent {
        if self.connected {
            match self.try_send(datagram) {
                Sent::Gone => self.lost(),
                sent => return sent,
            }
        }
        if self.find_again() { self.try_send(datagram) } else { Sent::Gone }
    }

    /// The log has gone away. In the foreground that is said in the only other place there is; in the background there is none.
    fn lost(&mut self) {
        self.connected = false;
        let when = match self.path {
            Some(_) => "until it comes back",
            None => "until this process is started again, since its directory is not shown here",
        };
        complain!("the system log has gone away: lines are lost, and counted, {when}");
    }

    fn try_send(&self, datagram: &[u8]) -> Sent {
        match self.socket.as_ref().map(|socket| socket.send(datagram)) {
            Some(Ok(_)) => Sent::Taken,
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => Sent::Full,
            _ => Sent::Gone,
        }
    }

    fn find_again(&mut self) -> bool {
        let Some(path) = &self.path else { return false };
        let now = Instant::now();
        if self.attempt.is_some_and(|last| now.duration_since(last) < BETWEEN_ATTEMPTS) {
            return false;
        }
        self.attempt = Some(now);
        if self.socket.is_none() {
            // Not `UnixDatagram::unbound`: making that non-blocking takes an ioctl that the filter does not let pass.
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            self.socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None).ok().map(UnixDatagram::from);
        }
        // A datagram socket may be connected again (unix(7)).
        self.connected = match (&self.socket, UnixAddr::new(path)) {
            (Some(socket), Ok(address)) => connect(socket.as_raw_fd(), &address).is_ok(),
            _ => false,
        };
        if self.connected {
            counted::log_missing(false);
        }
        self.connected
    }
}
