//! Doors that the service manager has kept while the agent was restarted.

use nsgate_agent::{
    binding::{Binders, DOOR_NAME, HeldDoor},
    gates::DoorStore,
};
use nsgate_launcher::Keeping;
use std::{io, os::fd::OwnedFd, sync::Arc};

/// The manager, if it keeps anything, and the doors that it has kept. What else it has kept under a door's name is closed there, and is a
/// warning. Runs on the event loop.
///
/// # Errors
/// The event loop cannot watch the manager's socket.
pub(super) async fn doors(
    keeping: Option<Keeping>,
    passed: Vec<(String, OwnedFd)>,
    binders: &Binders,
) -> io::Result<(Option<Arc<DoorStore>>, Vec<HeldDoor>)> {
    let store = keeping.map(|keeping| DoorStore::new(keeping.socket, keeping.most)).transpose()?;
    let mut doors = Vec::new();
    for (name, descriptor) in passed {
        let why = match HeldDoor::returned(descriptor, binders) {
            // The manager's name is what the process before this one has said, and only serves to find it there.
            Ok(door) if door.name().is_some_and(|own| own == name) => {
                doors.push(door);
                continue;
            }
            Ok(door) => format!("it is a door of another name, for {}", door.identity().uuid()),
            Err(why) => why.to_string(),
        };
        tracing::warn!("what the service manager has kept as `{}` is closed: {why}", name.escape_debug());
        if let Some(store) = store.as_ref().filter(|_| name.starts_with(DOOR_NAME)) {
            store.forget(&name).await;
        }
    }
    if !doors.is_empty() {
        tracing::info!("{} doors were kept while the agent was restarted", doors.len());
    }
    Ok((store.map(Arc::new), doors))
}
