//! A metadata gate of one's own: `gate FILE`, as root. It takes a configuration, serves it, prints a line for each request, and
//! finishes what is under way when it is told to end.

use nsgate_config::native;
use nsgate_forwarder::{AccessRecord, Forwarder, Observer, Stop, UnixConnector, stopped_by};
use nsgate_launcher::{Mode, Options, Signals, fit_limits, launch, read_config};
use std::error::Error;
use std::path::Path;
use tokio::net::TcpListener;

struct Print;

impl Observer for Print {
    fn request(&self, record: &AccessRecord) {
        println!("{} {}", record.client.ip(), record.status);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("gate FILE")?;
    let (text, written) = read_config(Path::new(&file))?;
    let mut config = native::parse(&file, &text)?.config;
    let fitted = fit_limits(&config.gate.limits, config.gate.listeners.len())?;
    config.gate.limits = fitted.bounds;
    let mut options = Options::new(Mode::Foreground);
    options.written = Some(written);
    let prepare = || tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let running = launch(&config, &options, prepare)?.or_exit();
    println!("{}", running.confined.report());
    let agent = running.agents.first().cloned().ok_or("no agent")?;
    running.prepared.block_on(async move {
        let listeners = running.listeners.into_iter().map(TcpListener::from_std).collect::<Result<Vec<_>, _>>()?;
        let stop = stopped_by(running.signals, Signals::next, |asked| asked.ends().then_some(Stop::Drain))?;
        running.readiness.tell();
        Forwarder::new(config.gate, UnixConnector::new(agent.path, agent.owner), Print).serve(listeners, stop).await;
        Ok(())
    })
}
