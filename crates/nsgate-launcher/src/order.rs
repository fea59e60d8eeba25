//! The order of the drop. [`launch`] is the list; it reads top to bottom, and each step is a function that asks the
//! kernel whether it took.

use crate::{
    LaunchError, LogSocket, Readiness, Replace, accounts,
    daemon::{self, Starter},
    descriptors,
    listeners::{self, Bound},
    log_file::LogFile,
    log_socket, namespace,
    pid_file::PidFile,
    pinned::{self, Pinned},
    signals, supervisor,
};
use nsgate_config::{self as config, Backend, Config, HostConfig, Listener, Process, SandboxLevel};
use nsgate_sandbox::{Confined, Ids, Link, Policy, Root, Sandbox, namespaces, small_root};
use std::{io, net::TcpListener, path::PathBuf};

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
    /// The agent's socket, as this process sees it; a host's proxy has none.
    pub backend: Option<PathBuf>,
    /// Who the agent must be.
    pub backend_uid: Option<u32>,
    /// The system log.
    pub log: LogSocket,
    /// This process's id as the host sees it.
    pub host_pid: i32,
    /// The proof.
    pub confined: Confined,
    /// What could not be done and was not required.
    pub warnings: Vec<String>,
    /// Tells the starter.
    pub readiness: Readiness,
}

/// Names in the small root of the backend's directory, and of the agent's socket in it.
const BACKEND: &str = "backend";
const AGENT: &str = "agent";
/// Names in the small root of the system log's directory, and of the log's socket in it.
const LOG: &str = "log";
const SYSLOG: &str = "syslog";
/// Descriptors of a gate beside two for each connection.
const FIXED_DESCRIPTORS: u64 = 64;

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
    let (listeners, connections) = (gate.listeners.as_slice(), gate.limits.connections);
    start(&Plan { process, listeners, connections, target: Target::Agent(&gate.backend) }, options, prepare)
}

/// The same for the proxy of a whole host, whose target is a TCP port: its small root shows no agent, and Landlock lets
/// that port pass.
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch_host<T>(
    config: &HostConfig,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let HostConfig { proxy, process } = config;
    let (listeners, connections) = (proxy.listeners.as_slice(), proxy.limits.connections);
    start(&Plan { process, listeners, connections, target: Target::Port(proxy.server.port.get()) }, options, prepare)
}

/// What the steps need to know of a configuration.
#[derive(Clone, Copy)]
struct Plan<'a> {
    process: &'a Process,
    listeners: &'a [Listener],
    connections: u32,
    target: Target<'a>,
}

/// Where requests go.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// To a UNIX socket.
    Agent(&'a Backend),
    /// To a TCP port.
    Port(u16),
}

fn start<T>(
    plan: &Plan<'_>,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    let process = plan.process;
    // 1. Nothing of the caller's: descriptors, umask, core dumps, environment, signals.
    descriptors::start_clean()?;
    // 2. Names become numbers, once.
    let ids = accounts::resolve(process)?;
    let agent = match plan.target {
        Target::Agent(agent) => Some(agent),
        Target::Port(_) => None,
    };
    let backend_uid = agent.map(accounts::owner).transpose()?.flatten();
    // 3. Paths become descriptors, once.
    let backend = agent.map(|agent| pinned::backend(agent.path(), &ids)).transpose()?;
    let pid_file = process.pid_file.as_ref().map(|path| PidFile::pin(path, &ids)).transpose()?;
    let log_file = options.log_file.as_ref().map(|log| LogFile::pin(&log.path, &ids)).transpose()?;
    let (log, log_directory, mut warnings) = log_socket::open(process.log.as_ref(), &ids);
    // 4. Into the namespace, and listen there.
    namespace::enter(process.netns.as_ref())?;
    let join = !options.replace.is_empty();
    let (bound, unbound) = listeners::bind(plan.listeners, process.freebind, join)?;
    warnings.extend(unbound);
    // 5. A process of its own, the first of its PID namespace. The starter waits.
    signals::block()?;
    let (starter, readiness) = daemon::channel()?;
    namespaces::separate_pid()?;
    let Some(child) = daemon::fork()? else {
        // From here on this is the gate. Its errors travel to the starter, who prints them.
        drop(starter);
        let steps = Steps {
            plan: *plan,
            options,
            ids,
            backend,
            pid_file,
            log_file,
            log,
            log_directory,
            bound,
            warnings,
            backend_uid,
        };
        return Ok(steps.take(readiness, prepare));
    };
    drop((readiness, bound, backend, log_file, log, log_directory));
    wait(starter, child, pid_file, options, &ids)
}

/// What the starter carries over into the gate.
struct Steps<'a> {
    plan: Plan<'a>,
    options: &'a Options,
    ids: Ids,
    backend: Option<Pinned>,
    pid_file: Option<PidFile>,
    log_file: Option<LogFile>,
    log: LogSocket,
    log_directory: Option<Pinned>,
    bound: Vec<Bound>,
    warnings: Vec<String>,
    backend_uid: Option<u32>,
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
        namespaces::assert_first()?;
        let host_pid = daemon::host_pid()?;
        // 6. Mount, IPC and UTS namespaces; a root that shows the backend's directory.
        let (mut windows, mut links) = (Vec::new(), Vec::new());
        if let Some(backend) = &self.backend {
            windows.push(small_root::take(BACKEND, backend.directory())?);
            links.push(Link::new(AGENT, BACKEND, backend.name()));
        }
        if let Some(directory) = &self.log_directory {
            windows.push(small_root::take(LOG, directory.directory())?);
            links.push(Link::new(SYSLOG, LOG, directory.name()));
        }
        namespaces::separate_rest()?;
        let descriptors = u64::from(self.plan.connections) * 2 + FIXED_DESCRIPTORS;
        let strict = self.plan.process.sandbox == SandboxLevel::Strict;
        let policy = match self.plan.target {
            Target::Agent(_) => Policy::gate(descriptors),
            Target::Port(port) => Policy::host_proxy(descriptors, port),
        };
        let policy = policy.address_space(self.options.address_space).dies_with_parent(foreground).strict(strict);
        let sandbox = Sandbox::new(policy)?;
        let root = small_root::enter(windows, &links)?;
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
        let backend = self.backend.is_some().then(|| PathBuf::from("/").join(AGENT));
        let reconnect = self.log_directory.is_some().then(|| PathBuf::from("/").join(SYSLOG));
        drop((self.backend, self.log_directory));
        // 9. Landlock. 10. Seccomp. 11. Everything is read back.
        let confined = sandbox.restrict_files(Root::Small(&root))?.filter_syscalls()?;
        let (listening, listeners) = self.bound.into_iter().map(|bound| (bound.listener, bound.socket)).unzip();
        let (warnings, backend_uid) = (self.warnings, self.backend_uid);
        let log = LogSocket { reconnect, ..self.log };
        Ok(Running {
            prepared,
            listeners,
            listening,
            backend,
            backend_uid,
            log,
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
    options: &Options,
    ids: &Ids,
) -> Result<Launched<T>, LaunchError> {
    let foreground = options.mode == Mode::Foreground;
    let outcome = starter.listen();
    let own = match (&pid_file, foreground, &outcome.result) {
        (Some(file), true, Ok(())) => file.write(std::process::id().try_into().unwrap_or(0)).map(drop),
        _ => Ok(()),
    };
    if let Err(error) = outcome.result.and(own) {
        child.end();
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
    supervisor::watch(child, ids).map(Launched::Finished)
}
