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
    /// Everybody is of one network: the identity as the agent gets it.
    Network(Vec<u8>),
    /// Each address is an instance's, or a stranger's.
    Host(Host),
}

pub(crate) struct Host {
    directory: Directory,
    monitor: Option<UriPath>,
    statistics: Option<UriPath>,
}

impl Callers {
    pub(crate) fn of_gate(gate: &Gate) -> Self {
        Self::Network(rebuild::identity(gate))
    }

    pub(crate) fn of_host(host: &HostProxy, directory: Directory) -> Self {
        Self::Host(Host { directory, monitor: host.monitor.clone(), statistics: host.statistics.clone() })
    }

    /// What is said of a request, or what the guest is told instead.
    pub(crate) fn identity(&self, peer: IpAddr, target: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
        match self {
            Self::Network(lines) => Ok(Cow::Borrowed(lines)),
            Self::Host(host) => host.identity(peer, target).map(Cow::Owned),
        }
    }
}

impl Host {
    fn identity(&self, peer: IpAddr, target: &[u8]) -> Result<Vec<u8>, Refusal> {
        // haproxy compares the whole target with the one, and its beginning with the other.
        if self.monitor.as_ref().is_some_and(|path| path.as_str().as_bytes() == target) {
            return Err(Refusal::READY);
        }
        if self.statistics.as_ref().is_some_and(|path| target.starts_with(path.as_str().as_bytes())) {
            return Err(Refusal::FORBIDDEN);
        }
        // Asked anew for every request: a connection that was kept while the address changed hands has no memory.
        let known = self.directory.current();
        known.at(peer).map(rebuild::instance).ok_or_else(|| {
            tracing::warn!("no instance has the address {peer}");
            Refusal::unavailable(Reason::UnknownSource)
        })
    }
}

/// The instances of a host, in force from the next request on.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Mutex<Arc<Instances>>>);

impl Directory {
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
