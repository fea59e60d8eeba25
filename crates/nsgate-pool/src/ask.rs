//! The operator's questions: which networks are there, and one of them no longer.

use crate::{
    Channel, ProtocolError,
    channel::Message,
    protocol::{NetworkStatus, Reply, Request, SilentWorker},
};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nsgate_config::Identity;
use std::{
    io,
    os::fd::BorrowedFd,
    path::Path,
    time::{Duration, Instant},
};

/// How long a worker may take for one message.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The worker is not there, or does not answer.
    #[error("the pool does not answer: {0}")]
    Io(#[from] io::Error),
    /// The worker refuses.
    #[error("the pool refuses: {0}")]
    Refused(String),
    /// The worker says something that is not an answer.
    #[error("the pool answers something odd: {0}")]
    Protocol(#[from] ProtocolError),
}

/// What a pool serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The networks of every worker that answers.
    pub networks: Vec<NetworkStatus>,
    /// Workers of several that do not answer. Their networks, or some of them, are missing.
    pub silent: Vec<SilentWorker>,
}

/// Every network of the pool at `pool`.
///
/// # Errors
/// What went wrong.
pub fn list(pool: &Path) -> Result<Listing, AskError> {
    let channel = send_request(pool, &Request::List)?;
    let mut listing = Listing::default();
    loop {
        match next(&channel)? {
            Reply::Network(status) => listing.networks.push(*status),
            Reply::Silent(worker) => listing.silent.push(worker),
            Reply::Done => return Ok(listing),
            reply => return Err(unwanted(reply)),
        }
    }
}

/// Ends a network of the worker at `pool`. The worker tells the network's owner, which ends.
///
/// # Errors
/// [`AskError::Refused`] if there is no such network, or what went wrong.
pub fn remove(pool: &Path, identity: Identity) -> Result<(), AskError> {
    done(&send_request(pool, &Request::Remove(identity))?)
}

/// The pid of the process that listens at `pool`: a worker, or the zygote of several. `None` if no process listens, or it is in
/// another PID namespace.
#[must_use]
pub fn listener(pool: &Path) -> Option<i32> {
    let channel = Channel::connect(pool).ok()?;
    let found = getsockopt(&channel, PeerCredentials).ok()?;
    (found.pid() > 0).then(|| found.pid())
}

/// Whether a service manager keeps networks for the worker at `pool`.
///
/// # Errors
/// [`AskError::Refused`] if no manager does, and from a worker that does not know the question; or what went wrong.
pub fn stores(pool: &Path) -> Result<(), AskError> {
    done(&send_request(pool, &Request::Stores)?)
}

/// Has the worker at `pool` serve a network, and a service manager keep it for the next worker. The network comes as a sealed
/// record ([`crate::record`]) and its listeners, in order.
///
/// # Errors
/// [`AskError::Refused`], or what went wrong: nothing was taken then.
pub fn keep(
    pool: &Path,
    identity: Identity,
    record: BorrowedFd<'_>,
    listeners: &[BorrowedFd<'_>],
) -> Result<(), AskError> {
    keep_over(&Channel::connect(pool)?, identity, record, listeners)
}

/// The same over a connection on which nothing was sent yet. The worker checks the process that made it.
///
/// # Errors
/// As [`keep`].
pub fn keep_over(
    channel: &Channel,
    identity: Identity,
    record: BorrowedFd<'_>,
    listeners: &[BorrowedFd<'_>],
) -> Result<(), AskError> {
    let all: Vec<BorrowedFd<'_>> = std::iter::once(record).chain(listeners.iter().copied()).collect();
    channel.send(&Request::Keep(identity).to_bytes(), &all)?;
    done(channel)
}

fn done(channel: &Channel) -> Result<(), AskError> {
    match next(channel)? {
        Reply::Done => Ok(()),
        reply => Err(unwanted(reply)),
    }
}

fn send_request(pool: &Path, request: &Request) -> Result<Channel, AskError> {
    let channel = Channel::connect(pool)?;
    channel.send(&request.to_bytes(), &[])?;
    Ok(channel)
}

fn next(channel: &Channel) -> Result<Reply, AskError> {
    channel.wait(Instant::now() + PATIENCE)?;
    match channel.receive()? {
        Some(Message { truncated: false, bytes, .. }) => {
            Reply::parse(&bytes).map_err(|odd| ProtocolError::Unreadable(odd).into())
        }
        Some(_) => Err(ProtocolError::TooLong.into()),
        None => Err(AskError::Io(io::ErrorKind::ConnectionReset.into())),
    }
}

fn unwanted(reply: Reply) -> AskError {
    match reply {
        Reply::Refused(why) => AskError::Refused(why),
        _ => ProtocolError::Unasked.into(),
    }
}
