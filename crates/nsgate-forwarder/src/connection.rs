//! One guest's connection, from accept to close.

use crate::{
    Connector, Reason, Stop, Termination,
    connection_registry::ConnectionPlace,
    context::ForwarderContext,
    exchange::{Among, Exchange, ExchangeEvent, ExchangeState},
    guest_io::GuestIo,
    refusal::Refusal,
    service::answer,
    stop::next_stop,
};
use hyper::{server::conn::http1, service::service_fn};
use nsgate_config::{Limits, Timeouts};
use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};

/// How long, and for how many bytes, a guest that was refused may go on sending before the connection is reset: closing
/// at once would take the refusal away from it (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// Serves until the guest leaves, loses patience with us, or we with it.
pub(crate) async fn serve<C: Connector>(
    shared: Arc<ForwarderContext<C>>,
    socket: TcpStream,
    peer: SocketAddr,
    mut place: ConnectionPlace,
    mut stop: watch::Receiver<Option<Stop>>,
) {
    let exchange = Exchange::new(peer, shared.observer.clone());
    place.begin(exchange.clone());
    let socket = Arc::new(Mutex::new(socket));
    let (limits, timeouts) = (&shared.terms.limits, &shared.terms.timeouts);
    let (end, left) = {
        let io = GuestIo::new(socket.clone(), exchange.clone(), limits.clone(), place.holder());
        let service = service_fn(|request| answer(shared.clone(), exchange.clone(), place.holder(), request));
        let mut connection = pin!(protocol(limits).serve_connection(io, service));
        let (began, mut old) = (Instant::now(), false);
        let mut watchdog = pin!(watch(&exchange, timeouts, began + timeouts.connection));
        let (mut draining, mut giving_way) = (None, false);
        let end = loop {
            tokio::select! {
                biased;
                outcome = &mut connection => break outcome.map_or(ConnectionEnd::Cut, |()| ConnectionEnd::Orderly),
                alarm = &mut watchdog => match alarm {
                    Alarm::Slow(refusal) => break ConnectionEnd::Slow(refusal),
                    Alarm::Old if old => break ConnectionEnd::Old,
                    Alarm::Old => {
                        old = true;
                        connection.as_mut().graceful_shutdown();
                        watchdog.set(watch(&exchange, timeouts, began + timeouts.connection * 2));
                    }
                },
                () = exchange.displaced() => {
                    if exchange.keeps_waiting(Among::Connections, Instant::now()).is_none() {
                        giving_way = false;
                        if exchange.end_with_answer() {
                            connection.as_mut().graceful_shutdown();
                        }
                    } else if giving_way {
                        break ConnectionEnd::Displaced;
                    } else {
                        // What the kernel has got of the guest meanwhile is read first.
                        giving_way = true;
                        yield_now().await;
                        exchange.displace();
                    }
                }
                asked = next_stop(&mut stop, draining) => match asked {
                    // The next answer says that it is the last one; until then the guest may ask.
                    Stop::Retire => draining = Some(Stop::Retire),
                    Stop::Drain => {
                        draining = Some(Stop::Drain);
                        connection.as_mut().graceful_shutdown();
                    }
                    Stop::Now => break ConnectionEnd::Stopped,
                },
            }
        };
        (end, exchange.leave())
    };
    if let Some(socket) = Arc::into_inner(socket) {
        close(socket.into_inner().unwrap_or_else(PoisonError::into_inner), &exchange, end, left).await;
    }
}

/// Header fields that the HTTP library takes without being asked; for another number it fills its table first.
const OWN_HEADERS: u32 = 100;

/// How the HTTP library is asked to serve.
pub(crate) fn protocol(limits: &Limits) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        // Whether a guest that closed its side has gone is for the strict reader to say (`GuestIo::look_ahead`).
        .half_close(true)
        .auto_date_header(false)
        .max_buf_size(usize::try_from(limits.head_bytes).unwrap_or(usize::MAX).max(8192));
    if limits.headers != OWN_HEADERS {
        protocol.max_headers(usize::try_from(limits.headers).unwrap_or(usize::MAX));
    }
    protocol
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionEnd {
    /// The last answer is written, or a refusal is to be.
    Orderly,
    /// In the middle of something.
    Cut,
    /// The guest was too slow.
    Slow(Option<Refusal>),
    /// The connection is twice as old as it may get.
    Old,
    /// It has given way to another connection.
    Displaced,
    /// The gate ends.
    Stopped,
}

/// Why the watchdog barks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alarm {
    /// The guest is too slow; this is what it is told, if there is anything to say.
    Slow(Option<Refusal>),
    /// The connection is.
    Old,
}

/// Waits until the guest is too slow or the connection too old. One timer serves the whole connection: it looks again when
/// its time is over, so that no request has to set it.
async fn watch(exchange: &Exchange, timeouts: &Timeouts, old: Instant) -> Alarm {
    let all = [timeouts.request, timeouts.client, timeouts.keep_alive, timeouts.body];
    let shortest = all.into_iter().min().unwrap_or(timeouts.request);
    loop {
        let (state, deadline) = exchange.patience(timeouts);
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Alarm::Slow(match state {
                ExchangeState::Fresh | ExchangeState::Head | ExchangeState::HeadQueued => Some(Refusal::TIMEOUT),
                ExchangeState::HeadRead | ExchangeState::Content => Some(Refusal::BODY_TIMEOUT),
                _ => None,
            });
        }
        if old <= now {
            return Alarm::Old;
        }
        // A wait that begins now has at least the shortest time.
        let next = now + shortest;
        sleep_until(deadline.unwrap_or(next).min(next).min(old)).await;
    }
}

/// Closes the connection, which ended in `end` when its exchange stood at `left`.
async fn close(socket: TcpStream, exchange: &Exchange, end: ConnectionEnd, left: ExchangeState) {
    let refusal = match (end, left) {
        (ConnectionEnd::Slow(refusal), _) => refusal,
        (ConnectionEnd::Displaced, _) => left.awaits_request().then_some(Refusal::DISPLACED),
        (ConnectionEnd::Stopped | ConnectionEnd::Old, _) => None,
        (ConnectionEnd::Orderly | ConnectionEnd::Cut, ExchangeState::Refused(refusal)) => Some(refusal),
        (ConnectionEnd::Orderly | ConnectionEnd::Cut, _) => None,
    };
    match refusal {
        Some(refusal) => refuse(socket, exchange, end, &refusal).await,
        None => leave(socket, exchange, end, left).await,
    }
}

/// Closes the connection without a word.
async fn leave(socket: TcpStream, exchange: &Exchange, end: ConnectionEnd, left: ExchangeState) {
    use ExchangeState as State;
    let termination = match (end, left) {
        (ConnectionEnd::Old, State::Rest(_)) => Termination::SILENT_AGENT,
        (
            ConnectionEnd::Slow(_) | ConnectionEnd::Old | ConnectionEnd::Displaced,
            State::Answer(_) | State::Ended { .. },
        ) => Termination::SLOW_GUEST,
        (_, State::Agent | State::Queued) => Termination::GUEST_LEFT_WAITING,
        _ => Termination::GUEST_LEFT,
    };
    let reason = match (end, left) {
        (ConnectionEnd::Stopped, _) => Reason::GateStopped,
        (ConnectionEnd::Old, _) => Reason::OldConnection,
        (ConnectionEnd::Displaced, _) => Reason::Displaced,
        (ConnectionEnd::Slow(_), State::HeadRead | State::Content) => Reason::SlowBody,
        (ConnectionEnd::Slow(_), _) => Reason::SlowGuest,
        (ConnectionEnd::Orderly | ConnectionEnd::Cut, _) => Reason::GuestLeft,
    };
    exchange.end(Some((termination, reason)));
    if end != ConnectionEnd::Orderly && left.is_within_answer() {
        // A part of an answer must not look like the whole, and to an HTTP/1.0 guest an orderly end would.
        let _ = socket.set_zero_linger();
    } else if left.leaves_content() && matches!(end, ConnectionEnd::Orderly | ConnectionEnd::Cut) {
        exchange.on(ExchangeEvent::Linger);
        linger_or_give_way(socket, exchange).await;
    }
}

/// Tells the guest why, and closes the connection.
async fn refuse(mut socket: TcpStream, exchange: &Exchange, end: ConnectionEnd, refusal: &Refusal) {
    exchange.on(ExchangeEvent::Linger);
    let text = refusal.raw(exchange.is_head());
    if let Ok(Ok(())) = timeout(LINGER, socket.write_all(&text)).await {
        exchange.wrote(text.len());
    }
    exchange.note(|record| {
        (record.status, record.termination) = (refusal.status, refusal.termination);
        record.reason = Some(refusal.reason);
    });
    exchange.end(None);
    if end != ConnectionEnd::Displaced {
        linger_or_give_way(socket, exchange).await;
    }
}

/// Lingers until the connection is asked to give way.
async fn linger_or_give_way(socket: TcpStream, exchange: &Exchange) {
    tokio::select! {
        () = linger(socket) => {}
        () = exchange.displaced_without_reader() => {}
    }
}

/// Reads what the guest still sends, for a moment, so that it gets to read what it was told.
async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut piece = [0; 4096];
    let drain = async {
        let mut total = 0;
        while total < LINGER_BYTES {
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(count) => total += count,
            }
        }
    };
    let _ = timeout(LINGER, drain).await;
}
