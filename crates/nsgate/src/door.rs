//! A gate whose one connection to the agent is bound to its network: where the agent's protocol, the launcher and the forwarder
//! meet.

use nsgate_agent::binding::{self, Taken};
use nsgate_forwarder::{ConnectionSource, DoorConnector};
use nsgate_launcher::Binding;
use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

/// How root has a connection bound.
pub(crate) const BINDING: Binding = Binding { line: binding::line, name: binding::name, answered: binding::answered };

/// The status of a gate whose agent has closed the door (EX_TEMPFAIL, sysexits.h): only root can have another one bound, so
/// the gate is to be started anew.
pub(crate) const CLOSED: u8 = 75;

/// After the end of the door: guests are answered 503 for so long, where a connection that is refused would tell them less.
pub(crate) const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What a process says whose agent has closed the door.
pub(crate) fn unbound(why: &str) -> String {
    format!(
        "{why}: only root can have another one bound, so this process ends with status {CLOSED}, and its supervisor, Neutron's \
         process monitor or an operator starts it anew"
    )
}

/// The door as the connector wants it.
#[derive(Debug)]
pub(crate) struct GateDoor(binding::Door);

impl AsRawFd for GateDoor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl ConnectionSource for GateDoor {
    fn ask(&self) -> io::Result<()> {
        self.0.ask()
    }

    fn take(&self) -> io::Result<Option<UnixStream>> {
        match self.0.take()? {
            Taken::Connection(connection) => Ok(Some(connection)),
            Taken::Full => Ok(None),
            Taken::Door(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a door came that was not asked for")),
        }
    }
}

/// The door that has come with a network, for a pool's worker.
pub(crate) fn reader(door: OwnedFd) -> Box<dyn ConnectionSource> {
    Box::new(GateDoor(binding::Door::bound(door)))
}

/// Takes connections from the door that the launcher has had bound. Runs on the event loop.
///
/// # Errors
/// The event loop cannot watch it.
pub(crate) fn connector(door: OwnedFd) -> io::Result<DoorConnector<GateDoor>> {
    DoorConnector::new(GateDoor(binding::Door::bound(door)))
}
