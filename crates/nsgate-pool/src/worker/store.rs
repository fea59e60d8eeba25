//! Networks that a service manager keeps for the next worker: systemd's file descriptor store (`FDSTORE=1`, sd_notify(3)).
//!
//! There is one connection to the manager, made before the worker was confined, and two kinds of message. Descriptors are kept
//! under the name of their network. What the manager passes back is checked like a handover.

use super::endpoint::watched;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use nsgate_config::Identity;
use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

/// How long the manager may take to make room for a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// A service manager that keeps descriptors.
#[derive(Debug)]
pub struct Manager {
    /// The socket that `NOTIFY_SOCKET` named, connected and non-blocking.
    pub socket: OwnedFd,
    /// Descriptors that it keeps at most (`FDSTORE`, systemd 254; `FileDescriptorStoreMax=`).
    pub most: usize,
}

/// The descriptors that the manager keeps.
pub(super) struct Store {
    socket: AsyncFd<OwnedFd>,
    most: usize,
    /// Number of descriptors under each name.
    kept: Mutex<BTreeMap<String, usize>>,
}

/// The name under which the descriptors of a network are kept. It has no colon: the manager separates names by colons.
pub(super) fn name(identity: &Identity) -> String {
    crate::protocol::identity_text(identity).replace(' ', ".")
}

impl Store {
    pub(super) fn new(manager: Manager) -> io::Result<Self> {
        let socket = watched(manager.socket, Interest::WRITABLE)?;
        Ok(Self { socket, most: manager.most, kept: Mutex::default() })
    }

    /// Counts descriptors that were passed back: the manager still keeps them.
    pub(super) fn known(&self, name: &str, descriptors: usize) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), descriptors);
    }

    /// Has the manager keep these descriptors.
    pub(super) async fn put(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> Result<(), String> {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let others: usize = kept.iter().filter(|(other, _)| *other != name).map(|(_, count)| count).sum();
            if others + descriptors.len() > self.most {
                return Err(format!(
                    "the service manager keeps {others} descriptors already and at most {}: raise `FileDescriptorStoreMax=`",
                    self.most
                ));
            }
            kept.insert(name.to_owned(), descriptors.len());
        }
        // Without FDPOLL=0 the manager would remove descriptors by itself.
        let sent = self.send(&format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}"), descriptors).await;
        sent.map_err(|error| {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            format!("the service manager does not take it: sendmsg: {error}")
        })
    }

    /// Has the manager close everything that it keeps under this name.
    pub(super) async fn remove(&self, name: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Err(error) = self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[]).await {
            tracing::error!("the service manager goes on keeping {name}: sendmsg: {error}");
        }
    }

    async fn send(&self, message: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let sent = self.socket.async_io(Interest::WRITABLE, |socket| {
            let pieces = [IoSlice::new(message.as_bytes())];
            Ok(sendmsg::<UnixAddr>(socket.as_raw_fd(), &pieces, control, flags, None).map(drop)?)
        });
        timeout(PATIENCE, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
