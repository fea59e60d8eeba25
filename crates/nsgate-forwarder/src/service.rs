//! One request: judged, carried to the agent, answered.

use crate::{
    Connector, Reason,
    connection_registry::Holder,
    context::ForwarderContext,
    exchange::{AfterAnswer, Exchange, ExchangeEvent},
    forward::{ForwardedResponse, ResponseSource, Unanswered, UnreadContent, forward},
    refusal::Refusal,
    reply::{self, GuestReply, ResponseEnd},
};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use std::sync::{Arc, atomic::Ordering};

/// The guest went away in the middle of its body.
#[derive(Debug, thiserror::Error)]
#[error("the guest's body ended early")]
pub(crate) struct Gone;

/// Answers one request. An error ends the connection without an answer.
pub(crate) async fn answer<C: Connector>(
    shared: Arc<ForwarderContext<C>>,
    exchange: Arc<Exchange>,
    holder: Arc<Holder>,
    request: Request<Incoming>,
) -> Result<Response<GuestReply<C>>, Gone> {
    let end = ResponseEnd::new(exchange.clone());
    let retiring = shared.retiring.load(Ordering::Relaxed);
    let answering = Answering { shared: &shared, exchange: &exchange, closes: retiring || asks_to_close(&request) };
    match forward(&shared, &exchange, &holder.requests, request).await {
        Ok(ResponseSource::Agent(ForwardedResponse { answer, rest, stream, turn, sent })) => {
            let (status, patience) = (answer.status, shared.terms.timeouts.server);
            let reply = GuestReply::forwarded((answer.body, answer.keeps), rest, stream, turn, patience, end);
            exchange.respond(answering.after(reply.is_whole()), |record, now| {
                record.response_time = Some(now.duration_since(sent));
                (record.status, record.connections) = (status.as_u16(), answering.connections());
            });
            let mut response = Response::new(reply);
            (*response.status_mut(), *response.headers_mut()) = (status, answer.headers);
            announce_close(response.headers_mut(), retiring);
            Ok(response)
        }
        Ok(ResponseSource::Monitor) => Ok(answering.own(Reason::Monitor, retiring, reply::monitor(end))),
        Ok(ResponseSource::Token(token)) => Ok(answering.own(Reason::Token, retiring, reply::token(token, end))),
        Err(Unanswered::Refused(refusal, unread)) => {
            let mut response = answering.refused(&refusal, unread, end);
            announce_close(response.headers_mut(), retiring || unread == UnreadContent::Some);
            Ok(response)
        }
        Err(Unanswered::Gone) => {
            exchange.on(ExchangeEvent::Fail);
            Err(Gone)
        }
    }
}

/// A response that begins.
struct Answering<'a, C> {
    shared: &'a ForwarderContext<C>,
    exchange: &'a Exchange,
    /// The guest wants no other one on this connection, or gets none.
    closes: bool,
}

impl<C: Connector> Answering<'_, C> {
    fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// What follows a response; `whole` says that it is there to its last byte.
    fn after(&self, whole: bool) -> AfterAnswer {
        if self.closes && whole { AfterAnswer::Close } else { AfterAnswer::Open }
    }

    /// The gate's own, to a request that is good.
    fn own(&self, reason: Reason, retiring: bool, mut response: Response<GuestReply<C>>) -> Response<GuestReply<C>> {
        self.exchange.respond(self.after(true), |record, _| {
            (record.status, record.connections) = (response.status().as_u16(), self.connections());
            record.reason = Some(reason);
        });
        announce_close(response.headers_mut(), retiring);
        response
    }

    /// The gate's own, to a request that it refuses or that has no answer.
    fn refused(&self, refusal: &Refusal, unread: UnreadContent, end: ResponseEnd) -> Response<GuestReply<C>> {
        let left = unread == UnreadContent::Some;
        self.exchange.respond(if left { AfterAnswer::Unread } else { self.after(true) }, |record, _| {
            (record.status, record.connections) = (refusal.status, self.connections());
            (record.termination, record.reason) = (refusal.termination, Some(refusal.reason));
        });
        let mut response = reply::refusal_reply(refusal, end);
        let more = self.shared.guarded.as_ref().and_then(|guarded| guarded.explains(refusal));
        response.headers_mut().extend(more);
        response
    }
}

/// The guest is told that no other response follows.
fn announce_close(headers: &mut HeaderMap, closes: bool) {
    if closes {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Whether the guest wants no other answer on this connection (RFC 9112, section 9.3). An HTTP/1.0 guest may want one,
/// and is not asked: nothing is lost but a packet.
fn asks_to_close(request: &Request<Incoming>) -> bool {
    let close = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
    request.headers().get(header::CONNECTION).is_some_and(close)
}
