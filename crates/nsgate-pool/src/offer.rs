//! The sending half. Its states are types: an [`Offer`] is sent, an [`Offered`] waits for the answer, a [`Served`] lasts.

use crate::{
    Channel,
    channel::{LONGEST, Message},
    protocol::{Notes, Reply, Request},
};
use nsgate_config::{Config, Invalid};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

/// Why a worker's message cannot be used: the peer is of another version, or no worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// It is longer than a message may be.
    #[error("a message that is too long")]
    TooLong,
    /// It is no message of the protocol, for this reason.
    #[error("{0}")]
    Unreadable(Invalid),
    /// It answers another question.
    #[error("a word that is no answer to what was asked")]
    Unasked,
}

/// Why a network was not handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// The gate is too long for a message.
    #[error("the gate takes {length} bytes as text; a handover carries at most {LONGEST}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The gate names another number of listeners than came with it.
    #[error("the gate names {named} listeners, and {given} come with it")]
    Listeners {
        /// In the gate.
        named: usize,
        /// Descriptors.
        given: usize,
    },
    /// The gate is to be bound to its agent, and the agent gives no door for the worker.
    #[error("the agent gives no door for the pool's worker: {0}")]
    Door(io::Error),
    /// The worker is not there, or gone, or does not answer.
    #[error("the pool does not answer: {0}")]
    Io(#[from] io::Error),
    /// The worker refuses it.
    #[error("the pool refuses: {0}")]
    Refused(String),
    /// The worker says something that is not an answer.
    #[error("the pool answers something odd: {0}")]
    Protocol(#[from] ProtocolError),
}

/// A gate that can be handed over any number of times.
#[derive(Clone, Debug)]
pub struct Offer {
    message: Vec<u8>,
    listeners: usize,
}

impl Offer {
    /// A handover of `config`'s gate.
    ///
    /// # Errors
    /// [`OfferError::TooLong`].
    pub fn new(config: &Config) -> Result<Self, OfferError> {
        Self::noted(config, &Notes::default())
    }

    /// The same with notes.
    ///
    /// # Errors
    /// [`OfferError::TooLong`].
    pub fn noted(config: &Config, notes: &Notes) -> Result<Self, OfferError> {
        let message = Request::serve(config, notes);
        if message.len() > LONGEST {
            return Err(OfferError::TooLong { length: message.len() });
        }
        Ok(Self { message, listeners: config.gate.listeners.len() })
    }

    /// Connects to the worker and sends the gate, with its listeners in the order in which it names them. Does not wait.
    ///
    /// # Errors
    /// [`OfferError::Listeners`], [`OfferError::Io`].
    pub fn begin(&self, pool: &Path, listeners: &[BorrowedFd<'_>]) -> Result<Offered, OfferError> {
        self.connected(pool, listeners)?.sent(self, listeners)
    }

    /// The same for a gate that is bound to its agent. `door` gives the door of the worker, which goes behind the listeners. It is called
    /// when a worker is there.
    ///
    /// # Errors
    /// [`OfferError::Door`] with what `door` says; as [`Offer::begin`].
    pub fn begin_with_door(
        &self,
        pool: &Path,
        listeners: &[BorrowedFd<'_>],
        door: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> Result<Offered, OfferError> {
        let connected = self.connected(pool, listeners)?;
        let door = door().map_err(OfferError::Door)?;
        let all: Vec<BorrowedFd<'_>> = listeners.iter().copied().chain([door.as_fd()]).collect();
        connected.sent(self, &all)
    }

    fn connected(&self, pool: &Path, listeners: &[BorrowedFd<'_>]) -> Result<Offered, OfferError> {
        if listeners.len() != self.listeners {
            return Err(OfferError::Listeners { named: self.listeners, given: listeners.len() });
        }
        Ok(Offered(Channel::connect(pool)?))
    }
}

/// A handover whose answer is not there yet.
#[derive(Debug)]
pub struct Offered(Channel);

impl Offered {
    fn sent(self, offer: &Offer, descriptors: &[BorrowedFd<'_>]) -> Result<Self, OfferError> {
        self.0.send(&offer.message, descriptors)?;
        Ok(self)
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`OfferError::Refused`], or what went wrong.
    pub fn wait(self, patience: Duration) -> Result<Served, OfferError> {
        self.0.wait(Instant::now() + patience)?;
        self.answer()
    }

    /// The answer, once there is something to read.
    ///
    /// # Errors
    /// [`OfferError::Refused`], or what went wrong.
    pub fn answer(self) -> Result<Served, OfferError> {
        self.settled().map_err(|unserved| unserved.error)
    }

    /// The same; an error keeps the connection of a handover that was refused.
    ///
    /// # Errors
    /// [`Unserved`].
    pub fn settled(self) -> Result<Served, Unserved> {
        let reply = receive_reply(&self.0)
            .and_then(|bytes| Reply::parse(&bytes).map_err(|odd| ProtocolError::Unreadable(odd).into()));
        match reply {
            Ok(Reply::Serving { answers }) => Ok(Served { channel: self.0, answers }),
            Ok(Reply::Refused(why)) => Err(Unserved { error: OfferError::Refused(why), channel: Some(self.0) }),
            Ok(_) => Err(OfferError::from(ProtocolError::Unasked).into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A handover that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unserved {
    /// Why.
    pub error: OfferError,
    channel: Option<Channel>,
}

impl Unserved {
    /// A descriptor that becomes readable when the worker that refused is gone. The next worker may accept. Only a handover
    /// with `asks` ([`Notes`]) has one.
    #[must_use]
    pub fn refused_by(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(AsFd::as_fd)
    }
}

impl From<OfferError> for Unserved {
    fn from(error: OfferError) -> Self {
        Self { error, channel: None }
    }
}

impl AsFd for Offered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn receive_reply(channel: &Channel) -> Result<Vec<u8>, OfferError> {
    match channel.receive()? {
        Some(Message { truncated: false, bytes, .. }) => Ok(bytes),
        Some(_) => Err(ProtocolError::TooLong.into()),
        None => Err(OfferError::Io(io::ErrorKind::ConnectionReset.into())),
    }
}

/// A network that a worker serves, until this is dropped.
#[derive(Debug)]
pub struct Served {
    channel: Channel,
    answers: bool,
}

/// What a worker says of a network that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerNotice {
    /// Another worker has taken over. Hand the network over to it, then drop this; this worker serves until then.
    Leave,
    /// It serves the network no longer. Do not hand it over again.
    End(String),
    /// The worker has heard a [`Served::ping`].
    Pong,
    /// The worker is gone.
    Gone,
}

impl Served {
    /// The worker's next message; `None` if there is none yet.
    ///
    /// # Errors
    /// [`OfferError::Protocol`]: leave this worker.
    pub fn notice(&self) -> Result<Option<WorkerNotice>, OfferError> {
        let bytes = match receive_reply(&self.channel) {
            Ok(bytes) => bytes,
            Err(OfferError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(OfferError::Io(_)) => return Ok(Some(WorkerNotice::Gone)),
            Err(error) => return Err(error),
        };
        match Reply::parse(&bytes).map_err(ProtocolError::Unreadable)? {
            Reply::Leave => Ok(Some(WorkerNotice::Leave)),
            Reply::End(why) => Ok(Some(WorkerNotice::End(why))),
            Reply::Pong => Ok(Some(WorkerNotice::Pong)),
            _ => Err(ProtocolError::Unasked.into()),
        }
    }

    /// Asks the worker to finish the requests under way and accept no more. It says [`WorkerNotice::End`] when it has.
    ///
    /// # Errors
    /// The worker is gone, and the requests with it.
    pub fn finish(&self) -> io::Result<()> {
        self.channel.send(&Request::Finish.to_bytes(), &[])
    }

    /// Whether the worker answers [`Served::ping`]. A worker of this release does, if the gate came with `asks` ([`Notes`]).
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answers
    }

    /// Asks for a sign of life. The worker answers [`WorkerNotice::Pong`].
    ///
    /// # Errors
    /// The worker is gone, or reads nothing any more.
    pub fn ping(&self) -> io::Result<()> {
        self.channel.send(&Request::Ping.to_bytes(), &[])
    }

    /// Takes the network back from a worker that gives no sign of life. If the worker runs again, it accepts no guest of this
    /// network, finishes the requests under way, and lets the network go.
    pub fn take_back(self) {
        // A worker that cannot be told sees the connection close, and cuts the requests off.
        let _ = self.channel.send(&Request::Took.to_bytes(), &[]);
    }
}

impl AsFd for Served {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{Channel, OfferError, Offered, ProtocolError};
    use crate::{channel::LONGEST, protocol::Reply};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    /// What an embedder is told where a worker has said this.
    fn told(said: &[u8]) -> OfferError {
        let (own, worker) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        nix::unistd::write(&worker, said).unwrap();
        Offered(Channel::from(own)).answer().unwrap_err()
    }

    #[test]
    fn what_is_odd_is_told_apart_without_reading_a_sentence() {
        assert!(matches!(told(&vec![b'x'; LONGEST + 1]), OfferError::Protocol(ProtocolError::TooLong)));
        assert!(matches!(told(b"HTTP/1.1 400 Bad Request\r\n"), OfferError::Protocol(ProtocolError::Unreadable(_))));
        assert!(matches!(told(&Reply::Done.to_bytes()), OfferError::Protocol(ProtocolError::Unasked)));
        let refused = told(&Reply::Refused("because".to_owned()).to_bytes());
        assert!(matches!(refused, OfferError::Refused(why) if why == "because"));
    }
}
