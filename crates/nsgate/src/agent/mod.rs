//! The second hop's process: from a configuration to a confined process that carries gates' requests to Nova.

mod directory;
mod file_watch;

use crate::gate::{self, EventLoop};
use directory::{DirectoryStart, DirectoryWays, OpenDirectory};
use nsgate_agent::{
    binding::Binders,
    gates::{GateSettings, Gates},
    nova::{Nova, NovaHost, NovaSettings},
    signature::Secret,
    signer::LocalSigner,
};
use nsgate_config::MetadataAgentConfig;
use nsgate_forwarder::Stop;
use nsgate_launcher::{ConfigText, LaunchError, Launched, Options, Running, launch_agent};
use std::{io, os::unix::net::UnixListener};

/// What root has read before the process gave its rights up.
pub(crate) struct AgentStart {
    /// The configuration.
    pub(crate) config: MetadataAgentConfig,
    /// Numbers of the users who may bind connections.
    pub(crate) binders: Vec<u32>,
    /// The secret that is shared with Nova.
    pub(crate) secret: Secret,
    /// The text of a directory that is a file.
    pub(crate) instances: ConfigText,
}

/// What needs system calls that the filter refuses, and what the starter must not keep.
struct AgentParts {
    event_loop: EventLoop,
    secret: Secret,
    directory: DirectoryStart,
}

/// Runs the agent that `start` describes, and returns the exit status of this process, as [`gate::run`] does.
///
/// # Errors
/// Why it could not serve. Nothing is left behind.
pub(crate) fn run(start: AgentStart, options: &Options) -> Result<u8, String> {
    let AgentStart { config, binders, secret, instances } = start;
    let directory = DirectoryStart::new(&config.directory, &instances)?;
    drop(instances);
    let prepare = || Ok(AgentParts { event_loop: EventLoop::new()?, secret, directory });
    match launch_agent(&config, options, prepare).map_err(|error: LaunchError| error.to_string())? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(serve(&config, binders, options, *running)),
    }
}

fn serve(config: &MetadataAgentConfig, binders: Vec<u32>, options: &Options, running: Running<AgentParts>) -> u8 {
    let Running { prepared, signals, confined, endpoints, mut servers, reader, watchdog, databases, .. } = running;
    let AgentParts { event_loop, secret, directory } = prepared;
    let addresses = servers.split_off(config.nova.hosts.len().min(servers.len()));
    let ways = DirectoryWays { reader, sockets: databases, addresses };
    let OpenDirectory { directory, follower, told: source } = directory.open(ways);
    let outputs = (running.log, running.standard_error, running.audit);
    let (_, _) = gate::log(&config.process, options, outputs, running.host_pid, &running.warnings);
    let hosts = config.nova.hosts.iter().zip(servers);
    let hosts = hosts
        .map(|(url, address)| NovaHost { authority: url.server.to_string(), address, tls: None })
        .collect::<Vec<_>>();
    let told: Vec<String> = hosts.iter().map(|host| format!("{} ({})", host.authority, host.address)).collect();
    tracing::info!(
        "Serving gates at {}, {source}, Nova at {}; {}",
        config.agent.socket,
        told.join(" and "),
        gate::report(&confined, None)
    );
    let gates = Gates::new(gate_settings(config, binders), LocalSigner::new(directory, secret), nova(config, hosts));
    let outcome = event_loop.run(async move {
        let stopped = gate::stopped(signals, Stop::Drain)?;
        let Some(endpoint) = endpoints.into_iter().next() else { return Ok(()) };
        let listener = UnixListener::from(endpoint);
        let listener = tokio::net::UnixListener::from_std(listener)?;
        if let Some(watchdog) = watchdog {
            tokio::spawn(async move {
                loop {
                    watchdog.pat();
                    tokio::time::sleep(watchdog.every).await;
                }
            });
        }
        running.readiness.tell();
        tokio::select! {
            () = gates.serve(listener, stopped) => Ok(()),
            reason = follower.follow() => Err(io::Error::other(reason)),
        }
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("the agent ends: {error}");
            1
        }
    }
}

fn gate_settings(config: &MetadataAgentConfig, binders: Vec<u32>) -> GateSettings {
    let agent = &config.agent;
    let mut settings = GateSettings::default();
    settings.plain = agent.plain;
    settings.binders = Binders::new(binders);
    settings.connections = count(agent.connections);
    settings.door_connections = count(agent.connections_per_network);
    settings
}

fn nova(config: &MetadataAgentConfig, hosts: Vec<NovaHost>) -> Nova {
    let mut settings = NovaSettings::new(hosts);
    settings.connect = config.nova.connect_timeout;
    settings.answer = config.nova.answer_timeout;
    settings.share = count(config.nova.requests_per_instance);
    settings.requests = count(config.nova.requests);
    Nova::new(settings)
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
