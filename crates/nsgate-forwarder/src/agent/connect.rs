//! A connection to an agent that has little room and may not be there yet.

use crate::{Reason, Seldom, refusal::Refusal};
use nix::errno::Errno;
use std::{
    io::{Error, ErrorKind},
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};

/// Between two attempts at an agent that is missing or refuses, as haproxy does it.
const BETWEEN_RETRIES: Duration = Duration::from_secs(1);
/// Between two attempts at an agent whose queue is full: from the first to the last.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// What may be behind a socket that is not there, or at which no process listens. A directory that was removed looks like one that is
/// empty, and one that was replaced like one that the agent has left, to a process that may ask for nothing but a connection.
macro_rules! away {
    ($what:literal) => {
        concat!(
            $what,
            ": the agent does not run, or its directory was removed and made anew, or replaced, and this process does not see the \
             new one. `nsgate attest` says which; a start anew, of the pool where one serves, opens the new one"
        )
    };
}
const NOT_FOUND: &str = away!("; its socket is not there");
const REFUSED: &str = away!("; no process listens at its socket");
/// What may be behind a refusal of the kernel's: this process may not look (unix(7)).
const SHUT_OUT: &str = "; the user of this process may not write to the socket, or not search its directory: `nsgate check` of the \
                        configuration and `nsgate doctor` say which, with owner and mode. Let it, or start it as a user or group that \
                        may";

/// Lets requests connect in order of arrival: while the agent's queue is full, the first one tries.
#[derive(Debug)]
pub(crate) struct Turnstile(Semaphore);

/// A connection, and how often it took another attempt.
pub(crate) struct Connected<S> {
    pub(crate) stream: S,
    pub(crate) retries: u32,
}

impl Turnstile {
    /// For as many as may try at the same time.
    pub(crate) fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once))
    }

    /// Connects by `open` before `deadline`, and says through `waits` when that takes more than asking once. The second value of an
    /// error is the number of further attempts.
    pub(crate) async fn connect<S, F: Future<Output = std::io::Result<S>>>(
        &self,
        open: impl Fn() -> F,
        allowed: u32,
        deadline: Instant,
        waits: impl Fn(),
    ) -> Result<Connected<S>, (Refusal, u32)> {
        let mut retries = 0;
        loop {
            let error = match timeout_at(deadline, self.attempt(&open, &waits)).await {
                Ok(Ok(stream)) => return Ok(Connected { stream, retries }),
                Ok(Err(error)) => error,
                Err(_) => return Err((Refusal::unavailable(Reason::AgentFull), retries)),
            };
            if error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
                tracing::error!("the agent cannot be used: {error}");
                return Err((Refusal::unavailable(Reason::AgentStranger), retries));
            }
            if error.kind() == ErrorKind::NotConnected && error.raw_os_error().is_none() {
                tracing::warn!("a request has no agent: {error}");
                return Err((Refusal::unavailable(Reason::AgentAway), retries));
            }
            if retries >= allowed || Instant::now() + BETWEEN_RETRIES > deadline {
                unreachable(&error, retries + 1);
                return Err((Refusal::unavailable(Reason::AgentAway), retries));
            }
            retries += 1;
            waits();
            // Not in the turnstile: an agent that is missing for one request must not hold up the others.
            sleep(BETWEEN_RETRIES).await;
        }
    }

    /// Waits while the agent's queue is full.
    async fn attempt<S, F: Future<Output = std::io::Result<S>>>(
        &self,
        open: &impl Fn() -> F,
        waits: &impl Fn(),
    ) -> std::io::Result<S> {
        // The semaphore is never closed; without a turn all requests would try at once, and that works as well.
        let _turn = match self.0.try_acquire() {
            Ok(turn) => Some(turn),
            Err(_) => {
                waits();
                self.0.acquire().await.ok()
            }
        };
        let mut wait = SHORTEST_WAIT;
        loop {
            match open().await {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    waits();
                    sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                outcome => return outcome,
            }
        }
    }
}

/// Says why a request has no agent. Where this process has run out of something, that is the same for every request.
fn unreachable(error: &Error, attempts: u32) {
    static SELDOM: Seldom = Seldom::new();
    let exhausted = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    let hint = match error.kind() {
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::ConnectionRefused => REFUSED,
        ErrorKind::PermissionDenied => SHUT_OUT,
        _ => "",
    };
    let say = |more: &str| tracing::warn!("the agent cannot be reached: {error} (attempts: {attempts}){hint}{more}");
    if error.raw_os_error().is_some_and(|number| exhausted.contains(&Errno::from_raw(number))) {
        SELDOM.say(say);
    } else {
        say("");
    }
}
