//! Hands a network over to a host's pool, and keeps it there as long as it lives: `handover POOL AGENT PORT`.

use nsgate_config::{AbsolutePath, Account, Backend, Config, Gate, Identity, Process};
use nsgate_pool::{Offer, WorkerNotice};
use std::error::Error;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [pool, agent, port] = words.as_slice() else { return Err("handover POOL AGENT PORT".into()) };
    let identity = Identity::Network("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse()?);
    let backend = Backend::new(AbsolutePath::new(agent)?)?;
    let address = format!("127.0.0.1:{port}");
    let gate = Gate::builder(identity, backend).listen(&address)?.build()?;
    let config = Config { gate, process: Process::new(Account::named("nobody")?) };
    let listener = TcpListener::bind(&address)?;
    listener.set_nonblocking(true)?;
    let offer = Offer::new(&config)?;
    loop {
        let served = offer.begin(Path::new(pool), &[listener.as_fd()])?.wait(Duration::from_secs(5))?;
        println!("served");
        loop {
            match served.notice()? {
                Some(WorkerNotice::End(reason)) => return Err(reason.into()),
                // Another worker takes over: the next offer is for it.
                Some(WorkerNotice::Leave | WorkerNotice::Gone) => break,
                Some(WorkerNotice::Pong) | None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}
