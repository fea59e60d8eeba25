//! Bytes that come a piece at a time, with a moment of waiting between two pieces, as they do from a socket.

use crate::last_write::LastWrite;
use std::{
    io::Result,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes and where they are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    bytes: Vec<u8>,
    /// Ends of the pieces, rising; the last one is the length.
    ends: Vec<usize>,
}

impl Pieces {
    /// `bytes` in pieces whose lengths are `lengths`, over and over; a length of 0 means one byte.
    #[must_use]
    pub fn new(bytes: &[u8], lengths: &[usize]) -> Self {
        let mut ends = Vec::new();
        let mut end = 0usize;
        for length in lengths.iter().cycle() {
            if end >= bytes.len() {
                break;
            }
            end = end.saturating_add((*length).max(1)).min(bytes.len());
            ends.push(end);
        }
        if ends.last() != Some(&bytes.len()) {
            ends.push(bytes.len());
        }
        Self { bytes: bytes.to_vec(), ends }
    }

    /// `bytes` in one piece.
    #[must_use]
    pub fn whole(bytes: &[u8]) -> Self {
        Self::new(bytes, &[])
    }

    /// The pieces.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// A stream that reads [`Pieces`] and keeps what is written.
#[derive(Debug)]
pub(super) struct ScriptedIo {
    pieces: Pieces,
    /// Read so far.
    at: usize,
    /// The piece that is being read.
    piece: usize,
    /// Whether the wait before this piece is over.
    ready: bool,
    pub(super) written: Vec<u8>,
}

impl ScriptedIo {
    pub(super) fn new(pieces: Pieces) -> Self {
        Self { pieces, at: 0, piece: 0, ready: true, written: Vec::new() }
    }
}

impl AsyncRead for ScriptedIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if !self.ready {
            self.ready = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let end = self.pieces.ends.get(self.piece).copied().unwrap_or(self.at);
        let to = end.min(self.at.saturating_add(buffer.remaining()));
        buffer.put_slice(self.pieces.bytes.get(self.at..to).unwrap_or_default());
        self.at = to;
        if to == end && self.piece < self.pieces.ends.len() {
            self.piece += 1;
            self.ready = self.piece >= self.pieces.ends.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ScriptedIo {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl LastWrite for ScriptedIo {
    fn poll_write_last(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.poll_write(cx, bytes)
    }
}
