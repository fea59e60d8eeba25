//! One end of a connection between a worker and its peer: whole messages, never waiting.

use crate::sys;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, sendmsg, socket},
};
use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
    time::{Duration, Instant},
};

/// Longest message in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    #[cfg_attr(
        not(feature = "worker"),
        allow(dead_code, reason = "the sending half is sent none; here they are closed")
    )]
    pub(crate) descriptors: Vec<OwnedFd>,
    /// It was longer than a message may be, or descriptors are missing.
    pub(crate) truncated: bool,
}

/// A `SOCK_SEQPACKET` connection.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Connects to a worker.
    ///
    /// # Errors
    /// No process listens there, or its queue is full: connect(2).
    pub fn connect(path: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(Self(socket))
    }

    /// Sends one message, now or not at all.
    pub(crate) fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        sendmsg::<UnixAddr>(self.0.as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None)?;
        Ok(())
    }

    /// One message, if there is one; `None` if the other end is gone.
    pub(crate) fn receive(&self) -> io::Result<Option<Message>> {
        // Most messages are one line. A buffer for the longest would stay with a sleeping keeper.
        let length = sys::next_length(self.0.as_fd())?;
        let mut bytes = vec![0; length.min(LONGEST)];
        let received = sys::receive(self.0.as_fd(), &mut bytes)?;
        if received.length == 0 {
            // An empty message means nothing. Its descriptors are closed here.
            return Ok(None);
        }
        bytes.truncate(received.length);
        Ok(Some(Message { bytes, descriptors: received.descriptors, truncated: received.truncated }))
    }

    /// The next message without taking it, and copies of its descriptors; `None` if the other end is gone.
    #[cfg(feature = "worker")]
    pub(crate) fn peek(&self) -> io::Result<Option<Message>> {
        let mut bytes = vec![0; LONGEST];
        let sys::Received { length, truncated, descriptors } = sys::peek(self.0.as_fd(), &mut bytes)?;
        bytes.truncate(length);
        Ok((length > 0).then_some(Message { bytes, descriptors, truncated }))
    }

    /// Waits until there is something to receive.
    ///
    /// # Errors
    /// Of kind [`io::ErrorKind::TimedOut`] if nothing comes before the deadline.
    pub(crate) fn wait(&self, deadline: Instant) -> io::Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Round up to a millisecond: poll(2) with 0 would not wait.
            let left = left.max(if left.is_zero() { left } else { Duration::from_millis(1) });
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
                Ok(0) if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}
