//! The agent's end of a door: who may have one, and the connections that it brings.

use super::{
    anew::greet,
    words::{BOUND, BindLineError, DOOR, FULL, LONGEST, ONE, REFUSED, read},
};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, setsockopt, socketpair, sockopt,
};
use nsgate_config::Identity;
use std::{
    io::{self, ErrorKind, IoSlice},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

/// How long a peer may take to end its line, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of requests that are read at once.
const PIECE: usize = 64;
/// Doors that one door may have brought at once: for the process that serves the network, for its successor, and for some that end.
const MOST_DOORS: usize = 8;

/// Who may have a door: the users whose process connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binders(Vec<u32>);

impl Binders {
    /// Processes of these users, by number.
    #[must_use]
    pub fn new(users: Vec<u32>) -> Self {
        Self(users)
    }

    /// Whether a process of this user is one.
    pub(super) fn contain(&self, user: u32) -> bool {
        self.0.contains(&user)
    }
}

impl Default for Binders {
    /// Root alone.
    fn default() -> Self {
        Self(vec![0])
    }
}

/// Why a connection has become no door. The peer was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotBound {
    /// It is not one of [`Binders`].
    #[error("a process of user {0} asked for a door; `binders` says which users may")]
    Stranger(u32),
    /// What it said.
    #[error("a door was asked for with an odd line: {0}")]
    Line(#[from] BindLineError),
    /// It took its time, or has gone.
    #[error("a door was asked for, and the process has gone or says no more: {0}")]
    Gone(#[from] io::Error),
}

/// A door, by the agent's end.
#[derive(Debug)]
pub struct HeldDoor {
    pub(super) connection: UnixStream,
    pub(super) identity: Identity,
    /// Of a door that an earlier process has attended: what its holder is told first.
    pub(super) anew: Option<[u8; 2]>,
    /// Of a door that another one has brought.
    pub(super) origin: Option<DoorOrigin>,
}

/// What a door has of the one that has brought it.
#[derive(Debug)]
pub(super) struct DoorOrigin {
    /// Connections of both, and of all others that came by the same one.
    places: Arc<Semaphore>,
    /// The end of the other one ends this one.
    unbound: Unbound,
    /// One of [`MOST_DOORS`].
    _place: Place,
}

/// What the agent has a new end of.
#[derive(Debug)]
pub enum Brought {
    /// A connection.
    Connection(BoundConnection),
    /// A door for the same network. It is to be attended as well; it brings connections, and no doors.
    Door(HeldDoor),
}

/// One connection of a door, by the agent's end.
#[derive(Debug)]
pub struct BoundConnection {
    /// Carries HTTP/1.1.
    pub stream: UnixStream,
    /// Whom it speaks for, whatever it says.
    pub identity: Identity,
    /// Drop it with the stream, and not before.
    pub place: Place,
    /// Says when its door has closed.
    pub unbound: Unbound,
}

/// One of the connections that a door may have at once.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "held until the connection ends")] OwnedSemaphorePermit);

/// The end of a door.
#[derive(Clone, Debug)]
pub struct Unbound(watch::Receiver<()>);

impl Unbound {
    /// Comes back when the door has closed: the network is unbound, and a connection that is idle ends.
    pub async fn wait(&mut self) {
        // Nothing is ever said; the sender goes with the door.
        while self.0.changed().await.is_ok() {}
    }
}

/// Makes a door of a connection whose first bytes were [`super::BEGIN`]. `first` is what was read of it so far.
///
/// # Errors
/// Why it has become none. The peer was told, where it still reads; the connection is closed.
pub async fn bind(mut connection: UnixStream, first: &[u8], binders: &Binders) -> Result<HeldDoor, NotBound> {
    let user = connection.peer_cred()?.uid();
    let late = || NotBound::Gone(ErrorKind::TimedOut.into());
    let judged = match binders.contain(user) {
        true => timeout(PATIENCE, whole_line(&mut connection, first)).await.map_err(|_| late())?,
        false => Err(NotBound::Stranger(user)),
    };
    match judged {
        Ok(identity) => {
            // A connection that waits for a peer to take it counts as this process's (unix(7), ETOOMANYREFS). With the smallest
            // buffer few of them fit, so that a peer that asks and never takes keeps no other from having one.
            setsockopt(&connection, sockopt::SndBuf, &0).map_err(io::Error::from)?;
            timeout(PATIENCE, connection.write_all(format!("{BOUND}\n").as_bytes())).await.map_err(|_| late())??;
            Ok(HeldDoor { connection, identity, anew: None, origin: None })
        }
        Err(why) => {
            let told = format!("{REFUSED}{why}\n");
            // The reason is for the log as well, whether or not the peer takes it.
            let _ = timeout(PATIENCE, connection.write_all(told.as_bytes())).await;
            Err(why)
        }
    }
}

/// The identity that the line names, of which `first` has come.
async fn whole_line(connection: &mut UnixStream, first: &[u8]) -> Result<Identity, NotBound> {
    let mut line = first.to_vec();
    loop {
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let behind = line.split_off(end).len() > 1;
            return match (end < LONGEST, behind) {
                (false, _) => Err(BindLineError::NoLine.into()),
                (_, true) => Err(BindLineError::Behind.into()),
                _ => Ok(read(&line)?),
            };
        }
        let room = LONGEST.saturating_sub(line.len());
        if room == 0 {
            return Err(BindLineError::NoLine.into());
        }
        let mut piece = [0; LONGEST];
        match connection.read(piece.get_mut(..room).unwrap_or_default()).await? {
            0 => return Err(NotBound::Gone(ErrorKind::UnexpectedEof.into())),
            count => line.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
}

impl HeldDoor {
    /// A door that was bound for an earlier process of the agent's, and kept by a service manager.
    ///
    /// # Errors
    /// It is no socket, or the event loop cannot watch it.
    pub fn kept(connection: OwnedFd, identity: Identity) -> io::Result<Self> {
        let connection = std::os::unix::net::UnixStream::from(connection);
        connection.set_nonblocking(true)?;
        Ok(Self { connection: UnixStream::from_std(connection)?, identity, anew: None, origin: None })
    }

    /// Whom it is for.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether another door has brought this one.
    #[must_use]
    pub fn is_brought(&self) -> bool {
        self.origin.is_some()
    }

    /// Brings what is asked for, `most` connections at once, and gives the agent's end of each to `hand`. Comes back
    /// when the holder has closed the door, or the door that has brought this one is closed.
    ///
    /// # Errors
    /// The holder keeps to another protocol, or what the kernel says. The door is closed.
    pub async fn attend(self, most: usize, hand: impl FnMut(Brought)) -> io::Result<()> {
        let Self { mut connection, identity, anew, origin } = self;
        if let Some(byte) = anew {
            match greet(&mut connection, byte).await {
                Err(error) if is_gone(&error) => return Ok(()),
                outcome => outcome?,
            }
        }
        let (open, unbound) = watch::channel(());
        let unbound = Unbound(unbound);
        let Some(DoorOrigin { places, unbound: mut ends, _place }) = origin else {
            let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
            let doors = Some(Arc::new(Semaphore::new(MOST_DOORS)));
            let attended = AttendedDoor { connection, identity, places, doors, unbound };
            let outcome = attended.attend(hand).await;
            drop(open);
            return outcome;
        };
        let attended = AttendedDoor { connection, identity, places, doors: None, unbound };
        let outcome = tokio::select! {
            () = ends.wait() => Ok(()),
            outcome = attended.attend(hand) => outcome,
        };
        drop(open);
        outcome
    }
}

/// A door that its holder may ask.
struct AttendedDoor {
    connection: UnixStream,
    identity: Identity,
    places: Arc<Semaphore>,
    /// None for a door that brings none.
    doors: Option<Arc<Semaphore>>,
    unbound: Unbound,
}

impl AttendedDoor {
    async fn attend(mut self, mut hand: impl FnMut(Brought)) -> io::Result<()> {
        loop {
            let mut asked = [0; PIECE];
            let count = match self.connection.read(&mut asked).await {
                Ok(0) => return Ok(()),
                Err(error) if is_gone(&error) => return Ok(()),
                outcome => outcome?,
            };
            for byte in asked.iter().take(count) {
                let brought = match *byte {
                    ONE => self.connection().await?,
                    DOOR => self.door().await?,
                    byte => {
                        return Err(io::Error::new(
                            ErrorKind::InvalidData,
                            format!("byte {byte:#04x} came by the door"),
                        ));
                    }
                };
                match brought {
                    Some(brought) => hand(brought),
                    None => _ = say(&self.connection, FULL, None).await?,
                }
            }
        }
    }

    /// One connection more, if there is room for one.
    async fn connection(&self) -> io::Result<Option<Brought>> {
        let Some(place) = self.places.clone().try_acquire_owned().ok() else { return Ok(None) };
        let Some(stream) = self.brings(ONE).await? else { return Ok(None) };
        let (identity, place, unbound) = (self.identity, Place(place), self.unbound.clone());
        Ok(Some(Brought::Connection(BoundConnection { stream, identity, place, unbound })))
    }

    /// One door more, if this one brings any.
    async fn door(&self) -> io::Result<Option<Brought>> {
        let Some(place) = self.doors.clone().and_then(|doors| doors.try_acquire_owned().ok()) else { return Ok(None) };
        let Some(connection) = self.brings(DOOR).await? else { return Ok(None) };
        setsockopt(&connection, sockopt::SndBuf, &0).map_err(io::Error::from)?;
        let (places, unbound) = (self.places.clone(), self.unbound.clone());
        let origin = Some(DoorOrigin { places, unbound, _place: Place(place) });
        Ok(Some(Brought::Door(HeldDoor { connection, identity: self.identity, anew: None, origin })))
    }

    /// The own end of a connection whose other end went over the door with this byte.
    async fn brings(&self, byte: u8) -> io::Result<Option<UnixStream>> {
        let Ok((own, other)) = pair() else { return Ok(None) };
        let sent = say(&self.connection, byte, Some(other.as_fd())).await?;
        sent.then(|| UnixStream::from_std(own.into())).transpose()
    }
}

impl AsFd for HeldDoor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// Whether the holder has closed the door.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// Both ends of a connection.
fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socketpair(AddressFamily::Unix, SockType::Stream, None, flags)
}

/// One byte, and a descriptor with it, when there is room for them. Whether it was sent: it is not where too many descriptors of
/// this process wait to be taken (ETOOMANYREFS).
async fn say(door: &UnixStream, byte: u8, descriptor: Option<BorrowedFd<'_>>) -> io::Result<bool> {
    let numbers: Vec<i32> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
    let sent = door.async_io(Interest::WRITABLE, || {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        Ok(sendmsg::<UnixAddr>(door.as_raw_fd(), &[IoSlice::new(&[byte])], control, flags, None)?)
    });
    match sent.await {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ETOOMANYREFS) => Ok(false),
        Err(error) => Err(error),
    }
}
