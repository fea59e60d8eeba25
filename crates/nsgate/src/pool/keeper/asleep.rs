//! A keeper that serves no guest: it sleeps while a worker serves, and asks for one while none does. It has no event loop.

use super::{
    driver::{Keeper, WokenBy},
    state::KeeperState,
};
use crate::sys;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use nsgate_launcher::Signals;
use std::{
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// Sleeps until the keeper has to serve by itself, or ends.
pub(super) fn sleep(keeper: &mut Keeper<'_>, signals: &Signals) {
    let mut was_asleep = false;
    while !keeper.state().is_alone() && !matches!(keeper.state(), KeeperState::Ended(_)) {
        let is_asleep = keeper.state().is_asleep();
        if is_asleep && !was_asleep {
            // Give back the memory that the start or the serving took.
            sys::give_back();
            sys::give_back_stack();
        }
        was_asleep = is_asleep;
        if let Some(by) = wait(keeper, signals) {
            keeper.woken(by, signals);
        }
    }
}

/// Waits for the first event. `None`: poll(2) returned without one.
fn wait(keeper: &Keeper<'_>, signals: &Signals) -> Option<WokenBy> {
    let timeout = keeper.deadline().map_or(PollTimeout::NONE, |until| {
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    // Where a descriptor is missing, its place holds the one of the signals with no event, which poll(2) ignores.
    let first = [Some(signals.as_fd()), keeper.door(), keeper.answer(), keeper.worker()];
    let first = first.map(|descriptor| match descriptor {
        Some(descriptor) => PollFd::new(descriptor, PollFlags::POLLIN),
        None => PollFd::new(signals.as_fd(), PollFlags::empty()),
    });
    let guests = keeper.network.listeners.iter().filter(|_| keeper.state().looks_for_guests());
    let guests = guests.map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN));
    let mut all: Vec<PollFd<'_>> = first.into_iter().chain(guests).collect();
    match poll(&mut all, timeout) {
        Ok(0) | Err(Errno::EINTR) => return Some(WokenBy::Time),
        Ok(_) => {}
        // poll(2) cannot fail here: the descriptors are open, and it needs no memory. If it does, a signal still ends the keeper.
        Err(_) => return Some(WokenBy::Signal),
    }
    let any: Vec<bool> = all.iter().map(|one| one.any().unwrap_or(false)).collect();
    match any.as_slice() {
        [true, ..] => Some(WokenBy::Signal),
        [_, true, ..] => Some(WokenBy::Door),
        [_, _, true, ..] => Some(WokenBy::Answer),
        [_, _, _, true, ..] => Some(WokenBy::Worker),
        [_, _, _, _, guests @ ..] if guests.contains(&true) => Some(WokenBy::Guest),
        _ => None,
    }
}
