//! The body of Nova's answer: passes each piece, and keeps the connection when all of it has passed.

use super::{host::Host, kept::NovaConnection};
use crate::shares::ShareTurn;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// A body that is still coming. To drop it closes the connection to Nova.
#[derive(Debug)]
pub struct NovaBody {
    body: Incoming,
    /// Until all of it has come.
    lease: Option<Lease>,
    patience: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

/// What an answer holds until its end.
#[derive(Debug)]
pub(super) struct Lease {
    host: Arc<Host>,
    kept: NovaConnection,
    #[allow(dead_code, reason = "held until the answer has ended")]
    turn: ShareTurn,
}

impl Lease {
    pub(super) fn new(host: Arc<Host>, kept: NovaConnection, turn: ShareTurn) -> Self {
        Self { host, kept, turn }
    }
}

impl NovaBody {
    pub(super) fn new(body: Incoming, lease: Lease, patience: Duration) -> Self {
        let mut this = Self { body, lease: Some(lease), patience, silence: None };
        this.end_if_whole();
        this
    }

    fn end_if_whole(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(Lease { host, kept, .. }) = self.lease.take() {
            host.keep(kept);
        }
    }
}

impl Body for NovaBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(this.patience)));
            ready!(silence.as_mut().poll(cx));
            this.lease = None;
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        };
        this.silence = None;
        match &frame {
            Some(Ok(_)) => this.end_if_whole(),
            Some(Err(_)) => this.lease = None,
            None => this.end(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
