//! The reader: a second process beside a host's proxy, which reads the configuration anew when it is asked to.
//!
//! A process that answers guests opens no file. This one opens one file and knows no guest: it has no socket, no
//! capability, a root that shows nothing, and a filter that lets `openat2(2)` pass for the one name in the one directory
//! (`policy/reader.toml`). It understands nothing of what it reads; it looks at owner, mode and kind, and passes bytes on
//! ([`frames`]). It is in the PID namespace whose first process serves, and so never outlives it.

mod frames;
mod life;

pub use frames::{Incoming, Nonsense, ReaderAnswer};

use crate::{LaunchError, paths::PinnedPaths, roles::CONFIGURATION, sys, trust::Trust};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe2,
};
use nsgate_sandbox::{Origin, small_root};
use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
};

/// Room in the pipe, in bytes: the kernel's bound for those without a privilege (`/proc/sys/fs/pipe-max-size`).
const PIPE: i32 = 1024 * 1024;

/// The two ends that the process which serves has, non-blocking.
#[derive(Debug)]
pub struct ReaderPipes {
    /// One byte here asks for the file.
    pub ask: OwnedFd,
    /// The reader's answers, for [`Incoming`].
    pub answer: OwnedFd,
}

/// How the reader is confined.
#[derive(Clone, Debug)]
struct ReaderTerms {
    trust: Trust,
    strict: bool,
    origin: Origin,
}

/// Starts the reader of the pinned configuration, if there is one to be read anew: in the first process of a PID namespace,
/// before that has namespaces of the other kinds. The reader takes the steps that follow by itself. Returns when it is confined.
pub(crate) fn start(pinned: &PinnedPaths, strict: bool) -> Result<Option<ReaderPipes>, LaunchError> {
    let Some(config) = &pinned.configuration else { return Ok(None) };
    let origin = pinned.origin.clone().and(CONFIGURATION, config.place().path());
    let terms = ReaderTerms { trust: pinned.trust.clone(), strict, origin };
    let directory = small_root::view(config.place().directory())?;
    let (asked, ask) = pipe2(OFlag::O_CLOEXEC).map_err(LaunchError::clean("pipe2"))?;
    let (answer, answers) = pipe2(OFlag::O_CLOEXEC).map_err(LaunchError::clean("pipe2"))?;
    // A pipe as it is will do as well; the text comes in more pieces then.
    let _ = fcntl(&answers, FcntlArg::F_SETPIPE_SZ(PIPE));
    if sys::fork().map_err(LaunchError::clean("fork"))?.is_none() {
        drop((ask, answer));
        life::live(life::Ends { asked, answers, directory }, config.place().name(), &terms);
    }
    drop((asked, answers, directory));
    let mut answer = File::from(answer);
    ready(&mut answer)?;
    let answer = OwnedFd::from(answer);
    for end in [ask.as_fd(), answer.as_fd()] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(LaunchError::clean("fcntl(F_SETFL)"))?;
    }
    Ok(Some(ReaderPipes { ask, answer }))
}

/// Waits for the reader's first answer: that there is none yet, or why there will be no reader.
fn ready(answer: &mut File) -> Result<(), LaunchError> {
    let mut incoming = Incoming::default();
    let mut byte = [0];
    loop {
        let reason = match answer.read(&mut byte) {
            Ok(1) => match incoming.push(&byte) {
                Ok(None) => continue,
                Ok(Some(ReaderAnswer::Text(_))) => return Ok(()),
                Ok(Some(ReaderAnswer::Refused(reason))) => reason,
                Err(nonsense) => nonsense.to_string(),
            },
            _ => "it ended before it was confined; the kernel's log may say why".to_owned(),
        };
        return Err(LaunchError::Reader(reason));
    }
}
