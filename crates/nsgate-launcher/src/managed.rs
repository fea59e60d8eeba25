//! Step 4, what a service manager does for the process: it keeps descriptors, hears that the process is alive, and keeps a
//! secret.

use crate::{
    LaunchError, Options,
    inherited::Inherited,
    manager::{self, Keeping, Watchdog},
    plan::Plan,
    secret,
};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// What the process has from its manager.
pub(crate) struct Managed {
    /// Descriptors that it has kept, by name.
    pub(crate) passed: Vec<(String, OwnedFd)>,
    pub(crate) keeping: Option<Keeping>,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) secret: Option<OwnedFd>,
}

impl Managed {
    /// Connects to the manager. What was passed and has no use is closed, with a warning.
    pub(crate) fn connect(
        plan: &Plan<'_>,
        options: &Options,
        inherited: Inherited,
        warnings: &mut Vec<String>,
    ) -> Result<Self, LaunchError> {
        let Inherited { mut passed, offered, .. } = inherited;
        manager::close_unused(&mut passed, warnings);
        let (keeping, watchdog) = if plan.managed { manager::connect(offered, warnings) } else { (None, None) };
        let secret = secret::offered(options.secret, offered, &mut passed, warnings)?;
        if plan.signer.is_some() {
            // The filter of an agent lets no flag be changed.
            manager::never_wait(&passed);
        }
        if !plan.managed {
            manager::close_all(&mut passed, warnings);
        }
        Ok(Self { passed, keeping, watchdog, secret })
    }

    /// Descriptors that the process keeps of it.
    pub(crate) fn held(&self) -> impl Iterator<Item = RawFd> + '_ {
        let passed = self.passed.iter().map(|(_, passed)| passed.as_raw_fd());
        let keeping = self.keeping.iter().map(|keeping| keeping.socket.as_raw_fd());
        passed.chain(keeping).chain(self.watchdog.iter().map(Watchdog::number))
    }
}
