//! What is told of each request, and to whom.

use crate::{Reason, TraceId, Verdict, termination::Termination, token_use::TokenUse};
use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

/// Hears of requests. Called on the serving thread: must not wait.
pub trait Observer: Send + Sync + 'static {
    /// A request was answered, refused or cut off.
    fn request(&self, record: &AccessRecord);

    /// A connection was accepted; so many are open now.
    fn opened(&self, _open: u32) {}

    /// A connection has ended; so many are open still.
    fn closed(&self, _open: u32) {}

    /// No connection has been open for a second: a good time to give memory back.
    fn idle(&self) {}
}

/// Ignores everything.
impl Observer for () {
    fn request(&self, _: &AccessRecord) {}
}

/// Everything that haproxy's `option httplog` writes of a request (configuration manual, 8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessRecord {
    /// The guest; an IPv4 guest of a dual-stack listener as IPv4.
    pub client: SocketAddr,
    /// When the request's first byte came.
    pub started: SystemTime,
    /// From the first byte to the complete head (`%TR`); `None` if it never was.
    pub head_time: Option<Duration>,
    /// In the queue (`%Tw`).
    pub queue_time: Option<Duration>,
    /// For the connection to the agent (`%Tc`).
    pub connect_time: Option<Duration>,
    /// From the request's end to the answer's head (`%Tr`).
    pub response_time: Option<Duration>,
    /// Altogether (`%Ta`).
    pub total_time: Duration,
    /// The answer's status; 0 if there was none.
    pub status: u16,
    /// Bytes written to the guest, heads included.
    pub bytes: u64,
    /// How it ended.
    pub termination: Termination,
    /// Why, where it was not simply carried to the agent and answered. haproxy has no such word.
    pub reason: Option<Reason>,
    /// How it stood to session tokens, where the gate knows of them and came to look.
    pub token: Option<TokenUse>,
    /// Guest connections open, this one included.
    pub connections: u32,
    /// Further attempts to reach the agent.
    pub retries: u32,
    /// Whether the request was handed to the agent.
    pub served: bool,
    /// The trace that the agent was told of.
    pub trace: Option<TraceId>,
    /// The request line, at most 1,024 bytes: its target in origin-form; of a line that is none, what could have been one;
    /// empty if there was none.
    pub request_line: Vec<u8>,
}

impl AccessRecord {
    /// A request of which the first byte has come, and nothing is known yet.
    #[must_use]
    pub fn begun(client: SocketAddr, started: SystemTime) -> Self {
        Self {
            client,
            started,
            head_time: None,
            queue_time: None,
            connect_time: None,
            response_time: None,
            total_time: Duration::ZERO,
            status: 0,
            bytes: 0,
            termination: Termination::NORMAL,
            reason: None,
            token: None,
            connections: 0,
            retries: 0,
            served: false,
            trace: None,
            request_line: Vec::new(),
        }
    }

    /// What became of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.reason.map_or(Verdict::Passed, Reason::verdict)
    }
}
