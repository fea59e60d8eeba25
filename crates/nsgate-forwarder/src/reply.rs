//! The response that a guest gets: the agent's, or the gate's own.

use crate::{
    Reason, Termination,
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
use tokio::io::AsyncRead;

/// The content of a response to a guest.
pub(crate) struct GuestReply<S> {
    content: ReplyContent<S>,
    end: ResponseEnd,
}

enum ReplyContent<S> {
    /// All of it is there.
    Whole(Option<Bytes>),
    /// The agent has more to say.
    Coming(AgentBody<S>, #[allow(dead_code, reason = "held until the content ends")] Turn),
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

impl<S: AsyncRead + Unpin> GuestReply<S> {
    /// The agent's content. One that has come whole is let go of the agent at once.
    #[inline(always)]
    pub(crate) fn forwarded(
        body: Delimited,
        mut rest: BytesMut,
        stream: S,
        turn: Turn,
        patience: Duration,
        end: ResponseEnd,
    ) -> Self {
        let content = match body {
            Delimited::Empty => ReplyContent::Whole(None),
            Delimited::Length(length) if usize::try_from(length).is_ok_and(|length| length <= rest.len()) => {
                rest.truncate(usize::try_from(length).unwrap_or(0));
                ReplyContent::Whole(Some(rest.freeze()))
            }
            _ => ReplyContent::Coming(AgentBody::new(stream, rest.into(), body, patience), turn),
        };
        Self { content, end }
    }
}

impl<S> GuestReply<S> {
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
fn page<S>(status: u16, text: String, end: ResponseEnd) -> Response<GuestReply<S>> {
    let mut response = Response::new(GuestReply::own(text, end));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// The response to a request that the gate refuses.
pub(crate) fn refusal_reply<S>(refusal: &Refusal, end: ResponseEnd) -> Response<GuestReply<S>> {
    let mut response = page(refusal.status, refusal.body(), end);
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.get()));
    }
    response
}

/// The response to a request that asks whether the proxy is there.
pub(crate) fn monitor<S>(end: ResponseEnd) -> Response<GuestReply<S>> {
    page(200, refusal::page(200, "OK", "Service ready."), end)
}

/// A token for a guest, as AWS answers.
pub(crate) fn token<S>(token: IssuedToken, end: ResponseEnd) -> Response<GuestReply<S>> {
    let mut response = Response::new(GuestReply::own(token.token, end));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(&guards::TTL, HeaderValue::from(token.life));
    response
}

impl<S: AsyncRead + Unpin> Body for GuestReply<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.content {
            ReplyContent::Whole(whole) => return Poll::Ready(whole.take().map(|bytes| Ok(Frame::data(bytes)))),
            ReplyContent::Coming(body, _) => ready!(body.poll_piece(cx)),
        };
        if let Some(Err(error)) = &piece {
            tracing::warn!("the agent's answer was cut off: {error}");
            let (termination, reason) = match error.kind() {
                io::ErrorKind::TimedOut => (Termination::SILENT_AGENT, Reason::AgentSilent),
                _ => (Termination::CUT_ANSWER, Reason::AnswerCut),
            };
            self.end.0.note(|record| (record.termination, record.reason) = (termination, Some(reason)));
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, ReplyContent::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            ReplyContent::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ReplyContent::Coming(body, _) => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
