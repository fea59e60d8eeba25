//! Which worker has each listener. A socket under two identities would answer a guest now in the name of one network and now
//! of another. Two workers do not see each other's listeners, so the dispatcher keeps this record.
//!
//! A listener is known by its number (SO_COOKIE), which the kernel gives to no other socket. The record is in memory that the
//! next dispatcher inherits. It is a ring of a million entries: a new one replaces the oldest.

use nix::sys::uio::{pread, pwrite};
use std::{collections::BTreeMap, os::fd::OwnedFd};

/// Most listeners in the record.
const MOST: u64 = 1 << 20;
/// Bytes of an entry: the listener's number, its worker, and the entry's place in time, from 1.
const RECORD: usize = 24;

/// The record.
#[derive(Default)]
pub(super) struct Claims {
    memory: Option<OwnedFd>,
    /// Worker and place in time, by the number of the listener.
    known: BTreeMap<u64, (usize, u64)>,
    /// The listeners by their place in time.
    places: BTreeMap<u64, u64>,
    last: u64,
}

impl Claims {
    /// Reads the record that the dispatcher before this one has left in `memory`.
    pub(super) fn remembered(memory: OwnedFd) -> Self {
        let mut claims = Self::default();
        let mut record = [0; RECORD];
        for slot in 0..MOST {
            match pread(&memory, &mut record, offset(slot)) {
                Ok(RECORD) => {
                    let [cookie, worker, place] = numbers(&record);
                    claims.put(cookie, usize::try_from(worker).unwrap_or(usize::MAX), place);
                }
                _ => break,
            }
        }
        Self { memory: Some(memory), ..claims }
    }

    /// Claims these listeners for a worker, all or none. An error names another worker that has claimed one, and which one.
    pub(super) fn claim(&mut self, cookies: &[u64], worker: usize) -> Result<(), (usize, u64)> {
        let other = |cookie: &u64| self.known.get(cookie).filter(|(by, _)| *by != worker).map(|(by, _)| (*by, *cookie));
        if let Some(other) = cookies.iter().find_map(other) {
            return Err(other);
        }
        for cookie in cookies {
            if self.known.contains_key(cookie) {
                continue;
            }
            let place = self.last + 1;
            self.put(*cookie, worker, place);
            if let Some(memory) = &self.memory {
                let numbers = [*cookie, u64::try_from(worker).unwrap_or(u64::MAX), place];
                let record: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
                if let Err(error) = pwrite(memory, &record, offset(place - 1)) {
                    tracing::error!("the next dispatcher will not know a listener: pwrite: {error}");
                }
            }
        }
        Ok(())
    }

    /// Frees a listener that this worker no longer has.
    pub(super) fn forget(&mut self, worker: usize, cookie: u64) {
        if let Some((_, place)) = self.known.get(&cookie).filter(|(by, _)| *by == worker) {
            self.places.remove(place);
            self.known.remove(&cookie);
        }
    }

    fn put(&mut self, cookie: u64, worker: usize, place: u64) {
        // The ring holds a listener twice if it went from one worker to another. The later entry counts.
        if self.known.get(&cookie).is_some_and(|(_, before)| *before > place) {
            return;
        }
        if let Some((_, before)) = self.known.insert(cookie, (worker, place)) {
            self.places.remove(&before);
        }
        self.places.insert(place, cookie);
        self.last = self.last.max(place);
        while self.places.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
            let oldest = self.places.pop_first();
            oldest.map(|(_, cookie)| self.known.remove(&cookie));
        }
    }
}

fn offset(slot: u64) -> i64 {
    i64::try_from(slot % MOST).unwrap_or(0) * i64::try_from(RECORD).unwrap_or(0)
}

fn numbers(record: &[u8; RECORD]) -> [u64; 3] {
    let mut numbers = [0; 3];
    for (number, bytes) in numbers.iter_mut().zip(record.chunks_exact(8)) {
        *number = bytes.try_into().map(u64::from_ne_bytes).unwrap_or(0);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::Claims;

    #[test]
    fn a_listener_has_one_worker_also_for_the_next_dispatcher() {
        let memory = crate::record::blank().unwrap();
        let mut claims = Claims::remembered(memory.try_clone().unwrap());
        assert_eq!(claims.claim(&[5, 6], 0), Ok(()));
        assert_eq!(claims.claim(&[5, 6], 0), Ok(()), "the same once more");
        assert_eq!(claims.claim(&[7, 6], 1), Err((0, 6)));
        assert_eq!(claims.claim(&[7], 2), Ok(()), "nothing was taken with what was refused");
        let mut next = Claims::remembered(memory.try_clone().unwrap());
        assert_eq!(next.claim(&[5], 1), Err((0, 5)));
        next.forget(1, 5);
        assert_eq!(next.claim(&[5], 1), Err((0, 5)), "that worker never had it");
        next.forget(0, 5);
        assert_eq!(next.claim(&[5], 1), Ok(()));
        let mut last = Claims::remembered(memory);
        assert_eq!((last.claim(&[5], 0), last.claim(&[6], 0), last.claim(&[7], 0)), (Err((1, 5)), Ok(()), Err((2, 7))));
    }
}
