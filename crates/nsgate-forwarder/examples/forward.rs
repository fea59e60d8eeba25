//! A forwarder of one's own, without sandbox and launcher: `cargo run --example forward -- /path/of/agent.sock`.

use nsgate_config::native;
use nsgate_forwarder::{AccessRecord, Forwarder, Observer, Stop, UnixConnector};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

struct Print;

impl Observer for Print {
    fn request(&self, record: &AccessRecord) {
        println!("{} {} {}", record.client, record.status, String::from_utf8_lossy(&record.request_line));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = std::env::args().nth(1).ok_or("which socket does the agent listen on?")?;
    let text = format!(
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"127.0.0.1:8775\"]\nuser = \"nobody\"\n\
         backend = \"{socket}\"\n"
    );
    let gate = native::parse("example", &text)?.config.gate;
    let listener = TcpListener::bind("127.0.0.1:8775").await?;
    println!("curl http://127.0.0.1:8775/   (until SIGTERM or Ctrl-C)");
    let (stop, stopped) = watch::channel(None);
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Requests under way are finished.
        let _ = stop.send(Some(Stop::Drain));
    });
    Forwarder::new(gate, UnixConnector::new(socket.into(), None), Print).serve(vec![listener], stopped).await;
    Ok(())
}
