//! Bounds that follow from the descriptors which this process may have: to be asked for before a launch.

use crate::LaunchError;
use nsgate_config::{Limits, Pool, PoolRoom, TooFewDescriptors};
use nsgate_sandbox::raise_descriptors;

/// Bounds that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted<T> {
    /// Those that were asked for, or smaller ones.
    pub bounds: T,
    /// What is smaller, for the operator.
    pub shortfall: Option<String>,
}

/// The bounds of a gate, or of a host's proxy, with so many listeners. Raises RLIMIT_NOFILE as far as this process may.
///
/// # Errors
/// There are too few descriptors to serve with.
pub fn fit_limits(limits: &Limits, listeners: usize) -> Result<Fitted<Limits>, LaunchError> {
    let present = raise_descriptors(limits.descriptors(listeners))?;
    let bounds = limits.within(present, listeners).map_err(too_few)?;
    let agent = bounds.backend_requests;
    let smaller = if bounds.connections < limits.connections {
        let (connections, of_one) = (bounds.connections, bounds.connections_per_source);
        format!(
            "{connections} connections instead of {}, {of_one} of one source, and {agent} requests at the agent",
            limits.connections
        )
    } else {
        format!("{agent} requests at the agent instead of {}", limits.backend_requests)
    };
    let shortfall = (bounds != *limits).then(|| format!("only {present} descriptors ({CAUSE}): {smaller}; {ADVICE}"));
    Ok(Fitted { bounds, shortfall })
}

/// What each worker of a pool has for its guests; nothing where that is all it may have.
///
/// # Errors
/// There are too few descriptors to serve with.
pub fn fit_pool(pool: &Pool) -> Result<Fitted<Option<PoolRoom>>, LaunchError> {
    let present = raise_descriptors(pool.descriptors())?;
    let bounds = pool.room(present).map_err(too_few)?;
    let shortfall = bounds.map(|room| {
        format!(
            "only {present} descriptors ({CAUSE}): at most {} networks instead of {}, and {} connections beside the {} that \
             are reserved for each, fewer with each network; {ADVICE}",
            room.networks, pool.networks, room.connections, pool.reserved_connections
        )
    });
    Ok(Fitted { bounds, shortfall })
}

const CAUSE: &str = "RLIMIT_NOFILE cannot be raised";
const ADVICE: &str = "raise the hard limit (`ulimit -Hn`, or LimitNOFILE= of the unit)";

fn too_few(TooFewDescriptors { present, needed, .. }: TooFewDescriptors) -> LaunchError {
    LaunchError::TooFewDescriptors { present, needed }
}
