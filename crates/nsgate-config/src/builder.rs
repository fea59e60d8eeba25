//! A gate made by a program rather than read from a text.

use crate::{
    Account, Backend, Config, Diagnostics, Gate, Guards, Identity, Invalid, Limits, Listener, Process, RateLimit,
    Timeouts, Trace, model::gate::RETRIES, native,
};

impl Gate {
    /// A gate of `identity` that reaches its agent at `backend`, to be given the addresses that it hears at, and anything else that
    /// is not to be as it is without a word.
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

/// A gate in the making ([`Gate::builder`]).
#[derive(Clone, Debug)]
pub struct GateBuilder(Gate);

impl GateBuilder {
    /// Hears guests at this address as well, written as in a configuration: `169.254.169.254:80`, `[fe80::a9fe:a9fe]:80%tap0`.
    ///
    /// # Errors
    /// It is no address that can be listened at.
    pub fn listen(mut self, text: &str) -> Result<Self, Invalid> {
        self.0.listeners.push(Listener::parse(text)?);
        Ok(self)
    }

    /// Within these bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// With this patience.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.0.timeouts = timeouts;
        self
    }

    /// Asks an agent that cannot be connected to so often again.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.0.retries = retries;
        self
    }

    /// And no source more often than this.
    #[must_use]
    pub fn rate_limit(mut self, rate: RateLimit) -> Self {
        self.0.rate_limits.push(rate);
        self
    }

    /// Demands this of a request.
    #[must_use]
    pub fn guards(mut self, guards: Guards) -> Self {
        self.0.guards = guards;
        self
    }

    /// Gives the agent a trace context.
    #[must_use]
    pub fn trace(mut self, trace: Trace) -> Self {
        self.0.trace = Some(trace);
        self
    }

    /// The gate, judged as a configuration's text is.
    ///
    /// # Errors
    /// Everything that is wrong; places are those of the text that [`native::render`] makes of the gate.
    pub fn build(self) -> Result<Gate, Diagnostics> {
        let process = Process::new(Account::Id(1));
        let config = Config { gate: self.0, process };
        native::parse("gate", &native::render(&config)).map(|_| config.gate)
    }
}
