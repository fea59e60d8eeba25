//! The starter's half of a start, from the fork on: it hears how the gate's went, publishes it or cleans up after it, ends what
//! is replaced, and leaves or stays as the supervisor.

use crate::{
    LaunchError, Role,
    daemon::{Child, GateWord},
    endpoint::Endpoint,
    options::{Mode, Options},
    pid_file::{Created, PidFile},
    running::Launched,
    succession::Succession,
    supervisor,
    turn::StartTurn,
};
use nsgate_sandbox::Ids;
use std::os::fd::{AsFd, AsRawFd};

/// What the starter keeps for itself at the fork. The gate drops its copy, but for the pid file.
pub(crate) struct StarterSide {
    /// What the gate is.
    pub(crate) role: Role,
    /// Who it is.
    pub(crate) ids: Ids,
    /// This process was started without privileges.
    pub(crate) unprivileged: bool,
    /// Written by the starter in the foreground, and by the gate in the background.
    pub(crate) pid_file: Option<PidFile>,
    pub(crate) succession: Succession,
    pub(crate) turn: Option<StartTurn>,
    /// Sockets that are bound beside their places.
    pub(crate) sockets: Vec<Endpoint>,
}

impl StarterSide {
    /// What the gate needs of it.
    pub(crate) fn into_pid_file(self) -> Option<PidFile> {
        self.pid_file
    }

    /// Takes back what was bound, where the start fails before there is a gate.
    pub(crate) fn withdraw(&self) {
        self.sockets.iter().for_each(Endpoint::withdraw);
    }
}

/// Waits for the gate's word and passes it on, or cleans up after a gate that failed.
pub(crate) fn wait<T>(
    mut word: GateWord,
    child: Child,
    starter: StarterSide,
    options: &Options,
) -> Result<Launched<T>, LaunchError> {
    let StarterSide { role, ids, unprivileged, pid_file, succession, turn, sockets } = starter;
    let foreground = options.mode == Mode::Foreground;
    let mut created = None;
    let farewell = options.farewell.as_deref().unwrap_or_default();
    let done = word.listen().and_then(|()| {
        if let (Some(file), true) = (&pid_file, foreground) {
            created = Some(file.write(std::process::id().try_into().unwrap_or(0))?);
        }
        sockets.iter().try_for_each(|socket| socket.publish(farewell))
    });
    if let Err(error) = done {
        child.end_as(ids.uid);
        clean_up(pid_file.as_ref(), created.or_else(|| word.created()), &sockets);
        return Err(error);
    }
    drop(word);
    succession.tell();
    for gate in &options.replace {
        gate.signal();
    }
    drop(turn);
    if !foreground {
        return Ok(Launched::Finished(0));
    }
    if let Some(ready) = options.on_ready {
        ready();
    }
    let directories = pid_file.iter().map(PidFile::directory).chain(sockets.iter().flat_map(Endpoint::open));
    let directories: Vec<_> = directories.map(|directory| directory.as_fd().as_raw_fd()).collect();
    match supervisor::confine(child, &ids, unprivileged, &directories) {
        Ok(supervisor) => {
            // A supervisor has no use for a directory.
            drop((pid_file, sockets));
            supervisor.watch(role).map(Launched::Finished)
        }
        Err((child, error)) => {
            child.end_as(ids.uid);
            clean_up(pid_file.as_ref(), created, &sockets);
            Err(error)
        }
    }
}

/// Takes away what was made for a gate that has ended, so far as this process still may.
fn clean_up(pid_file: Option<&PidFile>, created: Option<Created>, sockets: &[Endpoint]) {
    sockets.iter().for_each(Endpoint::withdraw);
    if let (Some(file), Some(created)) = (pid_file, created) {
        file.remove(created);
    }
}
