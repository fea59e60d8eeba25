//! What was enforced, for the log and for tests.

use crate::{Filter, Landlock, filter::OnRefusal};
use std::fmt;

/// The filter that was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterReport {
    /// Name of its policy.
    pub role: &'static str,
    /// Number of system calls it lets pass.
    pub syscalls: usize,
    /// What becomes of any other, by what the loaded program says.
    pub refusal: OnRefusal,
}

impl FilterReport {
    pub(crate) fn of(filter: &Filter) -> Self {
        Self { role: filter.name, syscalls: filter.syscalls, refusal: filter.refusal() }
    }
}

/// What was enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SandboxReport {
    /// Landlock.
    pub landlock: Landlock,
    /// Seccomp.
    pub filter: FilterReport,
    /// What this kernel, or this user namespace, could not give: one sentence each.
    pub shortfalls: Vec<String>,
}

impl fmt::Display for SandboxReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no capability, {} system calls ({} filter), ", self.filter.syscalls, self.filter.role)?;
        match self.landlock {
            Landlock::Enforced(abi) => write!(f, "Landlock ABI {abi}")?,
            Landlock::Absent => f.write_str("no Landlock")?,
        }
        f.write_str(match self.filter.refusal {
            OnRefusal::Kills => "",
            OnRefusal::Names => "; DEVELOPMENT BUILD: a refused call is named before it ends the process",
            OnRefusal::Logs => "; DEVELOPMENT BUILD: the filter logs and does not kill",
        })?;
        for line in &self.shortfalls {
            write!(f, "; {line}")?;
        }
        Ok(())
    }
}
