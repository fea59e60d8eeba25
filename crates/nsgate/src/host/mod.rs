//! The proxy of a whole host: from its configuration to a process that serves, and that takes over what a later text
//! says of its instances.

mod reload;

use crate::{
    counted,
    gate::{self, Prepared},
};
use nsgate_config::{HostConfig, ServerHost, Tokens};
use nsgate_forwarder::{Forwarder, TcpConnector, event::EventOrigin};
use nsgate_launcher::{Fitted, LaunchError, Launched, Options, Running, fit_limits, launch_host};
use std::{net::SocketAddr, path::Path};

pub(crate) use reload::Reload;

/// What was read at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStart {
    /// What is done: the text, and what the command line and the site say in its place.
    pub config: HostConfig,
    /// What the text says, without its instances: what a later text is compared with.
    pub written: HostConfig,
}

impl HostStart {
    /// Of a text as it is.
    #[must_use]
    pub fn new(config: HostConfig) -> Self {
        let written = config.without_instances();
        Self { config, written }
    }
}

/// Runs the proxy that `file` describes, and returns the exit status of this process, as [`gate::run`] does.
///
/// # Errors
/// Whatever kept it from serving. Nothing is left behind then.
pub fn run(asked: HostStart, file: &Path, options: &Options) -> Result<u8, LaunchError> {
    let proxy = &asked.config.proxy;
    let Fitted { bounds, shortfall } = fit_limits(&proxy.limits, proxy.listeners.len())?;
    gate::say_shortfall(shortfall.as_deref());
    let mut asked = asked;
    asked.config.proxy.limits = bounds;
    let options = &gate::with_secret(options, &asked.config.proxy.guards);
    match launch_host(&asked.config, file, options, || gate::prepare(&asked.config.proxy.guards))? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => Ok(serve(asked, shortfall, file, options, *running)),
    }
}

fn serve(
    asked: HostStart,
    shortfall: Option<String>,
    file: &Path,
    options: &Options,
    mut running: Running<Prepared>,
) -> u8 {
    let HostStart { config: HostConfig { proxy, process }, written } = asked;
    let known = proxy.instances.len();
    // The launcher has looked it up; where nobody has, nothing is reached.
    let server = running.server.unwrap_or(SocketAddr::from(([0; 4], 0)));
    let reader = running.reader.take();
    counted::begin(running.counters, proxy.guards.tokens != Tokens::Off);
    let what = match &proxy.server.host {
        ServerHost::Address(_) => proxy.summary(),
        ServerHost::Name(_) => format!("{} ({server})", proxy.summary()),
    };
    gate::serve((&what, EventOrigin::host(), shortfall), &process, options, running, |observer| {
        let (forwarder, directory) = Forwarder::for_host(proxy, TcpConnector::new(server), observer);
        (forwarder, reader.map(|reader| Reload::new(reader, file, written, directory, known)))
    })
}
