//! One host of Nova's: its kept connections, and whether it answers.

use super::{authority, kept::NovaConnection};
use crate::{tls::TlsServer, transport::Transport};
use http::HeaderValue;
use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// Connections that are kept while they carry nothing.
const MOST_KEPT: usize = 32;
/// How long.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How long the others are asked first: after one failure, and after many.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Where a host of Nova's is.
#[derive(Clone, Debug)]
pub struct NovaHost {
    /// Host and port as a request names them (`Host`).
    pub authority: String,
    /// Where it is reached.
    pub address: SocketAddr,
    /// How it is known, if it speaks https.
    pub tls: Option<TlsServer>,
}

#[derive(Debug)]
pub(super) struct Host {
    place: NovaHost,
    authority: HeaderValue,
    state: Mutex<HostState>,
}

#[derive(Debug, Default)]
struct HostState {
    kept: Vec<(NovaConnection, Instant)>,
    failures: u32,
    waits_until: Option<Instant>,
}

impl Host {
    pub(super) fn new(place: NovaHost) -> Self {
        Self { authority: authority(&place.authority), place, state: Mutex::default() }
    }

    /// `Host` of a request.
    pub(super) fn authority(&self) -> HeaderValue {
        self.authority.clone()
    }

    /// The kept connection that was used last, if it may still be good.
    pub(super) fn kept(&self) -> Option<NovaConnection> {
        let mut state = self.state();
        while let Some((kept, since)) = state.kept.pop() {
            if !kept.is_closed() && since.elapsed() < KEPT_FOR {
                return Some(kept);
            }
        }
        None
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn keep(&self, kept: NovaConnection) {
        let mut state = self.state();
        // The oldest is the first.
        state.kept.retain(|(kept, since)| !kept.is_closed() && since.elapsed() < KEPT_FOR);
        if state.kept.len() < MOST_KEPT {
            state.kept.push((kept, Instant::now()));
        }
    }

    /// A new connection, or why there is none. To shake hands is part of it.
    pub(super) async fn connect(&self, patience: Duration) -> Result<NovaConnection, String> {
        let address = self.place.address;
        let tls = self.place.tls.as_ref();
        match timeout(patience, async { NovaConnection::new(Transport::tcp(address, tls).await?).await }).await {
            Ok(Ok(kept)) => Ok(kept),
            Ok(Err(error)) => Err(format!("{address}: {error}")),
            Err(_) => Err(format!("{address}: no connection in {} ms", patience.as_millis())),
        }
    }

    /// Until when the others are asked first; `None` if it answers. When that is over, one request tries it, and the others
    /// wait for what becomes of that.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        let mut state = self.state();
        let now = Instant::now();
        match state.waits_until {
            Some(until) if until <= now => {
                state.waits_until = Some(now + wait(state.failures));
                None
            }
            until => until,
        }
    }

    pub(super) fn answered(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.failures) > 0 {
            state.waits_until = None;
            tracing::info!("Nova at {} answers again", self.place.authority);
        }
    }

    pub(super) fn failed(&self, reason: &str) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.waits_until = Some(Instant::now() + wait(state.failures));
        state.kept.clear();
        if state.failures == 1 {
            tracing::warn!(
                "Nova at {} fails: {reason}; of several hosts the others are asked first until it answers",
                self.place.authority
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait(failures: u32) -> Duration {
    SHORTEST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT)
}
