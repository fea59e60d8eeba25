//! The body of the agent's answer, a piece at a time: constant memory, and never a part that looks like the whole.

use super::{
    answer::Delimited,
    chunks::{ChunkPart, Chunks},
};
use bytes::Bytes;
use std::{
    future::Future,
    io::{Error, ErrorKind, Result},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};

/// Bytes read at once.
const PIECE: usize = 16 * 1024;

/// A body that is still coming.
#[derive(Debug)]
pub(crate) struct AgentBody<S> {
    stream: S,
    buffer: Vec<u8>,
    rest: Rest,
    patience: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Rest {
    Length(u64),
    Chunked(Chunks),
    Close,
    Done,
}

impl<S: AsyncRead + Unpin> AgentBody<S> {
    /// `buffer` is what was read beyond the head.
    pub(crate) fn new(stream: S, buffer: Vec<u8>, body: Delimited, patience: Duration) -> Self {
        let rest = match body {
            Delimited::Empty => Rest::Done,
            Delimited::Length(length) => Rest::Length(length),
            Delimited::Chunked => Rest::Chunked(Chunks::default()),
            Delimited::Close => Rest::Close,
        };
        Self { stream, buffer, rest, patience, silence: None }
    }

    /// Bytes still to come, if that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match self.rest {
            Rest::Length(length) => Some(length),
            Rest::Done => Some(0),
            _ => None,
        }
    }

    /// The next piece; `None` at the end that the agent announced. An agent that ends earlier is an error.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let here = match &mut self.rest {
                Rest::Done | Rest::Length(0) => return Poll::Ready(None),
                Rest::Length(length) => usize::try_from(*length).unwrap_or(usize::MAX).min(self.buffer.len()),
                Rest::Close => self.buffer.len(),
                Rest::Chunked(chunks) => match chunks.next(&mut self.buffer) {
                    Ok(ChunkPart::Data(count)) => count,
                    Ok(ChunkPart::More) => 0,
                    Ok(ChunkPart::End) => {
                        self.rest = Rest::Done;
                        return Poll::Ready(None);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            };
            if here > 0 {
                return Poll::Ready(Some(Ok(self.take(here))));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if matches!(self.rest, Rest::Close) => {
                    self.rest = Rest::Done;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(ErrorKind::UnexpectedEof.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// The connection, where the answer has ended and nothing was read behind it.
    pub(crate) fn into_ended(self) -> Option<S> {
        (self.is_over() && self.buffer.is_empty()).then_some(self.stream)
    }

    /// Whether the end that the agent announced has come.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.rest, Rest::Done | Rest::Length(0))
    }

    fn take(&mut self, count: usize) -> Bytes {
        match &mut self.rest {
            Rest::Length(length) => *length = length.saturating_sub(count.try_into().unwrap_or(u64::MAX)),
            Rest::Chunked(chunks) => chunks.taken(count),
            _ => {}
        }
        if count == self.buffer.len() {
            return std::mem::take(&mut self.buffer).into();
        }
        self.buffer.drain(..count).collect::<Vec<u8>>().into()
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let before = self.buffer.len();
        self.buffer.resize(before + PIECE, 0);
        let mut space = ReadBuf::new(self.buffer.get_mut(before..).unwrap_or_default());
        let outcome = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let count = space.filled().len();
        self.buffer.truncate(before + count);
        match outcome {
            Poll::Ready(outcome) => {
                self.silence = None;
                Poll::Ready(outcome.map(|()| count))
            }
            Poll::Pending => {
                let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(self.patience)));
                ready!(silence.as_mut().poll(cx));
                Poll::Ready(Err(Error::from(ErrorKind::TimedOut)))
            }
        }
    }
}
