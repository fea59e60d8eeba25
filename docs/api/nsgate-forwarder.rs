// What nsgate-forwarder offers, written by `cargo xtask api --write` from its source; a test compares. A struct with a field
// `__private` has more than is shown. A line that goes away or changes asks for the next major version.

pub mod counters {
    pub const CLASSES: [&str; 6] = _;
    pub const CELLS: usize = _;
    #[derive(Debug)]
    pub struct Counters<C = [AtomicU64; CELLS]>(__private);
    impl Default for Counters {}
    impl<C: AsRef<[AtomicU64]>> Counters<C> {
        pub const fn new(cells: C) -> Self {}
        pub fn count(&self, record: &AccessRecord) {}
        #[must_use]
        pub fn numbers(&self) -> Numbers {}
    }
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Numbers(__private);
    impl Numbers {
        #[must_use]
        pub fn new(cells: &[u64]) -> Self {}
        pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {}
        #[must_use]
        pub fn classes(&self) -> [u64; CLASSES.len()] {}
        #[must_use]
        pub fn requests(&self) -> u64 {}
        #[must_use]
        pub fn served(&self) -> u64 {}
        #[must_use]
        pub fn bytes(&self) -> u64 {}
        #[must_use]
        pub fn refused_at(&self) -> u64 {}
        #[must_use]
        pub fn failed_at(&self) -> u64 {}
        #[must_use]
        pub fn tokens(&self) -> [u64; TokenUse::ALL.len()] {}
        pub fn reasons(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {}
        #[must_use]
        pub fn refused(&self) -> u64 {}
        #[must_use]
        pub fn agent_errors(&self) -> u64 {}
    }
}
pub mod event {
    pub const LONGEST: usize = _;
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Network {
        __private: (),
    }
    impl Network {
        #[must_use]
        pub fn of(identity: &Identity) -> Self {}
        #[must_use]
        pub fn host() -> Self {}
        #[must_use]
        pub fn kind(&self) -> &'static str {}
        #[must_use]
        pub fn id(&self) -> &str {}
    }
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Missed {
        pub suppressed: u64,
        pub lost: u64,
    }
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Asked {
        pub method: &'static str,
        pub class: PathClass,
    }
    impl Asked {
        #[must_use]
        pub fn of(record: &AccessRecord) -> Option<Self> {}
    }
    #[must_use]
    pub fn format(network: &Network, record: &AccessRecord, missed: Missed) -> String {}
}
pub mod httplog {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Date {
        pub year: i32,
        pub month: u8,
        pub day: u8,
        pub hour: u8,
        pub minute: u8,
        pub second: u8,
    }
    #[must_use]
    pub fn second(record: &AccessRecord) -> i64 {}
    #[must_use]
    pub fn format(record: &AccessRecord, date: &Date) -> String {}
}
#[derive(Clone, Debug)]
pub struct Directory(__private);
impl Directory {
    pub fn replace(&self, instances: Instances) {}
}
#[derive(Debug)]
pub struct AgentStream {
    __private: (),
}
impl AsyncWrite for AgentStream {}
impl AsyncRead for AgentStream {}
pub trait Connector: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    const AT_ONCE: usize = 1;
    fn connect(&self) -> impl Future<Output = Result<Self::Stream>> + Send;
    fn settle(stream: &mut Self::Stream) -> impl Future<Output = ()> + Send {}
}
#[derive(Clone, Copy, Debug)]
pub struct TcpConnector(__private);
impl TcpConnector {
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {}
}
impl Connector for TcpConnector {
    type Stream = TcpStream;
}
#[derive(Clone, Debug)]
pub struct UnixConnector {
    __private: (),
}
impl UnixConnector {
    #[must_use]
    pub fn new(path: PathBuf, owner: Option<u32>) -> Self {}
}
impl Connector for UnixConnector {
    type Stream = AgentStream;
}
pub struct Forwarder<C> {
    __private: (),
}
impl<C: Connector> Forwarder<C> {
    pub fn new(gate: Gate, connector: C, observer: impl Observer) -> Self {}
    pub fn for_host(
        mut host: HostProxy,
        connector: C,
        observer: impl Observer,
    ) -> (Self, Directory) {}
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {}
    #[must_use]
    pub fn keyed(self, key: Option<TokenKey>) -> Self {}
    #[must_use]
    pub fn while_held(mut self, held: Held) -> Self {}
    #[must_use]
    pub fn gauge(&self) -> Gauge {}
    pub async fn serve(
        self,
        listeners: Vec<TcpListener>,
        stop: watch::Receiver<Option<Stop>>,
    ) {}
}
#[derive(Clone, Debug)]
pub struct Gauge(__private);
impl Gauge {
    #[must_use]
    pub fn connections(&self) -> u32 {}
}
pub type Held = Arc<dyn Fn() -> bool + Send + Sync>;
#[derive(Clone)]
pub struct TokenKey(__private);
impl fmt::Debug for TokenKey {}
impl TokenKey {
    #[must_use]
    pub fn new(random: &[u8; SECRET]) -> Self {}
    #[must_use]
    pub fn text(random: &[u8; SECRET], now: Duration) -> String {}
    #[must_use]
    pub fn read(text: &str, now: Duration) -> Option<Self> {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenUse {
    Absent,
    Good,
    Bad,
    Asked,
}
impl TokenUse {
    pub const ALL: [Self; 4] = _;
    #[must_use]
    pub fn name(self) -> &'static str {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathClass {
    Password,
    Token,
    Credentials,
    UserData,
    VendorData,
    NetworkData,
    MetaData,
    Index,
    Long,
    Other,
}
impl PathClass {
    pub const ALL: [Self; 10] = _;
    #[must_use]
    pub fn name(self) -> &'static str {}
    #[must_use]
    pub fn of(target: &[u8]) -> Self {}
}
#[derive(Clone, Debug)]
pub struct Sharing {
    pub places: Arc<Semaphore>,
    pub reserved: u32,
}
pub use reason::Reason;
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Passed,
    Refused,
    Failed,
}
impl Verdict {
    #[must_use]
    pub fn name(self) -> &'static str {}
}
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessRecord {
    pub client: SocketAddr,
    pub started: SystemTime,
    pub head_time: Option<Duration>,
    pub queue_time: Option<Duration>,
    pub connect_time: Option<Duration>,
    pub response_time: Option<Duration>,
    pub total_time: Duration,
    pub status: u16,
    pub bytes: u64,
    pub termination: Termination,
    pub reason: Option<Reason>,
    pub token: Option<TokenUse>,
    pub connections: u32,
    pub retries: u32,
    pub served: bool,
    pub trace: Option<TraceId>,
    pub request_line: Vec<u8>,
}
impl AccessRecord {
    #[must_use]
    pub fn begun(client: SocketAddr, started: SystemTime) -> Self {}
    #[must_use]
    pub fn verdict(&self) -> Verdict {}
}
pub trait Observer: Send + Sync + 'static {
    fn request(&self, record: &AccessRecord);
    fn opened(&self, _open: u32) {}
    fn closed(&self, _open: u32) {}
    fn idle(&self) {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination(__private);
impl Termination {
    pub const NORMAL: Self = _;
    #[must_use]
    pub fn letters(&self) -> &str {}
}
#[derive(Debug)]
pub struct Seldom(__private);
impl Seldom {
    #[must_use]
    pub const fn new() -> Self {}
    pub fn say(&self, say: impl FnOnce(&str)) {}
}
impl Default for Seldom {}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Retire,
    Drain,
    Now,
}
pub fn stopped_by<S, A>(
    source: S,
    next: impl Fn(&S) -> Option<A> + Send + 'static,
    mut decide: impl FnMut(A) -> Option<Stop> + Send + 'static,
) -> io::Result<watch::Receiver<Option<Stop>>>
where
    S: AsRawFd + Send + Sync + 'static,
{}
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(__private);
impl fmt::Display for TraceId {}
impl fmt::Debug for TraceId {}
pub mod reexports {
    pub use nsgate_config;
    pub use tokio::io::AsyncRead;
    pub use tokio::io::AsyncWrite;
    pub use tokio::io::ReadBuf;
    pub use tokio::net::TcpListener;
    pub use tokio::net::TcpStream;
    pub use tokio::sync::Semaphore;
    pub use tokio::sync::watch;
}
