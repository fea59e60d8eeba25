//! The last bytes of a connection: its end leaves with them in one packet rather than in one of its own.

use nix::{
    libc,
    sys::socket::{MsgFlags, send},
};
use std::{
    io::{ErrorKind, Result},
    os::fd::AsRawFd,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncWrite, Interest},
    net::TcpStream,
};

/// A stream whose last bytes may wait for its end.
pub(crate) trait LastWrite: AsyncWrite {
    /// As `poll_write`, but the bytes may stay here until the stream is shut down.
    fn poll_write_last(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>;
}

impl LastWrite for TcpStream {
    fn poll_write_last(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        // MSG_MORE holds a last, partial segment back, for 200 ms at most (tcp(7)).
        let flags = MsgFlags::from_bits_retain(libc::MSG_MORE | libc::MSG_NOSIGNAL);
        loop {
            ready!(self.poll_write_ready(cx))?;
            let attempt = || send(self.as_raw_fd(), bytes, flags).map_err(Into::into);
            match self.try_io(Interest::WRITABLE, attempt) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}
