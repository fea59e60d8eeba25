//! Step 6: the root that the process stands in.
//!
//! A process with privileges makes a small root. Where a service manager has made one for a process without: the same names
//! in the manager's directory, and proof that the rest is small.

use crate::{
    LaunchError,
    agent::Agent,
    gate_side::GateSide,
    pinned::Pinned,
    plan::Plan,
    root_names::{BACKENDS, DOOR, LOG, POOL, RootNames, SYSLOG, WORKER},
};
use nsgate_sandbox::{
    GivenRoot, Root, RootWindow, ShortName, SmallRoot,
    given_root::{self, Opening},
    namespaces, small_root,
};
use std::path::Path;

/// The root that the process stands in.
pub(crate) struct ProcessRoot {
    proof: RootProof,
    names: RootNames,
}

/// Of the process's own making, or the service manager's.
enum RootProof {
    Made(SmallRoot),
    Given(GivenRoot),
}

impl ProcessRoot {
    /// Enters mount, IPC and UTS namespaces, and a root that shows the directories which were pinned for it.
    pub(crate) fn enter(plan: &Plan<'_>, gate: &mut GateSide) -> Result<Self, LaunchError> {
        let (lender, log_window) = (gate.lender.take(), gate.opened.log.window.take());
        let (shown, links) = shown(gate);
        let proof = match &gate.accounts.unprivileged {
            None => {
                let taken = shown.iter().filter(|(name, _)| *name != LOG);
                let taken = taken.map(|(name, place)| small_root::take(name, place.directory()));
                let windows: Vec<RootWindow> = log_window.into_iter().map(Ok).chain(taken).collect::<Result<_, _>>()?;
                let site = namespaces::separate_rest_from(lender)?;
                let origin = gate.pinned.origin.clone();
                let origin = shown.iter().fold(origin, |origin, (window, place)| origin.and(window, place.path()));
                let name = origin.named(&plan.mark.to_string());
                RootProof::Made(small_root::enter_named(&site, &name, windows, &links)?)
            }
            Some(own) => {
                let openings: Vec<Opening<'_>> =
                    shown.iter().map(|(name, place)| Opening::new(name, place.above(), place.directory())).collect();
                RootProof::Given(given_root::look(own.directory(), &openings, &links)?)
            }
        };
        Ok(Self { proof, names: names(gate) })
    }

    /// The proof of it.
    pub(crate) fn proof(&self) -> Root<'_> {
        match &self.proof {
            RootProof::Made(root) => Root::Small(root),
            RootProof::Given(root) => Root::Given(root),
        }
    }

    /// What is still needed once Landlock has the proof.
    pub(crate) fn into_names(self) -> RootNames {
        self.names
    }
}

/// Directories by the names that they have in the root, and the names of the sockets in them.
fn shown(gate: &GateSide) -> (Vec<(&'static str, &Pinned)>, Vec<ShortName>) {
    let backends = gate.pinned.backends.iter().zip(BACKENDS).map(|(place, names)| (names, place));
    let pool = gate.pinned.pool.iter().map(|place| ((WORKER, POOL), place));
    let log = gate.opened.log.directory.iter().map(|place| ((LOG, SYSLOG), place));
    let all = backends.chain(pool).chain(log);
    let (shown, mut links): (Vec<_>, Vec<_>) =
        all.map(|((window, socket), place)| ((window, place), ShortName::new(socket, window, place.name()))).unzip();
    // Leads nowhere: it says to who looks that the agent is not reached by a path.
    links.extend(gate.opened.door.as_ref().map(|_| ShortName::new(DOOR, DOOR, "")));
    (shown, links)
}

/// The sockets that the root shows.
fn names(gate: &GateSide) -> RootNames {
    let top = Path::new(if gate.accounts.unprivileged.is_some() { "" } else { "/" });
    let agents = gate.pinned.backends.iter().zip(&gate.accounts.owners).map(|(_, owner)| owner).zip(BACKENDS);
    RootNames {
        agents: agents.map(|(owner, (_, agent))| Agent { path: top.join(agent), owner: *owner }).collect(),
        pool: gate.pinned.pool.is_some().then(|| top.join(POOL)),
        log: gate.opened.log.directory.is_some().then(|| top.join(SYSLOG)),
    }
}
