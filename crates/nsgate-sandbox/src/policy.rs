//! What a daemon asks of its confinement.

use crate::Filter;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) filter: Filter,
    pub(crate) small_root: bool,
    pub(crate) signals: bool,
    pub(crate) connects_to: Vec<u16>,
    pub(crate) strict: bool,
    pub(crate) descriptors: u64,
    pub(crate) address_space: Option<u64>,
    pub(crate) dies_with_parent: bool,
    pub(crate) forks: bool,
    pub(crate) appends: bool,
    /// The longest file that it writes, in bytes.
    pub(crate) file: u64,
    pub(crate) unprivileged: bool,
    pub(crate) never_returns: bool,
}

impl Policy {
    /// A process with this filter that needs so many descriptors. It may keep its root directory: Landlock and the filter keep
    /// files away all the same. Every method below asks for more, or for less.
    #[must_use]
    pub fn new(filter: impl Into<Filter>, descriptors: u64) -> Self {
        Self {
            filter: filter.into(),
            small_root: false,
            signals: false,
            connects_to: Vec::new(),
            strict: false,
            descriptors,
            address_space: None,
            dies_with_parent: false,
            forks: false,
            appends: false,
            file: 0,
            unprivileged: false,
            never_returns: false,
        }
    }

    /// The process must stand in a small root ([`small_root`](crate::small_root)), or with [`Policy::unprivileged`] in a given one.
    #[must_use]
    pub fn in_small_root(self) -> Self {
        Self { small_root: true, ..self }
    }

    /// Landlock lets it signal processes outside its own domain: for one that watches another.
    #[must_use]
    pub fn signals_others(self) -> Self {
        Self { signals: true, ..self }
    }

    /// It makes processes, which [`Confined::narrow`](crate::Confined::narrow) confines further: no limit of none (RLIMIT_NPROC).
    #[must_use]
    pub fn forks(self) -> Self {
        Self { forks: true, ..self }
    }

    /// A file that it writes, or memory that is one to the kernel (memfd_create(2)), has at most this many bytes
    /// (RLIMIT_FSIZE); without it, none.
    #[must_use]
    pub fn writes_up_to(self, bytes: u64) -> Self {
        Self { file: bytes, ..self }
    }

    /// It never returns from `main`, and ends by _exit(2): the filter may refuse what the standard library calls there.
    #[must_use]
    pub fn never_returns(self) -> Self {
        Self { never_returns: true, ..self }
    }

    /// With `yes`, the process was started as the user that it is to be, without a privilege: it proves what others do
    /// ([`Sandbox::drop_privileges`]), and may stand in a root that was given to it.
    #[must_use]
    pub fn unprivileged(self, yes: bool) -> Self {
        Self { unprivileged: yes, ..self }
    }

    /// Landlock lets connections to this TCP port pass as well; without it, to none.
    #[must_use]
    pub fn connects_to(mut self, port: u16) -> Self {
        self.connects_to.push(port);
        self
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
