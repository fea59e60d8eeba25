//! What all connections of a gate share.

use crate::{
    Observer,
    agent::Turnstile,
    callers::{Callers, Terms},
    guards::Guarded,
    rate::Limiter,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32},
};

/// What all connections of a gate share.
pub(crate) struct ForwarderContext<C> {
    pub(crate) terms: Terms,
    pub(crate) callers: Callers,
    pub(crate) connector: C,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) limiter: Limiter,
    /// What is demanded of a request; nothing if absent.
    pub(crate) guarded: Option<Guarded>,
    pub(crate) turnstile: Turnstile,
    /// Connections open.
    pub(crate) connections: Arc<AtomicU32>,
    /// Answers are the last ones on their connection.
    pub(crate) retiring: AtomicBool,
}
