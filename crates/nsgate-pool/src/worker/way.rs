//! The way from a network to its agent: the path of a socket, or a door that has come with the network.

use super::{Shared, counters::Tally};
use crate::check_door;
use nsgate_config::{Account, Gate};
use nsgate_forwarder::{
    ConnectionSource, Connector, DoorConnector, DoorEnd, Forwarder, Gauge, ListenerHeld, Stop, TokenKey, UnixConnector,
};
use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};
use tokio::{net::TcpListener, sync::watch};

/// Reads a door, by the agent's protocol. This crate does not know it.
pub type DoorReader = fn(OwnedFd) -> Box<dyn ConnectionSource>;

/// A door that has come with a network.
pub(super) struct HandedDoor(Box<dyn ConnectionSource>);

impl AsRawFd for HandedDoor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl ConnectionSource for HandedDoor {
    fn ask(&self) -> io::Result<()> {
        self.0.ask()
    }

    fn take(&self) -> io::Result<Option<UnixStream>> {
        self.0.take()
    }
}

/// How a network reaches its agent.
pub(super) enum AgentWay {
    /// It connects for each request, and says for which network.
    Path(UnixConnector),
    /// Its connections come by a door, and speak for one network.
    Door(DoorConnector<HandedDoor>),
}

impl AgentWay {
    /// The way of `gate`, if this worker has one. `door` has come with it.
    pub(super) fn of(shared: &Shared, gate: &Gate, door: Option<OwnedFd>) -> Result<Self, String> {
        let Some(door) = door else { return path(shared, gate).map(Self::Path) };
        check_door(door.as_fd())?;
        let Some(read) = shared.settings.doors else {
            return Err(format!(
                "the gate is to be bound to the agent at {}, and this worker reads no doors; name the socket as `backend`",
                gate.backend.path()
            ));
        };
        // What is kept has the descriptor of a reserved connection.
        let most = usize::try_from(shared.settings.reserved).unwrap_or(usize::MAX);
        let connector = DoorConnector::new(HandedDoor(read(door)));
        let connector = connector.map_err(|error| format!("the agent's door cannot be waited for: {error}"))?;
        Ok(Self::Door(connector.keeping(most)))
    }

    /// What serves `gate` this way.
    pub(super) fn forwarder(
        self,
        shared: &Shared,
        gate: Gate,
        tally: Tally,
        key: Option<TokenKey>,
    ) -> NetworkForwarder {
        match self {
            Self::Path(connector) => NetworkForwarder::Path(made(shared, gate, connector, tally, key)),
            Self::Door(connector) => {
                let end = connector.end();
                NetworkForwarder::Door(made(shared, gate, connector, tally, key), end)
            }
        }
    }
}

fn made<C: Connector>(shared: &Shared, gate: Gate, connector: C, tally: Tally, key: Option<TokenKey>) -> Forwarder<C> {
    Forwarder::new(gate, connector, tally).sharing(shared.sharing.clone()).keyed(key)
}

/// The connector to the gate's agent, if this worker may reach that agent.
fn path(shared: &Shared, gate: &Gate) -> Result<UnixConnector, String> {
    let wanted = gate.backend.path();
    let Some(backend) = shared.settings.backends.iter().find(|backend| backend.path == *wanted) else {
        return Err(format!("the backend {wanted} is not one of this pool's; start the pool with it (`--backend`)"));
    };
    let owner = match &gate.backend.owner {
        None => backend.owner,
        Some(Account::Id(id)) => Some(*id),
        Some(Account::Name(name)) => {
            return Err(format!(
                "the backend's owner is `{name}`; a handover says its number, names are not known here"
            ));
        }
    };
    Ok(UnixConnector::new(backend.seen.clone(), owner))
}

/// The forwarder of a network.
pub(super) enum NetworkForwarder {
    Path(Forwarder<UnixConnector>),
    Door(Forwarder<DoorConnector<HandedDoor>>, DoorEnd),
}

impl NetworkForwarder {
    pub(super) fn while_held(self, held: ListenerHeld) -> Self {
        match self {
            Self::Path(forwarder) => Self::Path(forwarder.while_held(held)),
            Self::Door(forwarder, end) => Self::Door(forwarder.while_held(held), end),
        }
    }

    pub(super) fn gauge(&self) -> Gauge {
        match self {
            Self::Path(forwarder) => forwarder.gauge(),
            Self::Door(forwarder, _) => forwarder.gauge(),
        }
    }

    /// The end of its door, if it has one.
    pub(super) fn door_end(&self) -> Option<DoorEnd> {
        match self {
            Self::Path(_) => None,
            Self::Door(_, end) => Some(end.clone()),
        }
    }

    pub(super) async fn serve(self, listeners: Vec<TcpListener>, stopped: watch::Receiver<Option<Stop>>) {
        match self {
            Self::Path(forwarder) => forwarder.serve(listeners, stopped).await,
            Self::Door(forwarder, _) => forwarder.serve(listeners, stopped).await,
        }
    }
}
