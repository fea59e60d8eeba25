//! The peer of a connection, as the kernel names it, and whether it may speak to a worker.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nsgate_config::Invalid;
use std::{fmt, io, os::fd::AsFd};

/// The process that connected, as it was in that moment (SO_PEERCRED, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

impl Peer {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The descriptor is not a connected UNIX socket.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let credentials = getsockopt(socket, PeerCredentials)?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, gid {}", self.uid, self.gid)
    }
}

/// Who may speak to a worker: root, and one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Number of the group.
    pub gid: Option<u32>,
}

impl Allowed {
    /// Whether this peer may.
    ///
    /// # Errors
    /// A sentence that says who may.
    pub fn authorize(self, peer: Peer) -> Result<(), Invalid> {
        if peer.uid == 0 || self.gid == Some(peer.gid) {
            return Ok(());
        }
        let group = self.gid.map_or_else(String::new, |gid| format!(" or a process whose group is {gid}"));
        Err(Invalid::new(format!("{peer} may not hand over; only root{group} may (`handover_group` of the pool)")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Peer};

    #[test]
    fn root_may_and_one_group_and_nobody_else() {
        let peer = |uid, gid| Peer { uid, gid };
        let closed = Allowed { gid: None };
        assert!(closed.authorize(peer(0, 5)).is_ok());
        assert!(closed.authorize(peer(5, 0)).is_err(), "root's group is not root");
        let open = Allowed { gid: Some(7) };
        assert!(open.authorize(peer(5, 7)).is_ok());
        let error = open.authorize(peer(7, 5)).unwrap_err().to_string();
        assert!(error.contains("uid 7, gid 5") && error.contains("group is 7"), "{error}");
    }
}
