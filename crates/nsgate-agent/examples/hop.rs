//! The agent without confinement and log, for counting what a request costs (`cargo xtask counts`):
//! `hop SOCKET NOVA_ADDRESS INSTANCES`, until its standard input ends. Its own user may bind. The one that carries and the one that
//! signs are two ends of a stream as in two processes, and one process here, so that a counter sees both.
//! A counter makes it slow: what happens after a time does not happen.

use nsgate_agent::{
    binding::Binders,
    directory::FileDirectory,
    gates::{GateSettings, Gates},
    nova::{Nova, NovaHost, NovaSettings},
    signature::Secret,
    signer::{SignerClient, SignerService},
};
use nsgate_forwarder::Stop;
use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, unix::pipe::Receiver},
    sync::watch,
};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [socket, nova, file] = words.as_slice() else { return Err("hop SOCKET NOVA_ADDRESS INSTANCES".into()) };
    let directory = FileDirectory::new(file, &std::fs::read_to_string(file)?)?;
    let mut gates = GateSettings::default();
    gates.binders = Binders::new(vec![nix::unistd::geteuid().as_raw()]);
    gates.head = HOUR;
    let mut settings = NovaSettings::new(vec![NovaHost { authority: nova.clone(), address: nova.parse()?, tls: None }]);
    (settings.connect, settings.answer) = (HOUR, HOUR);
    // A secret for counting, and for nothing else.
    let service = SignerService::new(directory, Secret::new(b"swordfish".to_vec())?);
    let (asks, answers) = UnixStream::pair()?;
    asks.set_nonblocking(true)?;
    answers.set_nonblocking(true)?;
    let (signer, link) = SignerClient::new(asks)?;
    tokio::spawn(link.run());
    tokio::spawn(async move { service.serve(answers).await });
    let listener = UnixListener::bind(socket)?;
    let (stop, stopped) = watch::channel(None);
    let mut input = Receiver::from_owned_fd_unchecked(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    tokio::spawn(async move {
        let _ = input.read(&mut [0]).await;
        let _ = stop.send(Some(Stop::Now));
    });
    println!("ready");
    Gates::new(gates, signer, Nova::new(settings)).serve(listener, stopped).await;
    Ok(())
}
