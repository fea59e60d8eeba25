//! The sending half. Its states are types: an [`Offer`] is begun, an [`Offered`] one waits, a [`Served`] one lasts.

use crate::{
    Channel,
    channel::{LONGEST, Message},
    protocol::{Notes, Reply, Request},
};
use nsgate_config::{Config, Invalid};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::{Duration, Instant},
};

/// What is wrong with what a worker says: it is of another version, or no worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// It is longer than a message may be.
    #[error("a message that is too long")]
    TooLong,
    /// It is no message of the protocol, and why.
    #[error("{0}")]
    Unreadable(Invalid),
    /// It is one that answers something else.
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
    /// As many listeners as the gate names must come with it.
    #[error("the gate names {named} listeners, and {given} come with it")]
    Listeners {
        /// In the gate.
        named: usize,
        /// Descriptors.
        given: usize,
    },
    /// The worker is not there, or gone, or does not answer.
    #[error("the pool does not answer: {0}")]
    Io(#[from] io::Error),
    /// The worker does not want it.
    #[error("the pool refuses: {0}")]
    Refused(String),
    /// The worker says something that is not an answer.
    #[error("the pool answers something odd: {0}")]
    Protocol(#[from] ProtocolError),
}

/// A gate that can be handed over, as often as necessary.
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

    /// The same, and what comes with the gate.
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
        if listeners.len() != self.listeners {
            return Err(OfferError::Listeners { named: self.listeners, given: listeners.len() });
        }
        let channel = Channel::connect(pool)?;
        channel.send(&self.message, listeners)?;
        Ok(Offered(channel))
    }
}

/// A handover whose answer is not there yet.
#[derive(Debug)]
pub struct Offered(Channel);

impl Offered {
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

    /// The same, and what is left of a handover that was refused.
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

/// A handover that came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unserved {
    /// Why.
    pub error: OfferError,
    channel: Option<Channel>,
}

impl Unserved {
    /// Something that becomes readable when the worker that has refused is gone: the next one may judge otherwise. Only of
    /// a handover that came with `asks` ([`Notes`]).
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
pub enum Word {
    /// Hand over anew, then drop this: another worker has taken over. This one serves until then.
    Leave,
    /// It serves no longer, and the network should not be handed over again.
    End(String),
    /// The worker has heard a [`Served::ping`].
    Pong,
    /// The worker is gone.
    Gone,
}

impl Served {
    /// What the worker says, once there is something to read; `None` if that was nothing yet.
    ///
    /// # Errors
    /// [`OfferError::Protocol`]: this worker is better left.
    pub fn word(&self) -> Result<Option<Word>, OfferError> {
        let bytes = match receive_reply(&self.channel) {
            Ok(bytes) => bytes,
            Err(OfferError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(OfferError::Io(_)) => return Ok(Some(Word::Gone)),
            Err(error) => return Err(error),
        };
        match Reply::parse(&bytes).map_err(ProtocolError::Unreadable)? {
            Reply::Leave => Ok(Some(Word::Leave)),
            Reply::End(why) => Ok(Some(Word::End(why))),
            Reply::Pong => Ok(Some(Word::Pong)),
            _ => Err(ProtocolError::Unasked.into()),
        }
    }

    /// Asks the worker to finish the requests under way and no more; [`Word::End`] says that it has.
    ///
    /// # Errors
    /// The worker is gone, and the requests with it.
    pub fn finish(&self) -> io::Result<()> {
        self.channel.send(&Request::Finish.to_bytes(), &[])
    }

    /// Whether the worker answers to [`Served::ping`]: one of this release does, if the gate came with `asks` ([`Notes`]).
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answers
    }

    /// Asks for a sign of life: [`Word::Pong`] is one.
    ///
    /// # Errors
    /// The worker is gone, or reads nothing any more.
    pub fn ping(&self) -> io::Result<()> {
        self.channel.send(&Request::Ping.to_bytes(), &[])
    }

    /// Takes the network back from a worker that gives no sign of life. One that comes to itself again accepts nobody
    /// from now on, finishes the requests under way, and lets the network go.
    pub fn take_back(self) {
        // One that cannot be told cuts off what is under way.
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
