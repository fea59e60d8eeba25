//! One proxy for a whole host: who asks is known by the source address (Neutron's `metadata_path` extension).

use crate::{Guards, Instances, Invalid, Limits, Listener, Process, Server, Timeouts, Trace, Uuid};
use std::fmt;

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

/// What the proxy says of an instance's requests.
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    /// `X-Instance-ID`.
    pub id: Uuid,
    /// `X-Tenant-ID`.
    pub project: ProjectId,
    /// `X-Instance-ID-Signature`.
    pub signature: Signature,
}

/// Never with its signature: whoever has that may ask Nova in the instance's name.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instance {} of {}", self.id, self.project)
    }
}

/// A project as Keystone names it: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectId(Box<str>);

impl ProjectId {
    /// Checks a project's id.
    ///
    /// # Errors
    /// A sentence that says what it may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        Self::judge(text).map_err(Invalid::new)
    }

    fn judge(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.into()));
        }
        Err(format!("`{text}` is not a project's id: that is 1 to 64 letters, digits, `-`, `_` or `.`"))
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// HMAC-SHA256 of the instance's id under the secret that Neutron shares with Nova (`sign_instance_id`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// A sentence that says what is expected; what was there is not repeated.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        Self::judge(text).map_err(Invalid::new)
    }

    fn judge(text: &str) -> Result<Self, String> {
        let wrong = || "this is not a signature: that is 64 hexadecimal digits".to_owned();
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            for digit in pair {
                let digit = char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                *byte = (*byte << 4) | digit.ok_or_else(wrong)?;
            }
        }
        Ok(Self(bytes))
    }

    /// As the header has it.
    #[must_use]
    pub fn hexadecimal(&self) -> String {
        let mut text = String::with_capacity(2 * self.0.len());
        let halves = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        text.extend(halves.filter_map(|half| char::from_digit(half.into(), 16)));
        text
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signature")
    }
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
        Self::judge(text).map_err(Invalid::new)
    }

    fn judge(text: &str) -> Result<Self, String> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if text.starts_with('/') && text.len() <= 256 && plain {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("`{text}` is not a path: that begins with `/` and has at most 256 visible characters"))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
