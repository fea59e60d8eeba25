//! What each process may hold, for a look from outside ([`attest`]).

use super::recognise::{is_small, role_of};
use super::role::Role;
use crate::counter_page::COUNTERS_NAME;
use crate::root_names::is_window;
use nsgate_sandbox::attest::{self, Expected, Facts, kinds};

/// What the reader of a host's proxy has in the place of a window: the directory of the one file that it opens.
pub(crate) const CONFIGURATION: &str = "configuration";

/// Names of the programs' processes. A name has 15 bytes (proc_pid_comm(5)).
const NAMES: [&str; 5] = ["nsgate", "haproxy", "haproxy-reader", "neutron-ns-meta", "nsgate-signer"];

/// Ids of every other process that is called like one of nsgate's, in ascending order: gates, readers, signers, supervisors, and the
/// distribution's haproxy where it runs, which [`expected`] tells apart.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn gates() -> nsgate_sandbox::Result<Vec<i32>> {
    attest::called(&NAMES)
}

/// Kinds of descriptors that every role which serves has. Everything else is a file, a device, or a way to something.
const SERVES: [&str; 9] = [
    kinds::LISTENER,
    kinds::CONNECTION,
    // A guest may reset its connection at any moment.
    kinds::NO_TABLE,
    kinds::STREAM,
    kinds::DATAGRAM,
    "eventpoll",
    "eventfd",
    "signalfd",
    // The only files: a log or an audit can be appended to and nothing else.
    kinds::LOG,
];
/// Kinds that a signer has: it listens nowhere, and hears no signal.
const SIGNS: [&str; 5] = [kinds::STREAM, kinds::DATAGRAM, "eventpoll", "eventfd", kinds::LOG];
/// The pool's socket and that of its metrics, and connections over them.
const POOL: [&str; 3] = [kinds::PACKET_LISTENER, kinds::PACKETS, kinds::STREAM_LISTENER];

/// Kinds that a role needs beside those that every process may have.
fn needs(role: Option<Role>) -> Vec<&'static str> {
    let more: &[&[&'static str]] = match role {
        // What a process is that is none of these, a gate would have to be.
        None | Some(Role::Gate | Role::BoundGate | Role::BoundGateWithLog | Role::HostProxy) => &[&SERVES],
        // The directory of the one file that it reads. A process that has anything else has no use for one.
        Some(Role::Reader) => &[&[kinds::PINNED]],
        Some(Role::Supervisor) => &[&[kinds::CHILD, "signalfd", kinds::STREAM, kinds::DATAGRAM, kinds::LOG]],
        Some(Role::Worker | Role::Keeper | Role::Courier) => &[&SERVES, &POOL],
        // It is reached at its socket.
        Some(Role::Agent) => &[&SERVES, &[kinds::STREAM_LISTENER]],
        // One connection to the carrier, and a log.
        Some(Role::Signer | Role::SignerWithLog) => &[&SIGNS],
        Some(Role::SignerWithDatabase) => &[&SIGNS, &[kinds::CONNECTION, kinds::NO_TABLE]],
        // What a dispatcher leaves to the next one.
        Some(Role::Dispatcher) => &[&SERVES, &POOL, &[kinds::MEMORY]],
        // It waits for what it has made.
        Some(Role::Zygote) => &[&SERVES, &POOL, &[kinds::CHILD, kinds::MEMORY]],
    };
    more.concat()
}

/// What a process may hold, by the role that it has: for [`attest::process`]. One that has no role is judged as a gate would be.
#[must_use]
pub fn expected(facts: &Facts<'_>) -> Expected {
    let role = role_of(facts);
    let nothing = Expected::nothing();
    let keeps_root = role == Some(Role::Supervisor);
    let of_pool = matches!(role, Some(Role::Worker | Role::Zygote | Role::Dispatcher));
    let gate = matches!(role, Some(Role::Gate | Role::BoundGate | Role::BoundGateWithLog));
    let counts = gate || matches!(role, Some(Role::Keeper | Role::HostProxy | Role::Agent));
    Expected {
        role: role.map(Role::name),
        in_words: role.map_or("no process of nsgate's, by what can be read", in_words),
        keeps_root,
        root: root(role),
        is_small: facts.root.is_some_and(is_small),
        is_window,
        pinned: CONFIGURATION,
        descriptors: [nothing.descriptors.clone(), needs(role)].concat(),
        many_networks: of_pool,
        shares: counts.then_some((COUNTERS_NAME, "its counters")),
        restart: if of_pool { "the pool" } else { "it" },
    }
}

fn root(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Supervisor) => "its starter's",
        Some(Role::HostProxy | Role::Reader | Role::Agent) => "nothing",
        Some(Role::BoundGate | Role::BoundGateWithLog) => "door",
        Some(Role::Signer | Role::SignerWithLog) => "signer",
        Some(Role::SignerWithDatabase) => "signerdb, or database southbound as well",
        Some(Role::Courier) => "agent backend pool worker",
        Some(Role::Keeper) => "agent backend pool worker, or door in the place of agent backend",
        // One whose networks all have a door shows none.
        _ => "agent backend",
    }
}

fn in_words(role: Role) -> &'static str {
    match role {
        Role::BoundGate => "gate with a door",
        Role::BoundGateWithLog => "gate with a door, and a log that may come back",
        Role::HostProxy => "proxy of a host",
        Role::Reader => "reader of one file",
        Role::Agent => "agent that asks Nova, and has no secret",
        Role::Signer | Role::SignerWithLog => "signer of an agent: it has the secret",
        Role::SignerWithDatabase => "signer of an agent, with a database: it has the secret",
        other => other.name(),
    }
}
