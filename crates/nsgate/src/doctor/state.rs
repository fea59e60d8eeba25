//! State directories of Neutron's agents: whether they exist, and whether gates come from others.

use super::{Finding, Places, few};
use crate::{
    metrics::{DIRECTORIES, STATE, wanted},
    overview::{Overview, ProcessOverview},
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

pub(super) fn look(overview: &Overview, places: &Places) -> Vec<Finding> {
    let mut all: Vec<Finding> = places.state.iter().filter_map(|state| there(state, places.said)).collect();
    all.extend(few(elsewhere(overview, places)));
    all
}

/// What is wrong with a directory.
fn there(state: &Path, said: bool) -> Option<Finding> {
    let shown = state.display().to_string();
    let shown = if shown.is_empty() { "--state" } else { &shown };
    match fs::read_dir(state) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !said => {
            Some(Finding::note("state", format!("{shown} is not there: no configurations and pid files of agents")))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(Finding::unseen("state", format!("{shown}: {error}")))
        }
        Err(error) => Some(Finding::wrong("state", format!("{shown}: {error}"), STATE)),
    }
}

/// Gates whose configuration is in none of the directories: their agent's state is elsewhere, as in a container.
fn elsewhere(overview: &Overview, places: &Places) -> Vec<Finding> {
    let known = wanted(&places.state);
    let gates = overview.processes.iter().filter(|one| ["gate", "keeper"].contains(&one.role));
    let unknown = gates.filter(|one| one.identity.is_some_and(|identity| !known.contains(&identity.uuid())));
    let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for state in unknown.filter_map(state_of) {
        *counts.entry(state).or_default() += 1;
    }
    // When an agent gives up a network, its gate outlives the configuration for a moment.
    counts.retain(|state, _| !places.state.contains(state));
    let said = |(state, count): (PathBuf, usize)| {
        let shown = state.display();
        let what = format!(
            "{count} of the gates and keepers have their configuration in {shown}, by their command line: neither that nor \
             their pid files were looked at"
        );
        let remedy = Some(format!(
            "nsgate doctor --state {shown}; if that is a path in a container, the place of its volume here (kolla: podman \
             volume inspect neutron_metadata_socket)"
        ));
        Finding { remedy, ..Finding::unseen("state", what) }
    };
    counts.into_iter().map(said).collect()
}

/// The state directory in a command line: `haproxy -f STATE/ns-metadata-proxy/UUID.conf`.
fn state_of(one: &ProcessOverview) -> Option<PathBuf> {
    let command = fs::read(format!("/proc/{}/cmdline", one.pid)).ok()?;
    let mut words = command.split(|byte| *byte == 0).map(|word| Path::new(OsStr::from_bytes(word)));
    words.find_map(|path| {
        let directory = path.extension().filter(|ending| *ending == "conf").and_then(|_| path.parent())?;
        let is_neutrons = DIRECTORIES.iter().any(|name| directory.file_name() == Some(OsStr::new(name)));
        is_neutrons.then(|| directory.parent().map(Path::to_owned)).flatten()
    })
}
