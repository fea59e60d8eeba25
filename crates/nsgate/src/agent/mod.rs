//! The second hop's two processes: from a configuration to a confined process that carries gates' requests to Nova, and to one
//! beside it that has the secret.

mod directory;
mod file_watch;
mod observed;
mod pem_files;
mod returned;
mod signer;

use crate::{
    counted,
    gate::{self, EventLoop},
};
use directory::DirectoryStart;
use nsgate_agent::{
    binding::Binders,
    gates::{GateSettings, Gates},
    nova::{Nova, NovaHost, NovaSettings},
    signer::SignerClient,
    tls::TlsClient,
};
use nsgate_config::{AbsolutePath, MetadataAgentConfig, NovaUrl};
use nsgate_forwarder::Stop;
use nsgate_launcher::{LaunchError, Launched, Options, Running, launch_agent};
use observed::HopObserved;
use pem_files::PemFiles;
use std::{cell::Cell, fs, io, net::SocketAddr, os::unix::net::UnixListener, path::Path, rc::Rc, sync::Arc};

/// What root has found out before the process gave its rights up. The signer reads secret and directory itself.
pub(crate) struct AgentStart {
    /// The configuration.
    pub(crate) config: MetadataAgentConfig,
    /// Numbers of the users who may bind connections.
    pub(crate) binders: Vec<u32>,
}

/// What needs system calls that the filter refuses, and files that the confined process does not have.
struct AgentParts {
    event_loop: EventLoop,
    nova_tls: Option<TlsClient>,
    /// What is odd about its files.
    odd: Vec<String>,
}

/// What is odd about the files that the signer will read, without reading them.
pub(crate) fn warnings(config: &MetadataAgentConfig) -> Vec<String> {
    signer::secret_warning(&config.nova.secret_file).into_iter().collect()
}

/// The texts of the files for hosts of Nova's with https, and what is odd about them.
fn nova_tls(config: &MetadataAgentConfig) -> Result<(Option<PemFiles>, Vec<String>), String> {
    let Some(files) = &config.nova.tls else { return Ok((None, Vec::new())) };
    let (texts, odd) = PemFiles::read(files, false).map_err(|error| format!("[nova] {error}"))?;
    Ok((Some(texts), odd))
}

/// Reads what the start would, and drops it: what a start would say of it. A credential of a unit that does not run is not there, and
/// is a note.
///
/// # Errors
/// As the start.
pub(crate) fn check_files(config: &MetadataAgentConfig) -> Result<Vec<String>, String> {
    let note = credential_to_come(&config.nova.secret_file);
    if note.is_none() {
        signer::read_secret(&config.nova.secret_file)?;
    }
    let (files, mut odd) = nova_tls(config)?;
    if let Some(files) = files {
        odd.extend(files.client()?.1);
    }
    let directory = DirectoryStart::read(&config.directory)?;
    Ok(note.into_iter().chain(odd).chain(directory.odd().iter().cloned()).collect())
}

/// What a check says of a credential (systemd.exec(5)) that systemd will make when it starts the unit.
fn credential_to_come(path: &AbsolutePath) -> Option<String> {
    let place = path.as_path().strip_prefix("/run/credentials").ok()?;
    let unit = place.components().next()?.as_os_str().to_string_lossy().into_owned();
    let runs = fs::symlink_metadata(Path::new("/run/credentials").join(&unit)).is_ok();
    (!runs).then(|| {
        format!(
            "`secret_file` {path} was not looked at: systemd makes it when it starts {unit}, of the file that `LoadCredential=` of the \
             unit names"
        )
    })
}

/// Runs the agent that `start` describes, and returns the exit status of this process, as [`gate::run`] does.
///
/// # Errors
/// Why it could not serve. Nothing is left behind.
pub(crate) fn run(start: AgentStart, options: &Options) -> Result<u8, String> {
    let AgentStart { config, binders } = start;
    let (files, odd) = nova_tls(&config)?;
    odd.iter().for_each(|odd| eprintln!("{odd}"));
    let files = Rc::new(Cell::new(files));
    let (of_signer, signers) = (Rc::clone(&files), &config);
    // The signer has a copy of all memory that its parent has: what it does not need is overwritten there.
    let begins = Box::new(move || {
        drop(of_signer.take());
        signer::begin(signers, options)
    });
    let prepare = move || {
        let made = files.take().map(|files| files.client()).transpose().map_err(io::Error::other)?;
        let (nova_tls, odd) = made.map_or((None, Vec::new()), |(client, odd)| (Some(client), odd));
        Ok(AgentParts { event_loop: EventLoop::new()?, nova_tls, odd })
    };
    match launch_agent(&config, options, prepare, begins).map_err(|error: LaunchError| error.to_string())? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(serve(&config, binders, options, *running)),
    }
}

fn serve(config: &MetadataAgentConfig, binders: Vec<u32>, options: &Options, running: Running<AgentParts>) -> u8 {
    let Running { prepared, signals, confined, endpoints, servers, signer, watchdog, .. } = running;
    let AgentParts { event_loop, nova_tls, odd } = prepared;
    let (keeping, passed) = (running.keeping, running.passed);
    let outputs = (running.log, running.standard_error, running.audit);
    counted::begin(running.counters, false);
    let (_, audits) = gate::log(&config.process, options, outputs, running.host_pid, &running.warnings);
    odd.iter().for_each(|odd| tracing::warn!("{odd}"));
    let hosts = match nova_hosts(config, servers, nova_tls.as_ref()) {
        Ok(hosts) => hosts,
        Err(reason) => {
            tracing::error!("the agent ends: {reason}");
            return 1;
        }
    };
    let told: Vec<String> = hosts.iter().map(|host| format!("{} ({})", host.authority, host.address)).collect();
    tracing::info!(
        "Serving gates at {}, Nova at {}; {}",
        config.agent.socket,
        told.join(" and "),
        gate::report(&confined, None)
    );
    let outcome = event_loop.run(async move {
        let stopped = gate::stopped(signals, Stop::Drain)?;
        let (Some(endpoint), Some(signer)) = (endpoints.into_iter().next(), signer) else { return Ok(()) };
        let (signer, link) = SignerClient::new(signer)?;
        let observer = Arc::new(HopObserved::new(audits.as_ref()));
        let mut settings = gate_settings(config, binders);
        let (store, returned) = returned::doors(keeping, passed, &settings.binders).await?;
        settings.store = store;
        let gates = Gates::observed(settings, signer, nova(config, hosts), observer);
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
            () = gates.serve_returned(listener, returned, stopped) => Ok(()),
            reason = link.run() => Err(io::Error::other(reason + WHY)),
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

/// Where to look for why a signer has ended.
const WHY: &str = "; its own last line says why, or the kernel's log (dmesg | nsgate explain --role signer). It is started anew with this \
                   process alone";

fn gate_settings(config: &MetadataAgentConfig, binders: Vec<u32>) -> GateSettings {
    let agent = &config.agent;
    let mut settings = GateSettings::default();
    settings.plain = agent.plain;
    settings.binders = Binders::new(binders);
    settings.connections = count(agent.connections);
    settings.door_connections = count(agent.connections_per_network);
    settings
}

/// Each of Nova's hosts, with how its certificate is to name it.
fn nova_hosts(
    config: &MetadataAgentConfig,
    addresses: Vec<SocketAddr>,
    client: Option<&TlsClient>,
) -> Result<Vec<NovaHost>, String> {
    let host = |(url, address): (&NovaUrl, SocketAddr)| {
        let client = client.filter(|_| url.https);
        let tls = client.map(|client| client.server(&url.server.host.to_string())).transpose();
        let tls = tls.map_err(|error| error.to_string())?;
        // Of https and no client there is no configuration; a signature must not leave unprotected all the same.
        if url.https && tls.is_none() {
            return Err(format!("{url}: no `ca_file` says whom to believe"));
        }
        Ok(NovaHost { authority: url.server.to_string(), address, tls })
    };
    config.nova.hosts.iter().zip(addresses).map(host).collect()
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
