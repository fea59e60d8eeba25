//! The messages about its network that a keeper writes to the log.

use crate::door;
use nsgate_config::AbsolutePath;
use nsgate_pool::{OfferError, Unserved};
use std::io;

/// The likely cause where the pool's socket is missing or has no listener.
const AWAY: &str = " (if the directory of the pool's socket was removed and made anew, or replaced, this keeper does not see the \
                    new one: `nsgate attest` says so, and a start anew mends it)";

pub(super) struct KeeperReport {
    /// The message to log once the network is served.
    first: Option<String>,
    /// The path of the pool's socket, as it was written.
    socket: AbsolutePath,
    /// Why the keeper may not connect to that socket, if it may not.
    closed: String,
    /// The last reason that was logged since a worker served.
    told: String,
}

impl KeeperReport {
    pub(super) fn new(first: String, socket: &AbsolutePath, closed: String) -> Self {
        Self { first: Some(first), socket: socket.clone(), closed, told: String::new() }
    }

    /// The network is served.
    pub(super) fn served(&mut self) {
        if let Some(first) = self.first.take() {
            tracing::info!("{first}");
        }
    }

    /// A worker has taken the network. The next failure is logged, even if its reason is the last one's.
    pub(super) fn taken(&mut self) {
        self.told.clear();
    }

    /// Why no worker serves: a handover failed, or the worker was silent.
    pub(super) fn reason(&self, failed: Option<&Unserved>) -> String {
        let socket = &self.socket;
        let Some(unserved) = failed else {
            return format!("{socket}: the worker gives no sign of life while guests wait");
        };
        match &unserved.error {
            OfferError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                format!("{socket}: {unserved}; {}", self.closed)
            }
            _ => format!("{socket}: {unserved}"),
        }
    }

    /// The keeper serves by itself.
    pub(super) fn alone(&mut self, failed: Option<&Unserved>) {
        self.is_news(failed);
        tracing::error!("{}{}; serving by itself until a worker answers", self.reason(failed), hint(failed));
    }

    /// No process serves.
    pub(super) fn unserved(&mut self, failed: Option<&Unserved>) {
        if self.is_news(failed) {
            let (reason, hint) = (self.reason(failed), hint(failed));
            tracing::error!("{reason}{hint}; no process serves the network until a worker answers");
        }
    }

    /// A worker refuses the network of a keeper that serves by itself.
    pub(super) fn refused(&mut self, failed: Option<&Unserved>) {
        if self.is_news(failed) {
            tracing::error!("{}", self.reason(failed));
        }
    }

    /// Whether this reason differs from the last one that was logged. A reason is logged once, however often a handover fails for it.
    fn is_news(&mut self, failed: Option<&Unserved>) -> bool {
        let Some(unserved) = failed else { return true };
        let reason = unserved.to_string();
        let is_news = self.told != reason;
        self.told = reason;
        is_news
    }
}

/// The agent has closed the door.
pub(super) fn unbound() -> String {
    let reason = door::unbound("the agent has closed the door");
    tracing::error!("{reason}");
    reason
}

fn hint(failed: Option<&Unserved>) -> &'static str {
    match failed.map(|unserved| &unserved.error) {
        Some(OfferError::Io(error))
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            AWAY
        }
        _ => "",
    }
}
