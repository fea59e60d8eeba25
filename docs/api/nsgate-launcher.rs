// What nsgate-launcher offers, written by `cargo xtask api --write` from its source; a test compares. A struct with a field
// `__private` has more than is shown. A line that goes away or changes asks for the next major version.

pub mod order {
    pub fn launch<T>(
        config: &Config,
        options: &Options,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<Launched<T>, LaunchError> {}
    pub fn launch_host<T>(
        config: &HostConfig,
        file: &Path,
        options: &Options,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<Launched<T>, LaunchError> {}
    pub fn launch_keeper<T>(
        config: &Config,
        pool: &AbsolutePath,
        options: &Options,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<Launched<T>, LaunchError> {}
    pub fn launch_courier<T>(
        config: &Config,
        pool: &AbsolutePath,
        options: &Options,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<Launched<T>, LaunchError> {}
    pub fn launch_worker<T>(
        config: &PoolConfig,
        options: &Options,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<Launched<T>, LaunchError> {}
}
pub fn resolve(process: &Process) -> Result<Ids, LaunchError> {}
#[derive(Debug)]
pub enum AuditOutput {
    Syslog,
    Journald(UnixDatagram),
    Descriptor(Output<OwnedFd>),
}
#[derive(Debug)]
pub enum Leftover {
    Removed(PathBuf),
    Kept(LaunchError),
}
pub fn cleanup(
    state: &AbsolutePath,
    id: Uuid,
    ids: &Ids,
) -> Result<Vec<Leftover>, LaunchError> {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i32,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub offset: i32,
}
#[must_use]
pub fn local_time(unix_seconds: i64) -> LocalTime {}
#[derive(Default)]
pub struct ConfigText {
    __private: (),
}
impl ConfigText {
    #[must_use]
    pub fn hidden(&self) -> Option<&str> {}
}
impl fmt::Debug for ConfigText {}
impl Deref for ConfigText {
    type Target = str;
}
impl Drop for ConfigText {}
pub const MOST: u64 = _;
pub const MOST_OF_HOST: u64 = _;
pub fn read_config(path: &Path) -> Result<(ConfigText, Written), LaunchError> {}
pub fn read_config_up_to(
    path: &Path,
    most: u64,
) -> Result<(ConfigText, Written), LaunchError> {}
pub fn read_roots(path: &Path) -> Result<Option<ConfigText>, LaunchError> {}
pub type CounterPage = &'static [AtomicU64; COUNTERS];
#[derive(Debug)]
pub struct Readiness(__private);
impl Readiness {
    pub fn tell(mut self) {}
    pub fn fail(mut self, reason: &str) {}
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    ConfigFile { path: PathBuf, reason: String },
    Clean { call: &'static str, source: Errno },
    Preloaded { object: String, from: String },
    Descriptors { found: String },
    TooFewDescriptors { present: u64, needed: u64 },
    Account { kind: &'static str, name: String, reason: String },
    Path { purpose: &'static str, path: PathBuf, reason: String },
    Namespace { name: String, reason: String },
    Listen { listener: String, call: &'static str, source: Errno, advice: &'static str },
    Taken { listener: String, who: String },
    BoundElsewhere { listener: String, found: String },
    Daemon { call: &'static str, source: Errno },
    Server { server: String, reason: String },
    Reader(String),
    Audit { to: nsgate_config::AuditTo, reason: String },
    Prepare(io::Error),
    Sandbox(nsgate_sandbox::Error),
    Gate(String),
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted<T> {
    pub bounds: T,
    pub shortfall: Option<String>,
}
pub fn fit_limits(
    limits: &Limits,
    listeners: usize,
) -> Result<Fitted<Limits>, LaunchError> {}
pub fn fit_pool(pool: &Pool) -> Result<Fitted<Option<PoolRoom>>, LaunchError> {}
#[derive(Debug, Default)]
pub struct LogSocket {
    pub socket: Option<UnixDatagram>,
    pub connected: bool,
    pub reconnect: Option<PathBuf>,
}
#[derive(Debug)]
#[non_exhaustive]
pub struct Keeping {
    pub socket: OwnedFd,
    pub most: usize,
}
#[derive(Debug)]
#[non_exhaustive]
pub struct Watchdog {
    pub every: Duration,
    __private: (),
}
impl Watchdog {
    pub fn pat(&self) {}
}
pub fn tell_manager(word: &str) -> io::Result<()> {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    One(Identity),
    Host,
}
#[must_use]
pub fn whose(pid: i32) -> Option<Whose> {}
pub use nsgate_sandbox::Ids;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Daemon,
    Foreground,
}
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    pub mode: Mode,
    pub replace: Vec<Replace>,
    pub address_space: Option<u64>,
    pub on_ready: Option<fn()>,
    pub log_file: Option<LogFile>,
    pub farewell: Option<Vec<u8>>,
    pub unheard: Option<fn(&str)>,
    pub passed: Vec<(RawFd, String)>,
    pub secret: Option<fn() -> io::Result<String>>,
    pub written: Option<Written>,
}
impl Options {
    #[must_use]
    pub fn new(mode: Mode) -> Self {}
}
pub fn launch<T>(
    config: &Config,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {}
pub fn launch_courier<T>(
    config: &Config,
    pool: &AbsolutePath,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {}
pub fn launch_host<T>(
    config: &HostConfig,
    file: &Path,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {}
pub fn launch_keeper<T>(
    config: &Config,
    pool: &AbsolutePath,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {}
pub fn launch_worker<T>(
    config: &PoolConfig,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {}
#[derive(Debug)]
pub struct Output<F> {
    __private: (),
}
impl<F: AsFd> Output<F> {
    pub fn new(descriptor: F) -> Self {}
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {}
}
pub fn check_gate(
    config: &Config,
    pool: Option<&AbsolutePath>,
    options: &Options,
) -> Result<Vec<String>, LaunchError> {}
pub fn check_host(
    config: &HostConfig,
    file: &Path,
    options: &Options,
) -> Result<Vec<String>, LaunchError> {}
pub fn check_pool(
    config: &PoolConfig,
    options: &Options,
) -> Result<Vec<String>, LaunchError> {}
pub fn check_reach(
    config: &Config,
    options: &Options,
) -> Result<Vec<String>, LaunchError> {}
pub fn pool_socket(
    config: &PoolConfig,
    options: &Options,
) -> Result<Option<OwnedFd>, LaunchError> {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOut {
    pub what: String,
    pub remedy: String,
    __private: (),
}
impl fmt::Display for KeptOut {}
#[must_use]
pub fn kept_out_of(pid: i32, ids: &Ids) -> Vec<KeptOut> {}
#[derive(Debug)]
pub enum Answer {
    Text(ConfigText),
    Refused(String),
}
#[derive(Debug, Default)]
pub struct Incoming {
    __private: (),
}
impl Incoming {
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Nonsense> {}
}
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Nonsense(__private);
#[derive(Debug)]
pub struct Reader {
    pub ask: OwnedFd,
    pub answer: OwnedFd,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replace {
    pub pid: i32,
    pub signal: Signal,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub path: PathBuf,
    pub owner: Option<u32>,
}
#[derive(Debug)]
pub enum Launched<T> {
    Finished(u8),
    Gate(Box<Running<T>>),
}
impl<T> Launched<T> {
    #[must_use]
    pub fn or_exit(self) -> Running<T> {}
}
#[derive(Debug)]
#[non_exhaustive]
pub struct Running<T> {
    pub prepared: T,
    pub listeners: Vec<TcpListener>,
    pub listening: Vec<Listener>,
    pub agents: Vec<Agent>,
    pub endpoints: Vec<OwnedFd>,
    pub passed: Vec<(String, OwnedFd)>,
    pub keeping: Option<Keeping>,
    pub watchdog: Option<Watchdog>,
    pub secret: Option<String>,
    pub handover_gid: Option<u32>,
    pub pool: Option<PathBuf>,
    pub reader: Option<Reader>,
    pub server: Option<SocketAddr>,
    pub counters: Option<CounterPage>,
    pub log: LogSocket,
    pub standard_error: Output<Stderr>,
    pub audit: Option<AuditOutput>,
    pub signals: Signals,
    pub host_pid: i32,
    pub confined: Confined,
    pub warnings: Vec<String>,
    pub readiness: Readiness,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    End,
    Finish,
    Retire,
    Reload(Signal),
    Nothing(Signal),
}
impl Asked {
    #[must_use]
    pub fn ends(self) -> bool {}
    #[must_use]
    pub fn refusal(self) -> Option<String> {}
}
#[derive(Debug)]
pub struct Signals(__private);
impl Signals {
    #[must_use]
    pub fn next(&self) -> Option<Asked> {}
}
impl AsFd for Signals {}
impl AsRawFd for Signals {}
#[derive(Clone, Debug)]
pub struct Written {
    __private: (),
}
impl Written {
    #[must_use]
    pub fn by_agent(self) -> Self {}
}
pub const ASKED: u8 = _;
#[derive(Debug)]
pub enum Part {
    Ended(u8),
    Dispatcher {
        endpoints: Vec<OwnedFd>,
        workers: Vec<OwnedFd>,
        memory: OwnedFd,
        readiness: Option<Readiness>,
        signals: Signals,
        confined: Confined,
    },
    Worker { number: u32, dispatcher: OwnedFd, signals: Signals, confined: Confined },
}
#[derive(Debug)]
pub struct Zygote {
    pub confined: Confined,
    pub signals: Signals,
    pub endpoints: Vec<OwnedFd>,
    pub memory: OwnedFd,
    pub workers: u32,
    pub watchdog: Option<Watchdog>,
    pub readiness: Readiness,
}
pub fn raise(zygote: Zygote) -> Result<Part, LaunchError> {}
pub mod reexports {
    pub use nix::errno::Errno;
    pub use nix::sys::signal::Signal;
    pub use nsgate_config;
    pub use nsgate_sandbox;
}
