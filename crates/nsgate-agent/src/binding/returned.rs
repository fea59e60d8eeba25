//! A door that comes back from a service manager, which has kept the agent's end of it while the agent was restarted.
//!
//! That it was kept says nothing: the process before this one has asked the manager to. Whom the door is for says the name that
//! its holder's end has had since before it was connected, and the kernel says who connected it (SO_PEERCRED). A process that is not one
//! of [`Binders`] can make no such socket, whatever it was before it was taken over.

use super::{Binders, HeldDoor, anew, name::named, words::BindLineError};
use nix::sys::socket::{UnixAddr, getpeername, getsockopt, sockopt};
use nsgate_config::Identity;
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};
use tokio::net::UnixStream;

/// Why what was kept is no door.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotReturned {
    /// It is no stream socket with another end.
    #[error("it is no connection: {0}")]
    NoConnection(#[from] io::Error),
    /// One that is not one of [`Binders`] has connected it.
    #[error("a process of user {0} has connected it; `binders` says which users may")]
    Stranger(u32),
    /// The name of its other end.
    #[error("its other end has no name of a door: {0}")]
    Name(#[from] BindLineError),
}

/// The name that the holder's end of a connection has, if it is that of a door for `identity`.
pub(super) fn name_of(connection: &UnixStream, identity: Identity) -> Option<String> {
    let name = peer_name(connection).ok()?;
    let is_its = named(&name).is_ok_and(|named| named == identity);
    is_its.then(|| String::from_utf8(name).ok()).flatten()
}

fn peer_name(connection: &impl AsRawFd) -> io::Result<Vec<u8>> {
    let address = getpeername::<UnixAddr>(connection.as_raw_fd())?;
    Ok(address.as_abstract().unwrap_or_default().to_vec())
}

impl HeldDoor {
    /// A door in non-blocking mode that was bound for an earlier process of the agent's, and that a service manager has kept. Its holder
    /// is told when it is attended, and asks anew for what it has not got.
    ///
    /// # Errors
    /// Why it is none. It is closed.
    pub fn returned(connection: OwnedFd, binders: &Binders) -> Result<Self, NotReturned> {
        let user = getsockopt(&connection, sockopt::PeerCredentials).map_err(io::Error::from)?.uid();
        if !binders.contain(user) {
            return Err(NotReturned::Stranger(user));
        }
        let identity = named(&peer_name(&connection)?)?;
        let connection = UnixStream::from_std(connection.into())?;
        Ok(Self { connection, identity, anew: Some(anew::word()), origin: None })
    }

    /// The name by which this door is known again, if its holder's end has one. A door without one is not to be kept by a service
    /// manager.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        // What another door has brought was made by this process: its credentials would be this one's.
        if self.is_brought() {
            return None;
        }
        name_of(&self.connection, self.identity)
    }
}
