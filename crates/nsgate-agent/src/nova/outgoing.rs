//! The body of a request on its way to Nova: the guest's, a piece at a time.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

#[derive(Debug)]
pub(super) enum Outgoing {
    Nothing,
    Guest(Incoming),
}

impl Outgoing {
    pub(super) fn of(body: Incoming) -> Self {
        if Self::is_empty(&body) { Self::Nothing } else { Self::Guest(body) }
    }

    pub(super) fn is_empty(body: &Incoming) -> bool {
        body.is_end_stream()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Nothing => Poll::Ready(None),
            Self::Guest(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Guest(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Guest(body) => body.size_hint(),
        }
    }
}
