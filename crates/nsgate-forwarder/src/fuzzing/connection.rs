//! One guest's connection from the strict reader to the agent and back, without a socket.

use super::{
    pieces::{Pieces, ScriptedIo},
    run::run,
};
use crate::{
    AccessRecord, Connector, Observer,
    agent::Turnstile,
    callers::{Callers, Terms},
    connection::protocol,
    connection_registry::Holder,
    context::ForwarderContext,
    exchange::{Exchange, ExchangeState},
    guards::Guarded,
    guest_io::GuestIo,
    rate::Limiter,
    service::answer,
};
use hyper::service::service_fn;
use nsgate_config::Gate;
use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32},
    },
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What came of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedConnection {
    /// Each request as the agent got it.
    pub to_agent: Vec<Vec<u8>>,
    /// Everything that was written to the guest, but for a refusal of the strict reader.
    pub to_guest: Vec<u8>,
    /// The status with which the strict reader refused to read on.
    pub refused: Option<u16>,
    /// Whether the connection was reset in the middle of an answer.
    pub reset: bool,
    /// Whether the connection waited, although nothing was left to wait for.
    pub stuck: bool,
    /// The lines for the log, without their times.
    pub records: Vec<(u16, Vec<u8>)>,
}

/// Serves what `guest` sends and then closes; the agent answers every request with `agent`.
#[must_use]
pub fn serve(gate: &Gate, peer: SocketAddr, guest: &Pieces, agent: &Pieces) -> ServedConnection {
    let heard = Arc::new(HeardRecord::default());
    let shared = Arc::new(ForwarderContext {
        connector: ScriptedAgent { answer: agent.clone(), heard: heard.clone() },
        observer: heard.clone(),
        limiter: Limiter::new(gate.rate_limits.clone()),
        guarded: Guarded::new(&gate.guards),
        turnstile: Turnstile::new(1),
        callers: Callers::of_gate(gate),
        connections: Arc::new(AtomicU32::new(1)),
        retiring: AtomicBool::new(false),
        terms: Terms::of_gate(gate),
    });
    let observer: Arc<dyn Observer> = heard.clone();
    let exchange = Exchange::new(peer, observer);
    let socket = Arc::new(Mutex::new(ScriptedIo::new(guest.clone())));
    let ended = {
        let (turns, heads) = (Arc::new(Holder::alone(64)), Arc::new(Holder::alone(1)));
        let io = GuestIo::new(socket.clone(), exchange.clone(), gate.limits.clone(), heads);
        let service = service_fn(|request| answer(shared.clone(), exchange.clone(), turns.clone(), request));
        run(async { protocol(&gate.limits).serve_connection(io, service).await.is_ok() })
    };
    let left = exchange.leave();
    let refused = match left {
        ExchangeState::Refused(refusal) => Some(refusal.status),
        _ => None,
    };
    exchange.end(None);
    let to_guest = std::mem::take(&mut socket.lock().unwrap_or_else(PoisonError::into_inner).written);
    ServedConnection {
        to_agent: std::mem::take(&mut heard.requests.lock().unwrap_or_else(PoisonError::into_inner)),
        to_guest,
        refused,
        reset: !matches!(ended, Ok(true)) && left.is_within_answer(),
        stuck: ended.is_err(),
        records: std::mem::take(&mut heard.records.lock().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// What the agent and the log were told.
#[derive(Debug, Default)]
struct HeardRecord {
    requests: Mutex<Vec<Vec<u8>>>,
    records: Mutex<Vec<(u16, Vec<u8>)>>,
}

impl Observer for HeardRecord {
    fn request(&self, record: &AccessRecord) {
        let line = (record.status, record.request_line.clone());
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// Always there.
struct ScriptedAgent {
    answer: Pieces,
    heard: Arc<HeardRecord>,
}

impl Connector for ScriptedAgent {
    type Stream = ScriptedStream;

    async fn connect(&self) -> std::io::Result<ScriptedStream> {
        Ok(ScriptedStream { memory: ScriptedIo::new(self.answer.clone()), heard: self.heard.clone() })
    }
}

/// A connection to the agent; what was written to it is told when it is closed.
struct ScriptedStream {
    memory: ScriptedIo,
    heard: Arc<HeardRecord>,
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.memory.written);
        self.heard.requests.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

impl AsyncRead for ScriptedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.memory).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ScriptedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.memory).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pieces, serve};
    use nsgate_config::native;

    #[test]
    fn a_guest_that_has_said_all_hears_the_end_of_an_answer_whenever_that_comes() {
        let text =
            "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"1.2.3.4:80\"]\nbackend = \"/b\"\n";
        let gate = native::parse("x", &format!("{text}user = \"u\"\n")).unwrap().config.gate;
        let agent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        for length in [1, 3, 17, 47, 100] {
            let guest = Pieces::whole(b"GET / HTTP/1.0\r\n\r\n");
            let served = serve(&gate, "10.0.0.5:1".parse().unwrap(), &guest, &Pieces::new(agent, &[length]));
            assert!(!served.reset && !served.stuck, "{length}: {served:?}");
        }
    }
}
