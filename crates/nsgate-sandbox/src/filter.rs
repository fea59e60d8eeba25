//! The seccomp filter: the last thing that is closed.

use crate::{Error, Result, Role, address, policy};
use seccompiler::sock_filter;
use std::borrow::Cow;

/// A compiled policy: what passes, and that anything else kills the process.
#[derive(Clone)]
pub struct Filter {
    pub(crate) name: &'static str,
    pub(crate) syscalls: usize,
    program: Cow<'static, [sock_filter]>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({}, {} system calls, {} steps)", self.name, self.syscalls, self.program.len())
    }
}

impl From<Role> for Filter {
    /// The role's own, compiled in when the crate was built.
    fn from(role: Role) -> Self {
        Self { name: role.name(), syscalls: policy(role).len(), program: Cow::Borrowed(role.program()) }
    }
}

impl Filter {
    /// Compiles a policy of one's own, in the language of `policy/gate.toml`, for the architecture this runs on.
    /// Needs the crate feature `compile`; call it before anything is dropped.
    ///
    /// # Errors
    /// What is wrong with the text: not TOML, an entry without a reason, a system call that does not exist.
    #[cfg(feature = "compile")]
    pub fn from_toml(name: &'static str, text: &str) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let arch = std::env::consts::ARCH;
        let file = crate::compile::File::read(text, arch)?;
        let program = file.compile(arch, crate::compile::Mismatch::Kill)?;
        Ok(Self { name, syscalls: file.syscall.len(), program: Cow::Owned(program) })
    }

    /// Completes a policy that names addresses. Each stands in the program once, in two halves.
    pub(crate) fn at(mut self, addresses: &[(&'static str, usize)]) -> Result<Self> {
        for (name, address) in addresses {
            let unknown = || Error::Address { role: self.name, name };
            let place = address::placeholder(name).ok_or_else(unknown)?;
            let address = u64::try_from(*address).map_err(|_| unknown())?;
            for shift in [32, 0] {
                let half = |number: u64| u32::try_from((number >> shift) & u64::from(u32::MAX)).map_err(|_| unknown());
                let (before, after) = (half(place)?, half(address)?);
                let mut steps = self.program.iter().enumerate().filter(|(_, step)| step.k == before);
                let (Some((index, _)), None) = (steps.next(), steps.next()) else { return Err(unknown()) };
                if let Some(step) = self.program.to_mut().get_mut(index) {
                    step.k = after;
                }
            }
        }
        Ok(self)
    }

    #[cfg(test)]
    pub(crate) fn program(&self) -> &[sock_filter] {
        &self.program
    }

    /// Loads the program for this thread, which must be the only one (seccomp(2)).
    pub(crate) fn load(&self) -> Result<()> {
        seccompiler::apply_filter(&self.program).map_err(|source| Error::Seccomp { role: self.name, source })
    }
}
