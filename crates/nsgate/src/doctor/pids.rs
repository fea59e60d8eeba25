//! Pid files of Neutron's agents: by them an agent finds the proxy that it has started.

use super::{Finding, Places, few};
use crate::overview::{Overview, ProcessOverview};
use nsgate_config::Uuid;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Below an agent's state directory (`external_pids`), and how such a file is called (`neutron/agent/linux/external_process.py`).
const DIRECTORY: &str = "external/pids";
const ENDING: &str = ".pid.haproxy";

pub(super) fn look(overview: &Overview, places: &Places) -> Vec<Finding> {
    few(places.state.iter().flat_map(|state| of(overview, state)).collect())
}

fn of(overview: &Overview, state: &Path) -> Vec<Finding> {
    let files = match files(&state.join(DIRECTORY)) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            return vec![Finding::unseen("pid files", format!("{}: {error}", state.join(DIRECTORY).display()))];
        }
    };
    let mut all = Vec::new();
    for (uuid, file) in &files {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                all.push(Finding::unseen("pid files", format!("{}: {error}", file.display())));
                continue;
            }
        };
        let pid: Option<i32> = text.trim().parse().ok();
        let process = pid.and_then(|pid| overview.processes.iter().find(|one| one.pid == pid));
        let own = |one: &ProcessOverview| {
            one.role == "supervisor" || one.identity.is_some_and(|identity| identity.uuid() == *uuid)
        };
        let (shown, said) = (file.display(), pid.map_or("no number".to_owned(), |pid| format!("process {pid}")));
        match process {
            Some(one) if own(one) || one.confined.is_none() => {}
            Some(one) => {
                let what = format!("{shown} names {said}, which is the {} of another network", one.role);
                all.push(Finding::wrong("pid files", what, format!("`rm {shown}`: the agent starts its proxy anew")));
            }
            None => {
                let what = format!("{shown} is stale: it names {said}, which is no proxy");
                let remedy = format!("`rm {shown}`: an agent that wants the network starts another proxy");
                all.push(Finding::wrong("pid files", what, remedy));
            }
        }
    }
    all.extend(missing(overview, state, &files));
    all
}

/// Gates whose pid file is gone: their agent does not know of them.
fn missing(overview: &Overview, state: &Path, files: &BTreeMap<Uuid, PathBuf>) -> Vec<Finding> {
    let gates = overview.processes.iter().filter(|one| ["gate", "keeper"].contains(&one.role));
    let missing = gates.filter_map(|one| {
        let uuid = one.identity?.uuid();
        // One that no agent started has its pid where its operator wanted it.
        let started =
            ["ns-metadata-proxy", "ovn-metadata-proxy"].map(|name| state.join(name).join(format!("{uuid}.conf")));
        let wanted = started.iter().any(|file| file.exists()) && !files.contains_key(&uuid);
        wanted.then(|| {
            let pid = one.pid;
            let what = format!("the {} of {uuid} ({pid}) has lost its pid file: its agent does not find it", one.role);
            let file = state.join(DIRECTORY).join(format!("{uuid}{ENDING}"));
            let remedy = format!(
                "`echo {pid} > {}`; or start the agent anew: its next proxy takes over from this one without losing a request",
                file.display()
            );
            Finding::wrong("pid files", what, remedy)
        })
    });
    missing.collect()
}

fn files(directory: &Path) -> io::Result<BTreeMap<Uuid, PathBuf>> {
    let entries = fs::read_dir(directory)?.flatten();
    let named = entries.filter_map(|entry| {
        let uuid = entry.file_name().to_str()?.strip_suffix(ENDING)?.parse().ok()?;
        Some((uuid, entry.path()))
    });
    Ok(named.collect())
}
