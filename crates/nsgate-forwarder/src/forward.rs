//! How a request becomes the agent's: judged by its head, read whole, rebuilt, sent.

use crate::{
    Connector, Reason,
    agent::{AgentAnswer, Connected, read_answer},
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
use std::{borrow::Cow, pin::Pin};
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
    /// It may be sent a second time where a connection was closed instead of an answer (RFC 9110, section 9.2.2): it changes
    /// nothing, and has no content.
    again: bool,
    trace: Option<TraceId>,
}

/// Bytes asked for at once of an agent that keeps its connections: it writes head and document together, and most documents of
/// Nova's fit. One call less for each of them is worth more than memory that malloc has at hand.
const KEPT_PIECE: usize = 4096;

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
    let last = if C::KEEPS { rebuild::GOES_ON } else { rebuild::CLOSES };
    let text = rebuild::request(limits, (&identity, field, last), &head, peer, &parts.headers, &content)?;
    let head_only = parts.method == Method::HEAD;
    let again = C::KEEPS && (head_only || parts.method == Method::GET) && content.is_empty();
    let request = AgentRequest { text, head_only, again, trace: trace.map(|(id, _)| id) };
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
    let Terms { timeouts, retries: allowed, .. } = &shared.terms;
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
    let connected = if C::KEEPS && !request.again {
        connect_afresh(shared, *allowed, deadline, &waits).await
    } else {
        shared.turnstile.connect(|| shared.connector.connect(), *allowed, deadline, &waits).await
    };
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
    let deadline = sent + timeouts.server;
    let answer = timeout_at(deadline, talk::<C>(&mut stream, &request, &mut rest)).await;
    let answer = match answer.map_err(|_| Refusal::GATEWAY_TIMEOUT)? {
        // The agent had closed the connection, or was about to: it is restarted, perhaps.
        Err(Refusal { reason: Reason::AgentClosed, .. }) if C::KEEPS && request.again && rest.is_empty() => {
            send_again(shared, exchange, &request, deadline, (&mut stream, &mut rest)).await
        }
        answer => answer,
    };
    Ok(ForwardedResponse { answer: answer?, rest, stream, turn, sent })
}

/// Sends a request over a connection that no other has used, and reads the head of its answer.
fn send_again<'a, C: Connector>(
    shared: &'a ForwarderContext<C>,
    exchange: &'a Exchange,
    request: &'a AgentRequest,
    deadline: Instant,
    (stream, rest): (&'a mut C::Stream, &'a mut BytesMut),
) -> Boxed<'a, Result<AgentAnswer, Refusal>> {
    Box::pin(async move {
        let Terms { timeouts, retries, .. } = &shared.terms;
        let waits = || _ = exchange.on(ExchangeEvent::Wait);
        let again = async {
            let connected = connect_afresh(shared, *retries, Instant::now() + timeouts.connect, &waits).await;
            *stream = connected.map_err(|(refusal, _)| refusal)?.stream;
            exchange.on(ExchangeEvent::Connect);
            talk::<C>(stream, request, rest).await
        };
        timeout_at(deadline, again).await.map_err(|_| Refusal::GATEWAY_TIMEOUT)?
    })
}

/// Sends a request, and reads the head of its answer.
async fn talk<C: Connector>(
    stream: &mut C::Stream,
    request: &AgentRequest,
    rest: &mut BytesMut,
) -> Result<AgentAnswer, Refusal> {
    // An agent that closes without reading may still have answered.
    let written = stream.write_all(&request.text).await;
    C::settle(stream).await;
    if C::KEEPS {
        rest.reserve(KEPT_PIECE);
    }
    let answer = read_answer(stream, rest, request.head_only).await;
    written.map_err(|_| Refusal::bad_gateway(Reason::AgentClosed)).and(answer)
}

/// What seldom runs takes no room in the future of a connection.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection, or why there is none after how many further attempts.
type Connecting<S> = Result<Connected<S>, (Refusal, u32)>;

/// A connection that no other request has used.
fn connect_afresh<'a, C: Connector>(
    shared: &'a ForwarderContext<C>,
    retries: u32,
    deadline: Instant,
    waits: &'a (impl Fn() + Sync),
) -> Boxed<'a, Connecting<C::Stream>> {
    let open = || shared.connector.connect_afresh();
    Box::pin(async move { shared.turnstile.connect(open, retries, deadline, waits).await })
}
