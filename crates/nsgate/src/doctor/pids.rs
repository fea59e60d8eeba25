//! Pid files of Neutron's agents. An agent finds the proxy that it has started by its pid file.

use super::{Finding, Places, few};
use crate::metrics::DIRECTORIES;
use crate::overview::{Overview, ProcessOverview};
use crate::plain_file::read_pid;
use nsgate_config::Uuid;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The directory below an agent's state directory (`external_pids`), and the end of a file's name
/// (`neutron/agent/linux/external_process.py`).
const DIRECTORY: &str = "external/pids";
const ENDING: &str = ".pid.haproxy";

pub(super) fn look(overview: &Overview, places: &Places) -> Vec<Finding> {
    few(places.state.iter().flat_map(|state| of(overview, state)).collect())
}

/// A directory, a device, a link: no start puts a pid there.
fn no_plain_file(file: &Path, error: &io::Error) -> Finding {
    Finding::wrong("pid files", format!("{}: {error}", file.display()), format!("`rm -r {}`", file.display()))
}

fn of(overview: &Overview, state: &Path) -> Vec<Finding> {
    let files = match files(&state.join(DIRECTORY)) {
        Ok(files) => files,
        // That the state is no directory is said of the state.
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Vec::new();
        }
        Err(error) => {
            return vec![Finding::unseen("pid files", format!("{}: {error}", state.join(DIRECTORY).display()))];
        }
    };
    let mut all = Vec::new();
    for (uuid, file) in &files {
        let pid = match read_pid(file) {
            Ok(pid) => pid,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                all.push(Finding::unseen("pid files", format!("{}: {error}", file.display())));
                continue;
            }
            Err(error) => {
                // Of a network that an agent wants, the look at its configuration says it.
                all.extend((!is_wanted(state, *uuid)).then(|| no_plain_file(file, &error)));
                continue;
            }
        };
        let process = pid.and_then(|pid| overview.processes.iter().find(|one| one.pid == pid));
        let own = |one: &ProcessOverview| {
            one.role == "supervisor" || one.identity.is_some_and(|identity| identity.uuid() == *uuid)
        };
        let (shown, said) = (file.display(), pid.map_or("no process".to_owned(), |pid| format!("process {pid}")));
        match process {
            Some(one) if own(one) || one.confined.is_none() => {}
            // That no process serves the network is said, and what to do about it.
            None if !overview.processes.iter().any(|one| serves(one, *uuid)) && is_wanted(state, *uuid) => {}
            other => {
                let what = match other {
                    Some(one) => format!("{shown} names {said}, which is the {} of another network", one.role),
                    None if pid.is_none() => format!("{shown} holds no number: it names no process"),
                    None => format!("{shown} is stale: it names {said}, which is no proxy"),
                };
                let remedy = match overview.processes.iter().find(|one| serves(one, *uuid)) {
                    Some(own) => names_again(own.pid, file),
                    None => format!("`rm {shown}`: an agent that wants the network starts another proxy"),
                };
                all.push(Finding::wrong("pid files", what, remedy));
            }
        }
    }
    all.extend(missing(overview, state, &files));
    all
}

/// Gates whose pid file is gone. Their agent does not know of them.
fn missing(overview: &Overview, state: &Path, files: &BTreeMap<Uuid, PathBuf>) -> Vec<Finding> {
    let gates = overview.processes.iter().filter(|one| ["gate", "keeper"].contains(&one.role));
    let missing = gates.filter_map(|one| {
        let uuid = one.identity?.uuid();
        // A gate that no agent started has its pid file elsewhere, at the operator's choice.
        let lost = is_wanted(state, uuid) && !files.contains_key(&uuid);
        lost.then(|| {
            let pid = one.pid;
            let what = format!("the {} of {uuid} ({pid}) has lost its pid file: its agent does not find it", one.role);
            let file = state.join(DIRECTORY).join(format!("{uuid}{ENDING}"));
            Finding::wrong("pid files", what, names_again(pid, &file))
        })
    });
    missing.collect()
}

/// What to do about a file that does not name the process that serves.
fn names_again(pid: i32, file: &Path) -> String {
    format!(
        "`echo {pid} > {}`; or start the agent anew: its next proxy takes over from this one without losing a request",
        file.display()
    )
}

/// Whether an agent has written a configuration for this network.
fn is_wanted(state: &Path, uuid: Uuid) -> bool {
    DIRECTORIES.iter().any(|name| state.join(name).join(format!("{uuid}.conf")).exists())
}

fn serves(one: &ProcessOverview, uuid: Uuid) -> bool {
    ["gate", "keeper"].contains(&one.role) && one.identity.is_some_and(|identity| identity.uuid() == uuid)
}

fn files(directory: &Path) -> io::Result<BTreeMap<Uuid, PathBuf>> {
    let entries = fs::read_dir(directory)?.flatten();
    let named = entries.filter_map(|entry| {
        let uuid = entry.file_name().to_str()?.strip_suffix(ENDING)?.parse().ok()?;
        Some((uuid, entry.path()))
    });
    Ok(named.collect())
}
