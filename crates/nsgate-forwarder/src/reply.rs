//! The response that a guest gets: the agent's, or the gate's own.

use crate::{
    Connector, Reason, Termination,
    agent::{AgentBody, Delimited},
    exchange::{Exchange, ExchangeEvent},
    guards::{self, IssuedToken},
    refusal::{self, Refusal},
    turns::Turn,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// The content of a response to a guest.
pub(crate) struct GuestReply<C: Connector> {
    content: ReplyContent<C::Stream>,
    end: ResponseEnd,
}

enum ReplyContent<S> {
    /// All of it is there.
    Whole(Option<Bytes>),
    /// The agent has more to say.
    Coming {
        body: AgentBody<S>,
        /// The agent goes on over the connection when it has said it.
        keeps: bool,
        #[allow(dead_code, reason = "held until the content ends")]
        turn: Turn,
    },
}

/// Says that the response was handed over, when it was or can no longer be.
pub(crate) struct ResponseEnd(Arc<Exchange>);

impl ResponseEnd {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self(exchange)
    }
}

impl Drop for ResponseEnd {
    fn drop(&mut self) {
        self.0.on(ExchangeEvent::End);
    }
}

impl<C: Connector> GuestReply<C> {
    /// The agent's content. One that has come whole is let go of the agent at once.
    #[inline(always)]
    pub(crate) fn forwarded(
        (body, keeps): (Delimited, bool),
        mut rest: BytesMut,
        stream: C::Stream,
        turn: Turn,
        patience: Duration,
        end: ResponseEnd,
    ) -> Self {
        let whole = match body {
            Delimited::Empty => Some(0),
            Delimited::Length(length) => usize::try_from(length).ok().filter(|length| *length <= rest.len()),
            _ => None,
        };
        let Some(length) = whole else {
            let body = AgentBody::new(stream, rest.into(), body, patience);
            return Self { content: ReplyContent::Coming { body, keeps, turn }, end };
        };
        // What stands behind an answer belongs to no request.
        if C::KEEPS && keeps && rest.len() == length {
            C::keep(stream);
        }
        rest.truncate(length);
        let content = if matches!(body, Delimited::Empty) { None } else { Some(rest.freeze()) };
        Self { content: ReplyContent::Whole(content), end }
    }

    /// Lets go of the agent where its content has ended.
    fn let_go(&mut self) {
        if matches!(&self.content, ReplyContent::Coming { body, .. } if body.is_over()) {
            // The turn is given back behind the connection, so that there is never one more.
            if let ReplyContent::Coming { body, keeps: true, turn: _turn } =
                std::mem::replace(&mut self.content, ReplyContent::Whole(None))
            {
                body.into_ended().into_iter().for_each(C::keep);
            }
        }
    }
    /// ReplyContent of the gate's own.
    fn own(text: String, end: ResponseEnd) -> Self {
        Self { content: ReplyContent::Whole(Some(text.into())), end }
    }

    /// Whether all of it is there.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.content, ReplyContent::Whole(_))
    }
}

/// A page of the gate's own.
fn page<C: Connector>(status: u16, text: String, end: ResponseEnd) -> Response<GuestReply<C>> {
    let mut response = Response::new(GuestReply::own(text, end));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// The response to a request that the gate refuses.
pub(crate) fn refusal_reply<C: Connector>(refusal: &Refusal, end: ResponseEnd) -> Response<GuestReply<C>> {
    let mut response = page(refusal.status, refusal.body(), end);
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.get()));
    }
    response
}

/// The response to a request that asks whether the proxy is there.
pub(crate) fn monitor<C: Connector>(end: ResponseEnd) -> Response<GuestReply<C>> {
    page(200, refusal::page(200, "OK", "Service ready."), end)
}

/// A token for a guest, as AWS answers.
pub(crate) fn token<C: Connector>(token: IssuedToken, end: ResponseEnd) -> Response<GuestReply<C>> {
    let mut response = Response::new(GuestReply::own(token.token, end));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(&guards::TTL, HeaderValue::from(token.life));
    response
}

impl<C: Connector> Body for GuestReply<C> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.content {
            ReplyContent::Whole(whole) => return Poll::Ready(whole.take().map(|bytes| Ok(Frame::data(bytes)))),
            ReplyContent::Coming { body, .. } => ready!(body.poll_piece(cx)),
        };
        if let Some(Err(error)) = &piece {
            tracing::warn!("the agent's answer was cut off: {error}");
            let (termination, reason) = match error.kind() {
                io::ErrorKind::TimedOut => (Termination::SILENT_AGENT, Reason::AgentSilent),
                _ => (Termination::CUT_ANSWER, Reason::AnswerCut),
            };
            self.end.0.note(|record| (record.termination, record.reason) = (termination, Some(reason)));
        }
        if C::KEEPS {
            self.let_go();
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, ReplyContent::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            ReplyContent::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ReplyContent::Coming { body, .. } => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
