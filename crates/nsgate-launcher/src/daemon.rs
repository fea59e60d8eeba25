//! Step 5: a process of its own, and a pipe on which it says how it went.

use crate::{LaunchError, descriptors, pid_file::Created, sys};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::{
        stat::Mode,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid},
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
};

/// First byte of each word on the pipe.
const CREATED: u8 = b'P';
const READY: u8 = b'R';
const FAILED: u8 = b'E';

/// The gate's end of the pipe.
#[derive(Debug)]
pub struct Readiness(File);

/// The starter's end.
#[derive(Debug)]
pub(crate) struct Starter(File);

/// What the gate said.
pub(crate) struct Outcome {
    pub(crate) created: Option<Created>,
    pub(crate) result: Result<(), LaunchError>,
}

/// The gate, as its starter knows it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
}

pub(crate) fn channel() -> Result<(Starter, Readiness), LaunchError> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
    Ok((Starter(read.into()), Readiness(write.into())))
}

/// `None` in the child.
pub(crate) fn fork() -> Result<Option<Child>, LaunchError> {
    match sys::fork().map_err(failed("fork"))? {
        None => Ok(None),
        Some(pid) => {
            let pidfd = sys::pidfd_open(pid).map_err(failed("pidfd_open"))?;
            Ok(Some(Child { pid, pidfd }))
        }
    }
}

/// A session of its own and no way to the starter's terminal or pipes; in the foreground the outputs stay.
pub(crate) fn detach(foreground: bool) -> Result<(), LaunchError> {
    setsid().map_err(failed("setsid"))?;
    chdir("/").map_err(failed("chdir(/)"))?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed("open(/dev/null)"))?;
    dup2_stdin(&null).map_err(failed("dup2"))?;
    if !foreground {
        dup2_stdout(&null).map_err(failed("dup2"))?;
        dup2_stderr(&null).map_err(failed("dup2"))?;
        descriptors::clear_environment(&["PROCESS_TAG"]);
    }
    Ok(())
}

/// This process's id as the host's `/proc` has it; in its own PID namespace it is 1.
pub(crate) fn host_pid() -> Result<i32, LaunchError> {
    let link = std::fs::read_link("/proc/self").ok();
    let number = link.and_then(|link| link.to_str()?.parse().ok());
    number.ok_or(LaunchError::Daemon { call: "readlink(/proc/self)", source: Errno::ENOENT })
}

impl Readiness {
    /// A second handle on the same pipe.
    pub(crate) fn copy(&self) -> Result<Self, LaunchError> {
        let copied = self.0.try_clone().map(Self);
        copied.map_err(|error| {
            failed("fcntl(F_DUPFD_CLOEXEC)")(error.raw_os_error().map_or(Errno::EMFILE, Errno::from_raw))
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

    /// The gate serves.
    pub fn tell(mut self) {
        let _ = self.0.write_all(&[READY]);
    }

    /// There will be no gate.
    pub fn fail(mut self, reason: &str) {
        let mut word = vec![FAILED];
        word.extend_from_slice(reason.as_bytes());
        let _ = self.0.write_all(&word);
    }
}

impl Starter {
    /// Waits for the gate's last word, or its end.
    pub(crate) fn listen(mut self) -> Outcome {
        let mut created = None;
        let mut byte = [0];
        loop {
            let result = match self.0.read_exact(&mut byte) {
                Ok(()) if byte == [CREATED] => {
                    let mut number = || -> Option<u64> {
                        let mut bytes = [0; 8];
                        self.0.read_exact(&mut bytes).ok()?;
                        Some(u64::from_ne_bytes(bytes))
                    };
                    created = number().zip(number()).map(|(device, inode)| Created { device, inode });
                    continue;
                }
                Ok(()) if byte == [READY] => Ok(()),
                Ok(()) => {
                    let mut reason = String::new();
                    // Half a message is better than none.
                    let _ = self.0.read_to_string(&mut reason);
                    Err(LaunchError::Gate(reason))
                }
                Err(_) => {
                    Err(LaunchError::Gate("the gate ended before it served; the kernel's log may say why".to_owned()))
                }
            };
            return Outcome { created, result };
        }
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

    /// Makes sure that it is gone, and that no zombie is left.
    pub(crate) fn end(self) {
        // It has ended already, or hangs in a step that failed.
        let _ = sys::pidfd_signal(&self.pidfd, libc::SIGKILL);
        while matches!(waitpid(self.pid, None), Ok(WaitStatus::Stopped(..)) | Err(Errno::EINTR)) {}
    }
}

fn failed(call: &'static str) -> impl Fn(Errno) -> LaunchError {
    move |source| LaunchError::Daemon { call, source }
}
