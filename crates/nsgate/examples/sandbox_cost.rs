//! One binary with and without its confinement, to measure what that costs (`cargo xtask bench`):
//! `sandbox_cost with|without AGENT_SOCKET PORT`, until it is killed. The agent's path must have at most 12 bytes, as a
//! gate's small root has it.

use nsgate_config::native;
use nsgate_forwarder::{Forwarder, UnixConnector};
use nsgate_launcher::Role;
use nsgate_sandbox::{Ids, Policy, Root, Sandbox};
use tokio::{net::TcpListener, sync::watch};

/// nobody and nogroup on Debian.
const NOBODY: u32 = 65534;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let confined = words.next().ok_or("with or without?")? == "with";
    let (agent, port) = (words.next().ok_or("which agent?")?, words.next().ok_or("which port?")?);
    let text = format!(
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"127.0.0.1:{port}\"]\nuser = \"nobody\"\n\
         backend = \"{agent}\"\n"
    );
    let gate = native::parse("example", &text)?.config.gate;
    let listener = std::net::TcpListener::bind(("127.0.0.1", port.parse()?))?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let _confined = if confined {
        let ids = Ids { uid: NOBODY.into(), gid: NOBODY.into() };
        let sandbox = Sandbox::new(Policy::new(Role::Gate, 4096))?.drop_privileges(&ids)?;
        Some(sandbox.restrict_files(Root::Kept)?.filter_syscalls()?)
    } else {
        None
    };
    let (_stop, stopped) = watch::channel(None);
    runtime.block_on(async {
        let listeners = vec![TcpListener::from_std(listener)?];
        Forwarder::new(gate, UnixConnector::new(agent.into(), None), ()).serve(listeners, stopped).await;
        Ok(())
    })
}
