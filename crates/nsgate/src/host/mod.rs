//! The proxy of a whole host: starts it, and lets it take over the instances of a later text.

mod reload;

use crate::{
    counted,
    gate::{self, PreparedServer, Serving},
};
use nsgate_config::{HostConfig, ServerHost, Tokens};
use nsgate_forwarder::{Forwarder, TcpConnector, event::EventOrigin};
use nsgate_launcher::{Fitted, LaunchError, Launched, Options, Running, fit_limits, launch_host};
use std::{net::SocketAddr, path::Path};

pub(crate) use reload::Reload;

/// The configuration at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStart {
    /// The configuration in force: the text with the changes of command line and site.
    pub config: HostConfig,
    /// The text alone, without its instances, for comparison with a later text.
    pub written: HostConfig,
}

impl HostStart {
    /// From a text.
    #[must_use]
    pub fn new(config: HostConfig) -> Self {
        let written = config.without_instances();
        Self { config, written }
    }
}

/// Runs the proxy that `file` describes, and returns the exit status of this process, as [`gate::run`] does.
///
/// # Errors
/// Why it could not serve. Nothing is left behind.
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
    mut running: Running<PreparedServer>,
) -> u8 {
    let HostStart { config: HostConfig { proxy, process }, written } = asked;
    let known = proxy.instances.len();
    // The launcher has looked it up. Without an address, no request can reach a server.
    let server = running.servers.first().copied().unwrap_or(SocketAddr::from(([0; 4], 0)));
    let reader = running.reader.take();
    counted::begin(running.counters, proxy.guards.tokens != Tokens::Off);
    let what = match &proxy.server.host {
        ServerHost::Address(_) => proxy.summary(),
        ServerHost::Name(_) => format!("{} ({server})", proxy.summary()),
    };
    gate::serve((&what, EventOrigin::host(), shortfall), &process, options, running, |observer| {
        let (forwarder, directory) = Forwarder::for_host(proxy, TcpConnector::new(server), observer);
        let reload = reader.map(|reader| Reload::new(reader, file, written, directory, known));
        Ok(Serving { forwarder, reload, door: None })
    })
}
