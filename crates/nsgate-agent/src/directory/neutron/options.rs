//! How Neutron is asked.

use crate::tls::TlsServer;
use std::{net::SocketAddr, time::Duration};

/// Where a service of OpenStack's is: Neutron's API, or Keystone.
#[derive(Clone, Debug)]
pub struct RestPlace {
    /// Host and port as a request names them (`Host`).
    pub authority: String,
    /// What stands before the service's own paths (`/networking`), without a slash at its end. Empty, as a rule.
    pub prefix: String,
    /// Where it is reached: one address, or several that are tried in turn.
    pub addresses: Vec<SocketAddr>,
    /// How it is known, if it speaks https.
    pub tls: Option<TlsServer>,
}

/// How Neutron is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NeutronOptions {
    /// Neutron's API, before `/v2.0`.
    pub neutron: RestPlace,
    /// How long a question may take, with the wait for its turn, with a new token and for a router with both of its questions.
    pub patience: Duration,
    /// How long a connection to one address may take.
    pub connect: Duration,
    /// How long the name of an instance is kept, from the moment at which the question was sent.
    pub kept_for: Duration,
    /// How long a refusal is kept: no port, several, or one without an instance.
    pub refusals_kept_for: Duration,
    /// Addresses whose answers are kept at most.
    pub most_kept: usize,
    /// Questions at once.
    pub questions: usize,
    /// Questions of one network or router at once. Further ones wait, and keep no other network's from Neutron.
    pub questions_per_network: usize,
    /// Bytes of an answer.
    pub longest_answer: usize,
}

impl NeutronOptions {
    /// For this API, with the bounds that suit most clouds.
    #[must_use]
    pub fn new(neutron: RestPlace) -> Self {
        Self {
            neutron,
            patience: Duration::from_secs(10),
            connect: Duration::from_secs(3),
            kept_for: Duration::from_secs(2),
            refusals_kept_for: Duration::from_millis(500),
            most_kept: 4096,
            questions: 16,
            questions_per_network: 4,
            longest_answer: 1 << 20,
        }
    }
}
