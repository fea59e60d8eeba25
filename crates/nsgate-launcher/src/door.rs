//! Step 3, the agent that binds: one connection, made by root, which says whom it is for before it belongs to a process that
//! guests speak to.
//!
//! The kernel tells the agent who has connected (SO_PEERCRED, unix(7)). So the process that is confined later cannot make
//! another such connection, and this one speaks for its network whatever comes over it. It has a name as well, which it gets before it
//! is connected and never loses: by that the agent knows it again when a service manager has kept the agent's end.

use crate::{
    LaunchError, Options,
    accounts::Accounts,
    options::Binding,
    paths::PinnedPaths,
    pinned::Pinned,
    plan::{Plan, PlannedDoor},
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::{
        socket::{
            AddressFamily, SockFlag, SockType, UnixAddr, bind as bind_socket, connect, getsockopt, setsockopt, socket,
            sockopt::{PeerCredentials, ReceiveTimeout, SendTimeout},
        },
        time::TimeVal,
    },
};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    thread::sleep,
    time::Duration,
};

/// Between two attempts, as at a backend.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// Longest answer in bytes.
const LONGEST: usize = 512;

/// What to do where no agent answers.
const WITHOUT_IT: &str = "start `nsgate agent`, or name the agent's socket as `backend`, and under the haproxy name take `agent` out of \
                          /etc/nsgate/nsgate.toml";

/// Why an attempt has failed.
enum DoorFailure {
    /// The agent is not there, or was going.
    Away(String),
    /// It does not want to, or is another program.
    Refused(String),
}

/// The connection that `plan` wants, if it wants one, in non-blocking mode.
///
/// # Errors
/// The agent is not there after as many attempts as the gate's `retries` say, or it refuses.
pub(crate) fn open(
    plan: &Plan<'_>,
    options: &Options,
    accounts: &Accounts,
    pinned: &mut PinnedPaths,
) -> Result<Option<OwnedFd>, LaunchError> {
    let (Some(door), Some(place)) = (&plan.door, pinned.door.take()) else { return Ok(None) };
    let Some(binding) = options.binding else {
        return Err(place.wrong("this program has no words for an agent that binds; name the socket as `backend`"));
    };
    let owner = accounts.owners.first().copied().flatten();
    let mut attempts = 0;
    loop {
        attempts += 1;
        match bind(&place, owner, &binding, door) {
            Ok(connection) => return Ok(Some(connection)),
            Err(DoorFailure::Away(_)) if attempts <= door.retries => sleep(BETWEEN_ATTEMPTS),
            Err(DoorFailure::Away(why)) => {
                return Err(place.wrong(&format!("{why} (attempts: {attempts}); {WITHOUT_IT}")));
            }
            Err(DoorFailure::Refused(why)) => return Err(place.wrong(&why)),
        }
    }
}

/// Connects once, and has the connection bound.
fn bind(place: &Pinned, owner: Option<u32>, binding: &Binding, door: &PlannedDoor<'_>) -> Result<OwnedFd, DoorFailure> {
    let name = (binding.name)(&door.identity, RandomState::new().build_hasher().finish());
    let connection = connected(place, &name, door.patience).map_err(|error| match error {
        Errno::ENOTSOCK => DoorFailure::Refused("this is not a socket; name the socket of `nsgate agent`".to_owned()),
        Errno::ENOENT => DoorFailure::Away("the agent's socket is not there".to_owned()),
        Errno::ECONNREFUSED => DoorFailure::Away("no process listens at the agent's socket".to_owned()),
        Errno::EAGAIN => DoorFailure::Away("the agent does not accept".to_owned()),
        error => DoorFailure::Refused(format!("connect: {error}")),
    })?;
    let broken = |error: Errno| DoorFailure::Refused(error.to_string());
    if let Some(owner) = owner {
        let found = getsockopt(&connection, PeerCredentials).map_err(broken)?.uid();
        if found != owner {
            let why = format!("the agent's socket belongs to uid {found}, expected {owner} (`backend_owner`)");
            return Err(DoorFailure::Refused(why));
        }
    }
    let answer = answer(&mut UnixStream::from(connection.try_clone().map_err(gone)?), &(binding.line)(&door.identity))
        .map_err(gone)?;
    (binding.answered)(&answer).map_err(DoorFailure::Refused)?;
    let flags = fcntl(&connection, FcntlArg::F_GETFL).map_err(broken)?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(&connection, FcntlArg::F_SETFL(flags)).map_err(broken)?;
    Ok(connection)
}

/// A connection of this abstract name that waits so long for each thing.
fn connected(place: &Pinned, name: &str, patience: Duration) -> Result<OwnedFd, Errno> {
    let connection = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let patience = TimeVal::new(patience.as_secs().try_into().unwrap_or(i64::MAX), patience.subsec_micros().into());
    setsockopt(&connection, SendTimeout, &patience)?;
    setsockopt(&connection, ReceiveTimeout, &patience)?;
    bind_socket(connection.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    let there = place.socket()?;
    let address = format!("/proc/self/fd/{}", there.as_raw_fd());
    connect(connection.as_raw_fd(), &UnixAddr::new(address.as_str())?)?;
    Ok(connection)
}

/// Says the line, and hears one. Byte by byte: what comes behind it is not this process's.
fn answer(connection: &mut UnixStream, line: &str) -> std::io::Result<String> {
    connection.write_all(line.as_bytes())?;
    let mut heard = Vec::new();
    let mut byte = [0];
    while heard.len() < LONGEST {
        if connection.read(&mut byte)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if byte == *b"\n" {
            break;
        }
        heard.extend(byte);
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

fn gone(error: std::io::Error) -> DoorFailure {
    match error.kind() {
        std::io::ErrorKind::WouldBlock => DoorFailure::Away("the agent does not answer".to_owned()),
        _ => DoorFailure::Away(format!("the agent has closed the connection without an answer: {error}")),
    }
}
