//! Two processes: one runs the inputs, the other one outlives it. So an abort, an overflow of the stack, too much memory
//! and a run without an end are findings as well.

use crate::execute::{SLOW, processor_time};
use nix::sys::resource::{Resource, setrlimit};
use nix::time::ClockId;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, thread};

/// Set in the process that runs the inputs.
const WORKER: &str = "NSGATE_FUZZ_WORKER";
/// Address space of that process.
const MEMORY: u64 = 4 << 30;
/// A run that takes so much of the processor's time will not end.
const ENDLESS: Duration = SLOW.saturating_mul(10);
/// A process that takes no processor time for so many looks at the clock waits for an event that will not
/// come.
const ASLEEP: u32 = 240;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Whether this process runs the inputs.
pub fn is_worker() -> bool {
    std::env::var_os(WORKER).is_some()
}

/// How the worker ended.
#[derive(Debug)]
pub enum Ended {
    /// With a status of its own.
    Status(u8),
    /// It was ended. The field is the input that it was running.
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
}

impl Journal {
    /// At `path`; begins to watch the time, and bounds the memory.
    ///
    /// # Errors
    /// The file cannot be made, or the kernel refuses the bound.
    pub fn open(path: &Path) -> Result<Journal, String> {
        setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY).map_err(|error| format!("setrlimit(2): {error}"))?;
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let began = Arc::new(AtomicU64::new(0));
        let watched = began.clone();
        thread::spawn(move || watch(&watched));
        Ok(Journal { file, path: path.to_owned(), began })
    }

    /// `input` is run now.
    pub fn begin(&mut self, input: &[u8]) {
        let text = [&(input.len() as u64).to_le_bytes()[..], input].concat();
        // If it cannot be written, a finding may lack its input; the run is worth while all the same.
        let _ = self.file.write_all_at(&text, 0);
        self.began.store(spent().as_micros() as u64 + 1, Ordering::Relaxed);
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

/// Processor time of this process.
fn spent() -> Duration {
    processor_time(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn watch(began: &AtomicU64) {
    let (mut last, mut asleep) = ((0, Duration::ZERO), 0);
    loop {
        thread::sleep(BETWEEN_LOOKS);
        let (since, now) = (began.load(Ordering::Relaxed), spent());
        if since > 0 && now > Duration::from_micros(since) + ENDLESS {
            eprintln!("a run has not ended after {ENDLESS:?} of the processor's time");
            std::process::abort();
        }
        // This thread itself takes some microseconds for each look.
        let slept = since > 0 && since == last.0 && now < last.1 + Duration::from_millis(1);
        asleep = if slept { asleep + 1 } else { 0 };
        last = (since, now);
        if asleep > ASLEEP {
            eprintln!("a run waits for something that does not come");
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
