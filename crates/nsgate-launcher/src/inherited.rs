//! Step 1: what the caller has given and the process keeps. Everything else of the caller's is closed or cleared.

use crate::{
    LaunchError, Options, audit_output, descriptors,
    manager::{self, ManagerOffer},
    plan::Plan,
    preloaded, unprivileged,
};
use std::os::fd::OwnedFd;

/// What the caller has given.
#[derive(Default)]
pub(crate) struct Inherited {
    /// The descriptor that the audit is to go to, if it was open.
    pub(crate) audit: Option<OwnedFd>,
    /// Descriptors that a service manager has passed, by name.
    pub(crate) passed: Vec<(String, OwnedFd)>,
    /// What the manager offers.
    pub(crate) offered: ManagerOffer,
    /// The directory that the manager has made for the process.
    pub(crate) runtime_directory: Option<String>,
}

impl Inherited {
    /// Takes it, and cleans the process of the rest.
    pub(crate) fn take(plan: &Plan<'_>, options: &Options, warnings: &mut Vec<String>) -> Result<Self, LaunchError> {
        warnings.extend(preloaded::look()?);
        // The environment says so, and is cleared next.
        let (offered, runtime_directory) = (manager::offered(), unprivileged::runtime_directory());
        let count = u32::try_from(options.passed.len()).unwrap_or(u32::MAX);
        let audit = descriptors::start_clean(audit_output::wanted(plan.process.audit.as_ref()), count)?;
        Ok(Self { audit, passed: manager::take(&options.passed), offered, runtime_directory })
    }
}
