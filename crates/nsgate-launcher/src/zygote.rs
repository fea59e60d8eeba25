//! Many confined processes from one, for a pool with more than one worker.
//!
//! The zygote is the process that the order of the drop has made. It holds no privilege, and its filter lets pass what its
//! children do, and what it takes to make them. It makes a dispatcher and the workers by fork(2). Each of them narrows itself
//! further ([`Confined::narrow`]), and where one dies, another takes its place. The zygote hears signals and the ends of its
//! children, and no peer.

use crate::{
    LaunchError, Readiness, Role, Watchdog,
    daemon::Child,
    signals::Signals,
    supervisor::{FILTERED, refused_call},
    sys,
};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
};
use nsgate_sandbox::Confined;
use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

/// Before another process takes the place of one that died young: from the first to the last.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// A process that lived longer than this did not die young.
const YOUNG: Duration = Duration::from_secs(10);

/// How a worker ends that was asked to by a signal, rather than because another pool has taken over: where only one of
/// them was asked, another takes its place.
pub const EXIT_ON_SIGNAL: u8 = 3;

/// What a zygote begins with.
#[derive(Debug)]
pub struct Zygote {
    /// The proof of its own confinement.
    pub confined: Confined,
    /// What it hears: the same signals that its children do.
    pub signals: Signals,
    /// The pool's sockets, which the dispatcher listens at.
    pub endpoints: Vec<OwnedFd>,
    /// What a dispatcher leaves to the next one.
    pub memory: OwnedFd,
    /// How many workers.
    pub workers: u32,
    /// Told by the zygote, without which no worker that dies is replaced.
    pub watchdog: Option<Watchdog>,
    /// Tells the starter that the dispatcher listens.
    pub readiness: Readiness,
}

/// Which process this is now.
#[derive(Debug)]
pub enum PoolProcess {
    /// The zygote: done. Exit with this status.
    Ended(u8),
    /// The dispatcher.
    Dispatcher {
        /// The pool's sockets.
        endpoints: Vec<OwnedFd>,
        /// A `SOCK_SEQPACKET` connection to each worker, from the first to the last.
        workers: Vec<OwnedFd>,
        /// What the dispatcher before it has left.
        memory: OwnedFd,
        /// Tells the starter; `None` in a dispatcher that takes another one's place.
        readiness: Option<Readiness>,
        /// What it still has to hear.
        signals: Signals,
        /// The zygote's proof, to be narrowed.
        confined: Confined,
    },
    /// A worker.
    Worker {
        /// Which, from 1 on.
        number: u32,
        /// The connection to the present dispatcher.
        dispatcher: OwnedFd,
        /// What it still has to hear.
        signals: Signals,
        /// The zygote's proof, to be narrowed.
        confined: Confined,
    },
}

/// The slot of one child.
struct ChildSlot {
    /// 0 is the dispatcher.
    number: u32,
    child: Option<Child>,
    born: Instant,
    /// When the next one begins.
    next: Instant,
    pause: Duration,
    /// It will have no other child.
    done: bool,
}

impl ChildSlot {
    fn new(number: u32) -> Self {
        let now = Instant::now();
        Self { number, child: None, born: now, next: now, pause: SHORTEST, done: false }
    }

    fn role(&self) -> Role {
        if self.number == 0 { Role::Dispatcher } else { Role::Worker }
    }

    fn name(&self) -> String {
        match self.number {
            0 => "the dispatcher".to_owned(),
            number => format!("worker {number}"),
        }
    }

    /// Its child has ended with this status.
    fn ended(&mut self, status: u8, ending: &mut bool) {
        self.child = None;
        if *ending || status == 0 {
            // The dispatcher ends in order when all do; a worker, when another pool has taken over its networks.
            *ending |= self.number == 0;
            self.done = true;
            return;
        }
        let died_young = self.born.elapsed() < YOUNG;
        self.next = Instant::now() + if died_young { self.pause } else { Duration::ZERO };
        self.pause = if died_young { (self.pause * 2).min(LONGEST) } else { SHORTEST };
        match status {
            EXIT_ON_SIGNAL => tracing::info!("{} has ended as it was asked to; another takes its place", self.name()),
            FILTERED => tracing::error!("{}: {}; another takes its place", self.name(), refused_call(self.role())),
            _ => tracing::error!("{} has ended with status {status}; another takes its place", self.name()),
        }
    }
}

/// Makes the dispatcher and the workers, and others in the place of those that die, until all have ended in order.
/// Returns in every process.
///
/// # Errors
/// The connections between them, or the first of them, cannot be made.
pub fn raise(zygote: Zygote) -> Result<PoolProcess, LaunchError> {
    let Zygote { confined, signals, mut endpoints, memory, workers, watchdog, readiness } = zygote;
    let mut readiness = Some(readiness);
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let pair = |_| {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).map_err(LaunchError::daemon("socketpair"))
    };
    let pairs: Vec<(OwnedFd, OwnedFd)> = (0..workers).map(pair).collect::<Result<_, _>>()?;
    let mut slots: Vec<ChildSlot> = (0..=workers).map(ChildSlot::new).collect();
    let mut ending = false;
    loop {
        for slot in &mut slots {
            if slot.child.is_some() || slot.done || ending || slot.next > Instant::now() {
                continue;
            }
            match sys::fork() {
                Ok(None) => {
                    let number = slot.number;
                    drop(watchdog);
                    return Ok(part(number, pairs, (endpoints, memory), readiness, signals, confined));
                }
                Ok(Some(pid)) => {
                    let pidfd = sys::pidfd_open(pid).map_err(LaunchError::daemon("pidfd_open"))?;
                    slot.child = Some(Child { pid, pidfd });
                    slot.born = Instant::now();
                    // Only the first dispatcher has a starter that waits.
                    readiness = None;
                }
                Err(source) if readiness.is_some() => return Err(LaunchError::daemon("fork")(source)),
                Err(error) => {
                    tracing::error!("{} cannot be made: fork: {error}", slot.name());
                    slot.next = Instant::now() + LONGEST;
                }
            }
        }
        if ending {
            // The last copy of these sockets takes their queue with it: no peer waits for an answer that will not come.
            endpoints.clear();
            slots.iter_mut().filter(|slot| slot.child.is_none()).for_each(|slot| slot.done = true);
        }
        if slots.iter().all(|slot| slot.done) {
            return Ok(PoolProcess::Ended(0));
        }
        wait(&signals, &slots, watchdog.as_ref());
        while let Some((number, asked)) = signals.next_as_it_came() {
            ending |= asked.ends();
            for child in slots.iter().filter_map(|slot| slot.child.as_ref()) {
                // One that has just ended cannot be told, and does not need to be.
                let _ = sys::pidfd_signal(&child.pidfd, number);
            }
        }
        for slot in &mut slots {
            if let Some(status) = slot.child.as_ref().and_then(Child::status) {
                slot.ended(status, &mut ending);
            }
        }
    }
}

/// What a new child is, with what is its own. Everything else is closed here.
fn part(
    number: u32,
    pairs: Vec<(OwnedFd, OwnedFd)>,
    (endpoints, memory): (Vec<OwnedFd>, OwnedFd),
    readiness: Option<Readiness>,
    signals: Signals,
    confined: Confined,
) -> PoolProcess {
    let (workers, mut dispatchers): (Vec<OwnedFd>, Vec<OwnedFd>) = pairs.into_iter().unzip();
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    match index.filter(|index| *index < dispatchers.len()) {
        None => PoolProcess::Dispatcher { endpoints, workers, memory, readiness, signals, confined },
        Some(index) => PoolProcess::Worker { number, dispatcher: dispatchers.swap_remove(index), signals, confined },
    }
}

/// Waits for a signal, the end of a child, or the time for the next one.
fn wait(signals: &Signals, slots: &[ChildSlot], watchdog: Option<&Watchdog>) {
    let descriptors = slots.iter().filter_map(|slot| slot.child.as_ref()).map(|child| child.pidfd.as_fd());
    let mut all: Vec<PollFd<'_>> =
        descriptors.chain([signals.as_fd()]).map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)).collect();
    let next = slots.iter().filter(|slot| slot.child.is_none() && !slot.done).map(|slot| slot.next).min();
    let left = next.map(|next| next.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
    let left = left.into_iter().chain(watchdog.map(|watchdog| watchdog.every)).min();
    let timeout = left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
    if let Some(watchdog) = watchdog {
        watchdog.pat();
    }
    // EINTR is as good as any other reason to look.
    let _ = poll(&mut all, timeout);
}
