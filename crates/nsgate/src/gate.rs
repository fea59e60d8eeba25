//! From a configuration to a serving gate: the one place where launcher and forwarder meet.

use crate::{
    audit::{Audits, Observed},
    counted, door,
    host::Reload,
    log::{self, AccessLog, Events, Sink, StandardError, Syslog},
    sys,
};
use nix::time::{ClockId, clock_gettime};
use nsgate_config::{Config, Guards, Log, LogLevel, Process, Tokens};
use nsgate_forwarder::{Connector, DoorEnd, Forwarder, Stop, TokenKey, UnixConnector, event::EventOrigin, stopped_by};
use nsgate_launcher::{
    Agent, AuditOutput, Fitted, LaunchError, Launched, LogSocket, Options, Output, Running, SignalRequest, Signals,
    fit_limits, launch,
};
use nsgate_sandbox::Confined;
use std::{
    io::{self, Stderr},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{Notify, watch},
    time::timeout,
};

/// What needs system calls that the filter of a serving gate refuses. It is made before.
pub(crate) struct PreparedServer {
    pub(crate) event_loop: EventLoop,
    /// For session tokens, if the gate's guards want them.
    pub(crate) key: Option<TokenKey>,
}

/// Runs the gate that `config` describes, and returns the exit status of this process: that of the starter, which is
/// done when the gate serves, or that of the gate, which is done when it is told to stop.
///
/// # Errors
/// Why it could not serve. Nothing is left behind.
pub fn run(config: &Config, options: &Options) -> Result<u8, LaunchError> {
    let (config, shortfall) = fitted(config)?;
    let mut options = with_secret(options, &config.gate.guards);
    options.binding = Some(door::BINDING);
    let options = &options;
    match launch(&config, options, || prepare(&config.gate.guards))? {
        Launched::Finished(status) => Ok(status),
        Launched::Gate(mut running) => {
            let Config { gate, process } = &config;
            let what = format!("{} {}", gate.identity.header(), gate.identity.uuid());
            counted::begin(running.counters, gate.guards.tokens != Tokens::Off);
            let told = (what.as_str(), EventOrigin::of(&gate.identity), shortfall);
            if let Some(door) = running.door.take() {
                return Ok(serve(told, process, options, *running, |observer| {
                    let connector = door::connector(door)?;
                    let end = connector.end();
                    let forwarder = Forwarder::new(gate.clone(), connector, observer);
                    Ok(Serving { forwarder, reload: None, door: Some(end) })
                }));
            }
            let connector = connector(&running.agents);
            let make = |observer| Ok(Serving::alone(Forwarder::new(gate.clone(), connector, observer)));
            Ok(serve(told, process, options, *running, make))
        }
    }
}

/// What serves, and what it ends with beside signals.
pub(crate) struct Serving<C> {
    pub(crate) forwarder: Forwarder<C>,
    /// The handler of SIGHUP: the process ends when it fails.
    pub(crate) reload: Option<Reload>,
    /// The end of the one way to the agent.
    pub(crate) door: Option<DoorEnd>,
}

impl<C> Serving<C> {
    /// It ends with a signal.
    fn alone(forwarder: Forwarder<C>) -> Self {
        Self { forwarder, reload: None, door: None }
    }
}

/// The same with bounds that fit into the descriptors which this process may have. Where they are smaller, standard error
/// says so, and the sentence is returned for the log.
pub(crate) fn fitted(config: &Config) -> Result<(Config, Option<String>), LaunchError> {
    let Config { gate, process } = config;
    let Fitted { bounds: limits, shortfall } = fit_limits(&gate.limits, gate.listeners.len())?;
    say_shortfall(shortfall.as_deref());
    let mut gate = gate.clone();
    gate.limits = limits;
    Ok((Config { gate, process: process.clone() }, shortfall))
}

pub(crate) fn say_shortfall(shortfall: Option<&str>) {
    if let Some(shortfall) = shortfall {
        eprintln!("{shortfall}");
    }
}

/// The end of a process's first line: its confinement, and what that lacks.
pub(crate) fn report(confined: &Confined, shortfall: Option<String>) -> String {
    let mut report = confined.report().to_string();
    if let Some(shortfall) = shortfall {
        report.push_str("; ");
        report.push_str(&shortfall);
    }
    report
}

/// Connects to the agent. The launcher starts no gate without an agent; the empty path stands for an agent that is away.
pub(crate) fn connector(agents: &[Agent]) -> UnixConnector {
    let agent = agents.first().cloned().unwrap_or(Agent { path: PathBuf::new(), owner: None });
    UnixConnector::new(agent.path, agent.owner)
}

/// Adds the key of session tokens, if the guards want them, as a secret that outlives the process.
pub(crate) fn with_secret(options: &Options, guards: &Guards) -> Options {
    let secret = (guards.tokens != Tokens::Off).then_some(new_token_key_text as fn() -> io::Result<String>);
    let mut options = options.clone();
    options.secret = secret;
    options
}

pub(crate) fn prepare(guards: &Guards) -> io::Result<PreparedServer> {
    Ok(PreparedServer { event_loop: EventLoop::new()?, key: token_key(guards)? })
}

/// A key for session tokens, if the guards want them. It never leaves this process.
pub(crate) fn token_key(guards: &Guards) -> io::Result<Option<TokenKey>> {
    match guards.tokens {
        Tokens::Off => Ok(None),
        _ => random(TokenKey::new).map(Some),
    }
}

/// The same as text, for the processes that serve the gate later: the pool's workers, and its keeper.
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

/// Makes a value of the kernel's random numbers. The filter refuses the call later.
pub(crate) fn random<T>(make: impl FnOnce(&[u8; 64]) -> T) -> io::Result<T> {
    let mut random = [0; 64];
    sys::random(&mut random)?;
    let made = make(&random);
    // Leave no key on the stack.
    std::hint::black_box(&mut random).fill(0);
    Ok(made)
}

/// An event loop on this thread.
pub(crate) struct EventLoop(Runtime);

impl EventLoop {
    pub(crate) fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_io().enable_time().build().map(Self)
    }

    /// Runs `main` to its end, cancels all other tasks, and sends the waiting lines of the log.
    pub(crate) fn run<F: Future>(self, main: F) -> F::Output {
        let output = self.0.block_on(main);
        drop(self.0);
        log::deliver();
        output
    }
}

/// Opens the log of this process (a file, the system log, or standard error) and its audit. From here on events of `tracing` go to
/// the log, first the warnings of the start.
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
            // Every event, also if the log has a higher level.
            let facility = log.map(|log| log.facility).unwrap_or_default();
            let log = Log { facility, level: LogLevel::Debug, ..Log::usual(tag) };
            match &sink {
                Sink::Syslog(own) => own.of(&log),
                _ => Syslog::new(&log, socket, host_pid),
            }
        })
    });
    let sink = Arc::new(sink);
    // Fails only if a subscriber was set before; that one gets the lines.
    let _ = tracing::subscriber::set_global_default(Events::new(sink.clone()));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    (sink, events)
}

/// Serves until a signal ends it. Takes the whole [`Running`], which only a completed confinement returns. `make` makes the
/// forwarder, on the event loop.
pub(crate) fn serve<C: Connector>(
    (what, network, shortfall): (&str, EventOrigin, Option<String>),
    process: &Process,
    options: &Options,
    running: Running<PreparedServer>,
    make: impl FnOnce(Observed) -> io::Result<Serving<C>>,
) -> u8 {
    let Running { prepared: PreparedServer { event_loop, key }, signals, confined, .. } = running;
    let outputs = (running.log, running.standard_error, running.audit);
    let (sink, events) = self::log(process, options, outputs, running.host_pid, &running.warnings);
    // Prefer the key of an earlier process: tokens of its guests stay valid.
    let lasting = running.secret.as_deref().zip(uptime().ok()).and_then(|(text, now)| TokenKey::read(text, now));
    let heard: Vec<String> = running.listening.iter().map(ToString::to_string).collect();
    tracing::info!("Serving {what} on {}; {}", heard.join(" and "), report(&confined, shortfall));

    event_loop.run(async move {
        let listeners: io::Result<Vec<TcpListener>> =
            running.listeners.into_iter().map(TcpListener::from_std).collect();
        let events = events.map(|events| events.of(network));
        let hangup = Arc::new(Notify::new());
        let made = make(Observed::new(AccessLog::new(sink), events).counted());
        let made = made.and_then(|made| {
            let hangup = made.reload.is_some().then(|| hangup.clone());
            Ok((made, listeners?, stopped_and(signals, Stop::Now, hangup)?))
        });
        let (Serving { forwarder, reload, door }, listeners, stopped) = match made {
            Ok(made) => made,
            Err(error) => {
                tracing::error!("epoll_ctl(2) refuses a descriptor: {error}");
                return 1;
            }
        };
        let forwarder = forwarder.keyed(lasting.or(key));
        counted::serves(true);
        running.readiness.tell();
        let mut serves = pin!(forwarder.serve(listeners, stopped));
        match (reload, door) {
            (None, None) => serves.await,
            (Some(reload), _) => tokio::select! {
                () = serves => {}
                reason = reload.follow(hangup) => {
                    tracing::error!("{reason}; this process ends as well, so that its supervisor or agent starts both again");
                    return 1;
                }
            },
            (None, Some(door)) => tokio::select! {
                () = &mut serves => {}
                why = door.wait() => {
                    tracing::error!("{}", door::unbound(&why));
                    // Requests are answered 503 by now.
                    let _ = timeout(door::LAST_ANSWERS, serves).await;
                    return door::CLOSED;
                }
            },
        }
        0
    })
}

/// Turns signals into the way a gate stops. The first SIGTERM stops it as `terminate` says, a second one at once. SIGUSR1 lets it
/// finish the requests under way. Other signals do not stop it.
///
/// # Errors
/// The event loop cannot watch them.
pub(crate) fn stopped(signals: Signals, terminate: Stop) -> io::Result<watch::Receiver<Option<Stop>>> {
    stopped_and(signals, terminate, None)
}

/// The same; SIGHUP notifies `hangup` if there is a reader.
fn stopped_and(
    signals: Signals,
    mut terminate: Stop,
    hangup: Option<Arc<Notify>>,
) -> io::Result<watch::Receiver<Option<Stop>>> {
    stopped_by(signals, Signals::next, move |asked| match (asked, &hangup) {
        // Signals during a reload cause one more reload.
        (SignalRequest::Reload(_), Some(hangup)) => {
            hangup.notify_one();
            None
        }
        (asked @ (SignalRequest::Reload(_) | SignalRequest::Nothing(_)), _) => {
            refuse(asked);
            None
        }
        (SignalRequest::Finish, _) => {
            tracing::info!("SIGUSR1: listeners are closed, requests under way are finished");
            Some(Stop::Drain)
        }
        (SignalRequest::Retire, _) => {
            tracing::info!("another process serves the listeners from now on; connections have one more answer");
            Some(Stop::Retire)
        }
        (SignalRequest::End, _) => Some(std::mem::replace(&mut terminate, Stop::Now)),
    })
}

/// Logs that a signal has no effect.
pub(crate) fn refuse(asked: SignalRequest) {
    if let Some(why) = asked.refusal() {
        tracing::warn!("{why}");
    }
}
