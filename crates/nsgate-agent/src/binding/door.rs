//! The holder's end of a door: a descriptor that brings connections. Nothing here waits, makes a socket or connects one.

use super::words::{DOOR, FULL, ONE};
use crate::sys;
use nix::sys::socket::{MsgFlags, send};
use std::{
    io::{Error, ErrorKind, Result},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

/// A connection that has been bound: the agent has answered so.
#[derive(Debug)]
pub struct Door(OwnedFd);

/// What has come by a door.
#[derive(Debug)]
pub enum Taken {
    /// A connection, close-on-exec and non-blocking. It speaks for the door's network.
    Connection(UnixStream),
    /// A door for the same network. It ends with the one that has brought it, and brings connections only.
    Door(Door),
    /// None: the door has as many as it may have. Ask again when one of them has ended.
    Full,
}

impl Door {
    /// The holder's end, of a connection that was bound.
    #[must_use]
    pub fn bound(connection: OwnedFd) -> Self {
        Self(connection)
    }

    /// Asks for one connection more.
    ///
    /// # Errors
    /// The agent has closed the door (EPIPE), or takes nothing now (of kind [`ErrorKind::WouldBlock`]).
    pub fn ask(&self) -> Result<()> {
        send(self.0.as_raw_fd(), &[ONE], MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }

    /// Asks for a door: for another process that serves the same network. What it asks for comes to it alone.
    ///
    /// # Errors
    /// As [`Door::ask`].
    pub fn ask_door(&self) -> Result<()> {
        send(self.0.as_raw_fd(), &[DOOR], MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }

    /// Takes what one [`Door::ask`] or [`Door::ask_door`] has led to.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::WouldBlock`] if it is not there yet, and [`ErrorKind::UnexpectedEof`] if the agent has closed the
    /// door. Of kind [`ErrorKind::InvalidData`] if the agent keeps to another protocol.
    pub fn take(&self) -> Result<Taken> {
        let Some((byte, descriptors)) = sys::receive(self.0.as_fd())? else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        match (byte, <[OwnedFd; 1]>::try_from(descriptors)) {
            (ONE, Ok([connection])) => Ok(Taken::Connection(connection.into())),
            (DOOR, Ok([door])) => Ok(Taken::Door(Self(door))),
            (FULL, Err(none)) if none.is_empty() => Ok(Taken::Full),
            _ => Err(Error::new(ErrorKind::InvalidData, "what came by the agent's door is no connection")),
        }
    }
}

impl From<Door> for OwnedFd {
    fn from(door: Door) -> Self {
        door.0
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Door {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
