//! One request: counted, rebuilt, carried to the agent, answered.

use crate::{
    Connector, Observer, Reason, Termination,
    agent::{AgentBody, Answer, Delimited, Turnstile, read_answer},
    callers::{Callers, Terms},
    crowd::Holder,
    exchange::{AfterAnswer, Exchange, ExchangeEvent, ReadHead},
    guards::{self, Asked, Given, Guarded, Judged},
    rate::Limiter,
    rebuild,
    refusal::Refusal,
    source::Source,
    strict::Head,
    trace::Traces,
    turns::{Turn, Turns},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    borrow::Cow,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout_at},
};

/// What all connections of a gate share.
pub(crate) struct Shared<C> {
    pub(crate) terms: Terms,
    pub(crate) callers: Callers,
    pub(crate) connector: C,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) limiter: Limiter,
    /// What is demanded of a request; nothing if absent.
    pub(crate) guarded: Option<Guarded>,
    pub(crate) turnstile: Turnstile,
    /// Connections open.
    pub(crate) connections: Arc<AtomicU32>,
    /// Answers are the last ones on their connection.
    pub(crate) retiring: AtomicBool,
}

/// The guest went away in the middle of its body.
#[derive(Debug, thiserror::Error)]
#[error("the guest's body ended early")]
pub(crate) struct Gone;

/// Answers one request. An error ends the connection without an answer.
pub(crate) async fn answer<C: Connector>(
    shared: Arc<Shared<C>>,
    exchange: Arc<Exchange>,
    holder: Arc<Holder>,
    request: Request<Incoming>,
) -> Result<Response<Reply<C::Stream>>, Gone> {
    let ending = Ending(exchange.clone());
    let retiring = shared.retiring.load(Ordering::Relaxed);
    let last = retiring || asks_to_close(&request);
    let outcome = forward(&shared, &exchange, &holder.requests, request).await;
    let after = |closes: bool| if closes { AfterAnswer::Close } else { AfterAnswer::Open };
    let connections = shared.connections.load(Ordering::Relaxed);
    match outcome {
        Ok((answer, turn, stream, rest, sent)) => {
            let content = content(answer.body, rest, stream, turn, shared.terms.timeouts.server);
            exchange.respond(after(last && matches!(content, Content::Whole(_))), |record, now| {
                record.response_time = Some(now.duration_since(sent));
                (record.status, record.connections) = (answer.status.as_u16(), connections);
            });
            let mut response = Response::new(Reply { content, ending });
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            if retiring {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
        Err(Outcome::Refused(refusal, body)) => {
            let after = if body == Left::Body { AfterAnswer::Unread } else { after(last) };
            exchange.respond(after, |record, _| {
                (record.status, record.connections) = (refusal.status, connections);
                (record.termination, record.reason) = (refusal.termination, Some(refusal.reason));
            });
            let mut response = refused(refusal, ending);
            let more = shared.guarded.as_ref().and_then(|guarded| guarded.explains(&refusal));
            response.headers_mut().extend(more);
            if retiring || body == Left::Body {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
        Err(Outcome::Given(given)) => {
            exchange.respond(after(last), |record, _| {
                (record.status, record.connections) = (200, connections);
                record.reason = Some(Reason::Token);
            });
            let mut response = self::given(given, ending);
            if retiring {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
        Err(Outcome::Gone) => {
            exchange.on(ExchangeEvent::Fail);
            Err(Gone)
        }
    }
}

enum Outcome {
    Refused(Refusal, Left),
    Given(Given),
    Gone,
}

/// What of a refused request was not read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing: the next request may come.
    Nothing,
    /// Its body, or a part of it.
    Body,
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, Left::Nothing)
    }
}

async fn forward<C: Connector>(
    shared: &Shared<C>,
    exchange: &Exchange,
    turns: &Turns,
    request: Request<Incoming>,
) -> Result<(Answer, Turn, C::Stream, BytesMut, Instant), Outcome> {
    let Terms { limits, timeouts, retries, traces } = &shared.terms;
    // The clock is asked where something was waited for: a dozen times for each request would be felt.
    let (ReadHead { mut head, whole }, read_at) = exchange.take_head().ok_or(Outcome::Gone)?;
    let peer = exchange.client().ip();
    let (mut parts, body) = request.into_parts();
    let judged = admit(shared, exchange, &mut head, &mut parts, read_at.into_std());
    if let (Err(refusal), false) = (&judged, whole) {
        // A body that is still coming is not waited for.
        return Err(Outcome::Refused(*refusal, Left::Body));
    }
    let body = collect(body, limits.body_bytes).await?;
    let (identity, given) = judged?;
    if let Some(given) = given {
        return Err(Outcome::Given(given));
    }
    let arrived = exchange.on(ExchangeEvent::Forward);
    let trace = traces.as_ref().map(Traces::begin);
    let field = trace.as_ref().map_or(&[][..], |(_, field)| field);
    let text = rebuild::request(limits, (&identity, field), &head, peer, &parts.headers, &body)?;
    let head_only = parts.method == Method::HEAD;
    // Here, and not with the answer: as long as any of it is there, the HTTP library cannot use its buffer again.
    drop((parts, body));

    let deadline = arrived + timeouts.connect;
    let (turn, queued) = match turns.at_once() {
        Some(turn) => (turn, arrived),
        None => {
            exchange.on(ExchangeEvent::Wait);
            let Ok(Some(turn)) = timeout_at(deadline, turns.next()).await else {
                return Err(Refusal::unavailable(Reason::NoTurn).into());
            };
            (turn, Instant::now())
        }
    };
    exchange.note(|record| record.queue_time = Some(queued.duration_since(arrived)));

    let waits = || _ = exchange.on(ExchangeEvent::Wait);
    let connected = shared.turnstile.connect(&shared.connector, *retries, deadline, waits).await;
    let sent = Instant::now();
    let mut stream = match connected {
        Ok(connected) => {
            exchange.note(|record| {
                (record.connect_time, record.retries) = (Some(sent.duration_since(queued)), connected.retries);
                (record.served, record.trace) = (true, trace.map(|(id, _)| id));
            });
            connected.stream
        }
        Err((refusal, retries)) => {
            exchange.note(|record| (record.retries, record.served) = (retries, true));
            return Err(refusal.into());
        }
    };

    exchange.on(ExchangeEvent::Connect);
    let mut rest = BytesMut::new();
    let talk = async {
        // An agent that closes without reading may still have answered.
        let written = stream.write_all(&text).await;
        C::settle(&mut stream).await;
        let answer = read_answer(&mut stream, &mut rest, head_only).await;
        written.map_err(|_| Refusal::bad_gateway(Reason::AgentClosed)).and(answer)
    };
    let answer = timeout_at(sent + timeouts.server, talk).await.map_err(|_| Refusal::GATEWAY_TIMEOUT)??;
    Ok((answer, turn, stream, rest, sent))
}

/// Judges a request by its head: rates, source, guards. What is said of it to the agent, or a token for the guest.
fn admit<'a, C>(
    shared: &'a Shared<C>,
    exchange: &Exchange,
    head: &mut Head,
    parts: &mut Parts,
    now: std::time::Instant,
) -> Result<(Cow<'a, [u8]>, Option<Given>), Refusal> {
    let peer = exchange.client().ip();
    shared.limiter.count(Source::of(peer), now).map_err(Refusal::too_many)?;
    let single = shared.guarded.as_ref().and_then(|guarded| guarded.judged(head.target()));
    let target = single.as_deref().unwrap_or(head.target());
    let identity = shared.callers.identity(peer, target)?;
    let Some(guarded) = &shared.guarded else { return Ok((identity, None)) };
    let method = parts.method.as_str();
    let asked = Asked { peer, identity: &identity, method, target, headers: &parts.headers, now };
    let mut token = None;
    let judged = guarded.judge(&asked, &mut token);
    exchange.note(|record| record.token = token);
    let given = match judged? {
        Judged::Passes => {
            if let Some(target) = single {
                head.set_target(&target);
            }
            guarded.strip(&mut parts.headers);
            None
        }
        Judged::Answered(given) => Some(given),
    };
    Ok((identity, given))
}

/// Whether the guest wants no other answer on this connection (RFC 9112, section 9.3). An HTTP/1.0 guest may want one,
/// and is not asked: nothing is lost but a packet.
fn asks_to_close(request: &Request<Incoming>) -> bool {
    let close = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
    request.headers().get(header::CONNECTION).is_some_and(close)
}

/// A body of at most `bound` bytes; the strict reader has seen to it that there are no more.
async fn collect(mut body: Incoming, bound: u32) -> Result<Vec<u8>, Outcome> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| Outcome::Gone)?.into_data().unwrap_or_default();
        whole.extend_from_slice(&data);
        if whole.len() > usize::try_from(bound).unwrap_or(usize::MAX) {
            return Err(Outcome::Refused(Refusal::BODY_TOO_LARGE, Left::Body));
        }
    }
    Ok(whole)
}

/// An answer that has come whole is let go of the agent at once.
fn content<S: tokio::io::AsyncRead + Unpin>(
    body: Delimited,
    mut rest: BytesMut,
    stream: S,
    turn: Turn,
    patience: Duration,
) -> Content<S> {
    match body {
        Delimited::Empty => Content::Whole(None),
        Delimited::Length(length) if usize::try_from(length).is_ok_and(|length| length <= rest.len()) => {
            rest.truncate(usize::try_from(length).unwrap_or(0));
            Content::Whole(Some(rest.freeze()))
        }
        _ => Content::Coming(AgentBody::new(stream, rest.into(), body, patience), turn),
    }
}

fn refused<S>(refusal: Refusal, ending: Ending) -> Response<Reply<S>> {
    let mut response = Response::new(Reply { content: Content::Whole(Some(refusal.body().into())), ending });
    *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    if let Some(seconds) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A token for a guest, as AWS answers.
fn given<S>(given: Given, ending: Ending) -> Response<Reply<S>> {
    let mut response = Response::new(Reply { content: Content::Whole(Some(given.token.into())), ending });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(&guards::TTL, HeaderValue::from(given.life));
    response
}

/// The body of an answer to a guest.
pub(crate) struct Reply<S> {
    content: Content<S>,
    ending: Ending,
}

enum Content<S> {
    Whole(Option<Bytes>),
    Coming(AgentBody<S>, #[allow(dead_code, reason = "held until the body ends")] Turn),
}

/// Says that the answer was handed over, when it was or can no longer be.
struct Ending(Arc<Exchange>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.on(ExchangeEvent::End);
    }
}

impl<S: tokio::io::AsyncRead + Unpin> Body for Reply<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.content {
            Content::Whole(whole) => return Poll::Ready(whole.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Coming(body, _) => ready!(body.poll_piece(cx)),
        };
        if let Some(Err(error)) = &piece {
            tracing::warn!("the agent's answer was cut off: {error}");
            let (termination, reason) = match error.kind() {
                io::ErrorKind::TimedOut => (Termination::SILENT_AGENT, Reason::AgentSilent),
                _ => (Termination::CUT_ANSWER, Reason::AnswerCut),
            };
            self.ending.0.note(|record| (record.termination, record.reason) = (termination, Some(reason)));
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Coming(body, _) => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
