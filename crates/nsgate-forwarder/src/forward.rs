//! How a request becomes the agent's: judged by its head, read whole, rebuilt, sent.

use crate::{
    Connector, Reason,
    agent::{AgentAnswer, read_answer},
    callers::{RequestSource, Terms},
    context::ForwarderContext,
    exchange::{Exchange, ExchangeEvent, ReadHead},
    guards::{GuardOutcome, GuardedRequest, IssuedToken},
    rebuild,
    refusal::Refusal,
    source::GuestSource,
    strict::Head,
    trace::{TraceId, Traces},
    turns::{Turn, Turns},
};
use bytes::BytesMut;
use http::{Method, Request, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::borrow::Cow;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout_at},
};

/// Who answers a request that is good.
pub(crate) enum ResponseSource<S> {
    /// The agent.
    Agent(ForwardedResponse<S>),
    /// The gate itself: it is there.
    Monitor,
    /// The gate itself, with a token.
    Token(IssuedToken),
}

/// The agent's response, of which the head has been read.
pub(crate) struct ForwardedResponse<S> {
    pub(crate) answer: AgentAnswer,
    /// What was read behind the head.
    pub(crate) rest: BytesMut,
    /// Where the rest comes from.
    pub(crate) stream: S,
    /// Held until the response has come whole.
    pub(crate) turn: Turn,
    /// When the agent was connected.
    pub(crate) sent: Instant,
}

/// Why a request has no response of the agent's.
pub(crate) enum Unanswered {
    /// The guest is told so.
    Refused(Refusal, UnreadContent),
    /// The guest went away in the middle of its content.
    Gone,
}

/// Whether content of a refused request was not read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadContent {
    /// All of it was: the next request may come.
    None,
    /// It was not, or not all of it.
    Some,
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, UnreadContent::None)
    }
}

/// What becomes of a request whose head is good.
enum Admitted<'a> {
    /// It goes to the agent, which is told this of the caller.
    Forward(Cow<'a, [u8]>),
    /// It asks whether the gate is there.
    Monitor,
    /// It asks for a token, and gets one.
    Token(IssuedToken),
}

/// What the agent is sent.
struct AgentRequest {
    text: Vec<u8>,
    /// It is a HEAD: the response has no content.
    head_only: bool,
    trace: Option<TraceId>,
}

/// Judges a request, and asks the agent if it is good.
pub(crate) async fn forward<C: Connector>(
    shared: &ForwarderContext<C>,
    exchange: &Exchange,
    turns: &Turns,
    request: Request<Incoming>,
) -> Result<ResponseSource<C::Stream>, Unanswered> {
    let Terms { limits, traces, .. } = &shared.terms;
    // The clock is asked where something was waited for: a dozen times for each request would be felt.
    let (ReadHead { mut head, whole }, read_at) = exchange.take_head().ok_or(Unanswered::Gone)?;
    let (mut parts, body) = request.into_parts();
    let admitted = admit(shared, exchange, &mut head, &mut parts, read_at.into_std());
    if let (Err(refusal), false) = (&admitted, whole) {
        // Content that is still coming is not waited for.
        return Err(Unanswered::Refused(*refusal, UnreadContent::Some));
    }
    let content = collect(body, limits.body_bytes).await?;
    let identity = match admitted? {
        Admitted::Forward(identity) => identity,
        Admitted::Monitor => return Ok(ResponseSource::Monitor),
        Admitted::Token(token) => return Ok(ResponseSource::Token(token)),
    };
    let arrived = exchange.on(ExchangeEvent::Forward);
    let trace = traces.as_ref().map(Traces::begin);
    let field = trace.as_ref().map_or(&[][..], |(_, field)| field);
    let peer = exchange.client().ip();
    let text = rebuild::request(limits, (&identity, field), &head, peer, &parts.headers, &content)?;
    let request = AgentRequest { text, head_only: parts.method == Method::HEAD, trace: trace.map(|(id, _)| id) };
    // Here, and not with the answer: as long as any of it is there, the HTTP library cannot use its buffer again.
    drop((parts, content, head));
    Ok(ResponseSource::Agent(ask_agent(shared, exchange, turns, request, arrived).await?))
}

/// Judges a request by its head: rates, source, guards.
fn admit<'a, C>(
    shared: &'a ForwarderContext<C>,
    exchange: &Exchange,
    head: &mut Head,
    parts: &mut Parts,
    now: std::time::Instant,
) -> Result<Admitted<'a>, Refusal> {
    let peer = exchange.client().ip();
    shared.limiter.count(GuestSource::of(peer), now).map_err(Refusal::too_many)?;
    let single = shared.guarded.as_ref().and_then(|guarded| guarded.checked_target(head.target()));
    let target = single.as_deref().unwrap_or(head.target());
    let identity = match shared.callers.identify(peer, target)? {
        RequestSource::Identified(identity) => identity,
        RequestSource::Monitor => return Ok(Admitted::Monitor),
    };
    let Some(guarded) = &shared.guarded else { return Ok(Admitted::Forward(identity)) };
    let method = parts.method.as_str();
    let asked = GuardedRequest { peer, identity: &identity, method, target, headers: &parts.headers, now };
    let mut token = None;
    let judged = guarded.check_request(&asked, &mut token);
    exchange.note(|record| record.token = token);
    Ok(match judged? {
        GuardOutcome::Passes => {
            if let Some(target) = single {
                head.set_target(&target);
            }
            guarded.strip(&mut parts.headers);
            Admitted::Forward(identity)
        }
        GuardOutcome::Answered(token) => Admitted::Token(token),
    })
}

/// Content of at most `bound` bytes; the strict reader has seen to it that there are no more.
async fn collect(mut body: Incoming, bound: u32) -> Result<Vec<u8>, Unanswered> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| Unanswered::Gone)?.into_data().unwrap_or_default();
        whole.extend_from_slice(&data);
        if whole.len() > usize::try_from(bound).unwrap_or(usize::MAX) {
            return Err(Unanswered::Refused(Refusal::BODY_TOO_LARGE, UnreadContent::Some));
        }
    }
    Ok(whole)
}

/// Asks the agent, when it is the request's turn.
async fn ask_agent<C: Connector>(
    shared: &ForwarderContext<C>,
    exchange: &Exchange,
    turns: &Turns,
    request: AgentRequest,
    arrived: Instant,
) -> Result<ForwardedResponse<C::Stream>, Refusal> {
    let Terms { timeouts, retries, .. } = &shared.terms;
    let deadline = arrived + timeouts.connect;
    let (turn, queued) = match turns.at_once() {
        Some(turn) => (turn, arrived),
        None => {
            exchange.on(ExchangeEvent::Wait);
            let Ok(Some(turn)) = timeout_at(deadline, turns.next()).await else {
                return Err(Refusal::unavailable(Reason::NoTurn));
            };
            (turn, Instant::now())
        }
    };
    let waits = || _ = exchange.on(ExchangeEvent::Wait);
    let connected = shared.turnstile.connect(&shared.connector, *retries, deadline, waits).await;
    let sent = Instant::now();
    let (retries, connected) = match connected {
        Ok(connected) => (connected.retries, Ok(connected.stream)),
        Err((refusal, retries)) => (retries, Err(refusal)),
    };
    exchange.note(|record| {
        (record.queue_time, record.retries) = (Some(queued.duration_since(arrived)), retries);
        record.served = true;
        if connected.is_ok() {
            (record.connect_time, record.trace) = (Some(sent.duration_since(queued)), request.trace);
        }
    });
    let mut stream = connected?;
    exchange.on(ExchangeEvent::Connect);
    let mut rest = BytesMut::new();
    let talk = async {
        // An agent that closes without reading may still have answered.
        let written = stream.write_all(&request.text).await;
        C::settle(&mut stream).await;
        let answer = read_answer(&mut stream, &mut rest, request.head_only).await;
        written.map_err(|_| Refusal::bad_gateway(Reason::AgentClosed)).and(answer)
    };
    let answer = timeout_at(sent + timeouts.server, talk).await.map_err(|_| Refusal::GATEWAY_TIMEOUT)??;
    Ok(ForwardedResponse { answer, rest, stream, turn, sent })
}
