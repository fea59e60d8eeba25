//! The seccomp filter: the last thing that is closed.

use crate::{Error, Result, Role, policy};
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

    /// Loads the program for this thread, which must be the only one (seccomp(2)).
    pub(crate) fn load(&self) -> Result<()> {
        seccompiler::apply_filter(&self.program).map_err(|source| Error::Seccomp { role: self.name, source })
    }
}
