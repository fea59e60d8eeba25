//! The signer's own life: it closes what is the agent's, reads what only root may, gives everything up, and serves.

use super::{FAILED, READY, REFUSED, RunningSigner, SignerBegins, SignerServes, SignerSide, SignerTerms};
use crate::{
    LaunchError, Output, Role,
    pinned::Pinned,
    reader::ReaderPipes,
    root_names::{DATABASES, LOG, SIGNER, SIGNER_WITH_DATABASE, SYSLOG},
    sys,
};
use nix::{sys::prctl, unistd::write};
use nsgate_sandbox::{
    Confined, GivenRoot, Root, RootWindow, Sandbox, ShortName, SmallRoot,
    given_root::{self, Opening},
    namespaces, small_root,
};
use std::{
    fs::File,
    io::Write,
    mem,
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
};

/// What the process is called, so that a list of processes tells the two apart.
const NAME: &std::ffi::CStr = c"nsgate-signer";

/// What is the signer's alone.
pub(super) struct SignerEnds {
    pub(super) carrier: UnixStream,
    /// Says how the start went.
    pub(super) says: File,
    pub(super) reader: Option<ReaderPipes>,
}

/// Everything after the fork. What else this process has of its parent's is closed, and is not used or dropped any more.
pub(super) fn live(ends: SignerEnds, terms: SignerTerms<'_>, mut side: SignerSide<'_>, begins: SignerBegins<'_>) -> ! {
    let SignerEnds { carrier, mut says, reader } = ends;
    let host_pid = terms.host_pid;
    let mut log = mem::take(&mut side.opened.log.socket);
    let standard_error = mem::replace(&mut side.opened.standard_error, Output::kept());
    let ends = [carrier.as_raw_fd(), says.as_raw_fd()].into_iter();
    let pipes = reader.iter().flat_map(|reader| [reader.ask.as_raw_fd(), reader.answer.as_raw_fd()]);
    let log_end = log.socket.iter().map(AsRawFd::as_raw_fd);
    let kept: Vec<RawFd> = ends.chain(pipes).chain(log_end).chain(standard_error.numbers()).collect();
    match start(&kept, terms, &mut side, begins) {
        Ok(SignerStarted { serves, confined, sockets, log: found }) => {
            log.reconnect = found;
            if says.write_all(&[READY]).is_err() {
                sys::exit(1);
            }
            drop(says);
            let servers = mem::take(&mut side.opened.directory_servers);
            let running = RunningSigner { carrier, reader, sockets, servers, log, standard_error, host_pid, confined };
            sys::exit(serves(running).into())
        }
        Err((kind, reason)) => {
            // Both ends are this program's: what it says fits into the pipe.
            let _ = write(&says, &[&[kind], reason.as_bytes()].concat());
            sys::exit(1)
        }
    }
}

/// A signer that is confined.
struct SignerStarted<'a> {
    serves: SignerServes<'a>,
    confined: Confined,
    sockets: Vec<PathBuf>,
    log: Option<PathBuf>,
}

fn start<'a>(
    kept: &[RawFd],
    terms: SignerTerms<'_>,
    side: &mut SignerSide<'_>,
    begins: SignerBegins<'a>,
) -> Result<SignerStarted<'a>, (u8, String)> {
    let failed = |error: LaunchError| (FAILED, error.to_string());
    alone(kept, side).map_err(failed)?;
    let serves = begins().map_err(|reason| (REFUSED, reason))?;
    let top = Path::new(if side.accounts.unprivileged.is_some() { "" } else { "/" });
    let sockets = side.pinned.databases.iter().zip(DATABASES).map(|(_, (_, socket))| top.join(socket)).collect();
    let log = side.opened.comes_back().then(|| top.join(SYSLOG));
    let confined = give_up(kept, &terms, side).map_err(failed)?;
    Ok(SignerStarted { serves, confined, sockets, log })
}

/// Closes what is the agent's: its sockets, the pipe to the starter, the directories of its files.
fn alone(kept: &[RawFd], side: &SignerSide<'_>) -> Result<(), LaunchError> {
    let own = side.accounts.unprivileged.iter().map(|own| own.directory().as_raw_fd());
    let places = shown(side).into_iter().map(|(_, _, place)| place.directory().as_raw_fd());
    let kept: Vec<RawFd> = kept.iter().copied().chain(own).chain(places).collect();
    sys::close_all_but(&kept).map_err(LaunchError::clean("close_range"))?;
    prctl::set_name(NAME).map_err(LaunchError::clean("prctl(PR_SET_NAME)"))
}

/// The name of a directory, the name of the socket in it, and where both are.
type ShownPlace<'a> = (&'static str, &'static str, &'a Pinned);

/// What its root shows.
fn shown<'a>(side: &'a SignerSide<'_>) -> Vec<ShownPlace<'a>> {
    let databases =
        side.pinned.databases.iter().zip(DATABASES).map(|(place, (window, socket))| (window, socket, place));
    databases.chain(side.opened.log.directory.iter().map(|place| (LOG, SYSLOG, place))).collect()
}

/// The order of the drop from its sixth step on.
fn give_up(kept: &[RawFd], terms: &SignerTerms<'_>, side: &mut SignerSide<'_>) -> Result<Confined, LaunchError> {
    let SignerTerms { planned, strict, .. } = terms;
    let role = planned.role(side.opened.comes_back());
    let policy = planned.policy(role).dies_with_parent(true).strict(*strict);
    let sandbox = Sandbox::new(policy.unprivileged(side.accounts.unprivileged.is_some()))?;
    let root = SignerRoot::enter(role, side)?;
    let mut sandbox = sandbox.drop_privileges(&side.accounts.ids)?.restrict_files(root.proof())?;
    // Directories are of no use any more.
    drop((root, side.accounts.unprivileged.take(), side.opened.log.directory.take()));
    side.pinned.databases.clear();
    sandbox.holds_only(kept, &[])?;
    Ok(sandbox.filter_syscalls()?)
}

/// The root that the signer stands in: its own, or the service manager's.
enum SignerRoot {
    Made(SmallRoot),
    Given(GivenRoot),
}

impl SignerRoot {
    fn enter(role: Role, side: &SignerSide<'_>) -> Result<Self, LaunchError> {
        let places = shown(side);
        let mut links: Vec<ShortName> =
            places.iter().map(|(window, socket, place)| ShortName::new(socket, window, place.name())).collect();
        if let Some(own) = &side.accounts.unprivileged {
            let openings = places.into_iter();
            let openings: Vec<Opening<'_>> =
                openings.map(|(window, _, place)| Opening::new(window, place.above(), place.directory())).collect();
            return Ok(Self::Given(given_root::look(own.directory(), &openings, &links)?));
        }
        // Leads nowhere: it says to who looks what this is.
        let mark = if role == Role::SignerWithDatabase { SIGNER_WITH_DATABASE } else { SIGNER };
        links.push(ShortName::new(mark, mark, ""));
        let taken = places.iter().map(|(window, _, place)| small_root::take(window, place.directory()));
        let windows: Vec<RootWindow> = taken.collect::<Result<_, _>>()?;
        let origin = places
            .iter()
            .fold(side.pinned.origin.clone(), |origin, (window, _, place)| origin.and(window, place.path()));
        namespaces::separate_rest()?;
        Ok(Self::Made(small_root::enter_from(&origin, windows, &links)?))
    }

    fn proof(&self) -> Root<'_> {
        match self {
            Self::Made(root) => Root::Small(root),
            Self::Given(root) => Root::Given(root),
        }
    }
}
