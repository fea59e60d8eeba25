//! An agent of one's own: `agent NAME AGENT_SOCKET`, as root, makes a network namespace and serves 169.254.169.254 in it
//! by a process that holds a listener, the way to that socket and nothing else, until its standard input ends.

use nsgate_config::native;
use nsgate_forwarder::{Forwarder, UnixConnector};
use nsgate_launcher::{Launched, Mode, Options, launch};
use std::process::Command;
use tokio::{net::TcpListener, runtime::Builder, sync::watch};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", name, socket] => serve(name, socket),
        [name, socket] => manage(name, socket),
        _ => Err("agent NAME AGENT_SOCKET".into()),
    }
}

/// The agent: it may do everything, and hears no guest.
fn manage(name: &str, socket: &str) -> Outcome {
    ip(&["netns", "add", name])?;
    ip(&["-n", name, "address", "add", "169.254.169.254/32", "dev", "lo"])?;
    ip(&["-n", name, "link", "set", "lo", "up"])?;
    let mut gate = Command::new(std::env::current_exe()?).args(["serve", name, socket]).spawn()?;
    println!("ip netns exec {name} curl http://169.254.169.254/   (until standard input ends)");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    gate.kill()?; // The kernel ends the gate with its starter. To finish requests first, read signals: src/gate.rs.
    gate.wait()?;
    ip(&["netns", "delete", name])
}

fn ip(words: &[&str]) -> Outcome {
    let status = Command::new("ip").args(words).status()?;
    if status.success() { Ok(()) } else { Err(format!("ip {}: {status}", words.join(" ")).into()) }
}

/// The gate: it hears every guest of the namespace, and may do nothing else.
fn serve(name: &str, socket: &str) -> Outcome {
    let text = format!(
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"169.254.169.254:80\"]\n\
         backend = \"{socket}\"\nuser = \"nobody\"\nnetns = \"{name}\"\n"
    );
    let config = native::parse("agent", &text)?.config;
    let prepare = || Builder::new_current_thread().enable_io().enable_time().build();
    let running = match launch(&config, &Options::new(Mode::Foreground), prepare)? {
        Launched::Gate(running) => *running,
        Launched::Finished(status) => std::process::exit(status.into()),
    };
    let agent = running.agents.into_iter().next().ok_or("a gate has an agent")?;
    running.prepared.block_on(async {
        let listeners = running.listeners.into_iter().map(TcpListener::from_std).collect::<Result<_, _>>()?;
        let (_stop, stopped) = watch::channel(None);
        running.readiness.tell();
        Forwarder::new(config.gate, UnixConnector::new(agent.path, agent.owner), ()).serve(listeners, stopped).await;
        Ok(())
    })
}
