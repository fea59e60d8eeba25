//! A door that has come from a process which need not be trusted: what it brings is bounded, and so is what is kept of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use nsgate_agent::binding::{Brought, Door, HeldDoor, Taken};
use nsgate_forwarder::{ConnectionSource, Connector, DoorConnector};
use std::{
    io::{IoSlice, Result},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncReadExt, time::timeout};

const LONG: Duration = Duration::from_secs(20);

struct HandedToTest(Door);

impl AsRawFd for HandedToTest {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl ConnectionSource for HandedToTest {
    fn ask(&self) -> Result<()> {
        self.0.ask()
    }

    fn take(&self) -> Result<Option<UnixStream>> {
        match self.0.take()? {
            Taken::Connection(stream) => Ok(Some(stream)),
            Taken::Full => Ok(None),
            Taken::Door(_) => panic!("a door that was not asked for"),
        }
    }
}

fn handed() -> (DoorConnector<HandedToTest>, UnixStream) {
    let (own, other) = UnixStream::pair().unwrap();
    own.set_nonblocking(true).unwrap();
    (DoorConnector::new(HandedToTest(Door::bound(own.into()))).unwrap(), other)
}

#[tokio::test]
async fn a_door_that_brings_what_nobody_asked_for_is_closed() {
    let (connector, other) = handed();
    let (sent, mut lost) = UnixStream::pair().unwrap();
    for _ in 0..64 {
        let numbers = [sent.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&numbers)];
        sendmsg::<UnixAddr>(other.as_raw_fd(), &[IoSlice::new(b"+")], &rights, MsgFlags::MSG_NOSIGNAL, None).unwrap();
    }
    let why = timeout(LONG, connector.end().wait()).await.unwrap();
    assert!(why.contains("more than is asked for"), "{why}");
    // What it brought is closed with it, as is what was not taken.
    drop((connector, sent, other));
    lost.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(std::io::Read::read(&mut lost, &mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn no_more_connections_are_kept_than_there_are_descriptors_for() {
    let (connector, other) = handed();
    let connector = connector.keeping(2);
    let identity = nsgate_config::Identity::Network("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse().unwrap());
    let held = HeldDoor::kept(OwnedFd::from(other), identity).unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    let count = open.clone();
    tokio::spawn(held.attend(64, move |brought| {
        let Brought::Connection(mut bound) = brought else { panic!("{brought:?}") };
        count.fetch_add(1, Ordering::Relaxed);
        let count = count.clone();
        tokio::spawn(async move {
            while matches!(bound.stream.read(&mut [0; 64]).await, Ok(1..)) {}
            count.fetch_sub(1, Ordering::Relaxed);
        });
    }));
    let mut busy = Vec::new();
    for _ in 0..5 {
        busy.push(connector.connect().await.unwrap());
    }
    busy.into_iter().for_each(DoorConnector::<HandedToTest>::keep);
    let left = async {
        while open.load(Ordering::Relaxed) != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, left).await.unwrap();
    // The two are used again, and no third is kept beside two that are in use.
    let [first, second] = [connector.connect().await.unwrap(), connector.connect().await.unwrap()];
    assert_eq!(open.load(Ordering::Relaxed), 2);
    let third = connector.connect().await.unwrap();
    DoorConnector::<HandedToTest>::keep(third);
    timeout(LONG, async {
        while open.load(Ordering::Relaxed) != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    drop((first, second));
}
