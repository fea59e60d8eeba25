//! From a configuration to a serving gate: the one place where launcher and forwarder meet.

use crate::log::{AccessLog, Events, Severity, Sink, Syslog};
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use nsgate_config::{Config, HostConfig, Log};
use nsgate_forwarder::{Connector, Forwarder, Stop, TcpConnector, UnixConnector};
use nsgate_launcher::{LaunchError, Launched, Options, Running, launch, launch_host};
use std::{io, sync::Arc};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
};
use tracing_subscriber::layer::SubscriberExt;

/// What has to exist before the filter closes: it takes system calls that a serving gate no longer has.
struct Prepared {
    runtime: Runtime,
    signals: SignalFd,
}

/// Runs the gate that `config` describes, and returns the exit status of this process: that of the starter, which is
/// done when the gate serves, or that of the gate, which is done when it is told to stop.
///
/// # Errors
/// Whatever kept the gate from serving. Nothing is left behind then.
pub fn run(config: &Config, options: &Options) -> Result<u8, LaunchError> {
    match launch(config, options, prepare)? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => {
            let Config { gate, process } = config;
            let what = format!("{} {}", gate.identity.header(), gate.identity.uuid());
            // A gate without an agent is not launched; a path that does not exist is an agent that is away.
            let connector = UnixConnector::new(running.backend.clone().unwrap_or_default(), running.backend_uid);
            let make = |log| Forwarder::new(gate.clone(), connector, log);
            Ok(serve(&what, process.log.as_ref(), options, *running, make))
        }
    }
}

/// The same for the proxy of a whole host.
///
/// # Errors
/// Whatever kept it from serving. Nothing is left behind then.
pub fn run_host(config: &HostConfig, options: &Options) -> Result<u8, LaunchError> {
    match launch_host(config, options, prepare)? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => {
            let HostConfig { proxy, process } = config;
            let server = proxy.server.socket_address();
            let what = format!("{} instances through {server}", proxy.instances.len());
            let make = |log| Forwarder::for_host(proxy.clone(), TcpConnector::new(server), log).0;
            Ok(serve(&what, process.log.as_ref(), options, *running, make))
        }
    }
}

fn prepare() -> io::Result<Prepared> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    // The launcher has blocked them: they wait here until they are read.
    let listened: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1, Signal::SIGHUP].into_iter().collect();
    let signals = SignalFd::with_flags(&listened, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    Ok(Prepared { runtime, signals })
}

/// Serves until a signal ends it. Takes the whole [`Running`], which only a completed confinement returns.
fn serve<C: Connector>(
    what: &str,
    log: Option<&Log>,
    options: &Options,
    running: Running<Prepared>,
    make: impl FnOnce(AccessLog) -> Forwarder<C>,
) -> u8 {
    let Running { prepared: Prepared { runtime, signals }, confined, .. } = running;
    let sink = Arc::new(match (&options.log_file, log) {
        (Some(file), _) => Sink::File(file.level.into(), running.host_pid),
        (None, Some(log)) => Sink::Syslog(Syslog::new(log, running.log, running.host_pid)),
        (None, None) => Sink::StandardError(Severity::Info),
    });
    // Fails only if a subscriber was set before, and then lines go there.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Events::new(sink.clone())));
    for warning in &running.warnings {
        tracing::warn!("{warning}");
    }
    let heard: Vec<String> = running.listening.iter().map(ToString::to_string).collect();
    tracing::info!("Serving {what} on {}; {}", heard.join(" and "), confined.report());

    runtime.block_on(async move {
        let listeners: io::Result<Vec<TcpListener>> =
            running.listeners.into_iter().map(TcpListener::from_std).collect();
        let (listeners, signals) = match (listeners, watched(signals)) {
            (Ok(listeners), Ok(signals)) => (listeners, signals),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!("epoll_ctl(2) refuses a descriptor: {error}");
                return 1;
            }
        };
        let (stop, stopped) = watch::channel(None);
        let forwarder = make(AccessLog::new(sink));
        running.readiness.tell();
        tokio::spawn(obey(signals, stop));
        forwarder.serve(listeners, stopped).await;
        0
    })
}

/// The signals as something to wait for.
#[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; a SignalFd does")]
fn watched(signals: SignalFd) -> io::Result<AsyncFd<SignalFd>> {
    AsyncFd::with_interest(signals, Interest::READABLE)
}

/// Turns signals into the gate's end: TERM and INT at once, USR1 after the requests under way, HUP not at all.
async fn obey(signals: AsyncFd<SignalFd>, stop: watch::Sender<Option<Stop>>) {
    loop {
        let Ok(mut readable) = signals.readable().await else { return };
        let read = readable.try_io(|signals| {
            // Nothing there is to be told as EAGAIN: else the event loop believes that there is more, and spins.
            signals.get_ref().read_signal()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
        });
        match read {
            Ok(Ok(signal)) => match i32::try_from(signal.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGHUP)) => tracing::info!("SIGHUP changes nothing: a gate's configuration is read once"),
                Ok(Ok(Signal::SIGUSR1)) => {
                    tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
                    let _ = stop.send(Some(Stop::Drain));
                }
                _ => {
                    let _ = stop.send(Some(Stop::Now));
                }
            },
            Err(_) => {}
            Ok(Err(error)) => tracing::error!("signalfd(2) cannot be read: {error}"),
        }
    }
}
