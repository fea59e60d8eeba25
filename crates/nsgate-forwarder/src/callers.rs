//! Whose request this is: the whole network's, or of the one instance that has the source address.

use crate::{Reason, rebuild, refusal::Refusal, trace::Traces};
use nsgate_config::{Gate, HostProxy, Instances, Limits, Timeouts, UriPath};
use std::{
    borrow::Cow,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Bounds, patience and traces, the same for every request.
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: u32,
    pub(crate) traces: Option<Traces>,
}

impl Terms {
    pub(crate) fn of_gate(gate: &Gate) -> Self {
        Self {
            limits: gate.limits.clone(),
            timeouts: gate.timeouts.clone(),
            retries: gate.retries,
            traces: gate.trace.map(|trace| Traces::new(trace.sampled)),
        }
    }

    pub(crate) fn of_host(host: &HostProxy) -> Self {
        Self {
            limits: host.limits.clone(),
            timeouts: host.timeouts.clone(),
            retries: host.retries,
            traces: host.trace.map(|trace| Traces::new(trace.sampled)),
        }
    }
}

/// Who may ask, and what is said of them.
pub(crate) enum Callers {
    /// All guests are of one network. This is its identity as the agent gets it.
    Network(Vec<u8>),
    /// Each address is an instance's, or a stranger's.
    Host(HostCallers),
}

/// Who asks.
pub(crate) enum RequestSource<'a> {
    /// A guest: its identity as the agent gets it.
    Identified(Cow<'a, [u8]>),
    /// A probe, which asks whether the proxy is there. Its address may be any.
    Monitor,
}

pub(crate) struct HostCallers {
    directory: InstanceTable,
    monitor: Option<UriPath>,
    statistics: Option<UriPath>,
}

impl Callers {
    pub(crate) fn of_gate(gate: &Gate) -> Self {
        Self::Network(rebuild::identity_line(gate))
    }

    pub(crate) fn of_host(host: &HostProxy, directory: InstanceTable) -> Self {
        Self::Host(HostCallers { directory, monitor: host.monitor.clone(), statistics: host.statistics.clone() })
    }

    /// Who asks for this target, or what the guest is told instead.
    pub(crate) fn identify(&self, peer: IpAddr, target: &[u8]) -> Result<RequestSource<'_>, Refusal> {
        match self {
            Self::Network(lines) => Ok(RequestSource::Identified(Cow::Borrowed(lines))),
            Self::Host(host) => host.identify(peer, target),
        }
    }
}

impl HostCallers {
    fn identify(&self, peer: IpAddr, target: &[u8]) -> Result<RequestSource<'static>, Refusal> {
        // haproxy compares the whole target with the one, and its beginning with the other.
        if self.monitor.as_ref().is_some_and(|path| path.as_str().as_bytes() == target) {
            return Ok(RequestSource::Monitor);
        }
        if self.statistics.as_ref().is_some_and(|path| target.starts_with(path.as_str().as_bytes())) {
            return Err(Refusal::FORBIDDEN);
        }
        // Asked anew for every request: a connection that was kept while the address changed hands has no memory.
        let known = self.directory.current();
        let Some(instance) = known.at(peer) else {
            tracing::warn!("no instance has the address {peer}");
            return Err(Refusal::unavailable(Reason::UnknownSource));
        };
        Ok(RequestSource::Identified(Cow::Owned(rebuild::instance(instance))))
    }
}

/// The instances of a host, in force from the next request on.
#[derive(Clone, Debug)]
pub struct InstanceTable(Arc<Mutex<Arc<Instances>>>);

impl InstanceTable {
    pub(crate) fn new(instances: Instances) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(instances))))
    }

    /// Others are known from now on. No connection is touched.
    pub fn replace(&self, instances: Instances) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(instances);
    }

    fn current(&self) -> Arc<Instances> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
