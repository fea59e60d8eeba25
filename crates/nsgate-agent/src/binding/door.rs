//! The holder's end of a door: a descriptor that brings connections. Nothing here waits, makes a socket or connects one.

use super::words::{ANEW, ANEW_ENDS, DOOR, FULL, ONE};
use crate::sys;
use nix::sys::socket::{MsgFlags, send};
use std::{
    collections::VecDeque,
    io::{Error, ErrorKind, Result},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

/// A connection that has been bound: the agent has answered so.
#[derive(Debug)]
pub struct Door {
    connection: OwnedFd,
    /// What was asked for and has not come, in that order: an agent that was restarted is asked again.
    asked: Mutex<VecDeque<u8>>,
    /// The first byte of another process's word, until the second one comes.
    anew: AtomicU8,
}

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
        Self { connection, asked: Mutex::default(), anew: AtomicU8::default() }
    }

    /// Asks for one connection more.
    ///
    /// # Errors
    /// The agent has closed the door (EPIPE), or takes nothing now (of kind [`ErrorKind::WouldBlock`]).
    pub fn ask(&self) -> Result<()> {
        self.say_asking(ONE)
    }

    /// Asks for a door: for another process that serves the same network. What it asks for comes to it alone.
    ///
    /// # Errors
    /// As [`Door::ask`].
    pub fn ask_door(&self) -> Result<()> {
        self.say_asking(DOOR)
    }

    fn say_asking(&self, byte: u8) -> Result<()> {
        // Held meanwhile, so that the order is the one in which the agent hears it.
        let mut asked = self.asked();
        self.say(&[byte])?;
        asked.push_back(byte);
        Ok(())
    }

    fn asked(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, bytes: &[u8]) -> Result<()> {
        let sent = send(self.connection.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)?;
        match sent == bytes.len() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::InvalidData, "the agent's door takes no more")),
        }
    }

    /// Another process of the agent's is there: it hears what the one before it was asked, and has not brought.
    fn ask_again(&self, word: [u8; 2]) -> Result<()> {
        let asked = self.asked();
        let again: Vec<u8> = word.into_iter().chain(asked.iter().copied()).collect();
        self.say(&again).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Error::new(ErrorKind::InvalidData, "the agent's door takes no more"),
            _ => error,
        })
    }

    /// Takes what one [`Door::ask`] or [`Door::ask_door`] has led to.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::WouldBlock`] if it is not there yet, and [`ErrorKind::UnexpectedEof`] if the agent has closed the
    /// door. Of kind [`ErrorKind::InvalidData`] if the agent keeps to another protocol.
    pub fn take(&self) -> Result<Taken> {
        let (byte, descriptors) = loop {
            match sys::receive(self.connection.as_fd())? {
                Some((first @ ANEW.., none)) if none.is_empty() => self.anew.store(first, Ordering::Relaxed),
                Some((second @ ANEW_ENDS.., none)) if none.is_empty() => {
                    self.ask_again([self.anew.load(Ordering::Relaxed), second])?;
                }
                Some(came) => break came,
                None => return Err(ErrorKind::UnexpectedEof.into()),
            }
        };
        self.asked().pop_front();
        match (byte, <[OwnedFd; 1]>::try_from(descriptors)) {
            (ONE, Ok([connection])) => Ok(Taken::Connection(connection.into())),
            (DOOR, Ok([door])) => Ok(Taken::Door(Self::bound(door))),
            (FULL, Err(none)) if none.is_empty() => Ok(Taken::Full),
            _ => Err(Error::new(ErrorKind::InvalidData, "what came by the agent's door is no connection")),
        }
    }
}

impl From<Door> for OwnedFd {
    fn from(door: Door) -> Self {
        door.connection
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl AsRawFd for Door {
    fn as_raw_fd(&self) -> RawFd {
        self.connection.as_raw_fd()
    }
}
