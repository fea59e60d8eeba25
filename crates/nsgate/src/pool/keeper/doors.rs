//! The door that root has had bound for a keeper's network. It brings doors: one for each worker that the network is handed over to,
//! and one for the keeper while it serves by itself. The keeper itself sends no request over it.

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use nsgate_agent::binding::{Door, Taken};
use nsgate_pool::{Offer, OfferError, Offered};
use std::{
    io::{Error, ErrorKind, Result},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::{Duration, Instant},
};

/// How long the agent may take to bring a door. A keeper does nothing else meanwhile.
const PATIENCE: Duration = Duration::from_millis(250);

/// The door that lasts as long as its network.
pub(super) struct KeptDoor(Door);

impl KeptDoor {
    pub(super) fn bound(door: OwnedFd) -> Self {
        Self(Door::bound(door))
    }

    /// Whether the agent has closed it. What came too late to be of use is closed here.
    pub(super) fn is_closed(&self) -> bool {
        loop {
            match self.0.take() {
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    /// A door for the process that serves next.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::TimedOut`] if the agent does not bring one in time, or why it brings none.
    pub(super) fn another(&self) -> Result<OwnedFd> {
        if self.is_closed() {
            return Err(ErrorKind::NotConnected.into());
        }
        self.0.ask_door()?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.take() {
                Ok(Taken::Door(door)) => return Ok(door.into()),
                Ok(Taken::Full) => return Err(Error::other("it has given as many as one network may have")),
                Ok(Taken::Connection(_)) => return Err(ErrorKind::InvalidData.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(until)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(&self, until: Instant) -> Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let mut one = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        match poll(&mut one, PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the agent has closed a network's door.
pub(super) fn is_unbound(door: Option<&KeptDoor>) -> bool {
    door.is_some_and(KeptDoor::is_closed)
}

/// Begins a handover. The worker gets a door of its own, if the network has one.
pub(super) fn begin(
    offer: &Offer,
    pool: &Path,
    listeners: &[BorrowedFd<'_>],
    door: Option<&KeptDoor>,
) -> std::result::Result<Offered, OfferError> {
    match door {
        Some(door) => offer.begin_with_door(pool, listeners, || door.another()),
        None => offer.begin(pool, listeners),
    }
}

impl AsFd for KeptDoor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
