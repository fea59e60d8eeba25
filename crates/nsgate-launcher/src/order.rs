//! The order of the drop. [`start`] is the list: it reads top to bottom, each step is a function that asks the kernel whether
//! it took, and no step asks what kind of process it is for. A kind says what it wants in its [`Plan`].

use crate::{
    LaunchError, Options,
    accounts::Accounts,
    bound::Bound,
    daemon::{self, Forked},
    gate_side::{GateProcess, GateSide},
    inherited::Inherited,
    lender,
    managed::Managed,
    namespace,
    opened::Opened,
    paths::PinnedPaths,
    plan::Plan,
    root::ProcessRoot,
    running::{Carried, Launched},
    signer::SignerBegins,
    starter, unprivileged,
};
use nsgate_config::{AbsolutePath, Config, HostConfig, MetadataAgentConfig, PoolConfig};
use nsgate_sandbox::Sandbox;
use std::{io, path::Path};

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
    Plan::without_door(config)?;
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

/// The same for an agent, the second hop: it binds no address, is reached at a UNIX socket, and Landlock lets Nova's ports pass.
/// Beside it a second process is started, the signer, before the agent gives anything up. There `signer` is called, with the rights
/// of the start: what it reads, a secret above all, no other process has ever had in its memory. A directory that is a file has
/// a reader beside it, as a host's proxy has, and the signer asks it.
///
/// # Errors
/// The first step that failed. Nothing is left behind.
pub fn launch_agent<T>(
    config: &MetadataAgentConfig,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
    signer: SignerBegins<'_>,
) -> Result<Launched<T>, LaunchError> {
    start_with(&Plan::agent(config), options, prepare, Some(signer))
}

fn start<T>(
    plan: &Plan<'_>,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
) -> Result<Launched<T>, LaunchError> {
    start_with(plan, options, prepare, None)
}

// Not a part of its caller: a keeper sleeps in that frame for as long as its network lasts, and its pages cannot be given back.
#[inline(never)]
fn start_with<T>(
    plan: &Plan<'_>,
    options: &Options,
    prepare: impl FnOnce() -> io::Result<T>,
    signer: Option<SignerBegins<'_>>,
) -> Result<Launched<T>, LaunchError> {
    let mut warnings = Vec::new();
    // 1. Nothing of the caller's: descriptors, umask, core dumps, environment, signals.
    let mut inherited = Inherited::take(plan, options, &mut warnings)?;

    // 2. Names become numbers, once. A process that was started without privileges proves that it is who it is to be.
    let mut accounts = Accounts::look_up(plan)?;
    accounts.unprivileged = unprivileged::prove(plan, &accounts.ids, inherited.runtime_directory.take())?;

    // 3. Paths become descriptors, once, and what is at their ends is opened.
    let mut pinned = PinnedPaths::pin(plan, options, &accounts, &mut inherited, &mut warnings)?;
    let opened = Opened::open(plan, options, &accounts, &mut pinned, &mut inherited, &mut warnings)?;

    // 4. Into the namespace, and listen there.
    namespace::enter(plan.process.netns.as_ref())?;
    let (bound, starter) =
        Bound::bind(plan, options, &accounts, &mut pinned, plan.role(opened.comes_back()), &mut warnings)?;
    let managed = Managed::connect(plan, options, inherited, &mut warnings).inspect_err(|_| starter.withdraw())?;
    // Before the fork: in a PID namespace of its own a process cannot be told who others are.
    let reached = pinned.pool.as_ref().and_then(lender::connection);
    let lender = reached.as_ref().and_then(lender::of);
    let carried = Carried::of(reached.filter(|_| plan.carries), options).inspect_err(|_| starter.withdraw())?;
    opened.tell_unheard(plan, options, &warnings);

    // 5. A process of its own, the first of its PID namespace. The starter waits for it, and drops what is the gate's.
    let side = GateSide { accounts, pinned, opened, bound, managed, lender, carried, warnings };
    let readiness = match daemon::separate(starter.unprivileged).inspect_err(|_| starter.withdraw())? {
        Forked::Starter(child, word) => {
            drop((side, prepare, signer));
            return starter::wait(word, child, starter, options);
        }
        Forked::Gate(readiness) => readiness,
    };
    let (ids, pid_file) = (starter.ids, starter.into_pid_file());
    let running = readiness.report(|readiness, reporter| {
        // 6. Mount, IPC and UTS namespaces; a root that shows the directories which were pinned for it.
        let mut gate = GateProcess::begin(plan, options, side, readiness, reporter, signer)?;
        let sandbox = Sandbox::new(gate.policy()?)?;
        let root = ProcessRoot::enter(plan, &mut gate.side)?;

        // 7. The log file and the pid file, through the directories that were pinned.
        gate.write_files(pid_file)?;

        // 8. Groups, ids, capabilities, no_new_privs, resource limits. Then what takes calls that serving does not.
        let mut sandbox = sandbox.drop_privileges(&ids)?;
        let gate = gate.prepare(&mut sandbox, prepare)?;

        // 9. Landlock.
        let mut sandbox = sandbox.restrict_files(root.proof())?;
        let names = root.into_names();

        // 10. Seccomp. 11. Everything is read back: descriptors and mappings before the filter, the rest by its help.
        sandbox.holds_only(&gate.held, &gate.shared())?;
        let confined = sandbox.filter_syscalls()?;
        Ok(gate.running(names, confined))
    });
    Ok(running.map_or(Launched::Finished(1), |running| Launched::Gate(Box::new(running))))
}
