// What nsgate-config offers, written by `cargo xtask api --write` from its source; a test compares. A struct with a field
// `__private` has more than is shown. A line that goes away or changes asks for the next major version.

pub mod haproxy {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ParsedHost {
        pub config: HostConfig,
        pub warnings: Vec<Diagnostic>,
    }
    #[must_use]
    pub fn is_host_proxy(text: &str) -> bool {}
    pub fn parse_host(file: &str, text: &str) -> Result<ParsedHost, Diagnostics> {}
    pub fn parse(file: &str, text: &str) -> Result<Parsed, Diagnostics> {}
}
pub mod namespace_proxy {
    pub const NAME: &str = _;
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Command {
        Version,
        Help,
        Run(Box<Asked>),
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Asked {
        pub config: Config,
        pub log_file: Option<LogFile>,
    }
    pub const HELP: &str = _;
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Invalid> {}
}
pub mod native {
    #[derive(Clone, Debug, Deserialize)]
    pub struct DraftAudit {
        pub to: Spanned<String>,
        pub events_per_second: Option<Spanned<i64>>,
    }
    #[derive(Clone, Debug, Default, Deserialize)]
    pub struct DraftTrace {
        pub sampled: Option<bool>,
    }
    #[derive(Clone, Debug, Default, Deserialize)]
    pub struct Draft {
        pub command_line: Option<CommandLine>,
        pub network_id: Option<Spanned<String>>,
        pub router_id: Option<Spanned<String>>,
        pub ovn_network_id: Option<Spanned<String>>,
        pub listen: Vec<Spanned<String>>,
        pub backend: Option<Spanned<String>>,
        pub backend_owner: Option<Spanned<Who>>,
        pub user: Option<Spanned<Who>>,
        pub group: Option<Spanned<Who>>,
        pub allow_root: bool,
        pub freebind: bool,
        pub daemon: bool,
        pub pid_file: Option<Spanned<String>>,
        pub netns: Option<Spanned<String>>,
        pub sandbox: Option<Spanned<String>>,
        pub retries: Option<Spanned<i64>>,
        pub log: Option<DraftLog>,
        pub limits: DraftLimits,
        pub timeouts: DraftTimeouts,
        pub rate_limits: Vec<DraftRate>,
        pub guards: DraftGuards,
        pub audit: Option<DraftAudit>,
        pub trace: Option<DraftTrace>,
    }
    impl Draft {
        pub fn read(file: &str, text: &str) -> Result<Self, Diagnostics> {}
    }
    impl Draft {
        pub fn finish(self, file: &str, text: &str) -> Result<Parsed, Diagnostics> {}
    }
    #[derive(Clone, Debug, Default, Deserialize)]
    pub struct DraftLimits {
        pub connections: Option<Spanned<i64>>,
        pub connections_per_source: Option<Spanned<i64>>,
        pub requests_per_source: Option<Spanned<i64>>,
        pub backend_requests: Option<Spanned<i64>>,
        pub unfinished_heads: Option<Spanned<i64>>,
        pub unfinished_heads_per_source: Option<Spanned<i64>>,
        pub target_bytes: Option<Spanned<i64>>,
        pub head_bytes: Option<Spanned<i64>>,
        pub headers: Option<Spanned<i64>>,
        pub body_bytes: Option<Spanned<i64>>,
        pub backend_request_bytes: Option<Spanned<i64>>,
    }
    #[derive(Clone, Debug, Default, Deserialize)]
    pub struct DraftLog {
        pub socket: Option<Spanned<String>>,
        pub facility: Option<Spanned<String>>,
        pub level: Option<Spanned<String>>,
        pub tag: Option<Spanned<String>>,
    }
    #[derive(Clone, Debug, Deserialize)]
    pub struct DraftRate {
        pub requests: Spanned<i64>,
        pub window: Spanned<Time>,
    }
    #[derive(Clone, Debug, Default, Deserialize)]
    pub struct DraftTimeouts {
        pub request: Option<Spanned<Time>>,
        pub connect: Option<Spanned<Time>>,
        pub client: Option<Spanned<Time>>,
        pub server: Option<Spanned<Time>>,
        pub keep_alive: Option<Spanned<Time>>,
        pub body: Option<Spanned<Time>>,
        pub connection: Option<Spanned<Time>>,
    }
    #[derive(Clone, Debug, Deserialize)]
    pub enum Time {
        Text(String),
        Seconds(i64),
    }
    #[derive(Clone, Debug, Deserialize)]
    pub enum Who {
        Name(String),
        Number(i64),
    }
    pub fn all_on_command_line<T>(
        values: impl IntoIterator<Item = T>,
    ) -> Vec<Spanned<T>> {}
    pub fn on_command_line<T>(value: T) -> Spanned<T> {}
    #[derive(Clone, Debug, Deserialize)]
    pub struct DraftExpiring {
        pub names: Spanned<Vec<Spanned<String>>>,
        pub after: Spanned<Time>,
    }
    #[derive(Clone, Debug, Default, Deserialize)]
    pub struct DraftGuards {
        pub refuse_forwarded: bool,
        pub hosts: Option<Spanned<Vec<Spanned<String>>>>,
        pub require_header: Option<Spanned<DraftHeader>>,
        pub tokens: Option<Spanned<String>>,
        pub methods: Option<Spanned<Vec<Spanned<String>>>>,
        pub paths: Option<Spanned<Vec<Spanned<String>>>>,
        pub hide_paths: Option<Spanned<bool>>,
        pub expiring: Option<DraftExpiring>,
        pub hop_limit: Option<Spanned<i64>>,
    }
    #[derive(Clone, Debug, Deserialize)]
    pub struct DraftHeader {
        pub name: String,
        pub value: String,
    }
    #[must_use]
    pub fn render_guards(guards: &Guards) -> String {}
    #[derive(Clone, Debug, Default, Deserialize)]
    pub struct DraftPool {
        pub command_line: Option<CommandLine>,
        pub socket: Option<Spanned<String>>,
        pub handover_group: Option<Spanned<Who>>,
        pub backends: Vec<Spanned<String>>,
        pub workers: Option<Spanned<i64>>,
        pub networks: Option<Spanned<i64>>,
        pub connections: Option<Spanned<i64>>,
        pub reserved_connections: Option<Spanned<i64>>,
        pub metrics: Option<Spanned<String>>,
        pub user: Option<Spanned<Who>>,
        pub group: Option<Spanned<Who>>,
        pub allow_root: bool,
        pub daemon: bool,
        pub pid_file: Option<Spanned<String>>,
        pub sandbox: Option<Spanned<String>>,
        pub log: Option<DraftLog>,
        pub audit: Option<DraftAudit>,
    }
    impl DraftPool {
        pub fn read(file: &str, text: &str) -> Result<Self, Diagnostics> {}
        pub fn finish(
            self,
            file: &str,
            text: &str,
        ) -> Result<(PoolConfig, Vec<Diagnostic>), Diagnostics> {}
    }
    #[must_use]
    pub fn render(config: &Config) -> String {}
    #[must_use]
    pub fn render_pool(config: &PoolConfig) -> String {}
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Site {
        pub allow_root: bool,
        pub sandbox: SandboxLevel,
        pub pool: Option<PoolUse>,
        pub guards: Guards,
        pub audit: Option<Audit>,
        pub trace: Option<Trace>,
    }
    impl Site {
        pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {}
        #[must_use]
        pub fn render(&self) -> String {}
    }
    pub fn parse(file: &str, text: &str) -> Result<Parsed, Diagnostics> {}
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    __private: (),
}
impl CommandLine {
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Self {}
    #[must_use]
    pub fn end(&self) -> Spot {}
    #[must_use]
    pub fn word(&self, text: &str) -> Option<Spot> {}
    #[must_use]
    pub fn value(&self, option: &str, occurrence: usize) -> Option<Spot> {}
    #[must_use]
    pub fn spoken_of(&self, sentence: &str) -> Option<Spot> {}
    #[must_use]
    pub fn error(&self, spot: Option<Spot>, message: &str, help: &str) -> Diagnostic {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    __private: (),
}
impl Spot {
    #[must_use]
    pub fn is_first(&self) -> bool {}
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub length: usize,
    pub message: String,
    pub help: Option<String>,
    pub source: String,
}
impl Diagnostic {
    #[must_use]
    pub fn one_line(&self) -> String {}
    #[must_use]
    pub fn render(&self, colours: bool) -> String {}
}
impl fmt::Display for Diagnostic {}
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diagnostics(pub Vec<Diagnostic>);
impl Diagnostics {
    #[must_use]
    pub fn render(&self, colours: bool) -> String {}
}
impl fmt::Display for Diagnostics {}
impl std::error::Error for Diagnostics {}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Severity {
    Error,
    Warning,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(__private);
impl Invalid {
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {}
    #[must_use]
    pub fn reason(&self) -> &str {}
}
impl fmt::Display for Invalid {}
impl Error for Invalid {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    Name(String),
    Id(u32),
}
impl Account {
    pub fn named(text: &str) -> Result<Self, Invalid> {}
}
impl fmt::Display for Account {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    pub to: AuditTo,
    pub events_per_second: u32,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditTo {
    Syslog,
    Journald,
    Descriptor(u16),
}
impl FromStr for AuditTo {
    type Err = Invalid;
}
impl fmt::Display for AuditTo {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    pub sampled: bool,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pub owner: Option<Account>,
    __private: (),
}
impl Backend {
    pub fn new(path: AbsolutePath) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn path(&self) -> &AbsolutePath {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolRoom {
    pub peers: u32,
    pub descriptors: u64,
    pub networks: u32,
    pub connections: u32,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooFewDescriptors {
    pub present: u64,
    pub needed: u64,
}
#[must_use]
pub fn descriptors_of_a_network(listeners: usize, reserved: u32) -> u64 {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub gate: Gate,
    pub process: Process,
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gate {
    pub identity: Identity,
    pub listeners: Vec<Listener>,
    pub backend: Backend,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub retries: u32,
    pub rate_limits: Vec<RateLimit>,
    pub guards: Guards,
    pub trace: Option<Trace>,
}
impl Gate {
    #[must_use]
    pub fn builder(identity: Identity, backend: Backend) -> GateBuilder {}
}
#[derive(Clone, Debug)]
pub struct GateBuilder(__private);
impl GateBuilder {
    pub fn listen(mut self, text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {}
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {}
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {}
    #[must_use]
    pub fn rate_limit(mut self, rate: RateLimit) -> Self {}
    #[must_use]
    pub fn guards(mut self, guards: Guards) -> Self {}
    #[must_use]
    pub fn trace(mut self, trace: Trace) -> Self {}
    pub fn build(self) -> Result<Gate, Diagnostics> {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    pub user: Account,
    pub group: Option<Account>,
    pub allow_root: bool,
    pub daemon: bool,
    pub pid_file: Option<AbsolutePath>,
    pub netns: Option<Netns>,
    pub freebind: bool,
    pub log: Option<Log>,
    pub audit: Option<Audit>,
    pub sandbox: SandboxLevel,
}
impl Process {
    #[must_use]
    pub fn new(user: Account) -> Self {}
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub enum SandboxLevel {
    Default,
    Strict,
}
impl SandboxLevel {
    #[must_use]
    pub fn as_str(self) -> &'static str {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentName(__private);
impl ComponentName {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn is_in(&self, path: &[u8]) -> bool {}
}
impl fmt::Display for ComponentName {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    pub names: Vec<ComponentName>,
    pub after: Duration,
}
pub const FORWARDED_HEADERS: [&str; 3] = _;
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guards {
    pub refuse_forwarded: bool,
    pub hosts: Vec<GuestHost>,
    pub require_header: Option<RequiredHeader>,
    pub tokens: Tokens,
    pub methods: Vec<MethodName>,
    pub paths: Vec<PathPrefix>,
    pub hide_paths: bool,
    pub expiring: Option<Expiring>,
    pub hop_limit: Option<NonZeroU8>,
}
impl Guards {
    #[must_use]
    pub fn is_off(&self) -> bool {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestHost {
    Address(IpAddr),
    Name(String),
}
impl GuestHost {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
}
impl fmt::Display for GuestHost {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodName(__private);
impl MethodName {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn as_str(&self) -> &str {}
}
impl fmt::Display for MethodName {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(__private);
impl PathPrefix {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn covers(&self, path: &[u8]) -> bool {}
}
impl fmt::Display for PathPrefix {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredHeader {
    __private: (),
}
impl RequiredHeader {
    pub fn new(name: &str, value: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn name(&self) -> &str {}
    #[must_use]
    pub fn value(&self) -> &str {}
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tokens {
    Off,
    Optional,
    Required,
}
impl Tokens {
    pub const ALL: [(&'static str, Self); 3] = _;
    #[must_use]
    pub fn as_str(self) -> &'static str {}
}
#[must_use]
pub fn is_plain_path(path: &[u8]) -> bool {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    pub proxy: HostProxy,
    pub process: Process,
}
impl HostConfig {
    #[must_use]
    pub fn without_instances(&self) -> Self {}
    #[must_use]
    pub fn fixed_differences(&self, next: &Self) -> Vec<String> {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostProxy {
    pub listeners: Vec<Listener>,
    pub server: Server,
    pub instances: Instances,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub retries: u32,
    pub monitor: Option<UriPath>,
    pub statistics: Option<UriPath>,
    pub guards: Guards,
    pub trace: Option<Trace>,
}
impl HostProxy {
    #[must_use]
    pub fn summary(&self) -> String {}
}
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: Uuid,
    pub project: ProjectId,
    pub signature: Signature,
}
impl fmt::Debug for Instance {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectId(__private);
impl ProjectId {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
}
impl fmt::Display for ProjectId {}
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(__private);
impl Signature {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn hexadecimal(&self) -> String {}
}
impl fmt::Debug for Signature {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriPath(__private);
impl UriPath {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn as_str(&self) -> &str {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    Network(Uuid),
    Router(Uuid),
    OvnNetwork(Uuid),
}
impl Identity {
    #[must_use]
    pub fn header(&self) -> &'static str {}
    #[must_use]
    pub fn uuid(&self) -> Uuid {}
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(__private);
impl FromStr for Uuid {
    type Err = Invalid;
}
impl fmt::Display for Uuid {}
impl fmt::Debug for Uuid {}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances(__private);
impl Instances {
    pub fn new(all: Vec<(IpAddr, Instance)>) -> Result<Self, IpAddr> {}
    #[must_use]
    pub fn at(&self, source: IpAddr) -> Option<&Instance> {}
    #[must_use]
    pub fn len(&self) -> usize {}
    #[must_use]
    pub fn is_empty(&self) -> bool {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    pub connections: u32,
    pub connections_per_source: u32,
    pub requests_per_source: u32,
    pub backend_requests: u32,
    pub unfinished_heads: u32,
    pub unfinished_heads_per_source: u32,
    pub target_bytes: u32,
    pub head_bytes: u32,
    pub headers: u32,
    pub body_bytes: u32,
    pub backend_request_bytes: u32,
}
impl Limits {
    #[must_use]
    pub fn descriptors(&self, listeners: usize) -> u64 {}
    pub fn within(
        &self,
        descriptors: u64,
        listeners: usize,
    ) -> Result<Self, TooFewDescriptors> {}
}
impl Default for Limits {}
impl Limits {
    pub const MOST_CONNECTIONS: u32 = _;
    pub fn limit_connections(&mut self, connections: u32) {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub requests: u32,
    pub window: Duration,
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    pub request: Duration,
    pub connect: Duration,
    pub body: Duration,
    pub client: Duration,
    pub server: Duration,
    pub keep_alive: Duration,
    pub connection: Duration,
}
impl Default for Timeouts {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName(__private);
impl InterfaceName {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn as_str(&self) -> &str {}
}
impl fmt::Display for InterfaceName {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: IpAddr,
    pub port: Port,
    pub interface: Option<InterfaceName>,
}
impl Listener {
    #[must_use]
    pub fn socket_address(&self) -> SocketAddr {}
}
impl fmt::Display for Listener {}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port(__private);
impl Port {
    #[must_use]
    pub fn get(self) -> u16 {}
}
impl TryFrom<u16> for Port {
    type Error = Invalid;
}
impl FromStr for Port {
    type Err = Invalid;
}
impl fmt::Display for Port {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility {
    pub name: &'static str,
    pub code: u8,
}
impl Facility {
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {}
    #[must_use]
    pub fn names() -> &'static [&'static str] {}
}
impl Default for Facility {}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub socket: AbsolutePath,
    pub facility: Facility,
    pub level: Level,
    pub tag: String,
}
impl Log {
    #[must_use]
    pub fn usual(tag: &str) -> Self {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    pub path: AbsolutePath,
    pub level: Level,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    Name(String),
    Path(AbsolutePath),
}
impl Netns {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AbsolutePath(__private);
impl AbsolutePath {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn as_str(&self) -> &str {}
    #[must_use]
    pub fn as_path(&self) -> &Path {}
    #[must_use]
    pub fn split(&self) -> (&str, &str) {}
}
impl fmt::Display for AbsolutePath {}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pool {
    pub socket: AbsolutePath,
    pub group: Option<Account>,
    pub backends: Vec<Backend>,
    pub workers: u32,
    pub networks: u32,
    pub connections: u32,
    pub reserved_connections: u32,
    pub metrics: Option<AbsolutePath>,
}
impl Pool {
    #[must_use]
    pub fn peers(&self) -> u32 {}
    #[must_use]
    pub fn descriptors(&self) -> u64 {}
    pub fn room(&self, descriptors: u64) -> Result<Option<PoolRoom>, TooFewDescriptors> {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    pub pool: Pool,
    pub process: Process,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUse {
    pub socket: AbsolutePath,
    pub patience: Duration,
    pub fallback: bool,
}
impl PoolUse {
    #[must_use]
    pub fn at(socket: AbsolutePath) -> Self {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(__private);
impl HostName {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
    #[must_use]
    pub fn as_str(&self) -> &str {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub host: ServerHost,
    pub port: Port,
}
impl Server {
    pub fn new(text: &str) -> Result<Self, Invalid> {}
}
impl fmt::Display for Server {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerHost {
    Address(IpAddr),
    Name(HostName),
}
pub fn reachable(address: IpAddr) -> Result<(), Invalid> {}
pub fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    pub config: Config,
    pub warnings: Vec<Diagnostic>,
}
pub mod reexports {
    pub use toml::Spanned;
}
