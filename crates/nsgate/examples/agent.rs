//! An agent of one's own: `agent NAME AGENT_SOCKET`, as root, makes a network namespace and serves 169.254.169.254 in it
//! by a process that holds a listener, the way to that socket and nothing else, until SIGTERM or Ctrl-C.

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use nsgate_config::native;
use nsgate_forwarder::{Forwarder, Stop, UnixConnector, stopped_by};
use nsgate_launcher::{Mode, Options, Signals, launch};
use tokio::net::TcpListener;

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
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    signals.thread_block()?;
    ip(&["netns", "add", name])?;
    ip(&["-n", name, "address", "add", "169.254.169.254/32", "dev", "lo"])?;
    ip(&["-n", name, "link", "set", "lo", "up"])?;
    let mut gate = std::process::Command::new(std::env::current_exe()?).args(["serve", name, socket]).spawn()?;
    println!("ip netns exec {name} curl http://169.254.169.254/   (until SIGTERM)");
    signals.wait()?;
    kill(Pid::from_raw(gate.id().try_into()?), Signal::SIGTERM)?;
    gate.wait()?;
    ip(&["netns", "delete", name])
}

fn ip(words: &[&str]) -> Outcome {
    let status = std::process::Command::new("ip").args(words).status()?;
    if status.success() { Ok(()) } else { Err(format!("ip {}: {status}", words.join(" ")).into()) }
}

/// The gate: it hears every guest of the namespace, and may do nothing else. At SIGTERM it finishes what is under way.
fn serve(name: &str, socket: &str) -> Outcome {
    let text = format!(
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"169.254.169.254:80\"]\n\
         backend = \"{socket}\"\nuser = \"nobody\"\nnetns = \"{name}\"\n"
    );
    let config = native::parse("agent", &text)?.config;
    let prepare = || tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let running = launch(&config, &Options::new(Mode::Foreground), prepare)?.or_exit();
    let agent = running.agents.into_iter().next().ok_or("a gate has an agent")?;
    running.prepared.block_on(async {
        let listeners = running.listeners.into_iter().map(TcpListener::from_std).collect::<Result<_, _>>()?;
        let stopped = stopped_by(running.signals, Signals::next, |asked| asked.ends().then_some(Stop::Drain))?;
        running.readiness.tell();
        Forwarder::new(config.gate, UnixConnector::new(agent.path, agent.owner), ()).serve(listeners, stopped).await;
        Ok(())
    })
}
