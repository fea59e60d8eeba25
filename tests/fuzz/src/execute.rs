//! One run of a target, and what can be wrong with it: a panic, too much time, too much memory.

use crate::Target;
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A run that takes more of the processor's time, twice in a row, is a finding. The time of the clock does not count: the
/// fuzzer may be stopped, or share a busy machine.
pub const SLOW: Duration = Duration::from_secs(1);
/// A run that makes the process larger by more than this is a finding.
const GROWTH_KIB: i64 = 64 * 1024;

/// The names of places for findings that have no line of source.
pub const TIME: &str = "time";
/// See [`TIME`].
pub const MEMORY: &str = "memory";

/// What is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its place, which tells findings apart.
    pub place: String,
    /// The message.
    pub message: String,
}

static LAST_PANIC: Mutex<Option<Trouble>> = Mutex::new(None);

/// From here on a panic is kept and not printed.
pub fn keep_panics() {
    set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let message = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(Trouble { place, message });
    }));
}

/// Runs a target, and knows how large the process is.
#[derive(Debug)]
pub struct Executor {
    target: Target,
    /// Before the first run.
    size: i64,
}

impl Executor {
    /// For `target`.
    pub fn new(target: Target) -> Executor {
        Executor { target, size: size() }
    }

    /// Runs once.
    ///
    /// # Errors
    /// What is wrong.
    pub fn run(&self, input: &[u8]) -> Result<(), Trouble> {
        let took = self.timed(input)?;
        if took > SLOW && self.timed(input)? > SLOW {
            return Err(Trouble {
                place: TIME.to_owned(),
                message: format!("a run took {took:?} of the processor's time"),
            });
        }
        let grown = size() - self.size;
        if grown > GROWTH_KIB {
            return Err(Trouble { place: MEMORY.to_owned(), message: format!("the process grew by {grown} KiB") });
        }
        Ok(())
    }

    fn timed(&self, input: &[u8]) -> Result<Duration, Trouble> {
        let began = processor_time(ClockId::CLOCK_THREAD_CPUTIME_ID);
        if catch_unwind(AssertUnwindSafe(|| (self.target.run)(input))).is_ok() {
            return Ok(processor_time(ClockId::CLOCK_THREAD_CPUTIME_ID).saturating_sub(began));
        }
        let last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(last.unwrap_or(Trouble { place: String::new(), message: "a panic".to_owned() }))
    }
}

/// What a clock of processor time shows (clock_gettime(2)).
pub(crate) fn processor_time(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

/// The most memory that the process has had, in KiB (getrusage(2)).
fn size() -> i64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss())
}
