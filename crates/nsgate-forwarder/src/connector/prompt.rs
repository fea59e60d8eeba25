//! Whether it is worth while to look for the agent's answer before anybody is asked to watch for it.

use std::sync::atomic::{AtomicU32, Ordering};

/// What is known of an agent's last answers. Under load they are often there by the time the other guests have been seen
/// to; then two calls of epoll_ctl(2) are spared. Of an agent that takes its time nothing is asked in vain, but now and then.
#[derive(Debug, Default)]
pub(super) struct Promptness {
    /// Rises with each answer that was there, falls with each that was not.
    score: AtomicU32,
    /// Requests since the last look.
    passed: AtomicU32,
}

/// Looks in vain until nothing speaks for the next one.
const MOST: u32 = 16;
/// What an answer that was there outweighs: a look costs a third of being told.
pub(super) const WORTH: u32 = 3;
/// One request in so many looks, when nothing speaks for it.
const NOW_AND_THEN: u32 = 32;

impl Promptness {
    /// Whether this request looks.
    pub(super) fn looks(&self) -> bool {
        let passed = self.passed.load(Ordering::Relaxed);
        let looks = self.score.load(Ordering::Relaxed) > 0 || passed >= NOW_AND_THEN;
        self.passed.store(if looks { 0 } else { passed + 1 }, Ordering::Relaxed);
        looks
    }

    /// What a look found.
    pub(super) fn found(&self, there: bool) {
        let score = self.score.load(Ordering::Relaxed);
        let score = if there { (score + WORTH).min(MOST) } else { score.saturating_sub(1) };
        self.score.store(score, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, NOW_AND_THEN, Promptness};

    #[test]
    fn an_agent_that_is_prompt_is_looked_at_and_a_slow_one_now_and_then() {
        let agent = Promptness::default();
        let looks = |count: u32| (0..count).filter(|_| agent.looks()).count();
        assert_eq!(looks(10 * (NOW_AND_THEN + 1)), 10);
        (0..100).for_each(|_| agent.found(true));
        assert_eq!(looks(10), 10);
        (0..MOST).for_each(|_| agent.found(false));
        assert_eq!(looks(10), 0);
    }
}
