//! A line of the log that would come again and again: once a second at most.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_secs(1);

/// Says something at most once a second, however many gates of this process want to say it.
#[derive(Debug)]
pub struct Seldom(Mutex<LastSaid>);

#[derive(Debug)]
struct LastSaid {
    last: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Nothing was said yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(LastSaid { last: None, left_out: 0 }))
    }

    /// Calls `say` if nothing was said within the last second, with what belongs at the line's end: empty, or how many
    /// lines like it were left out.
    pub fn say(&self, say: impl FnOnce(&str)) {
        if let Some(left_out) = self.due(Instant::now()) {
            match left_out {
                0 => say(""),
                count => say(&format!(" ({count} more lines like this were left out)")),
            }
        }
    }

    fn due(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            said.left_out += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.left_out))
    }
}

impl Default for Seldom {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Seldom};

    #[test]
    fn one_line_a_second_and_how_many_were_left_out() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let at = |milliseconds| seldom.due(start + Duration::from_millis(milliseconds));
        assert_eq!(at(0), Some(0));
        assert_eq!([at(100), at(500), at(999)], [None; 3]);
        assert_eq!([at(1000), at(1100), at(5000)], [Some(3), None, Some(1)]);
    }
}
