//! One proxy for a whole host: who asks is known by the source address (Neutron's `metadata_path` extension).

use crate::{Guards, Instances, Invalid, Limits, Listener, Process, Server, Timeouts, Trace};

/// A host's proxy: everything the forwarder needs to know. Nothing in it is privileged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostProxy {
    /// Where guests are heard: at least one.
    pub listeners: Vec<Listener>,
    /// Where requests go: Nova itself, and nowhere else.
    pub server: Server,
    /// Who may ask.
    pub instances: Instances,
    /// Bounds.
    pub limits: Limits,
    /// Patience.
    pub timeouts: Timeouts,
    /// Further attempts, one second apart, at a server that refuses.
    pub retries: u32,
    /// A path that is answered 200 to whoever asks (haproxy's `monitor-uri`).
    pub monitor: Option<UriPath>,
    /// The path of a page that is not served (haproxy's `stats uri`).
    pub statistics: Option<UriPath>,
    /// What is demanded of a request beside being well-formed.
    pub guards: Guards,
    /// Nova gets a trace context of the proxy's own with every request; none if absent.
    pub trace: Option<Trace>,
}

impl HostProxy {
    /// How many it serves, and through whom; nobody's signature.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{} instances through {}", self.instances.len(), self.server)
    }
}

/// What one configuration of a host's proxy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The proxy.
    pub proxy: HostProxy,
    /// Its process.
    pub process: Process,
}

/// A path of the proxy's own, `/` and visible ASCII.
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
