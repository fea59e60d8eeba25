//! The seccomp filter: the last thing that is closed.

use crate::{Error, Result, Role};

/// Loads the role's program for this thread, which must be the only one (seccomp(2)).
pub(crate) fn load(role: Role) -> Result<()> {
    seccompiler::apply_filter(role.program()).map_err(|source| Error::Seccomp { role: role.name(), source })
}
