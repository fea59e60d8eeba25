//! Runs one command line of `haproxy`.

use super::{Args, HaproxyCommand, args, parse};
use crate::{
    cli::start::{Start, whole},
    gate, host, notify,
    pool::run_keeper,
    shown, site,
    terminal::{self, colours, complain},
};
use nsgate_config::{AbsolutePath, Config, Diagnostic, Fallback, Limits, PoolUse, Process, haproxy, native};
use nsgate_launcher::{MOST, MOST_OF_HOST, Mode, Options, Replace, Written, read_config_up_to, resolve};
use std::process::ExitCode;

/// Name and version. Scripts look for the word HAProxy.
const VERSION: &str = concat!("nsgate version ", env!("CARGO_PKG_VERSION"), ", in the place of HAProxy");

/// Runs the program and returns its exit status.
pub fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(HaproxyCommand::Version) => say(VERSION),
        Ok(HaproxyCommand::Build) => say(&format!("{VERSION}\n{}", build())),
        Ok(HaproxyCommand::Check(args)) => finish(check(&args)),
        Ok(HaproxyCommand::Run(args)) => finish(run(&args)),
        Err(mistake) => finish(Err(terminal::mistake(mistake))),
    }
}

fn say(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}

/// Prints one message to standard error, which an agent logs.
fn finish(outcome: Result<u8, String>) -> ExitCode {
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            complain!("haproxy (nsgate): {message}");
            ExitCode::FAILURE
        }
    }
}

/// The features of this build, in place of haproxy's list of build options.
fn build() -> String {
    let roles = nsgate_launcher::Role::ALL.into_iter();
    let filters = roles.map(|role| format!("{} {}", role.name(), role.compiled().number_of_calls()));
    format!(
        "Architecture: {}\nConfiguration: the haproxy dialect of OpenStack Neutron, Pike and later\n\
         Permitted system calls by role: {}",
        std::env::consts::ARCH,
        filters.collect::<Vec<_>>().join(", ")
    )
}

fn check(args: &Args) -> Result<u8, String> {
    let (asked, written, hidden) = configuration(args)?;
    resolve(asked.process()).map_err(|error| error.to_string())?;
    if !args.quiet {
        let name = args.file.display().to_string();
        for message in here(&asked, args, written)? {
            complain!("{}", whole(&name, message).render(colours()));
        }
        println!("Configuration file is valid");
        match &asked {
            _ if hidden => {}
            AgentConfig::Gate(config) => print!("{}", native::render(config)),
            AgentConfig::Host(host) => {
                let proxy = &host.config.proxy;
                println!("{}", proxy.summary());
                print!("{}", native::render_guards(&proxy.guards));
            }
        }
    }
    Ok(0)
}

/// What a start on this host would say, as `nsgate check` has it. It decides on no status: that is about the text and its accounts,
/// as haproxy's is, which looks at no path of a socket. A text is checked where it is built, too.
fn here(asked: &AgentConfig, args: &Args, written: Written) -> Result<Vec<String>, String> {
    let start = match asked {
        AgentConfig::Gate(config) => Start::Agents(config.clone(), reached_pool()?.map(|pool| pool.socket)),
        AgentConfig::Host(host) => Start::Host(Box::new(host.config.clone())),
    };
    Ok(start.tried(&args.file, written).unwrap_or_else(|refusal| vec![format!("no start from here: {refusal}")]))
}

fn run(args: &Args) -> Result<u8, String> {
    let (asked, written, _) = configuration(args)?;
    let replace = |pids: &[i32], signal| pids.iter().map(move |pid| Replace { pid: *pid, signal }).collect::<Vec<_>>();
    let mut replaced = replace(&args.finish, nix::sys::signal::Signal::SIGUSR1);
    replaced.extend(replace(&args.terminate, nix::sys::signal::Signal::SIGTERM));
    let mut options = Options::new(if asked.process().daemon { Mode::Daemon } else { Mode::Foreground });
    options.replace = replaced;
    options.address_space = args.memory.map(|megabytes| u64::from(megabytes) << 20);
    // With `-q` haproxy prints nothing either.
    options.unheard = if args.quiet { None } else { Some(terminal::unheard) };
    options.on_ready = if args.notify { Some(notify::ready) } else { None };
    options.passed = if args.notify { notify::passed()? } else { Vec::new() };
    // An agent wrote the text.
    options.written = Some(written.by_agent());
    match asked {
        AgentConfig::Gate(config) => match reached_pool()? {
            Some(pool) => run_keeper(&config, &pool, &options),
            None => gate::run(&config, &options),
        },
        AgentConfig::Host(asked) => host::run(*asked, &args.file, &options),
    }
    .map_err(|error| error.to_string())
}

/// The pool that networks are handed over to, from the site's settings. The environment may name another socket.
fn pool() -> Result<Option<PoolUse>, String> {
    let site = site::load()?.pool;
    match std::env::var(POOL) {
        Ok(path) if !path.is_empty() => {
            let socket = AbsolutePath::new(&path).map_err(|reason| format!("{POOL}: {reason}"))?;
            let usual = PoolUse::at(socket.clone());
            Ok(Some(PoolUse { socket, ..site.unwrap_or(usual) }))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{POOL}: the path is not UTF-8")),
        _ => Ok(site),
    }
}

/// The pool, unless the directory of its socket is missing and a network may be served without it. A keeper cannot wait for a
/// directory: it looks into the one that was there when it started.
fn reached_pool() -> Result<Option<PoolUse>, String> {
    let Some(pool) = pool()? else { return Ok(None) };
    let directory = pool.socket.as_path().parent().map(std::fs::metadata);
    let is_missing = matches!(directory, Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound);
    if !is_missing || pool.fallback != Fallback::Always {
        return Ok(Some(pool));
    }
    complain!(
        "haproxy (nsgate): pool {}: there is no such directory, so no pool has run here since the host started; this network is \
         served by a gate of its own, until it is started anew; start the pool first (`systemctl start nsgate-pool`), or correct \
         the path",
        pool.socket
    );
    Ok(None)
}

/// Names the pool's socket for a single start.
const POOL: &str = "NSGATE_POOL";

/// A configuration that an agent has written.
enum AgentConfig {
    /// One network's proxy.
    Gate(Box<Config>),
    /// A whole host's.
    Host(Box<host::HostStart>),
}

impl AgentConfig {
    fn process(&self) -> &Process {
        match self {
            Self::Gate(config) => &config.process,
            Self::Host(host) => &host.config.process,
        }
    }

    fn process_mut(&mut self) -> &mut Process {
        match self {
            Self::Gate(config) => &mut config.process,
            Self::Host(host) => &mut host.config.process,
        }
    }
}

/// The configuration of the file, the options and the site; who could have written the file; whether the caller may not read it.
fn configuration(args: &Args) -> Result<(AgentConfig, Written, bool), String> {
    let (mut asked, warnings, written, hidden) = read_configurations(args)?;
    warn(args, &warnings)?;
    let process = asked.process_mut();
    if let Some(path) = &args.pid_file {
        process.pid_file =
            Some(AbsolutePath::new(path).map_err(|reason| terminal::mistake(format!("`-p`: {reason}")))?);
    }
    process.daemon = (process.daemon || args.daemon) && !args.foreground;
    let site = site::load()?;
    process.allow_root = site.allow_root;
    process.sandbox = site.sandbox;
    process.audit = site.audit;
    match &mut asked {
        AgentConfig::Gate(config) => {
            (config.gate.guards, config.gate.trace) = (site.guards, site.trace);
            config.gate.asks(site.agent);
        }
        AgentConfig::Host(host) => {
            let proxy = &mut host.config.proxy;
            (proxy.guards, proxy.trace) = (site.guards, site.trace);
        }
    }
    if let Some(connections) = args.connections {
        match &mut asked {
            AgentConfig::Gate(config) => config.gate.limits.limit_connections(connections),
            AgentConfig::Host(host) => host.config.proxy.limits.limit_connections(connections),
        }
    }
    Ok((asked, written, hidden))
}

fn read_configurations(args: &Args) -> Result<(AgentConfig, Vec<Diagnostic>, Written, bool), String> {
    let name = args.file.display().to_string();
    let (text, written) = read_config_up_to(&args.file, MOST_OF_HOST).map_err(|error| error.to_string())?;
    let hidden = text.hidden().is_some();
    let wrong = |errors| shown::errors(&text, &name, errors).render(colours());
    let odd = |warnings| shown::warnings(&text, &name, warnings);
    if haproxy::is_host_proxy(&text) {
        let parsed = haproxy::parse_host(&name, &text).map_err(wrong)?;
        return Ok((
            AgentConfig::Host(Box::new(host::HostStart::new(parsed.config))),
            odd(parsed.warnings),
            written,
            hidden,
        ));
    }
    if u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
        return Err(format!("{name}: the configuration is larger than {MOST} bytes"));
    }
    let parsed = haproxy::parse(&name, &text).map_err(wrong)?;
    Ok((AgentConfig::Gate(Box::new(parsed.config)), odd(parsed.warnings), written, hidden))
}

fn warn(args: &Args, warnings: &[Diagnostic]) -> Result<(), String> {
    let ignored = args.ignored.iter().map(|word| match word.as_str() {
        "-N" => "`-N` is not followed: haproxy would let each section without a `maxconn` have so many connections"
            .to_owned(),
        word => format!("`{word}` tunes what nsgate does not have: it changes nothing"),
    });
    let most = Limits::MOST_CONNECTIONS;
    let clamped = args.connections.filter(|connections| *connections > most);
    let clamped = clamped.map(|connections| format!("`-n {connections}`: a gate has at most {most} connections"));
    let all: Vec<String> = ignored.chain(clamped).chain(warnings.iter().map(|one| one.render(colours()))).collect();
    if args.strict && !all.is_empty() {
        return Err(format!("{}\n`-dW` makes a warning an error; {}", all.join("\n"), args::USAGE));
    }
    if !args.quiet {
        for warning in all {
            complain!("{warning}");
        }
    }
    Ok(())
}
