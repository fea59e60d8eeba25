//! A gate made by a program rather than read from a text.

use crate::{
    Account, Backend, Config, Diagnostics, Gate, Guards, Identity, Invalid, Limits, Listener, Process, RateLimit,
    Timeouts, Trace, model::gate::RETRIES, native,
};

impl Gate {
    /// Begins a gate of `identity` that reaches its agent at `backend`. Add at least one address to listen at; everything else
    /// has a default.
    ///
    /// ```
    /// use nsgate_config::{AbsolutePath, Backend, Gate, Identity};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = Identity::Network("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse()?);
    /// let backend = Backend::new(AbsolutePath::new("/var/lib/neutron/metadata_proxy")?)?;
    /// let gate = Gate::builder(identity, backend).listen("169.254.169.254:80")?.build()?;
    /// assert_eq!(gate.listeners.len(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn builder(identity: Identity, backend: Backend) -> GateBuilder {
        GateBuilder(Self {
            identity,
            listeners: Vec::new(),
            backend,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            retries: RETRIES,
            rate_limits: Vec::new(),
            guards: Guards::default(),
            trace: None,
        })
    }
}

/// A gate that is being built ([`Gate::builder`]).
#[derive(Clone, Debug)]
pub struct GateBuilder(Gate);

impl GateBuilder {
    /// Adds an address to listen at, written as in a configuration: `169.254.169.254:80`, `[fe80::a9fe:a9fe]:80%tap0`.
    ///
    /// # Errors
    /// The text is not an address, or no guest could reach it.
    pub fn listen(mut self, text: &str) -> Result<Self, Invalid> {
        self.0.listeners.push(Listener::parse(text)?);
        Ok(self)
    }

    /// Sets the bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// Sets the timeouts.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.0.timeouts = timeouts;
        self
    }

    /// Sets the number of further attempts to connect to the agent.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.0.retries = retries;
        self
    }

    /// Adds a rate limit.
    #[must_use]
    pub fn rate_limit(mut self, rate: RateLimit) -> Self {
        self.0.rate_limits.push(rate);
        self
    }

    /// Sets the guards.
    #[must_use]
    pub fn guards(mut self, guards: Guards) -> Self {
        self.0.guards = guards;
        self
    }

    /// Sends the agent a trace context with every request.
    #[must_use]
    pub fn trace(mut self, trace: Trace) -> Self {
        self.0.trace = Some(trace);
        self
    }

    /// Checks the gate as the text of a configuration is checked.
    ///
    /// # Errors
    /// Everything that is wrong. Places refer to the text that [`native::render`] writes for the gate.
    pub fn build(self) -> Result<Gate, Diagnostics> {
        let process = Process::new(Account::Id(1));
        let config = Config { gate: self.0, process };
        native::parse("gate", &native::render(&config)).map(|_| config.gate)
    }
}
