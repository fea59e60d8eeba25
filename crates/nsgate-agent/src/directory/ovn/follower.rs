//! The connections to the servers, one after the other: connect, follow, and when one is lost ask the next.

use super::options::{OvnOptions, OvnServer};
use super::session::{Kept, OvnSession};
use super::shared::OvnShared;
use super::trouble::{OvnTrouble, line};
use crate::ovsdb::{Frames, FramingError};
use crate::tls::refusal;
use crate::transport::Transport;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// How long connect(2), and to shake hands, may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The shortest pause is such a part of the longest.
const PARTS: u32 = 50;

/// Follows the database for an [`super::OvnDirectory`].
#[derive(Debug)]
pub struct OvnFollower {
    options: OvnOptions,
    shared: Arc<OvnShared>,
    kept: Kept,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum ServerLost {
    // What a server says against this client's certificate comes when a message is read.
    #[error("{}", refusal(.0).unwrap_or_else(|| .0.to_string()))]
    Connection(#[from] io::Error),
    #[error("no connection within {} s", CONNECT.as_secs())]
    NoConnection,
    #[error("it closed the connection")]
    Closed,
    #[error("it closed the connection in the middle of a message")]
    Cut,
    #[error("it was silent for {} s", .0.as_secs())]
    Silent(Duration),
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error(transparent)]
    Trouble(#[from] OvnTrouble),
}

impl OvnFollower {
    pub(crate) fn new(options: OvnOptions, shared: Arc<OvnShared>) -> Self {
        Self { options, shared, kept: Kept::default() }
    }

    /// Follows the database for ever. Without a server it waits for ever.
    pub async fn run(mut self) -> Infallible {
        let servers = self.options.servers.clone();
        let rounds = servers.len().max(1);
        let mut failed = 0;
        // Hosts begin with different members of a cluster, so that each member has its share of them.
        let first = usize::try_from(random() % 64).unwrap_or(0) % rounds;
        for server in servers.iter().cycle().skip(first) {
            let begun = Instant::now();
            self.shared.asks(server.name.clone());
            let lost = match self.follow(server).await {
                Ok(never) => match never {},
                Err(lost) => lost,
            };
            // A connection that lasted was a good one: the pause after it is the shortest.
            failed = if begun.elapsed() >= self.options.longest_pause { 0 } else { failed + 1 };
            let pause = pause(self.options.longest_pause, failed / rounds);
            let lost = line(&lost.to_string());
            let name = &server.name;
            if self.shared.lost(format!("{name}: {lost}")) {
                tracing::warn!("OVN's southbound database at {name} is left: {lost}");
            }
            sleep(pause).await;
        }
        std::future::pending().await
    }

    /// Follows one server, as long as it can be.
    async fn follow(&mut self, server: &OvnServer) -> Result<Infallible, ServerLost> {
        let connected = timeout(CONNECT, server.remote.connect(self.options.tls.as_ref())).await;
        let mut stream = connected.map_err(|_| ServerLost::NoConnection)??;
        let mut session = OvnSession::new(&self.options, &self.shared, &mut self.kept);
        let mut frames = Frames::new(self.options.longest_message);
        let mut buffer = vec![0; 16 * 1024];
        let (mut heard, mut told) = (Instant::now(), false);
        loop {
            send(&mut stream, session.requests(), self.options.give_up_after).await?;
            match timeout(self.options.probe_after, stream.read(&mut buffer)).await {
                Ok(Ok(0)) => return Err(if frames.is_cut() { ServerLost::Cut } else { ServerLost::Closed }),
                Ok(read) => {
                    heard = Instant::now();
                    frames.push(buffer.get(..read?).unwrap_or_default());
                    while let Some(message) = frames.next_message()? {
                        session.take(message)?;
                    }
                }
                Err(_) if heard.elapsed() >= patience(&self.options, session.follows()) => {
                    return Err(ServerLost::Silent(heard.elapsed()));
                }
                Err(_) => session.probe(),
            }
            if session.follows() && !told {
                told = true;
                let status = self.shared.status();
                tracing::info!("OVN's southbound database at {} is followed: {} ports", server.name, status.ports);
            }
        }
    }
}

/// How long a server may be silent. The first copy of a large database takes its time.
fn patience(options: &OvnOptions, follows: bool) -> Duration {
    if follows { options.give_up_after } else { options.give_up_after.saturating_mul(3) }
}

async fn send(stream: &mut Transport, bytes: Vec<u8>, within: Duration) -> Result<(), ServerLost> {
    let sent = timeout(within, async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    });
    sent.await.map_err(|_| ServerLost::Silent(within))?.map_err(ServerLost::from)
}

/// Longer after each round in which no server could be followed, and not the same on all hosts.
fn pause(longest: Duration, rounds: usize) -> Duration {
    let pause = (longest / PARTS).saturating_mul(1 << rounds.min(10)).min(longest);
    pause + pause.mul_f64(f64::from(u8::try_from(random() % 64).unwrap_or(0)) / 256.0)
}

/// A number of no worth for secrets, from the keys that the standard library hashes with.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
