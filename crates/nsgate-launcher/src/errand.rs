//! A process that finds something out and is gone.
//!
//! The C library asks modules of the host's for names (nsswitch.conf(5)), and those keep what they open: a cache's file and
//! its mapping, a stream to a daemon of root's. Their code, and what they have read, would stay as well. So names are
//! looked up in a process of its own, of which nothing is left but what it has said.

use crate::{LaunchError, daemon, sys};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::pipe2,
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// The longest that is heard, in bytes.
const LONGEST: usize = 4096;

/// What `work` returns, which runs in a process of its own; that one has ended when this returns.
///
/// # Errors
/// The process could not be made. What it said, within `patience`, is the inner result: `ETIMEDOUT` if it was not done by
/// then.
pub(crate) fn run(patience: Duration, work: impl FnOnce() -> Vec<u8>) -> Result<Result<Vec<u8>, Errno>, LaunchError> {
    let (said, says) = pipe2(OFlag::O_CLOEXEC).map_err(LaunchError::clean("pipe2"))?;
    let Some(child) = daemon::fork()? else {
        drop(said);
        // A starter that does not listen any more has lost patience.
        let _ = File::from(says).write_all(&work());
        sys::exit(0);
    };
    drop(says);
    let heard = hear(File::from(said), patience);
    child.end();
    Ok(heard)
}

/// All that is said.
fn hear(mut said: File, patience: Duration) -> Result<Vec<u8>, Errno> {
    let end = Instant::now() + patience;
    let mut heard = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut ready = [PollFd::new(said.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)) {
            Ok(0) => return Err(Errno::ETIMEDOUT),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let mut piece = [0; 1024];
        match said.read(&mut piece) {
            Ok(0) => return Ok(heard),
            Ok(count) if heard.len() < LONGEST => heard.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Ok(_) => return Err(Errno::EMSGSIZE),
            Err(error) => return Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, run};
    use nix::errno::Errno;
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_found_out_comes_back_and_nothing_else_stays() {
        let open = || {
            let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            links.filter_map(|one| std::fs::read_link(one.path()).ok()).any(|to| to.ends_with("errand.rs"))
        };
        let found = run(LONG, || {
            std::mem::forget(std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/src/errand.rs")).unwrap());
            vec![u8::from(open())]
        });
        assert_eq!(found.unwrap(), Ok(vec![1]), "it was open there");
        assert!(!open(), "and is not here");
    }

    #[test]
    fn patience_and_room_are_bounded() {
        let begun = Instant::now();
        let late = run(Duration::from_millis(50), || {
            std::thread::sleep(LONG);
            Vec::new()
        });
        assert_eq!(late.unwrap(), Err(Errno::ETIMEDOUT));
        assert!(begun.elapsed() < LONG);
        assert_eq!(run(LONG, || vec![0; 3 * LONGEST]).unwrap(), Err(Errno::EMSGSIZE));
    }
}
