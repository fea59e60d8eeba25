//! Step 3: every path of a configuration becomes a descriptor, once. For a start, and for a judgement that starts nothing:
//! `nsgate check` walks the same way and says the same.

use crate::{
    LaunchError, Options,
    accounts::{self, Accounts},
    audit_output::AuditPlace,
    endpoint::{EndpointPlace, Purpose},
    endpoints::{self, SocketSource},
    inherited::Inherited,
    log_file::PinnedLogFile,
    log_socket::LogPlace,
    pid_file::PidFile,
    pinned::{DATABASE, Pinned},
    pinned_config::PinnedConfig,
    plan::{Plan, PlannedDoor},
    reach,
    trust::{Trust, know_unmapped_root},
    wide,
};
use nsgate_config::{AbsolutePath, Backend, Config, HostConfig, MetadataAgentConfig, PoolConfig};
use nsgate_sandbox::{Ids, Origin};
use std::{os::fd::OwnedFd, path::Path};

/// What the paths of a plan lead to.
pub(crate) struct PinnedPaths {
    /// Whom they may lead through.
    pub(crate) trust: Trust,
    /// The mount namespace in which they were walked.
    pub(crate) origin: Origin,
    pub(crate) door: Option<Pinned>,
    pub(crate) backends: Vec<Pinned>,
    pub(crate) pool: Option<Pinned>,
    /// The sockets of the database that a signer's directory is in.
    pub(crate) databases: Vec<Pinned>,
    pub(crate) configuration: Option<PinnedConfig>,
    pub(crate) pid_file: Option<PidFile>,
    pub(crate) log_file: Option<PinnedLogFile>,
    pub(crate) log: Option<LogPlace>,
    pub(crate) audit: Option<AuditPlace>,
    pub(crate) sockets: Vec<SocketSource>,
    /// Warnings that cost requests: of sockets that the process will not be let connect to.
    unreached: Vec<String>,
}

impl PinnedPaths {
    /// Pins every path that `plan` and `options` name. Sockets that a service manager has passed are taken out of `inherited`.
    pub(crate) fn pin(
        plan: &Plan<'_>,
        options: &Options,
        accounts: &Accounts,
        inherited: &mut Inherited,
        warnings: &mut Vec<String>,
    ) -> Result<Self, LaunchError> {
        let process = plan.process;
        let trust = trust(&accounts.ids, options)?;
        let agent = |(agent, owner): (&Backend, &Option<u32>)| {
            Pinned::walk_to_socket(agent.path(), &trust.clone().and_users(*owner), "backend")
        };
        let owner = accounts.owners.first().copied().flatten();
        let of_door = |door: &PlannedDoor<'_>| {
            Pinned::walk_to_socket(door.backend.path(), &trust.clone().and_users(owner), "agent")
        };
        let door = plan.door.as_ref().map(of_door).transpose()?;
        let backends: Vec<Pinned> = plan.backends.iter().zip(&accounts.owners).map(agent).collect::<Result<_, _>>()?;
        let pool = plan.pool.map(|path| Pinned::walk_to_socket(path, &trust, "pool")).transpose()?;
        let database = |socket: &&Backend| Pinned::walk_to_socket(socket.path(), &trust, DATABASE);
        let databases = plan.signer.iter().flat_map(|signer| &signer.databases);
        let databases: Vec<Pinned> = databases.map(database).collect::<Result<_, _>>()?;
        let configuration = plan.configuration.map(|file| PinnedConfig::pin(file, &trust)).transpose()?;
        let pid_file = process.pid_file.as_ref().map(|path| PidFile::pin(path, &trust)).transpose()?;
        let log_file = options.log_file.as_ref().map(|log| PinnedLogFile::pin(&log.path, &trust)).transpose()?;
        warnings.extend(backends.iter().chain(&pool).chain(&databases).filter_map(wide::warning));
        let reached = backends.iter().filter(|_| plan.asks_agents).chain(pool.iter().filter(|_| !plan.carries));
        let reached = reached.chain(&databases);
        let unreached: Vec<String> = reached.filter_map(|place| reach::warning(place, trust.ids())).collect();
        warnings.extend(unreached.iter().cloned());
        warnings.extend(configuration.as_ref().and_then(|file| file.unreadable(trust.ids())));
        let unprivileged = accounts.unprivileged.is_some();
        let sockets = endpoints::pin(plan, &trust, unprivileged, &mut inherited.passed, warnings)?;
        let log = LogPlace::pin(process, &trust);
        let audit = process.audit.as_ref().map(|audit| AuditPlace::pin(audit, &trust));
        let origin = Origin::here();
        Ok(Self {
            trust,
            origin,
            door,
            backends,
            pool,
            databases,
            configuration,
            pid_file,
            log_file,
            log,
            audit,
            sockets,
            unreached,
        })
    }
}

/// Whom the paths may lead through, if root may obey the text at all.
fn trust(ids: &Ids, options: &Options) -> Result<Trust, LaunchError> {
    know_unmapped_root();
    let trust = Trust::of(ids);
    match &options.written {
        Some(written) => written.check(ids).map(|()| trust.and_users(written.owners())),
        None => Ok(trust),
    }
}

/// What a start of this gate would say of users, groups and paths: its refusal, or its warnings. With `pool` it is a
/// keeper's start. Nothing is made, opened or connected to.
///
/// # Errors
/// As the start.
pub fn check_gate(config: &Config, pool: Option<&AbsolutePath>, options: &Options) -> Result<Vec<String>, LaunchError> {
    check(&pool.map_or_else(|| Plan::gate(config), |pool| Plan::keeper(config, pool)), options)
}

/// Those of [`check_gate`]'s warnings that cost requests: a start of this gate would serve, and not be let connect to its agent.
///
/// # Errors
/// As the start.
pub fn check_reach(config: &Config, options: &Options) -> Result<Vec<String>, LaunchError> {
    pin(&Plan::gate(config), options, &mut Vec::new()).map(|pinned| pinned.unreached)
}

/// The same of the proxy of a whole host, whose text is `file`.
///
/// # Errors
/// As the start.
pub fn check_host(config: &HostConfig, file: &Path, options: &Options) -> Result<Vec<String>, LaunchError> {
    check(&Plan::host(config, file), options)
}

/// The same of a pool's worker.
///
/// # Errors
/// As the start.
pub fn check_pool(config: &PoolConfig, options: &Options) -> Result<Vec<String>, LaunchError> {
    check(&Plan::worker(config), options)
}

/// The same of an agent, the second hop.
///
/// # Errors
/// As the start.
pub fn check_agent(config: &MetadataAgentConfig, options: &Options) -> Result<Vec<String>, LaunchError> {
    check(&Plan::agent(config), options)
}

/// The socket that has the name of this pool's now, by descriptor; nothing if there is none, or something else. A command
/// that asks a worker as root asks by `/proc/self/fd/N`: a link put there would lead to another program's.
///
/// # Errors
/// As the start.
pub fn pool_socket(config: &PoolConfig, options: &Options) -> Result<Option<OwnedFd>, LaunchError> {
    let trust = trust(&accounts::resolve(&config.process)?, options)?;
    Ok(EndpointPlace::pin(&config.pool.socket, Purpose::Handover, &trust)?.socket())
}

fn check(plan: &Plan<'_>, options: &Options) -> Result<Vec<String>, LaunchError> {
    let mut warnings = Vec::new();
    let pinned = pin(plan, options, &mut warnings)?;
    warnings.extend(pinned.log.as_ref().and_then(LogPlace::missing));
    Ok(warnings)
}

fn pin(plan: &Plan<'_>, options: &Options, warnings: &mut Vec<String>) -> Result<PinnedPaths, LaunchError> {
    let accounts = Accounts::look_up(plan)?;
    PinnedPaths::pin(plan, options, &accounts, &mut Inherited::default(), warnings)
}
