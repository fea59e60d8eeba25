//! Two processes: one runs the inputs, the other one outlives it. What aborts, overflows its stack, takes more memory
//! than there may be or never ends is a finding as well.

use crate::execute::SLOW;
use nix::sys::resource::{Resource, setrlimit};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Set in the process that runs the inputs.
const WORKER: &str = "NSGATE_FUZZ_WORKER";
/// Address space of that process.
const MEMORY: u64 = 4 << 30;
/// A run that lasts this long will not end.
const ENDLESS: Duration = SLOW.saturating_mul(10);

/// Whether this process runs the inputs.
pub fn is_worker() -> bool {
    std::env::var_os(WORKER).is_some()
}

/// How the worker ended.
#[derive(Debug)]
pub enum Ended {
    /// With a status of its own.
    Status(u8),
    /// It did not end by itself; the input it was running.
    Broken(Vec<u8>),
}

/// Runs this program again as the worker and waits for it.
///
/// # Errors
/// It cannot be started.
pub fn supervise(running: &Path) -> Result<Ended, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    let status = command.args(std::env::args_os().skip(1)).env(WORKER, "1").status();
    let status = status.map_err(|error| format!("cannot run {:?}: {error}", command.get_program()))?;
    match (status.code(), read(running)) {
        (None, Some(input)) => Ok(Ended::Broken(input)),
        (code, _) => Ok(Ended::Status(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(2))),
    }
}

/// The input under way, written down before it is run.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: std::path::PathBuf,
    began: Arc<AtomicU64>,
    clock: Instant,
}

impl Journal {
    /// At `path`; begins to watch the time, and bounds the memory.
    ///
    /// # Errors
    /// The file cannot be made, or the kernel refuses the bound.
    pub fn open(path: &Path) -> Result<Journal, String> {
        setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY).map_err(|error| format!("setrlimit(2): {error}"))?;
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (began, clock) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let watched = began.clone();
        thread::spawn(move || watch(&watched, clock));
        Ok(Journal { file, path: path.to_owned(), began, clock })
    }

    /// `input` is run now.
    pub fn begin(&mut self, input: &[u8]) {
        let text = [&(input.len() as u64).to_le_bytes()[..], input].concat();
        // If it cannot be written, a finding may lack its input; the run is worth while all the same.
        let _ = self.file.write_all_at(&text, 0);
        self.began.store(self.clock.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }

    /// The run is over.
    pub fn end(&self) {
        self.began.store(0, Ordering::Relaxed);
    }

    /// Nothing will be run any more.
    pub fn close(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn watch(began: &AtomicU64, clock: Instant) {
    loop {
        thread::sleep(Duration::from_millis(250));
        let since = began.load(Ordering::Relaxed);
        if since > 0 && clock.elapsed() > Duration::from_millis(since) + ENDLESS {
            eprintln!("a run has not ended after {ENDLESS:?}");
            std::process::abort();
        }
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let _ = fs::remove_file(path);
    rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?).map(<[u8]>::to_vec)
}
