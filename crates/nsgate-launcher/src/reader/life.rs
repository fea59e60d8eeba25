//! The reader's own life: it gives everything up, and then reads and passes on until it is asked no more.

use super::{ReaderTerms, frames};
use crate::{
    LaunchError, Role, config_file::MOST_OF_HOST, descriptors, pinned_config::check_config_file, rights::Rights, sys,
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::{
        prctl,
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        stat::{FileStat, Mode},
    },
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout, read, write},
};
use nsgate_sandbox::{OneFile, Root, Sandbox, namespaces, small_root};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What the process is called, so that a list of processes tells the two apart.
const NAME: &std::ffi::CStr = c"haproxy-reader";

/// What it keeps of what its parent had. The order is that of the numbers in its policy: 3, 4 and 5.
pub(super) struct Ends {
    pub(super) asked: OwnedFd,
    pub(super) answers: OwnedFd,
    pub(super) directory: OwnedFd,
}

/// Everything after the fork. Nothing that this process has of its parent's is used or dropped any more.
pub(super) fn live(ends: Ends, name: &str, terms: &ReaderTerms) -> ! {
    // Until the descriptors have their places no error can be told; the parent hears that the pipe is closed.
    let Ok(Ends { asked, answers, directory }) = alone(ends) else { sys::exit(1) };
    match give_up(directory, name, terms) {
        Ok(file) => {
            let mut buffer = vec![0; frames::HEAD + frames::LONGEST];
            // The first answer, before any question: here is the reader.
            let mut outcome = say(answers.as_fd(), &[frames::length(0), frames::end()].concat());
            while outcome.is_ok() && asked_again(asked.as_fd()) {
                outcome = match pass_on(answers.as_fd(), &file, terms, &mut buffer) {
                    Ok(()) => Ok(()),
                    Err(reason) => say(answers.as_fd(), &frames::refusal(&reason)),
                };
                buffer.fill(0);
            }
            sys::exit(0)
        }
        Err(error) => {
            let _ = say(answers.as_fd(), &frames::refusal(&error.to_string()));
            sys::exit(1)
        }
    }
}

/// Closes everything else, and gives what is left the numbers that the filter knows.
fn alone(ends: Ends) -> Result<Ends, LaunchError> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(LaunchError::clean("open(/dev/null)"))?;
    dup2_stdin(&null)
        .and_then(|()| dup2_stdout(&null))
        .and_then(|()| dup2_stderr(&null))
        .map_err(LaunchError::clean("dup2"))?;
    drop(null);
    let [asked, answers, directory] =
        sys::keep_only([ends.asked, ends.answers, ends.directory]).map_err(LaunchError::clean("dup3"))?;
    descriptors::only(&[3, 4, 5])?;
    Ok(Ends { asked, answers, directory })
}

/// The order of the drop from its sixth step on, for a process that opens one file.
fn give_up(directory: OwnedFd, name: &str, terms: &ReaderTerms) -> Result<OneFile, LaunchError> {
    // SIGTERM is meant for the reader; SIGHUP is for the process that serves.
    let term: SigSet = [Signal::SIGTERM].into_iter().collect();
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&term), None).map_err(LaunchError::clean("sigprocmask"))?;
    prctl::set_name(NAME).map_err(LaunchError::clean("prctl(PR_SET_NAME)"))?;
    namespaces::separate_rest()?;
    let file = OneFile::new(directory, name)?;
    let policy = Role::reader(&file)?.dies_with_parent(true).strict(terms.strict);
    let sandbox = Sandbox::new(policy)?;
    let root = small_root::enter_from(&terms.origin, Vec::new(), &[])?;
    let mut sandbox = sandbox.drop_privileges(terms.trust.ids())?.restrict_files_but(&file, Root::Small(&root))?;
    sandbox.holds_only(&[3, 4, 5], &[])?;
    sandbox.filter_syscalls()?;
    Ok(file)
}

/// Waits for a word; there is none when the process that serves has ended.
fn asked_again(asked: BorrowedFd<'_>) -> bool {
    loop {
        match read(asked, &mut [0]) {
            Ok(count) => return count > 0,
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Reads the file and passes it on. An error is the reason why not, in a sentence.
fn pass_on(answers: BorrowedFd<'_>, file: &OneFile, terms: &ReaderTerms, buffer: &mut [u8]) -> Result<(), String> {
    let opened = file.open().map_err(in_words)?;
    let failed = |call| move |error: Errno| format!("{call}: {error}");
    let before = sys::fstat(opened.as_fd()).map_err(failed("fstat"))?;
    let list = file.access_control_list(opened.as_fd()).map_err(failed("fgetxattr"))?;
    check_config_file(&Rights::with_list(&before, list.as_deref()).map_err(failed("fgetxattr"))?, &terms.trust)?;
    let size = usize::try_from(before.st_size).unwrap_or(usize::MAX);
    if u64::try_from(before.st_size).is_ok_and(|size| size > MOST_OF_HOST) {
        return Err(format!("it is larger than {MOST_OF_HOST} bytes"));
    }
    let gone = |error| format!("the host proxy is gone: {error}");
    say(answers, &frames::length(size)).map_err(gone)?;
    let mut left = size;
    while let Some((head, room)) = buffer.split_first_chunk_mut::<{ frames::HEAD }>() {
        let count = match read(&opened, room) {
            Ok(0) => break,
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(failed("read")(error)),
        };
        // More than it had: it is being written to.
        let Some(rest) = left.checked_sub(count) else { return Err(CHANGED.to_owned()) };
        left = rest;
        *head = frames::piece(count);
        say(answers, buffer.get(..frames::HEAD + count).unwrap_or_default()).map_err(gone)?;
    }
    let after = sys::fstat(opened.as_fd()).map_err(failed("fstat"))?;
    if left > 0 || stamp(&before) != stamp(&after) {
        return Err(CHANGED.to_owned());
    }
    say(answers, &frames::end()).map_err(gone)
}

const CHANGED: &str = "it changed while it was read; write a new file and rename it over this one, then signal again";

/// What a write to the file changes.
fn stamp(status: &FileStat) -> [i64; 5] {
    [status.st_size, status.st_mtime, status.st_mtime_nsec, status.st_ctime, status.st_ctime_nsec]
}

fn in_words(error: Errno) -> String {
    match error {
        Errno::ENOENT => {
            "it is not there; if its directory was removed and made anew, or replaced, a start anew reads the new \
                          one"
            .to_owned()
        }
        Errno::ELOOP => "it is a symbolic link; a configuration is one plain file".to_owned(),
        Errno::EXDEV => "something is mounted over it; a configuration is a file in its directory".to_owned(),
        Errno::EACCES => {
            "openat2: permission denied; it must be a plain file that the user which the process became can read"
                .to_owned()
        }
        error => format!("openat2: {error}"),
    }
}

/// Writes all of it.
fn say(answers: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match write(answers, rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
