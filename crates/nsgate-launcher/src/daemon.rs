//! Step 5: a process of its own, and a pipe on which it says how it went.

use crate::{LaunchError, descriptors, pid_file::Created, signals, sys};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::{
        signal::{Signal, kill},
        stat::Mode,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{Pid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, getresuid, pipe2, setresuid, setsid},
};
use nsgate_sandbox::namespaces;
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

/// First byte of each word on the pipe.
const CREATED: u8 = b'P';
const READY: u8 = b'R';
const FAILED: u8 = b'E';

/// The gate's end of the pipe.
#[derive(Debug)]
pub struct Readiness(File);

/// The starter's end: what the gate says of itself.
#[derive(Debug)]
pub(crate) struct GateWord {
    word: File,
    /// The pid file that the gate has said it made.
    created: Option<Created>,
    /// It has said that it made one, and not yet which.
    half: bool,
}

/// The gate, as its starter knows it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
}

/// Which side of the fork this process is on, with its end of the pipe.
pub(crate) enum Forked {
    Starter(Child, GateWord),
    Gate(Readiness),
}

/// Makes the gate's process, the first of a PID namespace of its own. Without privileges it stays in the one that the service
/// manager gave.
pub(crate) fn separate(unprivileged: bool) -> Result<Forked, LaunchError> {
    signals::block()?;
    let (word, readiness) = channel()?;
    if !unprivileged {
        namespaces::separate_pid()?;
    }
    Ok(match fork()? {
        Some(child) => Forked::Starter(child, word),
        None => Forked::Gate(readiness),
    })
}

fn channel() -> Result<(GateWord, Readiness), LaunchError> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(LaunchError::daemon("pipe2"))?;
    Ok((GateWord { word: read.into(), created: None, half: false }, Readiness(write.into())))
}

/// `None` in the child, which does nothing before its parent knows it for good: one that cannot be watched is ended.
pub(crate) fn fork() -> Result<Option<Child>, LaunchError> {
    let (wait, go) = pipe2(OFlag::O_CLOEXEC).map_err(LaunchError::daemon("pipe2"))?;
    let Some(pid) = sys::fork().map_err(LaunchError::daemon("fork"))? else {
        drop(go);
        let mut byte = [0];
        return match File::from(wait).read_exact(&mut byte) {
            Ok(()) => Ok(None),
            Err(_) => sys::exit(1),
        };
    };
    drop(wait);
    let watched = sys::pidfd_open(pid).map_err(LaunchError::daemon("pidfd_open")).and_then(|pidfd| {
        let word = File::from(go).write_all(b"!");
        word.map(|()| pidfd)
            .map_err(|error| LaunchError::daemon("write")(error.raw_os_error().map_or(Errno::EPIPE, Errno::from_raw)))
    });
    match watched {
        Ok(pidfd) => Ok(Some(Child { pid, pidfd })),
        Err(error) => {
            end(pid);
            Err(error)
        }
    }
}

/// Ends a child of this process's by its number, which is its own until it was waited for.
pub(crate) fn end(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
    while matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(..)) | Err(Errno::EINTR)) {}
}

/// Leaves the starter's session, and returns this process's id as the host sees it.
pub(crate) fn settle(foreground: bool, unprivileged: bool) -> Result<i32, LaunchError> {
    detach(foreground)?;
    if !unprivileged {
        namespaces::assert_first()?;
    }
    host_pid()
}

/// A session of its own and no way to the starter's terminal or pipes; in the foreground the outputs stay.
fn detach(foreground: bool) -> Result<(), LaunchError> {
    setsid().map_err(LaunchError::daemon("setsid"))?;
    chdir("/").map_err(LaunchError::daemon("chdir(/)"))?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(LaunchError::daemon("open(/dev/null)"))?;
    dup2_stdin(&null).map_err(LaunchError::daemon("dup2"))?;
    if !foreground {
        dup2_stdout(&null).map_err(LaunchError::daemon("dup2"))?;
        dup2_stderr(&null).map_err(LaunchError::daemon("dup2"))?;
        descriptors::clear_environment(&["PROCESS_TAG"]);
    }
    Ok(())
}

/// This process's id as the host's `/proc` has it; in its own PID namespace it is 1.
fn host_pid() -> Result<i32, LaunchError> {
    let link = std::fs::read_link("/proc/self").ok();
    let number = link.and_then(|link| link.to_str()?.parse().ok());
    number.ok_or(LaunchError::Daemon { call: "readlink(/proc/self)", source: Errno::ENOENT })
}

impl Readiness {
    /// Its descriptor.
    pub(crate) fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Does the rest of the gate's half, which is told the number of one more descriptor that it holds. An error goes to the
    /// starter, by that descriptor, which is closed if there is none.
    pub(crate) fn report<T>(self, rest: impl FnOnce(Self, RawFd) -> Result<T, LaunchError>) -> Option<T> {
        match self.copy() {
            Ok(reporter) => {
                let done = rest(self, reporter.number());
                done.map_err(|error| reporter.fail(&error.to_string())).ok()
            }
            Err(error) => {
                self.fail(&error.to_string());
                None
            }
        }
    }

    /// A second handle on the same pipe.
    fn copy(&self) -> Result<Self, LaunchError> {
        let copied = self.0.try_clone().map(Self);
        copied.map_err(|error| {
            LaunchError::daemon("fcntl(F_DUPFD_CLOEXEC)")(error.raw_os_error().map_or(Errno::EMFILE, Errno::from_raw))
        })
    }

    /// The pid file was written.
    pub(crate) fn created(&mut self, created: Created) {
        let mut word = vec![CREATED];
        word.extend_from_slice(&created.device.to_ne_bytes());
        word.extend_from_slice(&created.inode.to_ne_bytes());
        // A starter that is gone cannot be told; the gate will notice nothing and serve.
        let _ = self.0.write_all(&word);
    }

    /// The gate serves. Where its starter is gone, the start has failed, and this process ends: a gate that no
    /// agent was told of would serve for ever.
    pub fn tell(mut self) {
        if self.0.write_all(&[READY]).is_err() {
            sys::exit(1);
        }
    }

    /// There will be no gate.
    pub fn fail(mut self, reason: &str) {
        let mut word = vec![FAILED];
        word.extend_from_slice(reason.as_bytes());
        let _ = self.0.write_all(&word);
    }
}

impl GateWord {
    /// Waits for the gate's last word, or its end.
    pub(crate) fn listen(&mut self) -> Result<(), LaunchError> {
        let mut kind = [0];
        loop {
            // What was made is known at once: should reading fail later, it can still be taken away.
            let heard = self.word.read_exact(&mut kind).and_then(|()| match kind {
                [CREATED] => self.hear_of_file(),
                _ => Ok(()),
            });
            match heard {
                Ok(()) if kind == [CREATED] => {}
                Ok(()) if kind == [READY] => return Ok(()),
                Ok(()) => {
                    let mut reason = String::new();
                    // Half a message is better than none.
                    let _ = self.word.read_to_string(&mut reason);
                    return Err(LaunchError::Gate(reason));
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let reason =
                        "the gate ended before it served; the kernel's log may say why: dmesg | nsgate explain"
                            .to_owned();
                    return Err(LaunchError::Gate(reason));
                }
                Err(error) => return Err(LaunchError::Gate(format!("the gate cannot be heard: read(2): {error}"))),
            }
        }
    }

    /// Which pid file the gate has made, also if that was not heard yet. For a gate that has ended.
    pub(crate) fn created(mut self) -> Option<Created> {
        let mut kind = [0];
        while self.created.is_none() && (self.half || self.word.read_exact(&mut kind).is_ok()) {
            if (self.half || kind == [CREATED]) && self.hear_of_file().is_err() {
                break;
            }
        }
        self.created
    }

    fn hear_of_file(&mut self) -> io::Result<()> {
        self.half = true;
        let mut numbers = [[0; 8]; 2];
        self.word.read_exact(numbers.as_flattened_mut())?;
        let [device, inode] = numbers.map(u64::from_ne_bytes);
        (self.created, self.half) = (Some(Created { device, inode }), false);
        Ok(())
    }
}

impl Child {
    /// Its exit status, or 128 and the signal that ended it; `None` while it lives.
    pub(crate) fn status(&self) -> Option<u8> {
        match waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::Exited(_, status)) => Some(u8::try_from(status).unwrap_or(1)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(u8::try_from(128 + signal as i32).unwrap_or(1)),
            _ => None,
        }
    }

    /// The same, for one that may have become this user. Root without CAP_KILL, as containers have it, may signal it only with
    /// that user as its real one (kill(2)), and would wait for it for ever. Nor would the signal of PR_SET_PDEATHSIG reach it:
    /// the kernel asks whether the parent that ends may send it.
    pub(crate) fn end_as(self, user: Uid) {
        if let (Err(Errno::EPERM), Ok(own)) = (kill(self.pid, None), getresuid()) {
            let _ = setresuid(user, own.effective, own.saved);
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = setresuid(own.real, own.effective, own.saved);
        }
        self.end();
    }

    /// Makes sure that it is gone, and that no zombie is left.
    pub(crate) fn end(self) {
        // It has ended already, or hangs in a step that failed.
        end(self.pid);
    }
}
