//! The order as types: a step is a method of the stage before it, and only the last one makes a [`Confined`].

use crate::{
    Filter, Ids, Landlock, OneFile, Result, Role, Root,
    census::Census,
    filter::Refusal,
    privileges::{self, Start},
    readback::OwnStatus,
    rlimits, ruleset,
};
use std::{fmt, os::fd::RawFd};

/// Room for what a courier writes of a network, in bytes: a record in memory, which is a file to the kernel.
const RECORD: u64 = 64 * 1024;
/// The longest memory in which a dispatcher keeps which worker has each listener, in bytes: 24 for each of a million.
const CLAIMS: u64 = 24 << 20;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Policy {
    filter: Filter,
    /// It must stand in a small root.
    small_root: bool,
    /// It sends signals to a process outside its Landlock domain.
    signals: bool,
    /// The one TCP port it connects to.
    connects_to: Option<u16>,
    strict: bool,
    descriptors: u64,
    address_space: Option<u64>,
    dies_with_parent: bool,
    /// It makes processes of its own.
    forks: bool,
    /// It appends to a file that it was given.
    appends: bool,
    /// The longest file that it writes, in bytes.
    file: u64,
    /// It was started without a privilege.
    given: bool,
}

impl Policy {
    /// A gate that needs this many descriptors.
    #[must_use]
    pub fn gate(descriptors: u64) -> Self {
        Self { small_root: true, ..Self::custom(Role::Gate.into(), descriptors) }
    }

    /// A host's proxy that needs this many descriptors and connects to TCP port `server` and to no other, as far as the
    /// kernel's Landlock knows ports.
    #[must_use]
    pub fn host_proxy(descriptors: u64, server: u16) -> Self {
        Self { small_root: true, ..Self::custom(Role::HostProxy.into(), descriptors).connects_to(server) }
    }

    /// A reader of `file`, which is the only thing that it may open.
    ///
    /// # Errors
    /// [`crate::Error::Address`] if its policy does not name where the path is.
    pub fn reader(file: &OneFile) -> Result<Self> {
        let filter = Filter::from(Role::Reader).at(&file.addresses())?;
        Ok(Self { small_root: true, ..Self::custom(filter, 16) })
    }

    /// A pool's worker that needs this many descriptors.
    #[must_use]
    pub fn worker(descriptors: u64) -> Self {
        Self { small_root: true, ..Self::custom(Role::Worker.into(), descriptors) }
    }

    /// A courier.
    #[must_use]
    pub fn courier(descriptors: u64) -> Self {
        Self { small_root: true, file: RECORD, ..Self::custom(Role::Courier.into(), descriptors) }
    }

    /// The process that makes a pool's workers, each of which needs this many descriptors.
    #[must_use]
    pub fn zygote(descriptors: u64) -> Self {
        Self { small_root: true, forks: true, file: CLAIMS, ..Self::custom(Role::Zygote.into(), descriptors) }
    }

    /// A keeper that needs this many descriptors.
    #[must_use]
    pub fn keeper(descriptors: u64) -> Self {
        Self { small_root: true, ..Self::custom(Role::Keeper.into(), descriptors) }
    }

    /// A supervisor.
    #[must_use]
    pub fn supervisor() -> Self {
        Self { signals: true, ..Self::custom(Role::Supervisor.into(), 16) }
    }

    /// A daemon of another kind, with a filter of its own. It may keep its root directory; Landlock and the filter keep
    /// files away all the same.
    #[must_use]
    pub fn custom(filter: Filter, descriptors: u64) -> Self {
        Self {
            filter,
            small_root: false,
            signals: false,
            connects_to: None,
            strict: false,
            descriptors,
            address_space: None,
            dies_with_parent: false,
            forks: false,
            appends: false,
            file: 0,
            given: false,
        }
    }

    /// With `yes`, the process was started as the user that it is to be, without a privilege: it proves what others do
    /// ([`Sandbox::drop_privileges`]), and may stand in a root that was given to it.
    #[must_use]
    pub fn given(self, yes: bool) -> Self {
        Self { given: yes, ..self }
    }

    /// Landlock lets connections to this TCP port pass; without it, to none.
    #[must_use]
    pub fn connects_to(self, port: u16) -> Self {
        Self { connects_to: Some(port), ..self }
    }

    /// With `yes`, a kernel that cannot give everything is refused ([`crate::Error::Strict`]) rather than reported.
    #[must_use]
    pub fn strict(self, yes: bool) -> Self {
        Self { strict: yes, ..self }
    }

    /// With `yes`, the process may make a file grow that it has open; without it, only one that is its standard output or
    /// error (RLIMIT_FSIZE).
    #[must_use]
    pub fn appends(self, yes: bool) -> Self {
        Self { appends: yes, ..self }
    }

    /// At most this many bytes of address space (RLIMIT_AS).
    #[must_use]
    pub fn address_space(self, bytes: Option<u64>) -> Self {
        Self { address_space: bytes, ..self }
    }

    /// The kernel kills the process when its parent ends (PR_SET_PDEATHSIG).
    #[must_use]
    pub fn dies_with_parent(self, yes: bool) -> Self {
        Self { dies_with_parent: yes, ..self }
    }
}

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
    /// Judges what is asked for while nothing is dropped: there must be one thread, and a policy of one's own must let pass
    /// what comes after it in every process.
    ///
    /// # Errors
    /// [`crate::Error::Threads`], [`crate::Error::Needed`]; [`crate::Error::Proc`] without `/proc`.
    pub fn new(policy: Policy) -> Result<Self> {
        // Linux 3.19 has the file; in an older kernel nothing denies.
        let denied = std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "deny");
        let stage = Privileged { groups_denied: denied };
        let status = OwnStatus::open()?;
        policy.filter.judge(status.number())?;
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
        let start = match (self.policy.given, self.stage.groups_denied) {
            (true, _) => Start::Given,
            (false, true) => Start::GroupsDenied,
            (false, false) => Start::Privileged,
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
    /// [`crate::Error::RootKept`] for a gate outside a small root; what Landlock refused.
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
            (true, Root::Given(_)) if !self.policy.given => return Err(crate::Error::RootKept),
            (_, Root::Given(root)) => self.shortfalls.extend(root.shortfalls()),
            _ => {}
        }
        let allowed = ruleset::Allowed {
            signals: self.policy.signals,
            port: self.policy.connects_to,
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
        Ok(Confined { report: Report { landlock: stage.landlock, filter, shortfalls } })
    }
}

/// Proof that this process went through every step. Nobody else makes one.
#[derive(Debug)]
pub struct Confined {
    report: Report,
}

impl Confined {
    /// What was enforced, and what this kernel could not give.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The same proof for a child of this process, which holds what its parent held: ids, capabilities, root, Landlock
    /// and filter stay with a process that is forked (fork(2), seccomp(2)). On top of them it gets a Landlock domain of
    /// its own, so that it cannot signal its siblings, a limit of no processes, and the filter of its role.
    ///
    /// # Errors
    /// The kernel refused one of them. The process must end.
    pub fn narrow(&self, role: Role) -> Result<Self> {
        rlimits::no_process()?;
        ruleset::separate()?;
        let filter = Filter::from(role);
        filter.load()?;
        let filter = FilterReport::of(&filter);
        Ok(Self { report: Report { filter, ..self.report.clone() } })
    }
}

/// The filter that was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterReport {
    /// Name of its policy.
    pub role: &'static str,
    /// Number of system calls it lets pass.
    pub syscalls: usize,
    /// What becomes of any other, by what the loaded program says.
    pub refusal: Refusal,
}

impl FilterReport {
    fn of(filter: &Filter) -> Self {
        Self { role: filter.name, syscalls: filter.syscalls, refusal: filter.refusal() }
    }
}

/// What was enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Landlock.
    pub landlock: Landlock,
    /// Seccomp.
    pub filter: FilterReport,
    /// What this kernel, or this user namespace, could not give: one sentence each.
    pub shortfalls: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no capability, {} system calls ({} filter), ", self.filter.syscalls, self.filter.role)?;
        match self.landlock {
            Landlock::Enforced(abi) => write!(f, "Landlock ABI {abi}")?,
            Landlock::Absent => f.write_str("no Landlock")?,
        }
        f.write_str(match self.filter.refusal {
            Refusal::Kills => "",
            Refusal::Names => "; DEVELOPMENT BUILD: a refused call is named before it ends the process",
            Refusal::Logs => "; DEVELOPMENT BUILD: the filter logs and does not kill",
        })?;
        for line in &self.shortfalls {
            write!(f, "; {line}")?;
        }
        Ok(())
    }
}
