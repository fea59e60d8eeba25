//! The seccomp filter: the last thing that is closed.

use crate::{CompiledPolicy, Error, OneFile, Result, address, required_calls, sys};
use seccompiler::sock_filter;
use std::{borrow::Cow, os::fd::RawFd};

/// What becomes of a call that a filter does not let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnRefusal {
    /// The kernel ends the process. Every release build.
    Kills,
    /// The process names the call on standard error, and is ended. A build with debug assertions.
    Names,
    /// The kernel's log names the call, and the process goes on: the feature `log-violations`. It stops nothing.
    Logs,
}

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

impl From<&'static CompiledPolicy> for Filter {
    fn from(policy: &'static CompiledPolicy) -> Self {
        let (name, syscalls) = (policy.name(), policy.number_of_calls());
        Self { name, syscalls, program: Cow::Borrowed(policy.program()) }
    }
}

impl Filter {
    /// Compiles a policy, in the language that [`writing_a_policy`](crate::writing_a_policy) explains, for the architecture
    /// this runs on.
    /// Needs the crate feature `compile`; call it before anything is dropped.
    ///
    /// In a build with debug assertions the calls that those make are let pass as well (`fcntl` with F_GETFD and F_GETFL), and
    /// a call that is refused is named on standard error. With the feature `log-violations` it is logged by the kernel, and
    /// the process goes on.
    ///
    /// # Errors
    /// What is wrong with the text: not TOML, an entry without a reason, a system call that does not exist. Whether what the
    /// process cannot do without is in it, [`crate::Sandbox::new`] says.
    #[cfg(any(test, feature = "compile"))]
    pub fn from_toml(name: &'static str, text: &str) -> Result<Self, crate::PolicyError> {
        use crate::compile::{Mismatch, WholePolicy};
        let (arch, development) = (std::env::consts::ARCH, cfg!(debug_assertions));
        let whole = WholePolicy::read(name, text, &|_| None)?;
        let syscalls = whole.calls.iter().filter(|call| call.is_on(arch)).count();
        let mismatch = Mismatch::of(cfg!(feature = "log-violations"), development);
        let program = whole.compile(arch, mismatch, development)?;
        Ok(Self { name, syscalls, program: Cow::Owned(program) })
    }

    /// Refuses a policy that ends the process though nothing is wrong. `status` is what the last read-back reads.
    pub(crate) fn check_required_calls(&self, status: RawFd, never_returns: bool) -> Result<()> {
        required_calls::check_required_calls(self.name, &self.program, status, never_returns)
    }

    /// The same, completed with where the one file's path, and the way to open it, are.
    ///
    /// # Errors
    /// [`Error::Address`] if the policy does not name each of them once.
    pub fn opens(self, file: &OneFile) -> Result<Self> {
        self.at(&file.addresses())
    }

    /// What becomes of a call that it does not let pass.
    #[must_use]
    pub fn refusal(&self) -> OnRefusal {
        match required_calls::mismatch(&self.program) {
            libc::SECCOMP_RET_LOG => OnRefusal::Logs,
            libc::SECCOMP_RET_TRAP => OnRefusal::Names,
            _ => OnRefusal::Kills,
        }
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
        if cfg!(debug_assertions) && self.refusal() == OnRefusal::Names {
            sys::name_refused_calls(self.name).map_err(|source| Error::Handler { source })?;
        }
        seccompiler::apply_filter(&self.program).map_err(|source| Error::Seccomp { role: self.name, source })
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, OnRefusal};

    #[test]
    fn a_policy_that_names_addresses_is_completed_once() {
        let steps = |filter: &Filter| filter.program().iter().map(|step| step.k).collect::<Vec<_>>();
        let open = Filter::from_toml("own", include_str!("../tests/addresses.toml")).unwrap();
        let [path, how] = [0x7f12_3456_7018_usize, 0x7f12_3456_7000];
        let closed = open.clone().at(&[("path", path), ("how", how)]).unwrap();
        let changed: Vec<_> =
            steps(&open).into_iter().zip(steps(&closed)).filter(|(one, other)| one != other).collect();
        let after: Vec<u32> = changed.iter().map(|(_, after)| *after).collect();
        assert_eq!(after.len(), 4, "{changed:x?}");
        for half in [0x7f12, 0x3456_7018, 0x3456_7000] {
            assert!(after.contains(&half), "{half:x}: {after:x?}");
        }
        assert!(closed.at(&[("path", path)]).is_err(), "there is no place for it any more");
        let without = Filter::from_toml("own", "[[syscall]]\nname = \"read\"\nreason = \"r\"").unwrap();
        assert!(without.at(&[("path", path)]).is_err());
    }

    #[test]
    fn a_policy_of_ones_own_refuses_as_the_build_does() {
        let own = Filter::from_toml("own", "[[syscall]]\nname = \"read\"\nreason = \"r\"").unwrap();
        let expected = match (crate::LOGS_ONLY, cfg!(debug_assertions)) {
            (true, _) => OnRefusal::Logs,
            (false, true) => OnRefusal::Names,
            (false, false) => OnRefusal::Kills,
        };
        assert_eq!(own.refusal(), expected);
    }
}
