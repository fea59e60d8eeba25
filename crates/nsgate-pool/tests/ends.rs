//! What a worker serves ends with the future that serves it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nsgate_config::{AbsolutePath, native};
use nsgate_pool::{
    Allowed, Offer,
    worker::{AllowedBackend, Settings, Worker},
};
use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};
use tokio::sync::watch;

#[tokio::test]
async fn a_worker_takes_its_networks_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let pool = directory.path().join("pool");
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let handover = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    bind(handover.as_raw_fd(), &UnixAddr::new(&pool).unwrap()).unwrap();
    listen(&handover, Backlog::new(8).unwrap()).unwrap();
    let backends =
        vec![AllowedBackend { path: AbsolutePath::new("/agent").unwrap(), seen: "/agent".into(), owner: None }];
    let settings = Settings::new(Allowed { gid: None }, backends);
    let (stop, stopped) = watch::channel(None);
    let worker = tokio::spawn(Worker::new(settings, Box::new(|_| Ok(Box::new(())))).serve(handover, None, stopped));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"{address}\"]\nbackend = \"/agent\"\nuser = \"nobody\"\n"
    );
    let config = native::parse("test", &text).unwrap().config;
    let guest = tokio::task::spawn_blocking(move || {
        let offer = Offer::new(&config).unwrap();
        let served = offer.begin(&pool, &[listener.as_fd()]).unwrap().wait(Duration::from_secs(10)).unwrap();
        (TcpStream::connect(address).unwrap(), served, listener)
    });
    let (mut guest, served, listener) = guest.await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    worker.abort();
    guest.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let end = tokio::task::spawn_blocking(move || guest.read(&mut [0; 1]));
    // An end or a reset; a connection that goes on would be a timeout.
    let end = end.await.unwrap();
    assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "{end:?}");
    assert!(!stop.is_closed() || stop.borrow().is_none());
    drop((served, listener));
}
