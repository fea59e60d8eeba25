//! The second hop: whether `nsgate agent` serves where gates look for it, whether they look there, and what it lacks.
//!
//! Connects to no socket: a service manager would start the agent.

use super::{
    Finding, FindingLevel, few,
    listeners::{UnixListening, listeners},
    processes::named,
};
use crate::{
    cli::check::agent_file,
    overview::{Overview, ProcessOverview, booted, uptime},
    site,
};
use nsgate_agent::gates::{HopReason, counters::HopValues};
use nsgate_config::{Backend, DatabaseRemote, DirectorySource, MetadataAgentConfig};
use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt, net::UnixStream},
    path::{Path, PathBuf},
};

/// The packaged configuration.
const USUAL: &str = "/etc/nsgate/agent.toml";
/// Names under which Neutron's agents start a gate.
const NAMES: [&str; 2] = ["haproxy", "neutron-ns-metadata-proxy"];
/// How many seconds a failure counts as recent.
const NEWS: u64 = 600;
const ABOUT: &str = "second hop";

/// What was found of the second hop, and what it explains.
#[derive(Debug, Default)]
pub(super) struct SecondHop {
    pub(super) findings: Vec<Finding>,
    /// The agent that the site's settings name.
    pub(super) asked: Option<Backend>,
    /// Whether no agent serves there.
    away: bool,
}

impl SecondHop {
    pub(super) fn look(overview: &Overview) -> Self {
        let mut hop = Self { asked: site::load().ok().and_then(|site| site.agent), ..Self::default() };
        let agents: Vec<&ProcessOverview> = overview.processes.iter().filter(|one| one.role == "agent").collect();
        let configurations = hop.configurations(&agents);
        let mut all = Vec::new();
        let socket = hop.asked.as_ref().map(|asked| asked.path().as_path().to_owned());
        match &socket {
            Some(socket) => {
                let listens = listens(socket, &agents, &configurations);
                hop.away = listens.level == FindingLevel::Wrong;
                all.push(listens);
            }
            None => all.extend(agents.first().map(|one| {
                let what = format!(
                    "nsgate agent ({}) runs; Neutron's agents send it no gate: no `agent =` in {}",
                    one.pid,
                    site::PATH
                );
                Finding::note(ABOUT, what)
            })),
        }
        all.extend(few(agents.iter().flat_map(|one| counted(one, &configurations)).collect()));
        all.extend(old_ways(overview, socket.as_deref()));
        hop.findings.extend(all);
        hop
    }

    /// Whether a bound gate cannot have an answer, for a reason that is said.
    pub(super) fn explains(&self, one: &ProcessOverview) -> bool {
        one.bound && self.away
    }

    /// The configurations of agents that run, or the packaged one where gates are sent to an agent; says which of them no agent starts
    /// with.
    fn configurations(&mut self, agents: &[&ProcessOverview]) -> Vec<AgentFile> {
        let mut files: Vec<PathBuf> = agents.iter().filter_map(|one| file_of(one.pid)).collect();
        if agents.is_empty() && self.asked.is_some() && Path::new(USUAL).exists() {
            files.push(PathBuf::from(USUAL));
        }
        files.sort_unstable();
        files.dedup();
        let mut all = Vec::new();
        for file in files {
            let shown = file.display();
            match agent_file(&file) {
                Ok(config) => all.push(AgentFile { file, config }),
                Err(error) => self.findings.push(refused(&shown.to_string(), &error)),
            }
        }
        all
    }
}

/// An agent's configuration that a start would take.
struct AgentFile {
    file: PathBuf,
    config: MetadataAgentConfig,
}

fn refused(file: &str, error: &str) -> Finding {
    let first = error.trim().lines().next().unwrap_or_default();
    if error.contains("EACCES") || error.contains("Permission denied") {
        return Finding::unseen(ABOUT, format!("{file}: {first}"));
    }
    let what = format!("nsgate agent does not start with {file}: {first}");
    Finding::wrong(ABOUT, what, format!("mend it until `nsgate check --dialect agent {file}` finds nothing"))
}

/// The configuration in an agent's command line; an absolute path only, for its root is not this one.
fn file_of(pid: i32) -> Option<PathBuf> {
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    let at = words.iter().position(|word| word.starts_with(b"--config"))?;
    let word = words.get(at)?.strip_prefix(b"--config=").or_else(|| words.get(at + 1).copied())?;
    let path = Path::new(OsStr::from_bytes(word));
    path.is_absolute().then(|| path.to_owned())
}

/// Whether an agent listens where gates look for it.
fn listens(socket: &Path, agents: &[&ProcessOverview], files: &[AgentFile]) -> Finding {
    let shown = socket.display();
    let wrong = |what: String| Finding::wrong(ABOUT, what, remedy(socket, files));
    match fs::metadata(socket) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Finding::unseen(ABOUT, format!("{shown}: {error}"));
        }
        Err(error) => {
            return wrong(format!(
                "gates ask for nsgate agent at {shown} ({}), and no gate starts: {error}",
                site::PATH
            ));
        }
        Ok(found) if !found.file_type().is_socket() => return wrong(format!("{shown} is no socket")),
        Ok(_) => {}
    }
    let all = match listeners(socket) {
        Ok(all) => all,
        Err(error) => return Finding::unseen(ABOUT, format!("{shown}: who listens there: {error}")),
    };
    if let Some(agent) = agents.iter().find(|one| all.iter().any(|(pid, _)| *pid == one.pid)) {
        return Finding::ok(ABOUT, format!("nsgate agent ({}) listens at {shown}", agent.pid));
    }
    match all.first() {
        Some((1, _)) => {
            Finding::ok(ABOUT, format!("systemd listens at {shown}, and the next gate starts nsgate agent"))
        }
        Some(one) => other(socket, one, files),
        None => match UnixStream::connect(socket) {
            Ok(_) => Finding::unseen(
                ABOUT,
                format!("{shown}: a process of another network namespace, or of another user, listens there"),
            ),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Finding::unseen(ABOUT, format!("{shown}: {error}"))
            }
            Err(error) => wrong(format!("no process listens at {shown}, and no gate starts: {error}")),
        },
    }
}

/// A process that is no agent listens there.
fn other(socket: &Path, (pid, name): &UnixListening, files: &[AgentFile]) -> Finding {
    let shown = socket.display();
    let what =
        format!("{name} ({pid}) listens at {shown}, and is not nsgate agent: no gate is bound there, and none starts");
    let remedy = renamed(socket, files).unwrap_or_else(|| {
        format!("`kill {pid}`, if that is nothing else's socket, and then `systemctl restart nsgate-agent.socket nsgate-agent`")
    });
    Finding::wrong(ABOUT, what, remedy)
}

/// What to do where no agent listens.
fn remedy(socket: &Path, files: &[AgentFile]) -> String {
    renamed(socket, files).unwrap_or_else(|| {
        "start the agent: `systemctl start nsgate-agent.socket nsgate-agent`, or `nsgate agent` as before".to_owned()
    })
}

/// The agent's own configuration names another socket.
fn renamed(socket: &Path, files: &[AgentFile]) -> Option<String> {
    let named = |one: &AgentFile| one.config.agent.socket.as_path().to_owned();
    let own = files.iter().map(named).collect::<Vec<_>>();
    let first = files.first().filter(|_| !own.iter().any(|one| one == socket))?;
    let place = named(first);
    Some(format!(
        "{} names {}: name that in {}: `sed -i 's|^agent *=.*|agent = \"{}\"|' {}`",
        first.file.display(),
        place.display(),
        site::PATH,
        place.display(),
        site::PATH
    ))
}

/// Gates that were started before the site's settings sent them another way: an agent does not start a gate anew that runs.
fn old_ways(overview: &Overview, socket: Option<&Path>) -> Option<Finding> {
    let of_agents = |pid: i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
        Path::new(OsStr::from_bytes(first)).file_name().is_some_and(|name| NAMES.iter().any(|one| name == *one))
    };
    let gates = overview.processes.iter().filter(|one| one.role == "gate" && one.ids.is_some());
    let all: Vec<&ProcessOverview> = gates.filter(|one| one.bound != socket.is_some() && of_agents(one.pid)).collect();
    let first = all.first()?;
    let more = match all.len() {
        1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    let pids = all.iter().take(super::MOST).map(|one| one.pid.to_string()).collect::<Vec<_>>().join(" ");
    let remedy = format!("`kill {pids}`: Neutron's process monitor starts others, within a minute unless set");
    Some(match socket {
        Some(socket) => {
            let what = format!(
                "{}{more} asks as before, and not nsgate agent at {}: it was started before {} said so",
                named(first),
                socket.display(),
                site::PATH
            );
            Finding::wrong(ABOUT, what, remedy)
        }
        None => {
            let what =
                format!("{}{more} asks nsgate agent, and {} has no `agent =` any more", named(first), site::PATH);
            Finding { remedy: Some(remedy), ..Finding::note(ABOUT, what) }
        }
    })
}

/// What an agent lacks, by its counters.
fn counted(one: &ProcessOverview, files: &[AgentFile]) -> Vec<Finding> {
    let Some(read) = one.counted.read() else { return Vec::new() };
    let (hop, who) = (&read.hop, format!("nsgate agent ({})", one.pid));
    let config = file_of(one.pid).and_then(|file| files.iter().find(|one| one.file == file)).map(|one| &one.config);
    let mut all: Vec<Finding> = [away(hop, &who, config), forbidden(hop, &who, config), failed(hop, &who, config)]
        .into_iter()
        .flatten()
        .collect();
    if read.lost_lines > 0 {
        all.push(Finding::note("log", format!("{who}: {} lines of its log were lost", read.lost_lines)));
    }
    all
}

/// Seconds since a moment.
fn ago(moment: u64) -> u64 {
    booted().zip(uptime()).map_or(0, |(booted, up)| booted.saturating_add(up)).saturating_sub(moment)
}

/// Its directory does not answer.
fn away(hop: &HopValues, who: &str, config: Option<&MetadataAgentConfig>) -> Option<Finding> {
    let since = Some(hop.away_since()).filter(|since| *since > 0)?;
    let what = format!("{who}: its directory of instances is away since {} s ago: guests get 503", ago(since));
    Some(Finding::wrong(ABOUT, what, back(config.map(|config| &config.directory))))
}

/// What brings a directory back.
fn back(directory: Option<&DirectorySource>) -> String {
    let asked = match directory {
        Some(DirectorySource::Ovn(ovn)) => {
            let first = ovn.remotes.iter().find(|one| matches!(one, DatabaseRemote::Unix(_) | DatabaseRemote::Tcp(_)));
            first.map(|remote| {
                format!("`ovsdb-client list-dbs {remote}` asks it as the agent does, and has to say OVN_Southbound")
            })
        }
        _ => None,
    };
    let asked = asked.unwrap_or_else(|| "`journalctl -u nsgate-agent --since -1h` says why".to_owned());
    format!("{asked}; once it answers, the agent goes on by itself")
}

/// Nova refuses what the agent has signed.
fn forbidden(hop: &HopValues, who: &str, config: Option<&MetadataAgentConfig>) -> Option<Finding> {
    let count = Some(hop.forbidden()).filter(|count| *count > 0)?;
    let last = ago(hop.forbidden_at());
    let what = format!(
        "{who}: Nova has answered 403 {count} times, the last {last} s ago: as a rule the shared secrets differ"
    );
    if last >= NEWS {
        return Some(Finding::note(ABOUT, what));
    }
    let file = config.map_or("/etc/nsgate/nova-secret", |config| config.nova.secret_file.as_str());
    let file = if file.starts_with("/run/credentials/") { "/etc/nsgate/nova-secret" } else { file };
    let remedy = format!(
        "write Nova's metadata_proxy_shared_secret into {file} and start the agent anew: `(umask 077; cat >{file}) && systemctl restart \
         nsgate-agent`"
    );
    Some(Finding::wrong(ABOUT, what, remedy))
}

/// Requests that failed behind the agent. That the directory is away is said apart.
fn failed(hop: &HopValues, who: &str, config: Option<&MetadataAgentConfig>) -> Option<Finding> {
    let behind = [HopReason::NovaAway, HopReason::NovaSilent, HopReason::NovaMalformed];
    let all = hop.reasons().filter(|(reason, count)| *count > 0 && behind.contains(reason));
    let said = all.map(|(reason, count)| format!("{} {count}", reason.name())).collect::<Vec<_>>().join(", ");
    if said.is_empty() {
        return None;
    }
    let last = ago(hop.failed_at());
    let what = format!("{who}: requests without an answer of Nova's: {said}; the last that failed {last} s ago");
    if last >= NEWS || hop.away_since() > 0 {
        return Some(Finding::note("requests", what));
    }
    let host = config.and_then(|config| config.nova.hosts.first()).map(|host| host.server.to_string());
    let remedy = host.map_or_else(
        || "`journalctl -u nsgate-agent --since -1h` says why".to_owned(),
        |host| format!("`curl -sS -m 5 -o /dev/null http://{host}/` asks Nova as the agent does, and has to be silent"),
    );
    Some(Finding::wrong("requests", what, remedy))
}
