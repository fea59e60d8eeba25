//! A worker without sandbox and launcher: `worker POOL_SOCKET AGENT_SOCKET`. It serves until its standard input ends.
//! `cargo run --example worker --features worker -- /tmp/pool.sock /path/of/agent.sock`

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nsgate_config::AbsolutePath;
use nsgate_pool::{
    Allowed,
    worker::{AllowedBackend, Settings, Worker},
};
use std::os::fd::{AsFd, AsRawFd};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver, sync::watch};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let pool = words.next().ok_or("where are networks handed over?")?;
    let agent = words.next().ok_or("which socket does the agent listen on?")?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let handover = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    bind(handover.as_raw_fd(), &UnixAddr::new(pool.as_str())?)?;
    listen(&handover, Backlog::new(128)?)?;
    let backends = vec![AllowedBackend { path: AbsolutePath::new(&agent)?, seen: agent.into(), owner: None }];
    let settings = Settings::new(Allowed { gid: None }, backends);
    let (stop, stopped) = watch::channel(None);
    let mut input = Receiver::from_owned_fd(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    tokio::spawn(async move {
        let _ = input.read(&mut [0]).await;
        let _ = stop.send(Some(nsgate_forwarder::Stop::Now));
    });
    println!("ready");
    Worker::new(settings, Box::new(|_| Ok(Box::new(())))).serve(handover, None, stopped).await?;
    Ok(())
}
