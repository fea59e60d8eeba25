//! The order of the drop. [`launch`] is the list; it reads top to bottom, and each step is a function that asks the
//! kernel whether it took.

use crate::{
    AuditOutput, LaunchError, LogSocket, Output, Readiness,
    accounts::{self, Accounts},
    audit_output, counter_page,
    daemon::{self, Starter},
    descriptors, endpoint,
    endpoints::Endpoints,
    lender,
    listeners::{self, Bound, Manner},
    log_file::LogFile,
    log_socket,
    look_up::look_up,
    manager::{self, Keeping, Watchdog},
    namespace,
    options::{Mode, Options},
    output,
    paths::{self, Paths},
    pid_file::PidFile,
    pinned::Pinned,
    plan::{Kind, Plan},
    preloaded, reader,
    running::{Agent, Launched, Running},
    secret,
    signals::{self, Signals},
    source::Source,
    standing::{self, Given},
    starter::{self, Left},
    succession::Succession,
    trust::Trust,
    turn::Turn,
};
use nix::unistd::Gid;
use nsgate_config::{AbsolutePath, Config, HostConfig, PoolConfig, Process, SandboxLevel};
use nsgate_sandbox::{
    GivenRoot, Ids, Link, Origin, Root, Sandbox, SmallRoot, Window,
    given_root::{self, Opening},
    namespaces::{self, Lender},
    raise_descriptors, small_root,
};
use std::{
    io::{self, Stderr},
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    path::Path,
};

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
/// Names in the small root of the system log's directory, and of the log's socket in it. The directory may hold more than a
/// log (`/dev`), so its name is long: no address that the filter lets pass (fewer than 16 bytes, of which 2 are the family
/// and one is a NUL) names anything in it, but by way of the short one.
const LOG: &str = "log-directory";
const SYSLOG: &str = "syslog";
const _: () = assert!(LOG.len() + "/".len() >= 16 - 2 && SYSLOG.len() < 16 - 2);

/// Makes a gate of this process, which should be root, have one thread and be good for nothing else: in the process
/// that returns [`Launched::Gate`] every privilege is gone.
///
/// `prepare` runs between the last privilege and the filter, for what takes system calls that serving does not.
///
/// Signals that would end a process are blocked from here on: the server hears them by [`Running::signals`], and ends.
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch<T>(
    config: &Config,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    start(&Plan::gate(config), options, prepare)
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
    start(&Plan::host(config, file), options, prepare)
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
    start(&Plan::keeper(config, pool), options, prepare)
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
    start(&Plan::courier(config, pool), options, prepare)
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
    start(&Plan::worker(config), options, prepare)
}

fn start<T>(
    plan: &Plan<'_>,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let process = plan.process;
    // 1. Nothing of the caller's: descriptors, umask, core dumps, environment, signals.
    let audit = process.audit.as_ref();
    let preloaded = preloaded::look()?;
    let (offered, directory) = (manager::offered(), standing::directory());
    let count = u32::try_from(options.passed.len()).unwrap_or(u32::MAX);
    let given = descriptors::start_clean(audit_output::wanted(audit), count)?;
    let mut passed = manager::take(&options.passed);
    // 2. Names become numbers, once. A worker may be started without a privilege: it proves then what it does not give up.
    let handover = match plan.kind {
        Kind::Worker(pool) => pool.group.as_ref(),
        _ => None,
    };
    let Accounts { ids, owners, handover: handover_gid } = accounts::all(process, plan.kind.backends(), handover)?;
    let without = match plan.kind {
        Kind::Worker(_) => standing::of(process, &ids, directory)?,
        _ => None,
    };
    // 3. Paths become descriptors, once.
    let trust = paths::trust(&ids, options)?;
    let Paths { backends, pool, source, pid_file, log_file, mut warnings, .. } =
        Paths::pin(plan, options, &trust, &owners)?;
    let server = match plan.kind {
        Kind::Host(server, _) => Some(look_up(server, &ids)?),
        _ => None,
    };
    let log_socket::Found { socket: log, directory: log_directory, window: log_window, warnings: unlogged } =
        log_socket::open(log_socket::wanted(process).as_ref(), &trust, without.is_some(), LOG);
    warnings.extend(unlogged);
    warnings.extend(preloaded);
    let audit = audit_output::open_output(audit, given, options.mode, &trust)?;
    // In the background there will be none, and with a log it is for last words.
    let mut unsaid = Vec::new();
    let speaks = process.log.is_none() && options.log_file.is_none();
    let standard_error = match options.mode {
        Mode::Foreground => {
            output::append_to_files();
            Output::of_standard_error(if speaks { &mut warnings } else { &mut unsaid })
        }
        Mode::Daemon => Output::kept(),
    };
    let origin = Origin::here();
    // 4. Into the namespace, and listen there.
    namespace::enter(process.netns.as_ref())?;
    let join = !options.replace.is_empty();
    let manner = Manner { freebind: process.freebind, join, hop_limit: plan.hop_limit };
    let turn = if plan.listeners.is_empty() { None } else { Turn::wait(plan.mark) };
    let mut succession = Succession::of(plan.mark);
    let (bound, unbound) = listeners::bind(plan.listeners, manner, &mut succession)?;
    warnings.extend(unbound);
    let sockets = match plan.kind {
        Kind::Worker(pool) if without.is_some() => Endpoints::passed(pool, handover_gid, &mut passed, &mut warnings)?,
        Kind::Worker(pool) => Endpoints::bind(pool, handover_gid, options, &trust, &mut passed, &mut warnings)?,
        _ => Endpoints::default(),
    };
    manager::close_unused(&mut passed, &mut warnings);
    let (keeping, watchdog) = match plan.kind {
        Kind::Worker(_) => manager::connect(offered, &mut warnings),
        _ => (None, None),
    };
    let secret = secret::offered(options.secret, offered, &mut passed, &mut warnings)?;
    if !matches!(plan.kind, Kind::Worker(_)) {
        manager::close_all(&mut passed, &mut warnings);
    }
    // Asked for here: in a PID namespace of its own a process cannot be told who others are.
    let lender = pool.as_ref().and_then(lender::at);
    if has_no_log(process, options, &log) {
        warnings.iter().for_each(|warning| options.unheard.iter().for_each(|say| say(warning)));
    }
    // 5. A process of its own, the first of its PID namespace. The starter waits.
    let has_none = without.is_some();
    let forked = separate(has_none);
    let (word, readiness, child) = match forked {
        Ok(forked) => forked,
        Err(error) => {
            sockets.withdraw();
            return Err(error);
        }
    };
    let Some(child) = child else {
        // From here on this is the gate. Its errors travel to the starter, who prints them.
        drop((word, turn, succession, sockets.waiting));
        let steps = Steps {
            plan: *plan,
            options,
            ids,
            trust,
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
            log_window,
            origin,
            standard_error,
            audit,
            bound,
            endpoints: sockets.listening,
            passed,
            keeping,
            watchdog,
            secret,
            handover_gid: handover_gid.map(Gid::as_raw),
            warnings,
        };
        return Ok(steps.take(readiness, prepare));
    };
    drop((readiness, bound, backends, pool, source, log_file, audit, sockets.listening));
    drop((log, log_directory, log_window));
    drop((passed, keeping, watchdog, secret, without, lender, standard_error));
    let left = Left { role: plan.kind.role(), succession, turn, pid_file, sockets: sockets.waiting };
    starter::wait(word, child, left, options, &ids, has_none)
}

/// Whether what the gate writes is lost, at its start at least: it has no log, and in the background no standard error.
fn has_no_log(process: &Process, options: &Options, log: &LogSocket) -> bool {
    match (&options.log_file, &process.log) {
        (Some(_), _) => false,
        (None, Some(_)) => !log.connected,
        (None, None) => options.mode == Mode::Daemon,
    }
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
    trust: Trust,
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
    log_window: Option<Window>,
    origin: Origin,
    standard_error: Output<Stderr>,
    audit: Option<AuditOutput>,
    bound: Vec<Bound>,
    endpoints: Vec<OwnedFd>,
    passed: Vec<(String, OwnedFd)>,
    keeping: Option<Keeping>,
    watchdog: Option<Watchdog>,
    secret: Option<OwnedFd>,
    handover_gid: Option<u32>,
    warnings: Vec<String>,
}

impl Steps<'_> {
    /// The gate's half. An error goes to the starter, on a copy of the pipe that is closed if there is none.
    fn take<T>(self, readiness: Readiness, prepare: impl FnOnce() -> io::Result<T>) -> Launched<T> {
        let reporter = readiness.copy();
        match reporter {
            Ok(reporter) => match self.confine(readiness, reporter.number(), prepare) {
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

    /// Descriptors that the gate keeps of what was opened before the fork.
    fn held(&self) -> impl Iterator<Item = RawFd> + '_ {
        let listeners = self.bound.iter().map(|bound| bound.socket.as_raw_fd());
        let given = self.endpoints.iter().chain(self.passed.iter().map(|(_, passed)| passed));
        let manager = self.keeping.iter().map(|keeping| keeping.socket.as_raw_fd());
        let manager = manager.chain(self.watchdog.iter().map(Watchdog::number));
        let log = self.log.socket.iter().map(AsRawFd::as_raw_fd);
        let audit = self.audit.iter().filter_map(AuditOutput::number);
        listeners.chain(given.map(AsRawFd::as_raw_fd)).chain(manager).chain(log).chain(audit)
    }

    fn confine<T>(
        self,
        mut readiness: Readiness,
        reporter: RawFd,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<Running<T>, LaunchError> {
        let foreground = self.options.mode == Mode::Foreground;
        let mut held: Vec<RawFd> = self.held().collect();
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
        let taken = shown.iter().filter(|(name, _)| *name != LOG && self.without.is_none());
        let taken = taken.map(|(name, place)| small_root::take(name, place.directory()));
        let windows: Vec<Window> = self.log_window.into_iter().map(Ok).chain(taken).collect::<Result<_, _>>()?;
        let strict = self.plan.process.sandbox == SandboxLevel::Strict;
        // The second process of a host's proxy takes the steps that follow by itself, and has its own namespaces.
        let terms = |source: &Source| {
            let origin = self.origin.clone().and_configuration(source.place().path());
            reader::Terms { trust: self.trust.clone(), strict, origin }
        };
        let reader = self.source.as_ref().map(|source| reader::start(source, terms(source))).transpose()?;
        // Behind the fork: the reader has no part in it. Before the limit on files, of which the kernel calls this one.
        let (counters, uncounted) = counter_page::of(self.plan.kind);
        let policy = self.plan.kind.policy(raise_descriptors(self.plan.descriptors)?);
        let policy = policy.address_space(self.options.address_space).dies_with_parent(foreground).strict(strict);
        let policy = policy.appends(matches!(self.audit, Some(AuditOutput::Descriptor(_))));
        let sandbox = Sandbox::new(policy.given(self.without.is_some()))?;
        let standing = match &self.without {
            None => {
                let site = namespaces::separate_rest_from(self.lender)?;
                let origin = shown.iter().fold(self.origin, |origin, (window, place)| origin.and(window, place.path()));
                let name = origin.named(&self.plan.mark.to_string());
                Standing::Made(small_root::enter_named(&site, &name, windows, &links)?)
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
        let mut sandbox = sandbox.drop_privileges(&self.ids)?;
        let before = sandbox.open_descriptors()?;
        let prepared = prepare().map_err(LaunchError::Prepare)?;
        let signals = Signals::listen().map_err(|source| LaunchError::Daemon { call: "signalfd", source })?;
        held.extend(sandbox.open_descriptors()?.into_iter().filter(|made| !before.contains(made)));
        held.extend([readiness.number(), reporter]);
        held.extend(reader.iter().flat_map(|reader| [&reader.ask, &reader.answer]).map(AsRawFd::as_raw_fd));
        let secret = self.secret.as_ref().map(secret::read).transpose().map_err(LaunchError::Prepare)?;
        drop(self.secret);
        lender::answer_for(&self.endpoints, endpoint::QUEUE);
        let reconnect = self.log_directory.is_some().then(|| top.join(SYSLOG));
        let pool = self.pool.is_some().then(|| top.join(POOL));
        drop((self.backends, self.pool, self.source, self.log_directory, self.without));
        // 9. Landlock. 10. Seccomp. 11. Everything is read back.
        let mut sandbox = sandbox.restrict_files(standing.root())?;
        drop(standing);
        let shared: Vec<usize> = counters.iter().map(|page| page.as_ptr().addr()).collect();
        sandbox.holds_only(&held, &shared)?;
        let confined = sandbox.filter_syscalls()?;
        let (listening, listeners) = self.bound.into_iter().map(|bound| (bound.listener, bound.socket)).unzip();
        let (mut warnings, endpoints, handover_gid) = (self.warnings, self.endpoints, self.handover_gid);
        warnings.extend(uncounted);
        let log = LogSocket { reconnect, ..self.log };
        Ok(Running {
            prepared,
            listeners,
            listening,
            agents,
            endpoints,
            passed: self.passed,
            keeping: self.keeping,
            watchdog: self.watchdog,
            secret,
            handover_gid,
            pool,
            reader,
            server: self.server,
            log,
            counters,
            standard_error: if self.options.log_file.is_some() { Output::kept() } else { self.standard_error },
            audit: self.audit,
            signals,
            host_pid,
            confined,
            warnings,
            readiness,
        })
    }
}
