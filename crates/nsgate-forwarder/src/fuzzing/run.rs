//! Runs a future whose bytes are all in memory.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};
use tokio::runtime::{Builder, Runtime};

/// The future waits, and no event will wake it.
#[derive(Debug)]
pub(super) struct Stuck;

/// Polls to the end. All bytes are in memory, so a future that waits without having been woken would wait for ever, or until a
/// timer ends. That is an error.
pub(super) fn run<T>(future: impl Future<Output = T>) -> Result<T, Stuck> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().enable_time().build().ok());
    let _entered = runtime.as_ref().ok_or(Stuck)?.enter();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut cx) {
            return Ok(outcome);
        }
        if !woken.0.swap(false, Ordering::Relaxed) {
            return Err(Stuck);
        }
    }
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
