//! From a configuration to a serving gate: the one place where launcher and forwarder meet.

use crate::{
    audit::{Audits, Observed},
    host::Reload,
    log::{self, AccessLog, Events, Sink, StandardError, Syslog},
    sys,
};
use nix::{
    sys::signalfd::SignalFd,
    time::{ClockId, clock_gettime},
};
use nsgate_config::{Config, Gate, Guards, Level, Log, Process, Tokens};
use nsgate_forwarder::{Connector, Forwarder, Stop, TokenKey, UnixConnector, event::Network};
use nsgate_launcher::{
    Agent, AuditOutput, Fitted, LaunchError, Launched, LogSocket, Options, Output, Running, fit_limits, launch,
    signals::{self, Asked},
};
use nsgate_sandbox::Confined;
use std::{
    io::{self, Stderr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{Notify, watch},
};

/// What has to exist before the filter closes: it takes system calls that a serving gate no longer has.
pub(crate) struct Prepared {
    pub(crate) event_loop: EventLoop,
    pub(crate) signals: SignalFd,
    /// For session tokens, if the gate's guards want them.
    pub(crate) key: Option<TokenKey>,
}

/// Runs the gate that `config` describes, and returns the exit status of this process: that of the starter, which is
/// done when the gate serves, or that of the gate, which is done when it is told to stop.
///
/// # Errors
/// Whatever kept the gate from serving. Nothing is left behind then.
pub fn run(config: &Config, options: &Options) -> Result<u8, LaunchError> {
    let (config, shortfall) = fitted(config)?;
    let options = &with_secret(options, &config.gate.guards);
    match launch(&config, options, || prepare(&config.gate.guards))? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(running) => {
            let Config { gate, process } = &config;
            let what = format!("{} {}", gate.identity.header(), gate.identity.uuid());
            let connector = connector(&running.agents);
            let make = |observer| (Forwarder::new(gate.clone(), connector, observer), None);
            Ok(serve((&what, Network::of(&gate.identity), shortfall), process, options, *running, make))
        }
    }
}

/// The same with bounds that fit into the descriptors which this process may have. Where they are smaller, standard error
/// says so, and the sentence is returned for the log.
pub(crate) fn fitted(config: &Config) -> Result<(Config, Option<String>), LaunchError> {
    let Config { gate, process } = config;
    let Fitted { bounds: limits, shortfall } = fit_limits(&gate.limits, gate.listeners.len())?;
    say_shortfall(shortfall.as_deref());
    Ok((Config { gate: Gate { limits, ..gate.clone() }, process: process.clone() }, shortfall))
}

pub(crate) fn say_shortfall(shortfall: Option<&str>) {
    if let Some(shortfall) = shortfall {
        eprintln!("{shortfall}");
    }
}

/// The end of a process's first line: what its confinement is, and what it lacks.
pub(crate) fn report(confined: &Confined, shortfall: Option<String>) -> String {
    let mut report = confined.report().to_string();
    if let Some(shortfall) = shortfall {
        report.push_str("; ");
        report.push_str(&shortfall);
    }
    report
}

/// How a gate reaches its agent. A gate without one is not launched; a path that does not exist is an agent that is away.
pub(crate) fn connector(agents: &[Agent]) -> UnixConnector {
    let agent = agents.first().cloned().unwrap_or(Agent { path: PathBuf::new(), owner: None });
    UnixConnector::new(agent.path, agent.owner)
}

/// The same options, and where tokens are wanted their key as a secret that outlives the process.
pub(crate) fn with_secret(options: &Options, guards: &Guards) -> Options {
    let secret = (guards.tokens != Tokens::Off).then_some(new_token_key_text as fn() -> io::Result<String>);
    Options { secret, ..options.clone() }
}

pub(crate) fn prepare(guards: &Guards) -> io::Result<Prepared> {
    Ok(Prepared { event_loop: EventLoop::new()?, signals: signals()?, key: token_key(guards)? })
}

/// A key for session tokens, where they are wanted: it is made here, in the process that uses it, and goes nowhere.
pub(crate) fn token_key(guards: &Guards) -> io::Result<Option<TokenKey>> {
    match guards.tokens {
        Tokens::Off => Ok(None),
        _ => random(TokenKey::new).map(Some),
    }
}

/// The same as text, for whoever serves the gate next: the pool's workers, and its keeper.
pub(crate) fn token_key_text(guards: &Guards) -> io::Result<Option<String>> {
    match guards.tokens {
        Tokens::Off => Ok(None),
        _ => new_token_key_text().map(Some),
    }
}

fn new_token_key_text() -> io::Result<String> {
    let now = uptime()?;
    random(|bytes| TokenKey::text(bytes, now))
}

/// What CLOCK_MONOTONIC says: keys count their time by it.
pub(crate) fn uptime() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

/// Makes something of random numbers of the kernel's: the filter does not let the call pass later.
pub(crate) fn random<T>(make: impl FnOnce(&[u8; 64]) -> T) -> io::Result<T> {
    let mut random = [0; 64];
    sys::random(&mut random)?;
    let made = make(&random);
    // What is left on the stack is nobody's key.
    std::hint::black_box(&mut random).fill(0);
    Ok(made)
}

/// An event loop on this thread.
pub(crate) struct EventLoop(Runtime);

impl EventLoop {
    pub(crate) fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_io().enable_time().build().map(Self)
    }

    /// Runs until this has come to its end, and ends everything else. Nothing is left unsaid.
    pub(crate) fn run<F: Future>(self, main: F) -> F::Output {
        let output = self.0.block_on(main);
        drop(self.0);
        log::deliver();
        output
    }
}

/// The signals that are read. The launcher has blocked them: they wait until then.
pub(crate) fn signals() -> io::Result<SignalFd> {
    Ok(signals::listen()?)
}

/// Where the lines of this process go (a file, the system log, or standard error), and its events. From here on
/// everything that happens inside is told there, what could not be done at the start first.
pub(crate) fn log(
    process: &Process,
    options: &Options,
    (socket, standard_error, events): (LogSocket, Output<Stderr>, Option<AuditOutput>),
    host_pid: i32,
    warnings: &[String],
) -> (Arc<Sink>, Option<Audits>) {
    let log = process.log.as_ref();
    let (sink, socket) = match (&options.log_file, log) {
        (Some(file), _) => {
            (Sink::StandardError(StandardError::file(standard_error, file.level.into(), host_pid)), socket)
        }
        (None, Some(log)) => (Sink::Syslog(Syslog::new(log, socket, host_pid)), LogSocket::default()),
        (None, None) => (Sink::StandardError(StandardError::new(standard_error)), socket),
    };
    let events = process.audit.zip(events).map(|(settings, output)| {
        Audits::new(settings, output, |tag| {
            // Each event, whatever the log's level is.
            let facility = log.map(|log| log.facility).unwrap_or_default();
            let log = Log { facility, level: Level::Debug, ..Log::usual(tag) };
            match &sink {
                Sink::Syslog(own) => own.of(&log),
                _ => Syslog::new(&log, socket, host_pid),
            }
        })
    });
    let sink = Arc::new(sink);
    // Fails only if a subscriber was set before, and then lines go there.
    let _ = tracing::subscriber::set_global_default(Events::new(sink.clone()));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    (sink, events)
}

/// Serves until a signal ends it. Takes the whole [`Running`], which only a completed confinement returns. `make` makes
/// the forwarder and says what SIGHUP is for; where that can no longer be done, the process ends.
pub(crate) fn serve<C: Connector>(
    (what, network, shortfall): (&str, Network, Option<String>),
    process: &Process,
    options: &Options,
    running: Running<Prepared>,
    make: impl FnOnce(Observed) -> (Forwarder<C>, Option<Reload>),
) -> u8 {
    let Running { prepared: Prepared { event_loop, signals, key }, confined, .. } = running;
    let outputs = (running.log, running.standard_error, running.audit);
    let (sink, events) = self::log(process, options, outputs, running.host_pid, &running.warnings);
    // The secret of an earlier process is the better one: tokens of its guests are good still.
    let lasting = running.secret.as_deref().zip(uptime().ok()).and_then(|(text, now)| TokenKey::read(text, now));
    let heard: Vec<String> = running.listening.iter().map(ToString::to_string).collect();
    tracing::info!("Serving {what} on {}; {}", heard.join(" and "), report(&confined, shortfall));

    event_loop.run(async move {
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
        let events = events.map(|events| events.of(network));
        let (forwarder, reload) = make(Observed::new(AccessLog::new(sink), events));
        let forwarder = forwarder.keyed(lasting.or(key));
        running.readiness.tell();
        let Some(reload) = reload else {
            tokio::spawn(obey(signals, stop, Stop::Now));
            forwarder.serve(listeners, stopped).await;
            return 0;
        };
        let hangup = Arc::new(Notify::new());
        tokio::spawn(obey_and(signals, stop, Stop::Now, Some(hangup.clone())));
        tokio::select! {
            () = forwarder.serve(listeners, stopped) => 0,
            reason = reload.follow(hangup) => {
                tracing::error!("{reason}; this process ends as well, so that whoever watches it starts both anew");
                1
            }
        }
    })
}

/// The signals as something to wait for.
#[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; a SignalFd does")]
pub(crate) fn watched(signals: SignalFd) -> io::Result<AsyncFd<SignalFd>> {
    AsyncFd::with_interest(signals, Interest::READABLE)
}

/// Turns signals into the gate's end: one that asks for it as `terminate` says, and at once when it comes again; one that
/// asks to finish after the requests under way; others not at all.
pub(crate) async fn obey(signals: AsyncFd<SignalFd>, stop: watch::Sender<Option<Stop>>, terminate: Stop) {
    obey_and(signals, stop, terminate, None).await;
}

/// The same, but that a wish to reload is passed on if there is a reader to do it.
async fn obey_and(
    signals: AsyncFd<SignalFd>,
    stop: watch::Sender<Option<Stop>>,
    terminate: Stop,
    hangup: Option<Arc<Notify>>,
) {
    let mut terminate = terminate;
    loop {
        match (heard(&signals).await, &hangup) {
            // While one is being seen to, others are one more.
            (Some(Asked::Reload(_)), Some(hangup)) => hangup.notify_one(),
            (Some(asked @ (Asked::Reload(_) | Asked::Nothing(_))), _) => refuse(asked),
            (Some(Asked::Finish), _) => {
                tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
                let _ = stop.send(Some(Stop::Drain));
            }
            (Some(Asked::Retire), _) => {
                tracing::info!("another process serves the listeners from now on; connections have one more answer");
                let _ = stop.send(Some(Stop::Retire));
            }
            (Some(Asked::End), _) => {
                let _ = stop.send(Some(terminate));
                terminate = Stop::Now;
            }
            (None, _) => return,
        }
    }
}

/// Says that what a signal asked for is not done.
pub(crate) fn refuse(asked: Asked) {
    if let Some(why) = asked.refusal() {
        tracing::warn!("{why}");
    }
}

/// Waits for a signal that asks for the end. Others have nothing to say any more to a process that finishes.
pub(crate) async fn told_to_end(signals: &AsyncFd<SignalFd>) {
    while heard(signals).await.is_some_and(|asked| asked != Asked::End) {}
}

/// What the next signal asks for; `None` if none will ever come.
pub(crate) async fn heard(signals: &AsyncFd<SignalFd>) -> Option<Asked> {
    loop {
        let mut readable = signals.readable().await.ok()?;
        let read = readable.try_io(|signals| {
            // Nothing there is to be told as EAGAIN: else the event loop believes that there is more, and spins.
            signals.get_ref().read_signal()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
        });
        match read {
            Ok(Ok(signal)) => return Some(Asked::of(&signal)),
            Err(_) => {}
            Ok(Err(error)) => tracing::error!("signalfd(2) cannot be read: {error}"),
        }
    }
}
