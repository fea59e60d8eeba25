//! Neutron's API: which port has an address, asked when a guest asks.
//!
//! Neutron's own agent (`neutron/agent/metadata/agent.py`) asks the same over RPC: the ports of a network with an address, or with the
//! MAC address that a link-local IPv6 address was made of; for a router, the networks of its interfaces first. The answers are the
//! same, but for these:
//!
//! - A router without an interface finds nothing. Neutron's agent leaves the networks out of its question then, and takes a port of
//!   any network for the guest's.
//! - A port without `device_id` or `project_id` is refused by name. Neutron's agent asks Nova for a project that is empty.
//! - An interface that a router has twice in one network counts once, and so does a port that two pages of an answer name.
//! - An answer is compared with its question. A port that was not asked for, as from a server that does not know a filter, is
//!   refused: the directory is away.
//! - An answer serves for [`NeutronOptions::kept_for`] from the moment at which its question was sent, and a refusal for
//!   [`NeutronOptions::refusals_kept_for`]. Neutron's agent keeps nothing. An address that moves may be its former owner's for so
//!   long; with zero, each question is sent after the request that it is for.

mod cache;
mod client;
mod keystone;
mod options;
mod page;
mod password;
mod ports;
mod status;
mod token;
mod trouble;

pub use options::{NeutronOptions, RestPlace};
pub use password::{NeutronUser, NotAPassword, UserPassword};
pub use status::NeutronStatus;
pub use trouble::{NeutronTrouble, RestFault};

use super::{Directory, NoOccupant, Occupant, Question};
use crate::shares::Shares;
use cache::RecentAnswers;
use ports::NeutronPorts;
use status::NeutronTally;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// A directory that asks Neutron. A clone is the same.
#[derive(Clone, Debug)]
pub struct NeutronDirectory(Arc<SharedNeutron>);

#[derive(Debug)]
struct SharedNeutron {
    options: NeutronOptions,
    ports: NeutronPorts,
    recent: RecentAnswers,
    shares: Shares,
    tally: NeutronTally,
}

impl NeutronDirectory {
    /// No connection is made before the first question. `user` is who asks Keystone for tokens; without one, no token is sent
    /// (`auth_strategy = noauth`).
    #[must_use]
    pub fn new(options: NeutronOptions, user: Option<(RestPlace, NeutronUser)>) -> Self {
        let ports = NeutronPorts::new(&options, user);
        let recent = RecentAnswers::new(options.kept_for, options.refusals_kept_for, options.most_kept);
        let shares = Shares::new(options.questions_per_network, options.questions);
        Self(Arc::new(SharedNeutron { options, ports, recent, shares, tally: NeutronTally::default() }))
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> NeutronStatus {
        self.0.tally.status(self.0.ports.tokens())
    }
}

impl Directory for NeutronDirectory {
    async fn who(&self, question: &Question) -> Result<Occupant, NoOccupant> {
        let this = &self.0;
        let (answer, asked) = this.recent.answer(question, || this.ask(question)).await;
        this.tally.answered(asked);
        answer
    }
}

impl SharedNeutron {
    /// Asks Neutron, and returns when the question was sent.
    async fn ask(&self, question: &Question) -> (Instant, Result<Occupant, NoOccupant>) {
        let begun = Instant::now();
        let deadline = begun + self.options.patience;
        let turn = timeout_at(deadline, self.shares.turn(&question.place.uuid().to_string())).await;
        let Ok(_turn) = turn else {
            return (begun, Err(self.tally.failed(&NeutronTrouble::Crowded(self.options.patience))));
        };
        let sent = Instant::now();
        let answer = match self.ports.who(question, deadline).await {
            Ok(answer) => {
                self.tally.heard();
                answer
            }
            Err(trouble) => Err(self.tally.failed(&trouble)),
        };
        (sent, answer)
    }
}
