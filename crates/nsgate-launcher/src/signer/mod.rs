//! The signer: a second process beside an agent, which has the secret and the directory.
//!
//! A process that reads guests' bytes has no secret. This one has it, and reads questions of one size from a stream and nothing
//! of a guest's. It is made before the agent gives anything up, and reads the secret by itself: the agent's memory never has it.
//! It is in the PID namespace whose first process is the agent, where there is one, and ends with it. The stream says so as well,
//! in both directions.

mod life;

use crate::{
    LaunchError, LogSocket, Output, accounts::Accounts, opened::Opened, paths::PinnedPaths, plan::PlannedSigner,
    reader::ReaderPipes, sys,
};
use nix::{errno::Errno, fcntl::OFlag, unistd::pipe2};
use nsgate_sandbox::Confined;
use std::{
    fs::File,
    io::{self, Read, Stderr},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::PathBuf,
};

/// What the signer does with the rights of the start: it reads the secret, and makes what takes calls that serving does not. Called
/// in the signer's process alone. An error is a sentence.
pub type SignerBegins<'a> = Box<dyn FnOnce() -> Result<SignerServes<'a>, String> + 'a>;

/// What it does when it is confined. Returns the status that the process ends with.
pub type SignerServes<'a> = Box<dyn FnOnce(RunningSigner) -> u8 + 'a>;

/// Everything that a confined signer holds, beside what [`SignerBegins`] has made.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunningSigner {
    /// The stream to the agent, non-blocking: questions come by it.
    pub carrier: UnixStream,
    /// Who reads a directory that is a file.
    pub reader: Option<ReaderPipes>,
    /// The sockets of the directory's database, as this process sees them, in the order of the configuration.
    pub sockets: Vec<PathBuf>,
    /// The addresses that its directory asks at, in the order of the configuration.
    pub servers: Vec<SocketAddr>,
    /// The system log.
    pub log: LogSocket,
    /// Standard error.
    pub standard_error: Output<Stderr>,
    /// The id of the agent's process as the host sees it: its lines and the signer's have one name in the log.
    pub host_pid: i32,
    /// The proof.
    pub confined: Confined,
}

/// What the signer takes over of what was opened before the fork. It stays the agent's in the agent's process.
pub(crate) struct SignerSide<'a> {
    pub(crate) accounts: &'a mut Accounts,
    pub(crate) pinned: &'a mut PinnedPaths,
    pub(crate) opened: &'a mut Opened,
}

/// How the signer is confined.
pub(crate) struct SignerTerms<'a> {
    pub(crate) planned: &'a PlannedSigner<'a>,
    pub(crate) host_pid: i32,
    pub(crate) strict: bool,
}

/// First byte of what a signer says of its start: that it is confined, what is wrong with what it has read, or with a step.
const READY: u8 = b'R';
const REFUSED: u8 = b'W';
const FAILED: u8 = b'E';

/// Starts the signer, before this process has namespaces of its own. Returns when the signer is confined.
pub(crate) fn start(
    terms: SignerTerms<'_>,
    side: SignerSide<'_>,
    reader: Option<ReaderPipes>,
    begins: SignerBegins<'_>,
) -> Result<UnixStream, LaunchError> {
    let failed = |call| {
        move |error: io::Error| LaunchError::daemon(call)(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    };
    let (questions, carrier) = UnixStream::pair().map_err(failed("socketpair"))?;
    for end in [&questions, &carrier] {
        end.set_nonblocking(true).map_err(failed("ioctl(FIONBIO)"))?;
    }
    let (word, says) = pipe2(OFlag::O_CLOEXEC).map_err(LaunchError::daemon("pipe2"))?;
    if sys::fork().map_err(LaunchError::daemon("fork"))?.is_none() {
        life::live(life::SignerEnds { carrier, says: says.into(), reader }, terms, side, begins);
    }
    drop((says, carrier, reader));
    let mut said = Vec::new();
    File::from(word).read_to_end(&mut said).map_err(failed("read"))?;
    let reason = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    match said.split_first() {
        Some((&READY, _)) => Ok(questions),
        Some((&REFUSED, text)) => Err(LaunchError::Gate(reason(text))),
        Some((_, text)) => Err(LaunchError::Signer(reason(text))),
        None => {
            let why =
                "it ended before it was confined; the kernel's log may say why: dmesg | nsgate explain --role signer";
            Err(LaunchError::Signer(why.to_owned()))
        }
    }
}
