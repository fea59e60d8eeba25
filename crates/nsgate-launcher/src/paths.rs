//! Step 3: every path of a configuration becomes a descriptor, once. For a start, and for a judgement that starts nothing:
//! `nsgate check` walks the same way and says the same.

use crate::{
    LaunchError, Options,
    accounts::{self, Accounts},
    endpoint::Endpoint,
    log_file::LogFile,
    log_socket,
    pid_file::PidFile,
    pinned::{self, Pinned},
    plan::{Kind, Plan},
    reach,
    source::Source,
    trust::{Trust, know_unmapped_root},
    wide,
};
use nsgate_config::{AbsolutePath, Config, HostConfig, PoolConfig};
use nsgate_sandbox::Ids;
use std::{os::fd::OwnedFd, path::Path};

/// What the paths of a configuration lead to.
pub(crate) struct Paths {
    pub(crate) backends: Vec<Pinned>,
    pub(crate) pool: Option<Pinned>,
    pub(crate) source: Option<Source>,
    pub(crate) pid_file: Option<PidFile>,
    pub(crate) log_file: Option<LogFile>,
    /// What is worth a line, and no reason not to start.
    pub(crate) warnings: Vec<String>,
    /// Those among them that cost requests: of sockets that the process will not be let connect to.
    pub(crate) unreached: Vec<String>,
}

impl Paths {
    /// Pins them. `owners` are the agents' users, as far as the configuration names them.
    pub(crate) fn pin(
        plan: &Plan<'_>,
        options: &Options,
        trust: &Trust,
        owners: &[Option<u32>],
    ) -> Result<Self, LaunchError> {
        let agents = plan.kind.backends().iter().zip(owners);
        let backends: Vec<Pinned> = agents
            .map(|(agent, owner)| pinned::backend(agent.path(), &trust.clone().and_user(*owner), "backend"))
            .collect::<Result<_, _>>()?;
        let pool = match plan.kind {
            Kind::Keeper(_, path) | Kind::Courier(_, path) => Some(pinned::backend(path, trust, "pool")?),
            _ => None,
        };
        let source = match plan.kind {
            Kind::Host(_, file) => Some(Source::pin(file, trust)?),
            _ => None,
        };
        let pid_file = plan.process.pid_file.as_ref().map(|path| PidFile::pin(path, trust)).transpose()?;
        let log_file = options.log_file.as_ref().map(|log| LogFile::pin(&log.path, trust)).transpose()?;
        let mut warnings: Vec<String> = backends.iter().chain(&pool).filter_map(wide::warning).collect();
        // An agent that a courier's network has is the worker's to reach.
        let reached = backends.iter().filter(|_| !matches!(plan.kind, Kind::Courier(..))).chain(&pool);
        let unreached: Vec<String> = reached.filter_map(|place| reach::warning(place, trust.ids())).collect();
        warnings.extend(unreached.iter().cloned());
        warnings.extend(source.as_ref().and_then(|source| source.unreadable(trust.ids())));
        Ok(Self { backends, pool, source, pid_file, log_file, warnings, unreached })
    }
}

/// Whom the paths may lead through, if root may obey the text at all.
pub(crate) fn trust(ids: &Ids, options: &Options) -> Result<Trust, LaunchError> {
    know_unmapped_root();
    let trust = Trust::of(ids);
    match &options.written {
        Some(written) => written.judge(ids).map(|()| trust.and_owners(written)),
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
    let plan = Plan::gate(config);
    let Accounts { ids, owners, .. } = accounts::all(plan.process, plan.kind.backends(), None)?;
    Paths::pin(&plan, options, &trust(&ids, options)?, &owners).map(|paths| paths.unreached)
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

/// The socket that has the name of this pool's now, by descriptor; nothing if there is none, or something else. Who asks a
/// worker as root asks by `/proc/self/fd/N`: a link put there would lead to somebody else's.
///
/// # Errors
/// As the start.
pub fn pool_socket(config: &PoolConfig, options: &Options) -> Result<Option<OwnedFd>, LaunchError> {
    let trust = trust(&accounts::resolve(&config.process)?, options)?;
    Ok(Endpoint::pin(&config.pool.socket, &trust)?.0.socket().ok())
}

fn check(plan: &Plan<'_>, options: &Options) -> Result<Vec<String>, LaunchError> {
    let handover = match plan.kind {
        Kind::Worker(pool) => pool.group.as_ref(),
        _ => None,
    };
    let Accounts { ids, owners, .. } = accounts::all(plan.process, plan.kind.backends(), handover)?;
    let trust = trust(&ids, options)?;
    let mut warnings = Paths::pin(plan, options, &trust, &owners)?.warnings;
    if let Kind::Worker(pool) = plan.kind {
        for socket in std::iter::once(&pool.socket).chain(&pool.metrics) {
            Endpoint::pin(socket, &trust)?;
        }
    }
    warnings.extend(log_socket::missing(log_socket::wanted(plan.process).as_ref(), &trust));
    Ok(warnings)
}
