//! The configurations that agents have written: where each leads, and whether its agent listens.

use super::{Finding, FindingLevel, Places, hop::SecondHop, processes::Reach};
use crate::{metrics::configurations, overview::ProcessOverview};
use nsgate_config::{Config, haproxy};
use nsgate_launcher::{Mode, Options, check_gate, check_reach, read_config};
use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::{Path, PathBuf},
};

/// At most so many configurations are read.
const WALKED: usize = 50;

/// The findings about the configurations, and about the agents that they name.
#[derive(Debug, Default)]
pub(super) struct Configurations {
    pub(super) findings: Vec<Finding>,
    /// Sockets at which no agent listens.
    away: BTreeSet<PathBuf>,
}

impl Configurations {
    /// Whether no agent listens at the socket that this process connects to.
    pub(super) fn is_away(&self, one: &ProcessOverview) -> bool {
        let asks = one.windows.iter().find(|seen| seen.window == "/backend").and_then(|seen| seen.path.as_ref());
        asks.is_some_and(|socket| self.away.contains(socket))
    }
}

/// Checks each configuration as a start would, and each agent's socket once. A fault that `said` already has for a running process
/// is not reported again, nor is one of the second hop.
pub(super) fn look(places: &Places, said: &[Reach<'_>], hop: &SecondHop) -> Configurations {
    let mut found = Configurations::default();
    let all = &mut found.findings;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for file in configurations(&places.state).into_iter().take(WALKED) {
        let shown = file.display();
        let (text, written) = match read_config(&file) {
            Ok(read) => read,
            Err(error) => {
                let (what, remedy) = (error.to_string(), "as the message says; no gate starts from it");
                let denied = what.contains("EACCES") || what.contains("Permission denied");
                all.push(if denied {
                    Finding::unseen("configurations", what)
                } else {
                    Finding::wrong("configurations", what, remedy)
                });
                continue;
            }
        };
        let Ok(mut parsed) = haproxy::parse(&shown.to_string(), &text) else {
            let what = format!("{shown} is no configuration of a gate");
            all.push(Finding::wrong(
                "configurations",
                what,
                format!("`nsgate check {shown}` says what is wrong with it"),
            ));
            continue;
        };
        parsed.config.gate.asks(hop.asked.clone());
        let path = parsed.config.gate.backend.path().to_string();
        if seen.insert(path) {
            let mut options = Options::new(Mode::Daemon);
            options.written = Some(written);
            let socket = parsed.config.gate.backend.path().as_path();
            let agent = hop.asked.is_none().then(|| agent(socket));
            if agent.as_ref().is_some_and(|agent| agent.level == FindingLevel::Wrong) {
                found.away.insert(socket.to_owned());
            }
            let listens = agent.as_ref().is_some_and(|agent| agent.level == FindingLevel::Ok);
            all.extend(warnings(&parsed.config, &options, said, listens));
            all.extend(agent);
        }
    }
    found
}

/// What a start would say of the paths; of the way to an agent that `listens`, too.
fn warnings(config: &Config, options: &Options, said: &[Reach<'_>], listens: bool) -> Vec<Finding> {
    match check_gate(config, None, options) {
        Ok(warnings) => {
            // Without an agent the socket is an old one. The agent makes a new one, which may have another mode.
            let unreached = if listens { check_reach(config, options) } else { Ok(Vec::new()) };
            let unreached = unreached.unwrap_or_default();
            let is_told = |warning: &String| said.iter().any(|reach| warning.contains(reach.reason()));
            let judged = |warning: String| {
                if unreached.contains(&warning) {
                    Finding::wrong("configurations", warning, "let it, as the message says")
                } else {
                    Finding::note("configurations", warning)
                }
            };
            warnings.into_iter().filter(|warning| !is_told(warning)).map(judged).collect()
        }
        Err(error) => {
            vec![Finding::wrong("configurations", error.to_string(), "as the message says; no gate starts with it")]
        }
    }
}

/// Whether an agent listens at its socket.
fn agent(path: &Path) -> Finding {
    const REMEDY: &str = "start the metadata agent; gates that run find its new socket in the same directory";
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::unseen("agent", format!("{shown}: {error}"))
        }
        Err(error) => Finding::wrong("agent", format!("the metadata agent's socket {shown}: {error}"), REMEDY),
        Ok(found) if !found.file_type().is_socket() => Finding::wrong("agent", format!("{shown} is no socket"), REMEDY),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Finding::ok("agent", format!("a process listens at {shown}")),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Finding::unseen("agent", format!("{shown}: {error}"))
            }
            // The kernel tells that apart before it looks whether anybody listens.
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EPROTOTYPE as i32) => Finding::wrong(
                "agent",
                format!("{shown} is a socket of another program: it is not for streams, and a metadata agent's is"),
                format!("`ss -xap src {shown}` names the program: end it, and start the metadata agent anew"),
            ),
            Err(error) => Finding::wrong("agent", format!("no process listens at {shown}: {error}"), REMEDY),
        },
    }
}
