// What nsgate-pool offers, written by `cargo xtask api --write` from its source; a test compares. A struct with a field
// `__private` has more than is shown. A line that goes away or changes asks for the next major version.

#[cfg(feature = "worker")]
pub mod openmetrics {
    #[derive(Debug, Default)]
    pub struct Page {
        __private: (),
    }
    impl Page {
        #[must_use]
        pub fn new(common: String) -> Self {}
        pub fn family(&mut self, name: &str, kind: &str, help: &str) {}
        pub fn sample(&mut self, name: &str, labels: &str, value: impl Display) {}
        #[must_use]
        pub fn finish(mut self) -> String {}
    }
    #[derive(Clone, Debug)]
    pub struct Network {
        pub connections: u64,
        pub numbers: Numbers,
        pub tokens: bool,
        __private: (),
    }
    impl Network {
        #[must_use]
        pub fn new(
            identity: Option<&Identity>,
            role: &str,
            connections: u64,
            numbers: Numbers,
            tokens: bool,
        ) -> Self {}
        #[must_use]
        pub fn labelled(
            labels: String,
            connections: u64,
            numbers: Numbers,
            tokens: bool,
        ) -> Self {}
    }
    #[must_use]
    pub fn labels(identity: Option<&Identity>, role: &str) -> String {}
    pub fn networks(page: &mut Page, networks: &[Network]) {}
    pub type Family<'a> = (&'a str, [&'a str; 2], &'a str);
    pub fn families(page: &str) -> impl Iterator<Item = Family<'_>> {}
}
pub mod protocol {
    #[derive(Clone, Default, PartialEq, Eq)]
    pub struct Notes {
        pub asks: bool,
        pub key: Option<String>,
    }
    impl fmt::Debug for Notes {}
    impl Notes {
        #[must_use]
        pub fn of(message: &[u8]) -> Self {}
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct NetworkStatus {
        pub identity: Identity,
        pub listen: String,
        pub backend: String,
        pub age: u64,
        pub connections: u32,
        pub requests: u64,
        pub served: u64,
        pub rejected: u64,
        pub failed: u64,
        pub worker: Option<u32>,
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Reply {
        Serving { answers: bool },
        Pong,
        Refused(String),
        End(String),
        Leave,
        Network(Box<NetworkStatus>),
        Silent(SilentWorker),
        Done,
    }
    impl Reply {
        #[must_use]
        pub fn to_bytes(&self) -> Vec<u8> {}
        pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {}
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SilentWorker {
        pub number: u32,
        pub reason: String,
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Request {
        Serve(Box<Config>),
        Finish,
        Ping,
        Took,
        Holds(u64),
        List,
        Remove(Identity),
        Stores,
        Keep(Identity),
        Leave,
    }
    impl Request {
        #[must_use]
        pub fn to_bytes(&self) -> Vec<u8> {}
        #[must_use]
        pub fn serve(config: &Config, notes: &Notes) -> Vec<u8> {}
        pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {}
    }
    pub const VERSION: u32 = _;
}
pub mod record {
    pub fn blank() -> io::Result<OwnedFd> {}
    pub fn fill(
        record: OwnedFd,
        config: &Config,
        notes: &Notes,
        listeners: &[BorrowedFd<'_>],
    ) -> io::Result<OwnedFd> {}
}
#[cfg(feature = "worker")]
pub mod worker {
    pub mod metrics {
        pub async fn serve<P, F>(listener: UnixListener, page: P)
        where
            P: Fn() -> F + Clone + Send + 'static,
            F: Future<Output = String> + Send,
        {}
    }
    pub struct Dispatcher(__private);
    impl Dispatcher {
        pub fn new(
            allowed: Allowed,
            workers: Vec<OwnedFd>,
            peers: usize,
        ) -> io::Result<Self> {}
        #[must_use]
        pub fn remembering(self, memory: OwnedFd) -> Self {}
        pub async fn serve(
            self,
            handover: OwnedFd,
            metrics: Option<OwnedFd>,
            mut stop: watch::Receiver<Option<Stop>>,
        ) -> io::Result<()> {}
    }
    #[derive(Debug)]
    pub struct Manager {
        pub socket: OwnedFd,
        pub most: usize,
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Backend {
        pub path: AbsolutePath,
        pub seen: PathBuf,
        pub owner: Option<u32>,
    }
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct Settings {
        pub allowed: Allowed,
        pub backends: Vec<Backend>,
        pub networks: usize,
        pub peers: usize,
        pub connections: usize,
        pub descriptors: Option<u64>,
        pub reserved: u32,
        pub token_key: Option<TokenKey>,
        pub number: Option<u32>,
        pub lost: Lost,
    }
    impl Settings {
        #[must_use]
        pub fn new(allowed: Allowed, backends: Vec<Backend>) -> Self {}
    }
    #[derive(Clone, Copy, Debug)]
    pub struct Lost {
        pub lines: fn() -> u64,
        pub events: fn() -> u64,
    }
    impl Default for Lost {}
    pub type Observe = Box<
        dyn Fn(&Config) -> Result<Box<dyn Observer>, Invalid> + Send + Sync,
    >;
    pub struct Worker(__private, __private);
    impl Worker {
        #[must_use]
        pub fn new(settings: Settings, observe: Observe) -> Self {}
        pub fn keeping(
            self,
            manager: Option<Manager>,
            passed: Vec<(String, OwnedFd)>,
        ) -> io::Result<Self> {}
        pub async fn serve(
            self,
            handover: OwnedFd,
            metrics: Option<OwnedFd>,
            stop: watch::Receiver<Option<Stop>>,
        ) -> io::Result<()> {}
        pub async fn serve_dispatched(
            self,
            dispatcher: OwnedFd,
            stop: watch::Receiver<Option<Stop>>,
        ) -> io::Result<()> {}
    }
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    Io(io::Error),
    Refused(String),
    Odd(String),
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub networks: Vec<NetworkStatus>,
    pub silent: Vec<SilentWorker>,
}
pub fn keep(
    pool: &Path,
    identity: Identity,
    record: BorrowedFd<'_>,
    listeners: &[BorrowedFd<'_>],
) -> Result<(), AskError> {}
pub fn list(pool: &Path) -> Result<Listing, AskError> {}
pub fn remove(pool: &Path, identity: Identity) -> Result<(), AskError> {}
pub fn stores(pool: &Path) -> Result<(), AskError> {}
#[derive(Debug)]
pub struct Channel(__private);
impl Channel {
    pub fn connect(path: &Path) -> io::Result<Self> {}
}
impl AsFd for Channel {}
impl AsRawFd for Channel {}
impl From<OwnedFd> for Channel {}
pub fn check(listener: &Listener, descriptor: BorrowedFd<'_>) -> Result<(), Invalid> {}
pub fn check_hop_limit(
    listener: &Listener,
    limit: NonZeroU8,
    descriptor: BorrowedFd<'_>,
) -> Result<(), Invalid> {}
#[derive(Clone, Debug)]
pub struct Offer {
    __private: (),
}
impl Offer {
    pub fn new(config: &Config) -> Result<Self, OfferError> {}
    pub fn noted(config: &Config, notes: &Notes) -> Result<Self, OfferError> {}
    pub fn begin(
        &self,
        pool: &Path,
        listeners: &[BorrowedFd<'_>],
    ) -> Result<Offered, OfferError> {}
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    TooLong { length: usize },
    Listeners { named: usize, given: usize },
    Io(io::Error),
    Refused(String),
    Odd(String),
}
#[derive(Debug)]
pub struct Offered(__private);
impl Offered {
    pub fn wait(self, patience: Duration) -> Result<Served, OfferError> {}
    pub fn answer(self) -> Result<Served, OfferError> {}
    pub fn settled(self) -> Result<Served, Unserved> {}
}
impl AsFd for Offered {}
#[derive(Debug)]
pub struct Served {
    __private: (),
}
impl Served {
    pub fn word(&self) -> Result<Option<Word>, OfferError> {}
    pub fn finish(&self) -> io::Result<()> {}
    #[must_use]
    pub fn answers(&self) -> bool {}
    pub fn ping(&self) -> io::Result<()> {}
    pub fn take_back(self) {}
}
impl AsFd for Served {}
#[derive(Debug, thiserror::Error)]
pub struct Unserved {
    pub error: OfferError,
    __private: (),
}
impl Unserved {
    #[must_use]
    pub fn refused_by(&self) -> Option<BorrowedFd<'_>> {}
}
impl From<OfferError> for Unserved {}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Leave,
    End(String),
    Pong,
    Gone,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub gid: Option<u32>,
}
impl Allowed {
    pub fn judge(self, peer: Peer) -> Result<(), Invalid> {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    pub gid: u32,
}
impl Peer {
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {}
}
impl fmt::Display for Peer {}
#[must_use]
pub fn shard(identity: &Identity, workers: usize) -> usize {}
pub mod reexports {
    pub use nsgate_config;
    pub use nsgate_forwarder;
    pub use tokio::net::UnixListener;
    pub use tokio::sync::watch;
}
