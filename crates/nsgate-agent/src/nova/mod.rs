//! Nova's side: kept connections to one or several hosts, and an answer whose bytes pass untouched.
//!
//! Promises that a request is sent a second time only if it changes nothing at Nova, that a host which failed is asked after the
//! others until it answers again, that one instance has no more than its share, and that a request whose guest has gone ends:
//! to drop the future or the body closes the connection to Nova.

mod answer;
mod host;
mod kept;
mod outgoing;

pub use answer::NovaBody;
pub use host::NovaHost;

use crate::shares::{ShareTurn, Shares};
use answer::Lease;
use host::Host;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use kept::{NovaConnection, SendFault};
use outgoing::Outgoing;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout, timeout_at};

/// What Nova is given.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NovaSettings {
    /// One host at least.
    pub hosts: Vec<NovaHost>,
    /// Until a host has accepted a connection.
    pub connect: Duration,
    /// Until Nova's answer begins, from its turn on; and between two pieces of the answer.
    pub answer: Duration,
    /// Requests under way of one instance. Further ones wait.
    pub share: usize,
    /// Requests under way of all instances.
    pub requests: usize,
}

impl NovaSettings {
    /// These hosts, with the usual deadlines: an answer later than 30 s finds no gate that waits for it.
    #[must_use]
    pub fn new(hosts: Vec<NovaHost>) -> Self {
        let (connect, answer) = (Duration::from_secs(3), Duration::from_secs(30));
        Self { hosts, connect, answer, share: 8, requests: 256 }
    }
}

/// Nova, and the connections to it. A clone is the same.
#[derive(Clone, Debug)]
pub struct Nova(Arc<SharedNova>);

#[derive(Debug)]
struct SharedNova {
    hosts: Vec<Arc<Host>>,
    settings: NovaSettings,
    shares: Shares,
    /// Which host is asked first.
    turn: AtomicUsize,
}

/// A request for Nova: everything but the connection.
#[derive(Debug)]
pub struct NovaRequest {
    /// As the guest wrote it.
    pub method: Method,
    /// Path and query as the guest wrote them.
    pub target: Uri,
    /// Without `host`, which is Nova's own.
    pub headers: http::HeaderMap,
    /// Streams.
    pub body: hyper::body::Incoming,
}

/// Why there is no answer of Nova's.
#[derive(Debug, thiserror::Error)]
pub enum NovaFailure {
    /// No host accepted a connection, or took the request.
    #[error("no host of Nova's can be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("Nova has not answered in {} s", .0.as_secs())]
    Silent(Duration),
    /// The instance has as many requests under way as it may, and none ended in time.
    #[error("the instance has too many requests under way")]
    Crowded,
    /// What came is not HTTP, or its head ends early.
    #[error("Nova answers what is not HTTP: {0}")]
    Garbage(String),
    /// The request's own body ended early.
    #[error("the request ended early: {0}")]
    Cut(String),
}

impl Nova {
    /// No connection is made before the first request.
    #[must_use]
    pub fn new(settings: NovaSettings) -> Self {
        let hosts = settings.hosts.iter().map(|host| Arc::new(Host::new(host.clone()))).collect();
        let shares = Shares::new(settings.share, settings.requests);
        Self(Arc::new(SharedNova { hosts, settings, shares, turn: AtomicUsize::new(0) }))
    }

    /// Asks for `instance`.
    ///
    /// # Errors
    /// Why Nova gave no answer. An answer of any status is one.
    pub async fn ask(&self, request: NovaRequest, instance: &str) -> Result<Response<NovaBody>, NovaFailure> {
        let turn = self.0.shares.turn(instance);
        let turn = timeout(self.0.settings.answer, turn).await.map_err(|_| NovaFailure::Crowded)?;
        self.0.ask_hosts(request, turn).await
    }
}

impl SharedNova {
    async fn ask_hosts(&self, request: NovaRequest, turn: ShareTurn) -> Result<Response<NovaBody>, NovaFailure> {
        let NovaRequest { method, target, headers, body } = request;
        let again = Outgoing::is_empty(&body) && (method == Method::GET || method == Method::HEAD);
        let (mut body, mut last) = (Outgoing::of(body), None);
        let deadline = Instant::now() + self.settings.answer;
        for host in self.in_order() {
            let (mut head, _) = Request::new(()).into_parts();
            (head.method, head.uri, head.headers) = (method.clone(), target.clone(), headers.clone());
            head.headers.insert(header::HOST, host.authority());
            let request = Request::from_parts(head, body);
            let attempt = timeout_at(deadline, self.ask_host(&host, request, again)).await.unwrap_or_else(|_| {
                host.failed("it does not answer in time");
                Err(SendFault::Failed(NovaFailure::Silent(self.settings.answer)))
            });
            match attempt {
                Ok((response, kept)) => {
                    host.answered();
                    let lease = Lease::new(host, kept, turn);
                    return Ok(response.map(|body| NovaBody::new(body, lease, self.settings.answer)));
                }
                Err(SendFault::NotSent(reason, unsent)) => {
                    host.failed(&reason);
                    (body, last) = (unsent, Some(NovaFailure::Unreachable(reason)));
                }
                Err(SendFault::Unanswered(failure)) if again => {
                    host.failed(match &failure {
                        NovaFailure::Unreachable(reason) => reason,
                        _ => "it closes connections without an answer",
                    });
                    (body, last) = (Outgoing::Nothing, Some(failure));
                }
                Err(SendFault::Unanswered(failure) | SendFault::Failed(failure)) => return Err(failure),
            }
        }
        Err(last.unwrap_or_else(|| NovaFailure::Unreachable("none is configured".to_owned())))
    }

    /// Over a kept connection if the request may be sent twice: Nova may close that one at the same moment, and then nothing says
    /// whether the request was heard. Any other has a connection of its own.
    async fn ask_host(
        &self,
        host: &Arc<Host>,
        mut request: Request<Outgoing>,
        again: bool,
    ) -> Result<(Response<hyper::body::Incoming>, NovaConnection), SendFault> {
        while let Some(kept) = again.then(|| host.kept()).flatten() {
            let (parts, _) = request.into_parts();
            let copy = Request::from_parts(parts.clone(), Outgoing::Nothing);
            match kept.send(copy).await {
                Err(SendFault::NotSent(..) | SendFault::Unanswered(_)) => {}
                outcome => return outcome,
            }
            request = Request::from_parts(parts, Outgoing::Nothing);
        }
        match host.connect(self.settings.connect).await {
            Ok(fresh) => fresh.send(request).await,
            Err(reason) => Err(SendFault::NotSent(reason, request.into_body())),
        }
    }

    /// Hosts that answer, in turns; then the others, the one that failed longest ago first.
    fn in_order(&self) -> Vec<Arc<Host>> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.hosts.len().max(1);
        let (late, early) = self.hosts.split_at_checked(first).unwrap_or_default();
        let mut hosts: Vec<_> = early.iter().chain(late).map(|host| (host.waits_until(), host.clone())).collect();
        hosts.sort_by_key(|(until, _)| *until);
        hosts.into_iter().map(|(_, host)| host).collect()
    }
}

/// Whether a value may stand as the `Host` of a request.
fn authority(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("nova"))
}
