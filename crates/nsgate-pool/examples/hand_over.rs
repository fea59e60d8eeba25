//! An agent that hands a network over: `hand_over POOL_SOCKET AGENT_SOCKET`. The pool serves 127.0.0.1:8775 in the name of a
//! network for ten seconds, or until the pool ends it.

use nsgate_config::native;
use nsgate_pool::{Offer, WorkerNotice};
use std::{
    net::TcpListener,
    os::fd::AsFd,
    path::Path,
    time::{Duration, Instant},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let pool = words.next().ok_or("where does the pool take handovers?")?;
    let agent = words.next().ok_or("which socket does the agent listen on?")?;
    let text = format!(
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"127.0.0.1:8775\"]\nuser = \"nobody\"\n\
         backend = \"{agent}\"\n"
    );
    let config = native::parse("example", &text)?.config;
    let listener = TcpListener::bind("127.0.0.1:8775")?;
    listener.set_nonblocking(true)?;
    // The same offer can be made to each new worker.
    let offer = Offer::new(&config)?;
    let mut served = offer.begin(Path::new(&pool), &[listener.as_fd()])?.wait(Duration::from_secs(5))?;
    println!("curl http://127.0.0.1:8775/   (for ten seconds)");
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        match served.notice()? {
            None | Some(WorkerNotice::Pong) => std::thread::sleep(Duration::from_millis(50)),
            Some(WorkerNotice::End(reason)) => return Err(reason.into()),
            Some(WorkerNotice::Leave | WorkerNotice::Gone) => {
                served = offer.begin(Path::new(&pool), &[listener.as_fd()])?.wait(Duration::from_secs(5))?;
            }
        }
    }
    Ok(())
}
