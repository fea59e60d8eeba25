//! The order as types: a step is a method of the stage before it, and only the last one makes a [`Confined`].

use crate::{
    Filter, FilterReport, Ids, Landlock, OneFile, Policy, Result, Root, SandboxReport,
    census::Census,
    privileges::{self, InitialPrivileges},
    readback::OwnStatus,
    rlimits, ruleset,
};
use std::os::fd::RawFd;

/// A process on its way.
#[derive(Debug)]
pub struct Sandbox<Stage> {
    policy: Policy,
    status: OwnStatus,
    census: Census,
    shortfalls: Vec<String>,
    stage: Stage,
}

/// Holds everything it was started with.
#[derive(Debug)]
pub struct Privileged {
    groups_denied: bool,
}

/// Holds no privilege, and every file it may open as its user.
#[derive(Debug)]
pub struct Dropped {
    ids: Ids,
    groups_kept: bool,
}

/// Opens nothing.
#[derive(Debug)]
pub struct Ruled {
    before: Dropped,
    landlock: Landlock,
}

impl<Stage> Sandbox<Stage> {
    /// Numbers of the descriptors that this process has open: before and after something is made, what that has opened.
    ///
    /// # Errors
    /// [`crate::Error::Proc`].
    pub fn open_descriptors(&mut self) -> Result<Vec<RawFd>> {
        self.census.numbers()
    }

    /// Proves that this process has open what it knows of and nothing else: every descriptor is one of `known`, standard
    /// input, output or error, or has nothing behind it (epoll, eventfd, signalfd), and no memory is shared with a file but
    /// what is mapped at the addresses `shared`. What a library has opened for itself is a way out that no check has judged.
    ///
    /// # Errors
    /// [`crate::Error::StillHolds`] with what is not known, [`crate::Error::Proc`].
    pub fn holds_only(&mut self, known: &[RawFd], shared: &[usize]) -> Result<()> {
        self.census.prove(known, self.status.number(), shared)
    }
}

impl Sandbox<Privileged> {
    /// Begins, in the process that will be confined, while `/proc` is still there.
    ///
    /// Judges what is asked for while nothing is dropped: there must be one thread, and the policy must let pass what comes
    /// after it in every process.
    ///
    /// # Errors
    /// [`crate::Error::Threads`], [`crate::Error::Needed`]; [`crate::Error::Proc`] without `/proc`.
    pub fn new(policy: Policy) -> Result<Self> {
        // Linux 3.19 has the file; in an older kernel nothing denies.
        let denied = std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "deny");
        let stage = Privileged { groups_denied: denied };
        let status = OwnStatus::open()?;
        policy.filter.check_required_calls(status.number(), policy.never_returns)?;
        Ok(Self { policy, status, census: Census::open()?, shortfalls: Vec::new(), stage })
    }

    /// Resource limits, groups, ids, five capability sets, `no_new_privs`; read back, and the way back tried.
    ///
    /// # Errors
    /// The step that failed or did not take. The process must end.
    pub fn drop_privileges(mut self, ids: &Ids) -> Result<Sandbox<Dropped>> {
        let Policy { descriptors, address_space, forks, appends, file, .. } = self.policy;
        let file = (!appends).then_some(file);
        self.shortfalls.extend(rlimits::apply(descriptors, address_space, forks, file)?);
        let start = match (self.policy.unprivileged, self.stage.groups_denied) {
            (true, _) => InitialPrivileges::Unprivileged,
            (false, true) => InitialPrivileges::GroupsDenied,
            (false, false) => InitialPrivileges::Privileged,
        };
        let left = privileges::drop_all(ids, start, self.policy.dies_with_parent)?;
        self.shortfalls.extend(left.shortfalls);
        let Self { policy, status, census, shortfalls, .. } = self;
        Ok(Sandbox { policy, status, census, shortfalls, stage: Dropped { ids: *ids, groups_kept: left.groups } })
    }
}

impl Sandbox<Dropped> {
    /// Landlock, as far as this kernel has it.
    ///
    /// # Errors
    /// [`crate::Error::RootKept`] outside a small root where the policy wants one; what Landlock refused.
    pub fn restrict_files(self, root: Root<'_>) -> Result<Sandbox<Ruled>> {
        self.restrict(root, None)
    }

    /// The same, but that files in the directory of `file` may be read. Which ones, the filter says.
    ///
    /// # Errors
    /// As [`Sandbox::restrict_files`].
    pub fn restrict_files_but(self, file: &OneFile, root: Root<'_>) -> Result<Sandbox<Ruled>> {
        self.restrict(root, Some(file))
    }

    fn restrict(mut self, root: Root<'_>, file: Option<&OneFile>) -> Result<Sandbox<Ruled>> {
        match (self.policy.small_root, root) {
            (true, Root::Kept) => return Err(crate::Error::RootKept),
            // Who could have made a small root must have.
            (true, Root::Given(_)) if !self.policy.unprivileged => return Err(crate::Error::RootKept),
            (_, Root::Given(root)) => self.shortfalls.extend(root.shortfalls()),
            _ => {}
        }
        let allowed = ruleset::AllowedAccess {
            signals: self.policy.signals,
            ports: &self.policy.connects_to,
            directory: file.map(OneFile::directory),
        };
        let (landlock, missing) = ruleset::restrict(allowed, root)?;
        self.shortfalls.extend(missing);
        if self.policy.strict && !self.shortfalls.is_empty() {
            return Err(crate::Error::Strict { missing: self.shortfalls.join("; ") });
        }
        let Self { policy, status, census, shortfalls, stage } = self;
        Ok(Sandbox { policy, status, census, shortfalls, stage: Ruled { before: stage, landlock } })
    }
}

impl Sandbox<Ruled> {
    /// Seccomp, and then the kernel's own account of this process.
    ///
    /// # Errors
    /// The filter was refused, or `/proc/self/status` says something else than was asked for.
    pub fn filter_syscalls(self) -> Result<Confined> {
        let Self { policy: Policy { filter, .. }, status, census, shortfalls, stage } = self;
        drop(census);
        filter.load()?;
        status.prove(&stage.before.ids, stage.before.groups_kept)?;
        let filter = FilterReport::of(&filter);
        Ok(Confined { report: SandboxReport { landlock: stage.landlock, filter, shortfalls } })
    }
}

/// Proof that this process went through every step. Nothing else makes one.
#[derive(Debug)]
pub struct Confined {
    report: SandboxReport,
}

impl Confined {
    /// What was enforced, and what this kernel could not give.
    #[must_use]
    pub fn report(&self) -> &SandboxReport {
        &self.report
    }

    /// The same proof for a child of this process, which holds what its parent held: ids, capabilities, root, Landlock
    /// and filter stay with a process that is forked (fork(2), seccomp(2)). On top of them it gets a Landlock domain of
    /// its own, so that it cannot signal its siblings, a limit of no processes, and this filter, which can only refuse more.
    ///
    /// # Errors
    /// The kernel refused one of them. The process must end.
    pub fn narrow(&self, filter: &Filter) -> Result<Self> {
        rlimits::no_process()?;
        ruleset::separate()?;
        filter.load()?;
        let filter = FilterReport::of(filter);
        Ok(Self { report: SandboxReport { filter, ..self.report.clone() } })
    }
}
