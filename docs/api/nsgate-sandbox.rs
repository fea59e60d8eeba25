// What nsgate-sandbox offers, written by `cargo xtask api --write` from its source; a test compares. A struct with a field
// `__private` has more than is shown. A line that goes away or changes asks for the next major version.

pub const LOGS_ONLY: bool = _;
pub mod writing_a_policy {}
pub mod attest {
    pub const COUNTERS: &str = _;
    pub fn counters(pid: i32) -> io::Result<Option<Vec<u64>>> {}
    #[must_use]
    pub fn name_of_root(pid: i32) -> Option<String> {}
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    #[non_exhaustive]
    pub struct Namespace {
        pub kind: &'static str,
        pub inode: Option<u64>,
        pub shared: Option<bool>,
    }
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    #[non_exhaustive]
    pub struct Mount {
        pub point: String,
        pub options: String,
        pub kind: String,
        pub removed: bool,
    }
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    #[non_exhaustive]
    pub struct Thread {
        pub id: i32,
        pub users: [u32; 4],
        pub groups: [u32; 4],
        pub supplementary_groups: Vec<u32>,
        pub capabilities: BTreeMap<&'static str, Vec<String>>,
        pub no_new_privs: bool,
        pub seccomp: u32,
        pub seccomp_filters: u32,
    }
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    #[non_exhaustive]
    pub struct Row {
        pub what: String,
        pub expected: String,
        pub found: String,
        pub ok: Option<bool>,
    }
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub struct Seen {
        pub window: String,
        pub path: Option<PathBuf>,
        pub state: State,
    }
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    pub enum State {
        There,
        Removed,
        Replaced,
        Gone,
        Unknown,
    }
    #[derive(Clone, Debug, Serialize)]
    #[non_exhaustive]
    pub struct Holdings {
        pub pid: i32,
        pub name: String,
        pub command: Vec<String>,
        pub role: Option<&'static str>,
        pub threads: Vec<Thread>,
        pub namespaces: Vec<Namespace>,
        pub descriptors: Option<BTreeMap<String, usize>>,
        pub root: Option<Vec<String>>,
        pub mounts: Option<Vec<Mount>>,
        pub windows: Option<Vec<Seen>>,
        pub shared_files: Option<Vec<String>>,
        pub core_limit: Option<String>,
        pub kernel: Kernel,
        pub verdict: Vec<Row>,
        pub notes: Vec<&'static str>,
        pub unseen: Vec<&'static str>,
        __private: (),
    }
    impl Holdings {
        #[must_use]
        pub fn confined(&self) -> Option<bool> {}
    }
    impl fmt::Display for Holdings {}
    #[derive(Clone, Debug, Serialize)]
    #[non_exhaustive]
    pub struct Kernel {
        pub landlock_abi: i32,
        pub missing: Vec<String>,
    }
    #[must_use]
    pub fn kernel() -> Kernel {}
    pub fn gates() -> Result<Vec<i32>> {}
    pub fn process(pid: i32) -> Result<Holdings> {}
    #[derive(Debug, Default)]
    pub struct Look {
        __private: (),
    }
    impl Look {
        pub fn process(&self, pid: i32) -> Result<Holdings> {}
    }
}
pub mod given_root {
    #[derive(Debug)]
    pub struct Opening<'a> {
        __private: (),
    }
    impl<'a> Opening<'a> {
        #[must_use]
        pub fn new(
            name: &'static str,
            path: &'a Path,
            directory: BorrowedFd<'a>,
        ) -> Self {}
    }
    #[derive(Debug)]
    pub struct GivenRoot {
        __private: (),
    }
    pub fn look(
        place: BorrowedFd<'_>,
        openings: &[Opening<'_>],
        links: &[Link],
    ) -> Result<GivenRoot> {}
}
pub mod namespaces {
    pub fn separate_pid() -> Result<()> {}
    pub fn assert_first() -> Result<()> {}
    pub fn separate_rest() -> Result<()> {}
    pub fn separate_rest_from(lender: Option<Lender>) -> Result<PathBuf> {}
    #[derive(Debug)]
    pub struct Lender {
        __private: (),
    }
    impl Lender {
        #[must_use]
        pub fn of(pid: i32) -> Option<Self> {}
    }
}
pub mod small_root {
    #[derive(Debug)]
    pub struct Window {
        __private: (),
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Link {
        __private: (),
    }
    impl Link {
        #[must_use]
        pub fn new(name: &'static str, window: &'static str, inside: &str) -> Self {}
    }
    #[derive(Debug)]
    pub struct SmallRoot {
        __private: (),
    }
    impl SmallRoot {
        #[must_use]
        pub fn windows(&self) -> &[&'static str] {}
    }
    #[derive(Clone, Copy, Debug)]
    pub enum Root<'a> {
        Small(&'a SmallRoot),
        Given(&'a GivenRoot),
        Kept,
    }
    pub fn take(name: &'static str, dir: BorrowedFd<'_>) -> Result<Window> {}
    pub fn view(dir: BorrowedFd<'_>) -> Result<OwnedFd> {}
    pub fn enter(windows: Vec<Window>, links: &[Link]) -> Result<SmallRoot> {}
    pub fn enter_at(
        site: &Path,
        windows: Vec<Window>,
        links: &[Link],
    ) -> Result<SmallRoot> {}
    pub fn enter_from(
        origin: &Origin,
        windows: Vec<Window>,
        links: &[Link],
    ) -> Result<SmallRoot> {}
    pub fn enter_named(
        site: &Path,
        name: &str,
        windows: Vec<Window>,
        links: &[Link],
    ) -> Result<SmallRoot> {}
}
#[must_use]
pub fn likely(call: &str, error: Errno) -> String {}
#[cfg(feature = "compile")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct PolicyError {
    pub policy: &'static str,
    pub syscall: Option<String>,
    pub reason: String,
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    Proc { path: PathBuf, source: io::Error },
    ForeignProc { expected: i32, found: String },
    Unshare { flags: &'static str, source: Errno },
    NamespaceUnchanged { name: &'static str },
    NotFirst { pid: i32 },
    MakePrivate(Errno),
    TakeWindow { name: &'static str, call: &'static str, source: Errno },
    WindowName { name: &'static str },
    SmallRoot { call: &'static str, source: Errno },
    RootShows { expected: String, found: String },
    RootKept,
    RootGiven { found: String },
    Names { call: &'static str, source: Errno },
    Strict { missing: String },
    Rlimit { name: &'static str, value: u64, source: Errno },
    Drop { call: &'static str, source: io::Error, advice: &'static str },
    StillHolds { what: &'static str, expected: String, found: String },
    WayBack { call: &'static str },
    Landlock { abi: i32, source: landlock::RulesetError },
    LandlockWindow { name: &'static str, source: landlock::PathFdError },
    LandlockPartial { abi: i32, status: String },
    StillOpens { found: String },
    Seccomp { role: &'static str, source: seccompiler::Error },
    Needed { role: &'static str, lacking: String },
    Threads { found: u32 },
    Handler { source: Errno },
    Address { role: &'static str, name: &'static str },
    OneFile { name: String, source: Errno },
    View { call: &'static str, source: Errno },
    NoProcess { pid: i32 },
    Status { path: PathBuf, field: &'static str },
}
pub type Result<T, E = Error> = std::result::Result<T, E>;
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRefused {
    NoRecord,
    Word { word: String, what: &'static str },
    Architecture { word: String, process: Option<String>, pid: Option<i32> },
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    pub call: i64,
    pub name: Option<&'static str>,
    pub architecture: &'static str,
    pub pid: Option<i32>,
    pub process: Option<String>,
    pub killed: bool,
}
impl Refused {
    pub fn parse(line: &str) -> Result<Self, NotRefused> {}
    #[must_use]
    pub fn role(&self) -> Option<Role> {}
    #[must_use]
    pub fn of_x32(&self) -> bool {}
    #[must_use]
    pub fn in_policy(&self, role: Role) -> Option<PermittedCall> {}
}
#[derive(Clone)]
pub struct Filter {
    __private: (),
}
impl std::fmt::Debug for Filter {}
impl From<Role> for Filter {}
impl Filter {
    #[cfg(feature = "compile")]
    pub fn from_toml(
        name: &'static str,
        text: &str,
    ) -> Result<Self, crate::PolicyError> {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    Kills,
    Names,
    Logs,
}
#[derive(Debug)]
pub struct GivenRoot {
    __private: (),
}
#[derive(Debug)]
pub struct OneFile {
    __private: (),
}
impl OneFile {
    pub fn new(directory: OwnedFd, name: &str) -> Result<Self> {}
    pub fn access_control_list(
        &self,
        file: BorrowedFd<'_>,
    ) -> std::result::Result<Option<Vec<u8>>, Errno> {}
    pub fn open(&self) -> std::result::Result<OwnedFd, Errno> {}
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    __private: (),
}
impl Origin {
    #[must_use]
    pub fn here() -> Self {}
    #[must_use]
    pub fn and(mut self, window: &str, path: &Path) -> Self {}
    #[must_use]
    pub fn and_configuration(self, path: &Path) -> Self {}
    #[must_use]
    pub fn named(&self, name: &str) -> String {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermittedCall {
    pub name: &'static str,
    pub reason: &'static str,
    pub when: &'static str,
    pub policy: &'static str,
    pub line: usize,
    __private: (),
}
impl PermittedCall {
    #[must_use]
    pub fn is_on(&self, architecture: &str) -> bool {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Gate,
    HostProxy,
    Reader,
    Supervisor,
    Worker,
    Keeper,
    Courier,
    Zygote,
    Dispatcher,
}
impl Role {
    pub const ALL: [Self; 9] = _;
    #[must_use]
    pub fn name(self) -> &'static str {}
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {}
}
#[must_use]
pub fn policy(role: Role) -> Vec<PermittedCall> {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    pub uid: Uid,
    pub gid: Gid,
}
pub fn unprivileged() -> Result<bool> {}
pub fn raise_descriptors(wanted: u64) -> Result<u64> {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    Enforced(i32),
    Absent,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    __private: (),
}
#[derive(Clone, Copy, Debug)]
pub enum Root<'a> {
    Small(&'a SmallRoot),
    Given(&'a GivenRoot),
    Kept,
}
#[derive(Debug)]
pub struct SmallRoot {
    __private: (),
}
#[derive(Debug)]
pub struct Window {
    __private: (),
}
#[derive(Debug)]
pub struct Confined {
    __private: (),
}
impl Confined {
    #[must_use]
    pub fn report(&self) -> &Report {}
    pub fn narrow(&self, role: Role) -> Result<Self> {}
}
#[derive(Debug)]
pub struct Dropped {
    __private: (),
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterReport {
    pub role: &'static str,
    pub syscalls: usize,
    pub refusal: Refusal,
}
#[derive(Clone, Debug)]
pub struct Policy {
    __private: (),
}
impl Policy {
    #[must_use]
    pub fn gate(descriptors: u64) -> Self {}
    #[must_use]
    pub fn host_proxy(descriptors: u64, server: u16) -> Self {}
    pub fn reader(file: &OneFile) -> Result<Self> {}
    #[must_use]
    pub fn worker(descriptors: u64) -> Self {}
    #[must_use]
    pub fn courier(descriptors: u64) -> Self {}
    #[must_use]
    pub fn zygote(descriptors: u64) -> Self {}
    #[must_use]
    pub fn keeper(descriptors: u64) -> Self {}
    #[must_use]
    pub fn supervisor() -> Self {}
    #[must_use]
    pub fn custom(filter: Filter, descriptors: u64) -> Self {}
    #[must_use]
    pub fn given(self, yes: bool) -> Self {}
    #[must_use]
    pub fn connects_to(self, port: u16) -> Self {}
    #[must_use]
    pub fn strict(self, yes: bool) -> Self {}
    #[must_use]
    pub fn appends(self, yes: bool) -> Self {}
    #[must_use]
    pub fn address_space(self, bytes: Option<u64>) -> Self {}
    #[must_use]
    pub fn dies_with_parent(self, yes: bool) -> Self {}
}
#[derive(Debug)]
pub struct Privileged {
    __private: (),
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    pub landlock: Landlock,
    pub filter: FilterReport,
    pub shortfalls: Vec<String>,
}
impl fmt::Display for Report {}
#[derive(Debug)]
pub struct Ruled {
    __private: (),
}
#[derive(Debug)]
pub struct Sandbox<Stage> {
    __private: (),
}
impl<Stage> Sandbox<Stage> {
    pub fn open_descriptors(&mut self) -> Result<Vec<RawFd>> {}
    pub fn holds_only(&mut self, known: &[RawFd], shared: &[usize]) -> Result<()> {}
}
impl Sandbox<Privileged> {
    pub fn new(policy: Policy) -> Result<Self> {}
    pub fn drop_privileges(mut self, ids: &Ids) -> Result<Sandbox<Dropped>> {}
}
impl Sandbox<Dropped> {
    pub fn restrict_files(self, root: Root<'_>) -> Result<Sandbox<Ruled>> {}
    pub fn restrict_files_but(
        self,
        file: &OneFile,
        root: Root<'_>,
    ) -> Result<Sandbox<Ruled>> {}
}
impl Sandbox<Ruled> {
    pub fn filter_syscalls(self) -> Result<Confined> {}
}
pub mod reexports {
    pub use landlock::PathFdError;
    pub use landlock::RulesetError;
    pub use nix::errno::Errno;
    pub use nix::unistd::Gid;
    pub use nix::unistd::Uid;
    pub use seccompiler;
}
