//! Step 4, where an address is taken: a gate of the same identity that holds it is succeeded, anybody else stays.
//!
//! An agent that has lost a gate's pid file (Neutron's removes it before each start) starts the gate anew and expects the
//! new text to be served. Promises that nobody is succeeded but a process that the kernel shows to be such a gate: its
//! listener was made with this process's rights, and it stands, without any, in a small root that carries the identity
//! ([`attest::name_of_root`]). No process can give itself either. Its listeners are shared, so that no guest's connection
//! is lost, and it is told to end when the new gate serves.

use crate::{
    holders::{self, Listening, SocketHolder},
    mark::{Mark, Whose, whose},
    namespace,
    replace::NAMES,
    roles::{Role, expected},
    signals::SUCCEEDED,
    sys,
};
use nix::{
    sys::{signal::Signal, stat::fstat},
    unistd::Pid,
};
use nsgate_config::Listener;
use nsgate_sandbox::attest;
use std::{
    fs,
    os::fd::{OwnedFd, RawFd},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a gate may take to let its listeners go once it was told to. One that is stopped, or loops, never does.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// A gate that will be succeeded.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pid: i32,
    process: OwnedFd,
    holds: Vec<(RawFd, u64)>,
}

/// The gates that this start succeeds.
#[derive(Debug)]
pub(crate) struct Succession {
    mark: Mark,
    found: Vec<Predecessor>,
}

/// Sockets at an address, and who holds them, that no start takes over from.
#[derive(Debug)]
pub(crate) struct InTheWay {
    sockets: Vec<Listening>,
    holders: Vec<SocketHolder>,
}

impl Succession {
    /// Of a gate with this mark.
    pub(crate) fn of(mark: Mark) -> Self {
        Self { mark, found: Vec::new() }
    }

    /// The sockets that stand where `listener` should, if all of them are such gates'. They are copies, so far as the
    /// kernel lets this process have any; without one the address may be joined (SO_REUSEPORT).
    ///
    /// # Errors
    /// Who listens there instead.
    pub(crate) fn at(&mut self, listener: &Listener) -> Result<Vec<OwnedFd>, InTheWay> {
        let sockets = holders::in_the_way(listener);
        let holders = holders::of(&sockets);
        let gates: Vec<Predecessor> = match self.mark {
            Mark::Unmarked => Vec::new(),
            mark => holders.iter().filter_map(|holder| Predecessor::prove(holder, mark)).collect(),
        };
        let is_a_gates = |socket: &Listening| {
            socket.is_ours() && gates.iter().any(|gate| gate.holds.iter().any(|(_, inode)| *inode == socket.inode))
        };
        if sockets.is_empty() || !sockets.iter().all(is_a_gates) {
            return Err(InTheWay { sockets, holders });
        }
        let shared = gates.iter().flat_map(Predecessor::copies).collect();
        for gate in gates {
            self.found.retain(|known| known.pid != gate.pid);
            self.found.push(gate);
        }
        Ok(shared)
    }

    /// Who listens, in words, and what to do.
    pub(crate) fn who(&self, InTheWay { sockets, holders }: &InTheWay) -> String {
        const SHOWN: usize = 3;
        // A pool's worker holds the listeners of other networks too: it is not what to end.
        let alone: Vec<i32> = holders.iter().map(|holder| holder.pid).filter(|pid| !is_of_pool(*pid)).collect();
        let found: Vec<String> = alone.iter().take(SHOWN).map(|pid| in_words(*pid)).collect();
        let of_whom = match self.mark {
            Mark::Unmarked => String::new(),
            mark => format!(", not the gate of {}, from which a start would take over", mark.in_words()),
        };
        // Sockets of another network namespace are not listed.
        let there = namespace::name_of_own().map_or(String::new(), |name| format!("ip netns exec {name} "));
        match (sockets.is_empty(), found.as_slice()) {
            (true, _) => format!("the address is bound, and nothing listens there: `{there}ss -anp` may say by whom"),
            (false, []) if !holders.is_empty() => {
                let worker = holders.iter().take(1).map(|holder| holders::in_words(holder.pid)).collect::<String>();
                format!(
                    "a network of a pool is served there, by {worker}{of_whom}; end that network, and not the worker: \
                     `nsgate list` names the networks, and `nsgate remove UUID` ends one"
                )
            }
            (false, []) => format!(
                "another process listens there, and this /proc does not show which: it may be in a container, or be kept by a \
                 service manager; `{there}ss -ltnp` on the host says"
            ),
            (false, found) => format!(
                "another process listens there: {}{of_whom}; end it first: `kill {}` (`{there}ss -ltnp` lists it)",
                found.join(" and "),
                alone.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(" "),
            ),
        }
    }

    /// Tells the gates that they are succeeded, and sees to it that they let go.
    pub(crate) fn tell(self) {
        for gate in &self.found {
            // One that has ended in the meantime need not be told.
            let _ = sys::pidfd_queue(&gate.process, Signal::SIGUSR1 as i32, SUCCEEDED);
        }
        let end = Instant::now() + PATIENCE;
        for gate in self.found {
            while gate.holds_on() {
                if Instant::now() >= end {
                    // Half of the guests would be its own for ever.
                    let _ = sys::pidfd_signal(&gate.process, Signal::SIGKILL as i32);
                    break;
                }
                sleep(BETWEEN_LOOKS);
            }
        }
    }
}

/// Whether a process serves many networks.
fn is_of_pool(pid: i32) -> bool {
    let parts = [Role::Worker, Role::Zygote, Role::Dispatcher].map(Role::name);
    attest::process(pid, expected).is_ok_and(|found| found.role.is_some_and(|role| parts.contains(&role)))
}

/// A process in words, with the network that it is there for.
fn in_words(pid: i32) -> String {
    let of = match whose(pid) {
        Some(Whose::One(identity)) => format!(" of {} {}", identity.header(), identity.uuid()),
        Some(Whose::Host) => " of this host".to_owned(),
        None => String::new(),
    };
    format!("{}{of}", holders::in_words(pid))
}

impl Predecessor {
    /// The holder, if it is a gate with this mark.
    fn prove(holder: &SocketHolder, mark: Mark) -> Option<Self> {
        // The descriptor first: it stays with the process that is looked at then.
        let process = sys::pidfd_open(Pid::from_raw(holder.pid)).ok()?;
        let name = attest::name_of_root(holder.pid)?;
        let proved = name == mark.to_string() || (name == UNNAMED && was_started_for(holder.pid, mark));
        let lives = sys::pidfd_signal(&process, 0).is_ok();
        (proved && lives).then(|| Self { pid: holder.pid, process, holds: holder.holds.clone() })
    }

    /// Its listeners, as descriptors of this process's own (pidfd_getfd(2)).
    fn copies(&self) -> Vec<OwnedFd> {
        let copy = |(number, inode): &(RawFd, u64)| {
            let copy = sys::pidfd_getfd(&self.process, *number).ok()?;
            // It may have been closed and opened anew in the meantime.
            (fstat(&copy).ok()?.st_ino == *inode).then_some(copy)
        };
        self.holds.iter().filter_map(copy).collect()
    }

    /// Whether it still holds one of the listeners that it was found with.
    fn holds_on(&self) -> bool {
        let inodes = self.holds.iter().map(|(_, inode)| *inode);
        sys::pidfd_signal(&self.process, 0).is_ok() && holders::holds_any(self.pid, &inodes.collect::<Vec<_>>())
    }
}

/// The root of a gate of release 0.1.0, which has no name.
const UNNAMED: &str = "tmpfs";

/// Whether a gate of release 0.1.0 has the identity on its command line, as Neutron's agents know it. It can write there
/// what it likes, and gains nothing by it: at worst it is told to end.
fn was_started_for(pid: i32, mark: Mark) -> bool {
    let Mark::One(identity) = mark else { return false };
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    NAMES.contains(&name.trim()) && String::from_utf8_lossy(&command).contains(&identity.uuid().to_string())
}
