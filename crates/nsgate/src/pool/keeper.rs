//! The keeper: the process that stands for one network of a pool. It holds the listeners. It has the pid and the command line that an
//! agent watches. While a worker serves, it sleeps.
//!
//! Promises that the network is served as long as the keeper lives. The worker that took the network serves it. If that worker is
//! gone or replaced, the next one does. If no worker answers, the keeper serves it itself ([`alone`]), where the site permits that.
//! The network ends with its keeper. [`state`] says what a keeper does and when.

mod alone;
mod asleep;
mod delays;
mod doors;
mod driver;
mod event;
mod report;
mod state;

use super::hangs;
use crate::{counted, door::BINDING, gate};
use delays::{Delays, Seed};
use doors::KeptDoor;
use driver::{Keeper, KeepersPool, KeptNetwork};
use nix::unistd::{getegid, geteuid};
use nsgate_config::{Account, Config, Limits, PoolUse, Tokens};
use nsgate_forwarder::TokenKey;
use nsgate_launcher::{LaunchError, Launched, Options, Running, Signals, launch_keeper};
use nsgate_pool::{Offer, protocol::Notes};
use report::KeeperReport;
use state::KeeperState;

/// What has to exist before the filter closes.
struct Prepared {
    seed: Seed,
    /// The key of session tokens. The worker gets the same one, so a token stays good when the network changes hands.
    key: Option<String>,
    /// The user and group ids of this process.
    who: String,
}

/// Runs the keeper of `config`'s network. Returns the exit status of this process. The starter returns once the network is served, the
/// keeper when it ends.
///
/// # Errors
/// The reason why the network is not served. Nothing is left behind.
pub fn run_keeper(config: &Config, pool: &PoolUse, options: &Options) -> Result<u8, LaunchError> {
    let prepare = || {
        let who = format!("uid {} and gid {}", geteuid(), getegid());
        Ok(Prepared { seed: Seed::new(), key: gate::token_key_text(&config.gate.guards)?, who })
    };
    // Checked before the drop: a confined keeper cannot look.
    let place = hangs::place(pool.socket.as_path());
    // The worker gets the configuration as written, before this process applies its own bounds.
    let (fitted, shortfall) = gate::fitted(config)?;
    let mut options = options.clone();
    options.binding = Some(BINDING);
    let options = &options;
    match launch_keeper(&fitted, &pool.socket, options, prepare)? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => {
            let (mut keeper, signals) =
                made(config, (fitted.gate.limits, shortfall), (pool, &place), options, *running);
            Ok(keep(&mut keeper, &signals))
        }
    }
}

/// The keeper of a process that has just been confined, and its signals.
// Not inlined: the caller's frame lasts as long as the keeper sleeps, and should stay small.
#[inline(never)]
fn made<'a>(
    config: &Config,
    (limits, shortfall): (Limits, Option<String>),
    (pool, place): (&'a PoolUse, &str),
    options: &Options,
    running: Running<Prepared>,
) -> (Keeper<'a>, Signals) {
    let Running { prepared: Prepared { seed, key: text, who }, signals, confined, agents, listeners, door, .. } =
        running;
    let door = door.map(KeptDoor::bound);
    let outputs = (running.log, running.standard_error, running.audit);
    let (sink, events) = gate::log(&config.process, options, outputs, running.host_pid, &running.warnings);
    // The worker gets the addresses that were bound, and the agent's owner as a number.
    let mut config = config.clone();
    config.gate.listeners = running.listening;
    config.gate.backend.owner = agents.first().and_then(|agent| agent.owner).map(Account::Id);
    let identity = &config.gate.identity;
    let what = format!("{} {}", identity.header(), identity.uuid());
    let first = format!("Keeping {what} for the pool at {}; {}", pool.socket, gate::report(&confined, shortfall));
    counted::begin(running.counters, config.gate.guards.tokens != Tokens::Off);
    let key = text.as_deref().zip(gate::uptime().ok()).and_then(|(text, now)| TokenKey::read(text, now));
    let offer = Offer::noted(&config, &Notes { asks: true, key: text }).ok();
    let network = KeptNetwork { config, limits, agents, door, listeners, key, sink, events };
    let report = KeeperReport::new(first, &pool.socket, hangs::closed(&who, place));
    let delays = Delays::new(seed, pool.patience);
    let pool = KeepersPool { wanted: pool, path: running.pool.unwrap_or_default(), offer };
    (Keeper::new(network, pool, delays, report, running.readiness), signals)
}

/// Keeps the network until the keeper ends, and returns its status.
fn keep(keeper: &mut Keeper<'_>, signals: &Signals) -> u8 {
    keeper.begin();
    loop {
        match keeper.state() {
            KeeperState::Ended(status) => return status,
            state if state.is_alone() => alone::serve(keeper, signals),
            _ => asleep::sleep(keeper, signals),
        }
    }
}
