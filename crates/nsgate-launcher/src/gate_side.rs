//! What the starter carries over the fork for the gate, and what the gate makes of it until its filter closes.

use crate::{
    CounterPage, LaunchError, LogSocket, Mode, Options, Output, Readiness,
    accounts::Accounts,
    audit_output::AuditOutput,
    bound::Bound,
    counter_page, daemon, endpoint, lender,
    managed::Managed,
    opened::Opened,
    paths::PinnedPaths,
    pid_file::PidFile,
    plan::Plan,
    reader::{self, ReaderPipes},
    root_names::RootNames,
    running::{Carried, Running},
    secret,
    signals::Signals,
    signer::{self, SignerBegins, SignerSide, SignerTerms},
};
use nix::unistd::Gid;
use nsgate_config::SandboxLevel;
use nsgate_sandbox::{Confined, Dropped, Policy, Sandbox, namespaces::Lender, raise_descriptors};
use std::{
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
};

/// What is the gate's at the fork. The starter drops its copy.
pub(crate) struct GateSide {
    pub(crate) accounts: Accounts,
    pub(crate) pinned: PinnedPaths,
    pub(crate) opened: Opened,
    pub(crate) bound: Bound,
    pub(crate) managed: Managed,
    /// Its mounts are copied in the place of the host's.
    pub(crate) lender: Option<Lender>,
    pub(crate) carried: Carried,
    pub(crate) warnings: Vec<String>,
}

/// The gate's process, from the fork on.
pub(crate) struct GateProcess<'a> {
    plan: &'a Plan<'a>,
    options: &'a Options,
    pub(crate) side: GateSide,
    readiness: Readiness,
    /// A second descriptor of the pipe to the starter.
    reporter: RawFd,
    host_pid: i32,
    reader: Option<ReaderPipes>,
    signer: Option<UnixStream>,
    counters: Option<CounterPage>,
}

impl<'a> GateProcess<'a> {
    /// Leaves the starter's session, and makes what has to come before the namespaces: the reader, the signer, and the page of
    /// counters.
    pub(crate) fn begin(
        plan: &'a Plan<'a>,
        options: &'a Options,
        side: GateSide,
        readiness: Readiness,
        reporter: RawFd,
        signer: Option<SignerBegins<'_>>,
    ) -> Result<Self, LaunchError> {
        let mut side = side;
        let foreground = options.mode == Mode::Foreground;
        let host_pid = daemon::settle(foreground, side.accounts.unprivileged.is_some())?;
        let reader = reader::start(&side.pinned, strict(plan))?;
        // Where there is a signer, the reader is its own.
        let (reader, signer) = match (&plan.signer, signer) {
            (Some(planned), Some(begins)) => {
                let GateSide { accounts, pinned, opened, .. } = &mut side;
                let of_signer = SignerSide { accounts, pinned, opened };
                let terms = SignerTerms { planned, host_pid, strict: strict(plan) };
                (None, Some(signer::start(terms, of_signer, reader, begins)?))
            }
            _ => (reader, None),
        };
        // Behind the fork: the reader has no part in it. Before the limit on files, of which the kernel calls this one.
        let counters = counter_page::wanted(plan.counts, &mut side.warnings);
        Ok(Self { plan, options, side, readiness, reporter, host_pid, reader, signer, counters })
    }

    /// What the process will be held to.
    pub(crate) fn policy(&self) -> Result<Policy, LaunchError> {
        let role = self.plan.role(self.side.opened.comes_back());
        let policy = self.plan.policy(role, raise_descriptors(self.plan.descriptors)?);
        Ok(policy
            .address_space(self.options.address_space)
            .dies_with_parent(self.options.mode == Mode::Foreground)
            .strict(strict(self.plan))
            .appends(matches!(self.side.opened.audit, Some(AuditOutput::Descriptor(_))))
            .unprivileged(self.side.accounts.unprivileged.is_some()))
    }

    /// Opens the log file, and writes the pid file in the background, through the directories that were pinned.
    pub(crate) fn write_files(&mut self, pid_file: Option<PidFile>) -> Result<(), LaunchError> {
        if let Some(file) = self.side.pinned.log_file.take() {
            file.take()?;
        }
        if let (Some(file), Mode::Daemon) = (pid_file, self.options.mode) {
            self.readiness.created(file.write(self.host_pid)?);
        }
        Ok(())
    }

    /// Makes what takes system calls that serving does not, and closes what serving has no use for.
    pub(crate) fn prepare<T>(
        self,
        sandbox: &mut Sandbox<Dropped>,
        prepare: impl FnOnce() -> io::Result<T>,
    ) -> Result<PreparedGate<T>, LaunchError> {
        let Self { options, side, readiness, reporter, host_pid, reader, signer, counters, .. } = self;
        let GateSide { accounts, pinned, mut opened, bound, mut managed, carried, warnings, .. } = side;
        let before = sandbox.open_descriptors()?;
        let prepared = prepare().map_err(LaunchError::Prepare)?;
        let signals = Signals::listen().map_err(LaunchError::daemon("signalfd"))?;
        let made = sandbox.open_descriptors()?.into_iter().filter(|made| !before.contains(made));
        let ends = reader.iter().flat_map(|reader| [&reader.ask, &reader.answer]).map(AsRawFd::as_raw_fd);
        let ends = ends.chain(signer.iter().map(AsRawFd::as_raw_fd));
        let held = bound.held().chain(managed.held()).chain(opened.held()).chain(made).chain(ends);
        let held = held.chain(carried.numbers()).chain([readiness.number(), reporter]).collect();
        let secret =
            managed.secret.take().as_ref().map(secret::read_secret).transpose().map_err(LaunchError::Prepare)?;
        lender::answer_for(&bound.endpoints, endpoint::QUEUE);
        if options.log_file.is_some() {
            opened.standard_error = Output::kept();
        }
        // Directories: that of an unprivileged process, and those that its root shows.
        drop((accounts.unprivileged, pinned, opened.log.directory.take()));
        let handover = accounts.handover;
        Ok(PreparedGate {
            prepared,
            signals,
            held,
            secret,
            handover,
            opened,
            bound,
            managed,
            carried,
            readiness,
            host_pid,
            reader,
            signer,
            counters,
            warnings,
        })
    }
}

/// A gate that lacks nothing but the proof.
pub(crate) struct PreparedGate<T> {
    prepared: T,
    signals: Signals,
    /// Every descriptor that it keeps.
    pub(crate) held: Vec<RawFd>,
    secret: Option<String>,
    handover: Option<Gid>,
    opened: Opened,
    bound: Bound,
    managed: Managed,
    carried: Carried,
    readiness: Readiness,
    host_pid: i32,
    reader: Option<ReaderPipes>,
    signer: Option<UnixStream>,
    counters: Option<CounterPage>,
    warnings: Vec<String>,
}

impl<T> PreparedGate<T> {
    /// Where it has memory that another process may map.
    pub(crate) fn shared(&self) -> Vec<usize> {
        self.counters.iter().map(|page| page.as_ptr().addr()).collect()
    }

    /// What serves, by the proof that it is confined.
    pub(crate) fn running(self, names: RootNames, confined: Confined) -> Running<T> {
        let listeners = self.bound.listeners.into_iter().map(|bound| (bound.listener, bound.socket));
        let (listening, listeners) = listeners.unzip();
        Running {
            prepared: self.prepared,
            listeners,
            listening,
            agents: names.agents,
            endpoints: self.bound.endpoints,
            passed: self.managed.passed,
            keeping: self.managed.keeping,
            watchdog: self.managed.watchdog,
            secret: self.secret,
            handover_gid: self.handover.map(Gid::as_raw),
            pool: names.pool,
            carried: self.carried,
            reader: self.reader,
            signer: self.signer,
            servers: self.opened.servers,
            door: self.opened.door,
            counters: self.counters,
            log: LogSocket { reconnect: names.log, ..self.opened.log.socket },
            standard_error: self.opened.standard_error,
            audit: self.opened.audit,
            signals: self.signals,
            host_pid: self.host_pid,
            confined,
            warnings: self.warnings,
            readiness: self.readiness,
        }
    }
}

fn strict(plan: &Plan<'_>) -> bool {
    plan.process.sandbox == SandboxLevel::Strict
}
