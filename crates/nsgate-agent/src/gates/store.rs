//! Doors that a service manager keeps while the agent is restarted: systemd's file descriptor store (`FDSTORE=1`, sd_notify(3)).
//!
//! There is one connection to the manager, made before the agent was confined. The manager drops by itself what has no other end any
//! more; it is told all the same when a door ends, since one that the agent has closed would live on there.

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use nsgate_forwarder::Seldom;
use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::net,
    },
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::{io::Interest, net::UnixDatagram, time::timeout};

/// How long the manager may take to make room for a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// A service manager that keeps doors.
#[derive(Debug)]
pub struct DoorStore {
    socket: UnixDatagram,
    most: usize,
    kept: AtomicUsize,
}

impl DoorStore {
    /// `socket` is the one that `NOTIFY_SOCKET` named, connected and in non-blocking mode; the manager keeps at most so many descriptors.
    /// Must run on a tokio runtime with I/O.
    ///
    /// # Errors
    /// The event loop cannot watch the socket.
    pub fn new(socket: OwnedFd, most: usize) -> io::Result<Self> {
        let socket = UnixDatagram::from_std(net::UnixDatagram::from(socket))?;
        Ok(Self { socket, most, kept: AtomicUsize::new(0) })
    }

    /// Counts a door that the manager keeps already.
    pub(super) fn known(&self) {
        self.kept.fetch_add(1, Ordering::Relaxed);
    }

    /// Has the manager keep a door. Where it keeps as many as it may, or cannot be told, the door ends with this process.
    pub(super) async fn put(&self, name: &str, door: BorrowedFd<'_>) {
        static SELDOM: Seldom = Seldom::new();
        if self.kept.fetch_add(1, Ordering::Relaxed) >= self.most {
            SELDOM.say(|more| {
                tracing::warn!(
                    "the service manager keeps at most {} doors, and {name} is one more: its gate ends when the agent is restarted; \
                     raise `FileDescriptorStoreMax=`{more}",
                    self.most
                );
            });
            return;
        }
        if let Err(error) = self.send(&format!("FDSTORE=1\nFDNAME={name}"), Some(door)).await {
            SELDOM.say(|more| {
                tracing::warn!(
                    "the service manager does not keep {name}: {error}; its gate ends when the agent is restarted{more}"
                );
            });
        }
    }

    /// Has the manager close a door that has ended.
    pub(super) async fn remove(&self, name: &str) {
        self.kept.fetch_sub(1, Ordering::Relaxed);
        self.forget(name).await;
    }

    /// Has the manager close what it keeps under this name, and is no door.
    pub async fn forget(&self, name: &str) {
        if let Err(error) = self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), None).await {
            tracing::warn!("the service manager goes on keeping {name}: {error}");
        }
    }

    async fn send(&self, message: &str, door: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let numbers: Vec<i32> = door.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
        let sent = self.socket.async_io(Interest::WRITABLE, || {
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            let pieces = [IoSlice::new(message.as_bytes())];
            Ok(sendmsg::<UnixAddr>(self.socket.as_raw_fd(), &pieces, control, flags, None).map(drop)?)
        });
        timeout(PATIENCE, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
