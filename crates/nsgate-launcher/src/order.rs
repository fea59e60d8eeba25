//! The order of the drop. [`launch`] is the list; it reads top to bottom, and each step is a function that asks the
//! kernel whether it took.

use crate::{
    AuditOutput, LaunchError, LogSocket, Readiness, Replace, accounts, audit_output,
    daemon::{self, Starter},
    descriptors,
    endpoint::{self, Endpoint, Purpose},
    lender,
    listeners::{self, Bound, Manner},
    log_file::LogFile,
    log_socket,
    look_up::look_up,
    manager::{self, Keeping},
    namespace,
    pid_file::PidFile,
    pinned::{self, Pinned},
    reader::{self, Reader},
    signals,
    source::Source,
    standing::{self, Given},
    supervisor,
};
use nix::unistd::Gid;
use nsgate_config::{
    self as config, AbsolutePath, Backend, Config, Guards, HostConfig, Listener, Pool, PoolConfig, Process,
    SandboxLevel, Server,
};
use nsgate_sandbox::{
    Confined, GivenRoot, Ids, Link, Policy, Root, Sandbox, SmallRoot,
    given_root::{self, Opening},
    namespaces::{self, Lender},
    small_root,
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroU8,
    os::fd::{OwnedFd, RawFd},
    path::{Path, PathBuf},
};

/// Whether the starter leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It exits once the gate serves.
    Daemon,
    /// It stays as the gate's supervisor.
    Foreground,
}

/// How to launch, beside what the configuration says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the starter leaves.
    pub mode: Mode,
    /// Gates that end once this one serves.
    pub replace: Vec<Replace>,
    /// Bytes of address space for the gate (RLIMIT_AS).
    pub address_space: Option<u64>,
    /// Called in the supervisor when the gate serves.
    pub on_ready: Option<fn()>,
    /// The gate's standard error is appended to this file.
    pub log_file: Option<config::LogFile>,
    /// Told to whoever answers at a worker's socket, once the new one has taken its place. Without it a socket at which
    /// somebody answers is an error.
    pub farewell: Option<Vec<u8>>,
    /// Descriptors that a service manager has passed, from 3 on without a gap, and their names (sd_listen_fds(3)). Only a
    /// pool's worker has a use for them.
    pub passed: Vec<(RawFd, String)>,
}

impl Options {
    /// A process that leaves, or stays, and nothing else.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            replace: Vec::new(),
            address_space: None,
            on_ready: None,
            log_file: None,
            farewell: None,
            passed: Vec::new(),
        }
    }
}

/// Which process this is, and what it has to do.
#[derive(Debug)]
pub enum Launched<T> {
    /// The starter or the supervisor: done. Exit with this status.
    Finished(u8),
    /// The gate: serve.
    Gate(Box<Running<T>>),
}

/// Everything a confined gate holds. Made by a completed confinement and by nothing else.
#[derive(Debug)]
pub struct Running<T> {
    /// What `prepare` made.
    pub prepared: T,
    /// The listeners, non-blocking.
    pub listeners: Vec<TcpListener>,
    /// What was bound, in the same order.
    pub listening: Vec<Listener>,
    /// The agents' sockets, in the order of the configuration; a host's proxy has none.
    pub agents: Vec<Agent>,
    /// The sockets that a pool's worker is reached at: for handovers and, if asked for, for metrics.
    pub endpoints: Vec<OwnedFd>,
    /// What a service manager has kept for a pool's worker: names and descriptors, which nobody has judged yet.
    pub passed: Vec<(String, OwnedFd)>,
    /// The service manager, if it keeps anything.
    pub keeping: Option<Keeping>,
    /// Who may hand over beside root: the number of the group.
    pub handover_gid: Option<u32>,
    /// The pool's socket, as a keeper sees it.
    pub pool: Option<PathBuf>,
    /// Who reads the configuration of a host's proxy anew.
    pub reader: Option<Reader>,
    /// The one destination of a host's proxy.
    pub server: Option<SocketAddr>,
    /// The system log.
    pub log: LogSocket,
    /// Where the audit's events go, if there is one.
    pub audit: Option<AuditOutput>,
    /// This process's id as the host sees it.
    pub host_pid: i32,
    /// The proof.
    pub confined: Confined,
    /// What could not be done and was not required.
    pub warnings: Vec<String>,
    /// Tells the starter.
    pub readiness: Readiness,
}

/// An agent's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// As this process sees it.
    pub path: PathBuf,
    /// Who the agent must be.
    pub owner: Option<u32>,
}

/// Names in the small root of a backend's directory, and of the agent's socket in it. A worker has several.
const BACKENDS: [(&str, &str); 8] = [
    ("backend", "agent"),
    ("backend2", "agent2"),
    ("backend3", "agent3"),
    ("backend4", "agent4"),
    ("backend5", "agent5"),
    ("backend6", "agent6"),
    ("backend7", "agent7"),
    ("backend8", "agent8"),
];
/// Names in the small root of the directory of the pool's socket, and of the socket in it.
const WORKER: &str = "worker";
const POOL: &str = "pool";
/// Names in the small root of the system log's directory, and of the log's socket in it.
const LOG: &str = "log";
const SYSLOG: &str = "syslog";
/// Descriptors of a gate beside two for each connection.
const FIXED_DESCRIPTORS: u64 = 64;
/// Descriptors of a worker for each network: the connection that handed it over, and two listeners as a rule.
const DESCRIPTORS_OF_A_NETWORK: u64 = 3;

/// Makes a gate of this process, which should be root, have one thread and be good for nothing else: in the process
/// that returns [`Launched::Gate`] every privilege is gone.
///
/// `prepare` runs between the last privilege and the filter, for what takes system calls that serving does not.
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch<T>(
    config: &Config,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let Config { gate, process } = config;
    let descriptors = for_connections(gate.limits.connections);
    let plan = Plan::new(process, &gate.listeners, descriptors, Kind::Gate(&gate.backend)).hop_limit(&gate.guards);
    start(&plan, options, prepare)
}

/// The same for the proxy of a whole host, whose target is a TCP port: its small root shows no agent, and Landlock lets
/// that port pass. Beside it a second process is started, which reads `file` anew when it is asked.
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch_host<T>(
    config: &HostConfig,
    file: &Path,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let HostConfig { proxy, process } = config;
    let descriptors = for_connections(proxy.limits.connections);
    let plan =
        Plan::new(process, &proxy.listeners, descriptors, Kind::Host(&proxy.server, file)).hop_limit(&proxy.guards);
    start(&plan, options, prepare)
}

/// The same for a keeper: a gate whose network a pool's worker serves. Its small root shows the directory of the pool's
/// socket as well.
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch_keeper<T>(
    config: &Config,
    pool: &AbsolutePath,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let Config { gate, process } = config;
    let descriptors = for_connections(gate.limits.connections);
    let plan =
        Plan::new(process, &gate.listeners, descriptors, Kind::Keeper(&gate.backend, pool)).hop_limit(&gate.guards);
    start(&plan, options, prepare)
}

/// The same for a courier: it hands a network over to a pool that keeps it, and is gone.
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch_courier<T>(
    config: &Config,
    pool: &AbsolutePath,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let Config { gate, process } = config;
    let plan = Plan::new(process, &gate.listeners, FIXED_DESCRIPTORS, Kind::Courier(&gate.backend, pool));
    start(&plan.hop_limit(&gate.guards), options, prepare)
}

/// The same for a pool's worker, which binds no address: it is handed listeners at a UNIX socket. Where there is more
/// than one, it is their zygote ([`crate::raise`]).
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch_worker<T>(
    config: &PoolConfig,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let PoolConfig { pool, process } = config;
    let descriptors = for_connections(pool.connections) + u64::from(pool.networks) * DESCRIPTORS_OF_A_NETWORK;
    start(&Plan::new(process, &[], descriptors, Kind::Worker(pool)), options, prepare)
}

/// Descriptors of a process that holds so many guests: each, and its connection to the agent.
fn for_connections(connections: u32) -> u64 {
    u64::from(connections) * 2 + FIXED_DESCRIPTORS
}

/// What the steps need to know of a configuration.
#[derive(Clone, Copy)]
struct Plan<'a> {
    process: &'a Process,
    listeners: &'a [Listener],
    descriptors: u64,
    kind: Kind<'a>,
    hop_limit: Option<NonZeroU8>,
}

impl<'a> Plan<'a> {
    fn new(process: &'a Process, listeners: &'a [Listener], descriptors: u64, kind: Kind<'a>) -> Self {
        Self { process, listeners, descriptors, kind, hop_limit: None }
    }

    fn hop_limit(self, guards: &Guards) -> Self {
        Self { hop_limit: guards.hop_limit, ..self }
    }
}

/// What the process will be, and so what it may reach.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// One network's proxy: the agent.
    Gate(&'a Backend),
    /// A whole host's: one TCP port, and a reader of its configuration.
    Host(&'a Server, &'a Path),
    /// One network's keeper: the agent and the pool.
    Keeper(&'a Backend, &'a AbsolutePath),
    /// One network on its way into a pool that keeps it: the pool.
    Courier(&'a Backend, &'a AbsolutePath),
    /// A pool's worker: the agents.
    Worker(&'a Pool),
}

impl<'a> Kind<'a> {
    fn backends(self) -> &'a [Backend] {
        match self {
            Self::Gate(backend) | Self::Keeper(backend, _) | Self::Courier(backend, _) => std::slice::from_ref(backend),
            Self::Host(..) => &[],
            Self::Worker(pool) => &pool.backends,
        }
    }

    fn policy(self, descriptors: u64) -> Policy {
        match self {
            Self::Gate(_) => Policy::gate(descriptors),
            Self::Host(server, _) => Policy::host_proxy(descriptors, server.port.get()),
            Self::Keeper(..) => Policy::keeper(descriptors),
            Self::Courier(..) => Policy::courier(descriptors),
            Self::Worker(pool) if pool.workers > 1 => Policy::zygote(descriptors),
            Self::Worker(_) => Policy::worker(descriptors),
        }
    }
}

fn start<T>(
    plan: &Plan<'_>,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let process = plan.process;
    // 1. Nothing of the caller's: descriptors, umask, core dumps, environment, signals.
    let audit = process.audit.as_ref();
    let (most, directory) = (manager::most(), standing::directory());
    let count = u32::try_from(options.passed.len()).unwrap_or(u32::MAX);
    let given = descriptors::start_clean(audit_output::wanted(audit), count)?;
    let mut passed = manager::take(&options.passed);
    // 2. Names become numbers, once. A worker may be started without a privilege: it proves then what it does not give up.
    let ids = accounts::resolve(process)?;
    let without = match plan.kind {
        Kind::Worker(_) => standing::of(process, &ids, directory)?,
        _ => None,
    };
    let owners: Vec<Option<u32>> = plan.kind.backends().iter().map(accounts::owner).collect::<Result<_, _>>()?;
    let handover_gid = match plan.kind {
        Kind::Worker(pool) => pool.group.as_ref().map(accounts::group).transpose()?,
        _ => None,
    };
    // 3. Paths become descriptors, once.
    let backends: Vec<Pinned> =
        plan.kind.backends().iter().map(|agent| pinned::backend(agent.path(), &ids)).collect::<Result<_, _>>()?;
    let pool = match plan.kind {
        Kind::Keeper(_, path) | Kind::Courier(_, path) => Some(pinned::backend(path, &ids)?),
        _ => None,
    };
    let (source, server) = match plan.kind {
        Kind::Host(server, file) => (Some(Source::pin(file, &ids)?), Some(look_up(server, &ids)?)),
        _ => (None, None),
    };
    let pid_file = process.pid_file.as_ref().map(|path| PidFile::pin(path, &ids)).transpose()?;
    let log_file = options.log_file.as_ref().map(|log| LogFile::pin(&log.path, &ids)).transpose()?;
    let (log, log_directory, mut warnings) = log_socket::open(log_socket::wanted(process).as_ref(), &ids);
    warnings.extend(source.as_ref().and_then(|source| source.unreadable(&ids)));
    let audit = audit_output::open_output(audit, given, options.mode, &ids)?;
    // 4. Into the namespace, and listen there.
    namespace::enter(process.netns.as_ref())?;
    let join = !options.replace.is_empty();
    let manner = Manner { freebind: process.freebind, join, hop_limit: plan.hop_limit };
    let (bound, unbound) = listeners::bind(plan.listeners, manner)?;
    warnings.extend(unbound);
    let sockets = match plan.kind {
        Kind::Worker(pool) if without.is_some() => Sockets::passed(pool, handover_gid, &mut passed, &mut warnings)?,
        Kind::Worker(pool) => Sockets::bind(pool, handover_gid, options, &ids, &mut passed, &mut warnings)?,
        _ => Sockets::default(),
    };
    manager::close_unused(&mut passed, &mut warnings);
    let keeping = match plan.kind {
        Kind::Worker(_) => manager::connect(most, &mut warnings),
        _ => None,
    };
    // Asked for here: in a PID namespace of its own a process cannot be told who others are.
    let lender = pool.as_ref().and_then(lender::at);
    // 5. A process of its own, the first of its PID namespace. The starter waits.
    let has_none = without.is_some();
    let forked = separate(has_none);
    let (starter, readiness, child) = match forked {
        Ok(forked) => forked,
        Err(error) => {
            sockets.withdraw();
            return Err(error);
        }
    };
    let Some(child) = child else {
        // From here on this is the gate. Its errors travel to the starter, who prints them.
        drop(starter);
        let steps = Steps {
            plan: *plan,
            options,
            ids,
            without,
            backends,
            owners,
            lender,
            pool,
            source,
            server,
            pid_file,
            log_file,
            log,
            log_directory,
            audit,
            bound,
            endpoints: sockets.listening,
            passed,
            keeping,
            handover_gid: handover_gid.map(Gid::as_raw),
            warnings,
        };
        return Ok(steps.take(readiness, prepare));
    };
    drop((readiness, bound, backends, pool, source, log_file, log, log_directory, audit, sockets.listening));
    drop((passed, keeping, without, lender));
    wait(starter, child, pid_file, &sockets.waiting, options, &ids, has_none)
}

/// A child in a PID namespace of its own (`None` in the child), and a pipe to it. Without privileges it stays in the one
/// that the service manager gave.
fn separate(has_none: bool) -> Result<(Starter, Readiness, Option<daemon::Child>), LaunchError> {
    signals::block()?;
    let (starter, readiness) = daemon::channel()?;
    if !has_none {
        namespaces::separate_pid()?;
    }
    Ok((starter, readiness, daemon::fork()?))
}

/// A worker's sockets, before they take their places.
#[derive(Default)]
struct Sockets {
    waiting: Vec<Endpoint>,
    listening: Vec<OwnedFd>,
}

impl Sockets {
    fn bind(
        pool: &Pool,
        gid: Option<Gid>,
        options: &Options,
        ids: &Ids,
        passed: &mut Vec<(String, OwnedFd)>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, LaunchError> {
        let mut sockets = Self::default();
        let replace = options.farewell.is_some();
        for (path, purpose) in Self::of(pool, gid) {
            // A socket that the service manager has bound stays where it is, also when this worker ends.
            if let Some(listening) = manager::bound(passed, path, purpose, warnings) {
                sockets.listening.push(listening);
                continue;
            }
            match Endpoint::bind(path, purpose, replace, ids) {
                Ok((waiting, listening)) => {
                    sockets.waiting.push(waiting);
                    sockets.listening.push(listening);
                }
                Err(error) => {
                    sockets.withdraw();
                    return Err(unused(warnings, error));
                }
            }
        }
        Ok(sockets)
    }

    /// Those that the service manager has bound, and no others.
    fn passed(
        pool: &Pool,
        gid: Option<Gid>,
        passed: &mut Vec<(String, OwnedFd)>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, LaunchError> {
        let mut sockets = Self::default();
        for (path, purpose) in Self::of(pool, gid) {
            let bound = manager::bound(passed, path, purpose, warnings);
            let missing = || unused(warnings, endpoint::not_passed(path, purpose));
            sockets.listening.push(bound.ok_or_else(missing)?);
        }
        Ok(sockets)
    }

    /// Where they are, and what for.
    fn of(pool: &Pool, gid: Option<Gid>) -> impl Iterator<Item = (&AbsolutePath, Purpose)> {
        let metrics = pool.metrics.as_ref().map(|path| (path, Purpose::Metrics));
        std::iter::once((&pool.socket, Purpose::Handover(gid))).chain(metrics)
    }

    fn withdraw(&self) {
        self.waiting.iter().for_each(Endpoint::withdraw);
    }
}

/// What was passed under a socket's name and is not used says more than that there is none.
fn unused(warnings: &[String], error: LaunchError) -> LaunchError {
    let passed = warnings.iter().find(|warning| warning.contains("passed as"));
    passed.map_or(error, |warning| LaunchError::Gate(warning.clone()))
}

/// The root that a gate stands in: of its own making, or the service manager's.
enum Standing {
    Made(SmallRoot),
    Given(GivenRoot),
}

impl Standing {
    fn root(&self) -> Root<'_> {
        match self {
            Self::Made(root) => Root::Small(root),
            Self::Given(root) => Root::Given(root),
        }
    }
}

/// What the starter carries over into the gate.
struct Steps<'a> {
    plan: Plan<'a>,
    options: &'a Options,
    ids: Ids,
    without: Option<Given>,
    backends: Vec<Pinned>,
    owners: Vec<Option<u32>>,
    lender: Option<Lender>,
    pool: Option<Pinned>,
    source: Option<Source>,
    server: Option<SocketAddr>,
    pid_file: Option<PidFile>,
    log_file: Option<LogFile>,
    log: LogSocket,
    log_directory: Option<Pinned>,
    audit: Option<AuditOutput>,
    bound: Vec<Bound>,
    endpoints: Vec<OwnedFd>,
    passed: Vec<(String, OwnedFd)>,
    keeping: Option<Keeping>,
    handover_gid: Option<u32>,
    warnings: Vec<String>,
}

impl Steps<'_> {
    /// The gate's half. An error goes to the starter, on a copy of the pipe that is closed if there is none.
    fn take<T>(self, readiness: Readiness, prepare: impl FnOnce() -> io::Result<T>) -> Launched<T> {
        let reporter = readiness.copy();
        match reporter {
            Ok(reporter) => match self.confine(readiness, prepare) {
                Ok(running) => Launched::Gate(Box::new(running)),
                Err(error) => {
                    reporter.fail(&error.to_string());
                    Launched::Finished(1)
                }
            },
            Err(error) => {
                readiness.fail(&error.to_string());
                Launched::Finished(1)
            }
        }
    }

    fn confine<T>(
        self,
        mut readiness: Readiness,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<Running<T>, LaunchError> {
        let foreground = self.options.mode == Mode::Foreground;
        daemon::detach(foreground)?;
        if self.without.is_none() {
            namespaces::assert_first()?;
        }
        let host_pid = daemon::host_pid()?;
        // 6. Mount, IPC and UTS namespaces; a root that shows the backend's directory. Where a service manager has made them
        // for a process without privileges: the same names in its own directory, and proof that the rest is small.
        let top = Path::new(if self.without.is_some() { "" } else { "/" });
        let (mut shown, mut links, mut agents) = (Vec::new(), Vec::new(), Vec::new());
        for ((backend, owner), (window, agent)) in self.backends.iter().zip(&self.owners).zip(BACKENDS) {
            shown.push((window, backend));
            links.push(Link::new(agent, window, backend.name()));
            agents.push(Agent { path: top.join(agent), owner: *owner });
        }
        if let Some(pool) = &self.pool {
            shown.push((WORKER, pool));
            links.push(Link::new(POOL, WORKER, pool.name()));
        }
        if let Some(directory) = &self.log_directory {
            shown.push((LOG, directory));
            links.push(Link::new(SYSLOG, LOG, directory.name()));
        }
        let windows = match self.without {
            None => shown.iter().map(|(name, place)| small_root::take(name, place.directory())).collect(),
            Some(_) => Ok(Vec::new()),
        }?;
        let strict = self.plan.process.sandbox == SandboxLevel::Strict;
        // The second process of a host's proxy takes the steps that follow by itself, and has its own namespaces.
        let terms = reader::Terms { ids: self.ids, strict };
        let reader = self.source.as_ref().map(|source| reader::start(source, terms)).transpose()?;
        let policy = self.plan.kind.policy(self.plan.descriptors);
        let policy = policy.address_space(self.options.address_space).dies_with_parent(foreground).strict(strict);
        let policy = policy.appends(matches!(self.audit, Some(AuditOutput::Descriptor(_))));
        let sandbox = Sandbox::new(policy.given(self.without.is_some()))?;
        let standing = match &self.without {
            None => {
                let site = namespaces::separate_rest_from(self.lender)?;
                Standing::Made(small_root::enter_at(&site, windows, &links)?)
            }
            Some(place) => {
                let openings: Vec<Opening<'_>> =
                    shown.iter().map(|(name, place)| Opening::new(name, place.above(), place.directory())).collect();
                Standing::Given(given_root::look(place.directory(), &openings, &links)?)
            }
        };
        // 7. The log file and the pid file, through the directories that were pinned.
        if let Some(file) = &self.log_file {
            file.take(&self.ids)?;
        }
        if let (Some(file), false) = (&self.pid_file, foreground) {
            readiness.created(file.write(host_pid)?);
        }
        drop((self.pid_file, self.log_file));
        // 8. Groups, ids, capabilities, no_new_privs, resource limits.
        let sandbox = sandbox.drop_privileges(&self.ids)?;
        let prepared = prepare().map_err(LaunchError::Prepare)?;
        lender::answer_for(&self.endpoints, endpoint::QUEUE);
        let reconnect = self.log_directory.is_some().then(|| top.join(SYSLOG));
        let pool = self.pool.is_some().then(|| top.join(POOL));
        drop((self.backends, self.pool, self.source, self.log_directory, self.without));
        // 9. Landlock. 10. Seccomp. 11. Everything is read back.
        let sandbox = sandbox.restrict_files(standing.root())?;
        drop(standing);
        let confined = sandbox.filter_syscalls()?;
        let (listening, listeners) = self.bound.into_iter().map(|bound| (bound.listener, bound.socket)).unzip();
        let (warnings, endpoints, handover_gid) = (self.warnings, self.endpoints, self.handover_gid);
        let log = LogSocket { reconnect, ..self.log };
        Ok(Running {
            prepared,
            listeners,
            listening,
            agents,
            endpoints,
            passed: self.passed,
            keeping: self.keeping,
            handover_gid,
            pool,
            reader,
            server: self.server,
            log,
            audit: self.audit,
            host_pid,
            confined,
            warnings,
            readiness,
        })
    }
}

/// The starter's half: waits for the gate's word and passes it on, or cleans up after a gate that failed.
fn wait<T>(
    starter: Starter,
    child: daemon::Child,
    pid_file: Option<PidFile>,
    sockets: &[Endpoint],
    options: &Options,
    ids: &Ids,
    has_none: bool,
) -> Result<Launched<T>, LaunchError> {
    let foreground = options.mode == Mode::Foreground;
    let outcome = starter.listen();
    let own = match (&pid_file, foreground, &outcome.result) {
        (Some(file), true, Ok(())) => file.write(std::process::id().try_into().unwrap_or(0)).map(drop),
        _ => Ok(()),
    };
    let farewell = options.farewell.as_deref().unwrap_or_default();
    let publish = || sockets.iter().try_for_each(|socket| socket.publish(farewell));
    if let Err(error) = outcome.result.and(own).and_then(|()| publish()) {
        child.end();
        sockets.iter().for_each(Endpoint::withdraw);
        if let (Some(file), Some(created)) = (&pid_file, outcome.created) {
            file.remove(created);
        }
        return Err(error);
    }
    for gate in &options.replace {
        gate.signal();
    }
    if !foreground {
        return Ok(Launched::Finished(0));
    }
    if let Some(ready) = options.on_ready {
        ready();
    }
    drop(pid_file);
    supervisor::watch(child, ids, has_none).map(Launched::Finished)
}
