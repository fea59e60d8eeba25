//! A guest that goes on asking while something happens to its gate.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::lab::wait_until;
use crate::{Guest, Namespace};

/// A guest that asks again and again until it is told to stop.
#[derive(Debug)]
pub struct Asking {
    stop: Arc<AtomicBool>,
    /// Held by the guest while a request of its is under way.
    turn: Arc<Mutex<()>>,
    asked: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Asking {
    /// Asks for `/`.
    pub fn start(namespace: &Namespace) -> Asking {
        Asking::at(namespace, "/")
    }

    /// Asks for this path, which must be answered with 200.
    pub fn at(namespace: &Namespace, path: &'static str) -> Asking {
        Asking::asks(namespace, path, false)
    }

    /// The same as a guest that obeys `Retry-After`: after a 503 with it the guest asks again, as cloud-init does.
    pub fn again(namespace: &Namespace, path: &'static str) -> Asking {
        Asking::asks(namespace, path, true)
    }

    fn asks(namespace: &Namespace, path: &'static str, again: bool) -> Asking {
        let guest = Guest::new(namespace).patient(60);
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let turn = Arc::new(Mutex::new(()));
        let (stopped, count, turns) = (stop.clone(), asked.clone(), turn.clone());
        let thread = std::thread::spawn(move || {
            let mut failures = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let _turn = turns.lock().expect("a turn");
                match guest.get(path) {
                    Ok(answer) if answer.status == 200 => {}
                    Ok(answer) if again && answer.status == 503 && answer.header("retry-after").is_some() => {}
                    Ok(answer) => failures.push(format!("status {}", answer.status)),
                    Err(error) => failures.push(error.to_string()),
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            failures
        });
        Asking { stop, turn, asked, thread }
    }

    /// Runs `work` while no request is under way.
    pub fn between<T>(&self, work: impl FnOnce() -> T) -> T {
        let _turn = self.turn.lock().expect("a turn");
        work()
    }

    /// Waits for so many more requests.
    #[track_caller]
    pub fn more(&self, count: usize) {
        let want = self.asked.load(Ordering::Relaxed) + count;
        assert!(wait_until(60.0, || self.asked.load(Ordering::Relaxed) >= want), "the guest hangs");
    }

    /// How many requests there were; none failed.
    #[track_caller]
    pub fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.thread.join().expect("the guest");
        let asked = self.asked.load(Ordering::Relaxed);
        assert!(failures.is_empty(), "{} of {asked} requests failed: {:?}", failures.len(), failures.first());
        asked
    }
}
