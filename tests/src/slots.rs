//! Room for tests that several suites share: no more of them run at once than there are files in a directory.
//!
//! `cargo xtask test e2e` runs several suites at once, so that a long last test of one does not leave processors idle. Each test
//! holds the lock (flock(2)) of one file; the kernel frees it if the suite dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// The variable that names the directory.
pub const VARIABLE: &str = "NSGATE_TEST_SLOTS";

/// The files whose locks are the room.
#[derive(Debug, Default)]
pub struct Slots(Vec<PathBuf>);

/// Room for one test, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    _lock: Option<Flock<File>>,
}

impl Slots {
    /// Makes room for `count` tests in the directory.
    ///
    /// # Errors
    /// The directory or a file cannot be made.
    pub fn make(directory: &Path, count: usize) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        (0..count.max(1)).try_for_each(|number| File::create(directory.join(number.to_string())).map(drop))
    }

    /// Those of the directory that the variable names; without it there is always room.
    pub fn of_environment() -> Slots {
        std::env::var_os(VARIABLE).map_or_else(Slots::default, |directory| Slots::of(Path::new(&directory)))
    }

    /// Those of this directory.
    pub fn of(directory: &Path) -> Slots {
        Slots(std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect())
    }

    /// Room for one test, if there is any now.
    pub fn take(&self) -> Option<Slot> {
        let lock = |path: &PathBuf| {
            let file = OpenOptions::new().write(true).open(path).ok()?;
            Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
        };
        if self.0.is_empty() {
            return Some(Slot { _lock: None });
        }
        self.0.iter().find_map(lock).map(|lock| Slot { _lock: Some(lock) })
    }
}
