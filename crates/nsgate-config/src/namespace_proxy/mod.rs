//! The command line of `neutron-ns-metadata-proxy`, as Neutron's agents up to Ocata wrote it.
//!
//! Promises that an accepted command line means what it meant to the original, and that its values are checked here: an
//! identity is a UUID and never part of a path, a port is 1 to 65535 in decimal digits, a path is absolute and has no `..`, an
//! account is a name or a decimal number. The launcher looks accounts and paths up.

mod words;

use crate::{
    AbsolutePath, Account, Backend, Config, Facility, Gate, Guards, Identity, Invalid, Limits, Listener, Log, LogFile,
    LogLevel, Process, SandboxLevel, TcpPort, Timeouts,
};
use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr},
};
use words::ProxyOptions;

/// The program's name, on command lines and in log lines.
pub const NAME: &str = "neutron-ns-metadata-proxy";

/// One command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceProxyCommand {
    /// `--version`.
    Version,
    /// `--help`, `-h`.
    Help,
    /// Start a gate.
    Run(Box<NamespaceProxy>),
}

/// A gate, and its log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceProxy {
    /// The gate and its process.
    pub config: Config,
    /// `--log-file`, in `--log-dir` if that is given.
    pub log_file: Option<LogFile>,
}

/// Neutron's default (`neutron/conf/agent/common.py`).
const STATE_PATH: &str = "/var/lib/neutron";
/// Neutron's default (`neutron/conf/agent/metadata/namespace_proxy.py`).
const PORT: &str = "9697";
/// The system log, where the C library's syslog(3) finds it.
const SYSTEM_LOG: &str = "/dev/log";
/// oslo.log's default, `LOG_USER`.
const FACILITY: &str = "user";

/// Text of `--help`.
pub const HELP: &str = "\
usage: neutron-ns-metadata-proxy --network_id=UUID | --router_id=UUID --metadata_proxy_user=USER [OPTION...]

  --network_id=UUID               whose requests these are: a network of the DHCP agent
  --router_id=UUID                or a router of the L3 agent
  --metadata_port=PORT            hear guests on this port of every address (9697)
  --state_path=DIRECTORY          Neutron's directory (/var/lib/neutron)
  --metadata_proxy_socket=PATH    the metadata agent's socket ($state_path/metadata_proxy)
  --metadata_proxy_user=USER      run as this user, a name or a number; root is refused
  --metadata_proxy_group=GROUP    run as this group instead of the user's own
  --pid_file=PATH                 write the pid here
  --daemonize, --nodaemonize      go into the background once it serves (the default), or stay
  --log-file=FILE, --log-dir=DIR  append lines to this file
  --use-syslog                    or send them to /dev/log
  --syslog-log-facility=NAME      under this facility (LOG_USER)
  --debug                         say more
  --verbose, --metadata_proxy_watch_log   accepted; they change nothing
  --version, --help

Every option may be written with `-` or `_`, and its value after `=` or as the next word.
Example:
  neutron-ns-metadata-proxy --pid_file=/var/lib/neutron/external/pids/UUID.pid --network_id=UUID \\
      --metadata_proxy_socket=/var/lib/neutron/metadata_proxy --state_path=/var/lib/neutron --metadata_port=80 \\
      --metadata_proxy_user=neutron --metadata_proxy_group=neutron";

/// Reads the words after the program's name.
///
/// # Errors
/// A sentence that names the option, and what to write instead.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<NamespaceProxyCommand, Invalid> {
    command(words).map_err(Invalid::new)
}

fn command(words: impl IntoIterator<Item = OsString>) -> Result<NamespaceProxyCommand, String> {
    let said = words::read_options(words)?;
    if said.version {
        return Ok(NamespaceProxyCommand::Version);
    }
    if said.help {
        return Ok(NamespaceProxyCommand::Help);
    }
    configuration(&said).map(|asked| NamespaceProxyCommand::Run(Box::new(asked)))
}

fn configuration(said: &ProxyOptions) -> Result<NamespaceProxy, String> {
    let value = |name: &str| said.values.get(name).map(String::as_str);
    let on = |name: &str, default: bool| said.switches.get(name).copied().unwrap_or(default);
    let identity = choose_identity(value("network_id"), value("router_id"))?;
    let state = path("state_path", value("state_path").unwrap_or(STATE_PATH))?;
    let socket = value("metadata_proxy_socket").unwrap_or("$state_path/metadata_proxy");
    let socket = path("metadata_proxy_socket", &interpolated(socket, &state))?;
    let backend = Backend::new(socket).map_err(|reason| format!("`--metadata_proxy_socket`: {reason}"))?;
    let port: TcpPort =
        value("metadata_port").unwrap_or(PORT).parse().map_err(|reason| format!("`--metadata_port`: {reason}"))?;
    let user = value("metadata_proxy_user").ok_or(
        "there is no `--metadata_proxy_user`: the original would have gone on as root; \
         write `--metadata_proxy_user=neutron`",
    )?;
    let user = account("metadata_proxy_user", user)?;
    let group = value("metadata_proxy_group").map(|name| account("metadata_proxy_group", name)).transpose()?;
    let pid_file = value("pid_file").map(|name| path("pid_file", &interpolated(name, &state))).transpose()?;
    let log_file = log_file(value("log_file"), value("log_dir"), &state)?;
    let level = if on("debug", false) { LogLevel::Debug } else { LogLevel::Info };
    let facility = facility(value("syslog_log_facility").unwrap_or(FACILITY))?;
    let log = match (on("use_syslog", false), &log_file) {
        (true, None) => {
            let socket = AbsolutePath::new(SYSTEM_LOG)?;
            Some(Log { socket, facility, level, tag: format!("{NAME}-{}", identity.uuid()) })
        }
        (true, Some(_)) => {
            return Err("`--use-syslog` beside `--log-file`: a gate has one log; keep one of the two".to_owned());
        }
        (false, _) => None,
    };
    Ok(NamespaceProxy {
        config: Config {
            gate: Gate {
                identity,
                // `wsgi.Server.start` of the original: every IPv4 address of the namespace.
                listeners: vec![Listener { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port, interface: None }],
                backend,
                limits: Limits::default(),
                timeouts: Timeouts::default(),
                retries: 3,
                rate_limits: Vec::new(),
                guards: Guards::default(),
                trace: None,
            },
            process: Process {
                user,
                group,
                allow_root: false,
                daemon: on("daemonize", true),
                pid_file,
                netns: None,
                freebind: false,
                log,
                audit: None,
                sandbox: SandboxLevel::default(),
            },
        },
        log_file: log_file.map(|path| LogFile { path, level }),
    })
}

fn choose_identity(network: Option<&str>, router: Option<&str>) -> Result<Identity, String> {
    let id = |name: &str, text: &str| text.parse().map_err(|reason: Invalid| format!("`--{name}`: {reason}"));
    match (network, router) {
        (Some(network), None) => id("network_id", network).map(Identity::Network),
        (None, Some(router)) => id("router_id", router).map(Identity::Router),
        (None, None) => {
            Err("there is no identity: the agent could not tell whose request it is; write `--network_id=UUID` or \
             `--router_id=UUID`"
                .to_owned())
        }
        (Some(_), Some(_)) => {
            Err("`--network_id` and `--router_id` are both said; an agent refuses a request with two: keep one"
                .to_owned())
        }
    }
}

fn path(name: &str, text: &str) -> Result<AbsolutePath, String> {
    AbsolutePath::new(text).map_err(|reason| format!("`--{name}`: {reason}"))
}

/// Replaces `$state_path` at the beginning, the only substitution in Neutron's defaults (oslo.config).
fn interpolated(text: &str, state: &AbsolutePath) -> String {
    let rest = ["$state_path", "${state_path}"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
    match rest {
        Some(rest) if rest.starts_with('/') => format!("{state}{rest}"),
        _ => text.to_owned(),
    }
}

/// Reads a name or a number: agents up to Ocata write their effective ids (`neutron/agent/metadata/driver.py`). Anything else is
/// refused. No text is compared with `"0"` or `"root"`: such a comparison misses other spellings of root.
fn account(name: &str, text: &str) -> Result<Account, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // setresuid(2) reads 4294967295 as "no change": no account has it.
        return match text.parse() {
            Ok(id) if id != u32::MAX => Ok(Account::Id(id)),
            _ => Err(format!("`--{name}`: {text} is not an account's number; 0 to 4294967294")),
        };
    }
    Account::named(text).map_err(|reason| format!("`--{name}`: {reason}"))
}

/// `--log-file` in `--log-dir`, or a file with the program's name there (oslo.log, `_get_log_file_path`).
fn log_file(file: Option<&str>, directory: Option<&str>, state: &AbsolutePath) -> Result<Option<AbsolutePath>, String> {
    let inside = |directory: &str, file: &str| {
        let directory = interpolated(directory, state);
        path("log-dir", &directory)?;
        if file.contains('/') {
            return Err(format!("`--log-file`: `{file}` leads out of `--log-dir`; write a name without `/`"));
        }
        path("log-file", &format!("{directory}/{file}")).map(Some)
    };
    match (file, directory) {
        (None, None) => Ok(None),
        (Some(file), _) if file.starts_with('/') => path("log-file", file).map(Some),
        (Some(file), Some(directory)) => inside(directory, file),
        (None, Some(directory)) => inside(directory, &format!("{NAME}.log")),
        (Some(file), None) => {
            Err(format!("`--log-file`: `{file}` has no directory; write it from `/` on, or add `--log-dir`"))
        }
    }
}

/// Reads `LOG_LOCAL0` or `local0`, as oslo.log does.
fn facility(text: &str) -> Result<Facility, String> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("log_").unwrap_or(&lower);
    // The C library's `authpriv` is haproxy's `auth2` (syslog.h).
    let name = if name == "authpriv" { "auth2" } else { name };
    Facility::named(name).ok_or_else(|| {
        let names = Facility::names().join(", ");
        format!("`--syslog-log-facility`: `{text}` is not a facility; one of {names}")
    })
}

#[cfg(test)]
mod tests;
