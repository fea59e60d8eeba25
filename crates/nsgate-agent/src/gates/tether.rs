//! How a connection hears of the agent's end, and how its own end is heard.

use nsgate_forwarder::Stop;
use std::convert::Infallible;
use tokio::sync::{mpsc, watch};

/// One for each connection. Where the agent's future is gone, all of them hear [`Stop::Now`].
#[derive(Clone, Debug)]
pub(super) struct Tether {
    stop: watch::Receiver<Option<Stop>>,
    #[allow(dead_code, reason = "its end says that the connection has ended")]
    alive: mpsc::Sender<Infallible>,
}

/// The agent's end of all tethers.
#[derive(Debug)]
pub(super) struct TetherEnds {
    stop: watch::Sender<Option<Stop>>,
    ended: mpsc::Receiver<Infallible>,
}

impl Tether {
    /// The first one. Tethers that are made later are copies of it.
    pub(super) fn new() -> (Self, TetherEnds) {
        let ((tell, stop), (alive, ended)) = (watch::channel(None), mpsc::channel(1));
        (Self { stop, alive }, TetherEnds { stop: tell, ended })
    }

    /// Waits until something else is asked for than what is `known`.
    pub(super) async fn asked(&mut self, known: Option<Stop>) -> Stop {
        next(&mut self.stop, known).await
    }
}

impl TetherEnds {
    /// Passes on what `stop` says, until every connection has ended.
    pub(super) async fn pass_on(mut self, mut stop: watch::Receiver<Option<Stop>>, first: Stop) {
        let mut known = first;
        loop {
            self.stop.send_replace(Some(known));
            tokio::select! {
                _ = self.ended.recv() => return,
                asked = next(&mut stop, Some(known)), if known != Stop::Now => known = asked,
            }
        }
    }
}

/// Waits until `stop` says something else than what is `known`. Where its other end is gone, that is [`Stop::Now`].
pub(super) async fn next(stop: &mut watch::Receiver<Option<Stop>>, known: Option<Stop>) -> Stop {
    let asked = stop.wait_for(|asked| asked.is_some() && *asked != known).await;
    asked.ok().and_then(|asked| *asked).unwrap_or(Stop::Now)
}
