//! One proxy for a whole host. It knows an instance by its source address (Neutron's `metadata_path` extension).

use crate::{Guards, Instances, Invalid, Limits, Listener, Process, Server, Timeouts, Trace};

/// The proxy of a host: all that the forwarder needs. Nothing in it is privileged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostProxy {
    /// Addresses to listen at, at least one.
    pub listeners: Vec<Listener>,
    /// Nova's metadata service, the only destination.
    pub server: Server,
    /// The instances that may ask.
    pub instances: Instances,
    /// Bounds.
    pub limits: Limits,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// Further attempts, one second apart, at a server that refuses.
    pub retries: u32,
    /// A path that is answered 200 for every source (haproxy's `monitor-uri`).
    pub monitor: Option<UriPath>,
    /// The path of a page that is not served (haproxy's `stats uri`).
    pub statistics: Option<UriPath>,
    /// Demands on a request beyond its form.
    pub guards: Guards,
    /// Sends Nova a trace context of the proxy's own with every request; none if absent.
    pub trace: Option<Trace>,
}

impl HostProxy {
    /// The number of instances and the server, without any signature.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{} instances through {}", self.instances.len(), self.server)
    }
}

/// One configuration of a host's proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The proxy.
    pub proxy: HostProxy,
    /// Its process.
    pub process: Process,
}

/// A path that the proxy answers itself: `/` and visible ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriPath(String);

impl UriPath {
    /// Checks a path.
    ///
    /// # Errors
    /// A sentence that says what it may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if text.starts_with('/') && text.len() <= 256 && plain {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(format!(
            "`{text}` is not a path: that begins with `/` and has at most 256 visible characters"
        )))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
