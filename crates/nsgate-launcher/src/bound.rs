//! Step 4, second half: everything that the process listens at, and what the starter does about those who listened before.

use crate::{
    LaunchError, Options, Role,
    accounts::Accounts,
    endpoints::Endpoints,
    listeners::{self, BindOptions, BoundListener},
    paths::PinnedPaths,
    plan::Plan,
    starter::StarterSide,
    succession::Succession,
    turn::StartTurn,
};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// What the process listens at.
pub(crate) struct Bound {
    pub(crate) listeners: Vec<BoundListener>,
    /// The UNIX sockets that it is reached at.
    pub(crate) endpoints: Vec<OwnedFd>,
}

impl Bound {
    /// Binds what `plan` wants, in the namespace.
    pub(crate) fn bind(
        plan: &Plan<'_>,
        options: &Options,
        accounts: &Accounts,
        pinned: &mut PinnedPaths,
        role: Role,
        warnings: &mut Vec<String>,
    ) -> Result<(Self, StarterSide), LaunchError> {
        let join = !options.replace.is_empty();
        let how = BindOptions { freebind: plan.process.freebind, join, hop_limit: plan.hop_limit };
        let turn = if plan.listeners.is_empty() { None } else { StartTurn::wait(plan.mark, warnings)? };
        let mut succession = Succession::of(plan.mark);
        let (listeners, unbound) = listeners::bind(plan.listeners, how, &mut succession)?;
        warnings.extend(unbound);
        let (sources, replace) = (std::mem::take(&mut pinned.sockets), options.farewell.is_some());
        let sockets = Endpoints::bind(sources, accounts.handover, replace, warnings)?;
        pinned.origin = sockets.told(std::mem::take(&mut pinned.origin));
        let starter = StarterSide {
            role,
            ids: accounts.ids,
            unprivileged: accounts.unprivileged.is_some(),
            pid_file: pinned.pid_file.take(),
            succession,
            turn,
            sockets: sockets.waiting,
        };
        Ok((Self { listeners, endpoints: sockets.listening }, starter))
    }

    /// Their descriptors.
    pub(crate) fn held(&self) -> impl Iterator<Item = RawFd> + '_ {
        let listeners = self.listeners.iter().map(|bound| bound.socket.as_raw_fd());
        listeners.chain(self.endpoints.iter().map(AsRawFd::as_raw_fd))
    }
}
