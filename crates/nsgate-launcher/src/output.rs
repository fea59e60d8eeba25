//! Where lines go that are not for the system log: standard error, or a descriptor of the starter's. A write never waits
//! for the reader, and nothing changes for others who have the same terminal, pipe or socket.
//!
//! Whether a descriptor waits (O_NONBLOCK) is a property of what was opened, not of the descriptor (fcntl(2), `F_SETFL`):
//! setting it would make the writes of the starter's own shell fail. So a pipe or a terminal is opened anew, by way of
//! `/proc/self/fd`, and that is this process's alone. A socket cannot be opened anew (ENXIO, proc_pid_fd(5)), and does not need
//! to be: `MSG_DONTWAIT` is a property of one send(2). To a plain file the kernel knows no way to write without waiting for its
//! disk. From here on it is written at its end alone, by other processes that have it open as well: no line is overwritten.

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl, open},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{MsgFlags, send},
        stat::{Mode, SFlag, fstat},
    },
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout, write},
};
use std::{
    io::{Stderr, stderr, stdout},
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use crate::file_kind::kind;

/// A descriptor to write to without waiting.
#[derive(Debug)]
pub struct Output<F> {
    descriptor: F,
    way: Way,
}

/// How not to wait.
#[derive(Debug)]
enum Way {
    /// The descriptor itself does not.
    Write,
    /// Each call says so.
    Send,
    /// The kernel is asked before whether there is room: for what cannot be opened anew. Others who write to it at the same
    /// moment may take the room.
    Watch(Epoll),
}

/// What was made of a descriptor.
#[derive(Debug)]
pub(crate) enum Reopened {
    /// A descriptor that does not wait, and belongs to this process alone.
    Anew(OwnedFd),
    /// It cannot be opened for this reason.
    Refused(Errno),
}

impl<F: AsFd> Output<F> {
    /// A descriptor that does not wait, or cannot be kept from it.
    pub fn new(descriptor: F) -> Self {
        Self { descriptor, way: Way::Write }
    }

    /// A connected socket.
    pub(crate) fn socket(descriptor: F) -> Self {
        Self { descriptor, way: Way::Send }
    }

    /// What is asked for room before each write.
    fn watched(descriptor: F) -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&descriptor, EpollEvent::new(EpollFlags::EPOLLOUT, 0))?;
        Ok(Self { descriptor, way: Way::Watch(epoll) })
    }

    /// The descriptor.
    pub(crate) fn number(&self) -> RawFd {
        self.descriptor.as_fd().as_raw_fd()
    }

    /// Every descriptor of it.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> + '_ {
        let watch = match &self.way {
            Way::Watch(epoll) => Some(epoll.0.as_raw_fd()),
            Way::Write | Way::Send => None,
        };
        watch.into_iter().chain([self.number()])
    }

    /// Writes as much as there is room for now: bytes that were taken.
    ///
    /// # Errors
    /// `EAGAIN` where there is no room; everything that write(2) and send(2) say.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.way {
            Way::Send => {
                send(self.descriptor.as_fd().as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)
            }
            Way::Watch(epoll) if epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO)? == 0 => Err(Errno::EAGAIN),
            Way::Write | Way::Watch(_) => write(&self.descriptor, bytes),
        }
    }
}

impl Output<Stderr> {
    /// Standard error as it is: the null device, a log file, or the `Output` that the starter made of it.
    pub(crate) fn kept() -> Self {
        Self::new(stderr())
    }

    /// Makes standard error this process's own, and says what could not be done.
    pub(crate) fn of_standard_error(warnings: &mut Vec<String>) -> Self {
        let Ok(found) = fstat(stderr()) else { return Self::kept() };
        match kind(found.st_mode) {
            SFlag::S_IFSOCK => Self::socket(stderr()),
            SFlag::S_IFIFO | SFlag::S_IFCHR => {
                let error = match reopen(stderr()) {
                    Reopened::Anew(anew) => match dup2_stderr(&anew) {
                        Ok(()) => return Self::kept(),
                        Err(error) => error,
                    },
                    Reopened::Refused(error) => error,
                };
                warnings.push(format!(
                    "standard error cannot be opened anew, to be written without waiting ({error}): another that writes to \
                     it at the same moment may still make this process wait; give the gate a log"
                ));
                Self::watched(stderr()).unwrap_or_else(|_| Self::kept())
            }
            _ => Self::kept(),
        }
    }
}

/// Standard input is not read from here on, whether it is a file, a device or a directory. Where that cannot be done it stays,
/// and `nsgate attest` says so.
pub(crate) fn close_input() {
    if let Ok(null) = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        let _ = dup2_stdin(&null);
    }
}

/// Standard output and error, where they are plain files: written at their end, and not read. Where that cannot be done they
/// stay, and `nsgate attest` says so.
pub(crate) fn append_to_files() {
    let _ = appended(stdout()).map(|anew| anew.map(dup2_stdout));
    let _ = appended(stderr()).map(|anew| anew.map(dup2_stderr));
}

/// Another descriptor of the same file, if this one may read.
fn appended(given: impl AsFd) -> Result<Option<OwnedFd>, Errno> {
    if kind(fstat(&given)?.st_mode) != SFlag::S_IFREG {
        return Ok(None);
    }
    let flags = OFlag::from_bits_retain(fcntl(&given, FcntlArg::F_GETFL)?);
    let access = flags & OFlag::O_ACCMODE;
    if access == OFlag::O_RDONLY {
        return Ok(None);
    }
    // For all who have it, since they write at one place: the lines of a shell that started it would go over these otherwise.
    if !flags.contains(OFlag::O_APPEND) {
        fcntl(&given, FcntlArg::F_SETFL(flags | OFlag::O_APPEND))?;
    }
    if access == OFlag::O_WRONLY {
        return Ok(None);
    }
    let path = format!("/proc/self/fd/{}", given.as_fd().as_raw_fd());
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(path.as_str(), flags, Mode::empty()).map(Some)
}

/// The same pipe or terminal by a descriptor of its own, if this one may be written to: nothing is gained by it.
pub(crate) fn reopen(given: impl AsFd) -> Reopened {
    let flags = match fcntl(&given, FcntlArg::F_GETFL) {
        Ok(flags) => OFlag::from_bits_retain(flags),
        Err(error) => return Reopened::Refused(error),
    };
    if flags & OFlag::O_ACCMODE == OFlag::O_RDONLY || flags.contains(OFlag::O_PATH) {
        return Reopened::Refused(Errno::EBADF);
    }
    let path = format!("/proc/self/fd/{}", given.as_fd().as_raw_fd());
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    match open(path.as_str(), flags, Mode::empty()) {
        Ok(anew) => Reopened::Anew(anew),
        Err(error) => Reopened::Refused(error),
    }
}
