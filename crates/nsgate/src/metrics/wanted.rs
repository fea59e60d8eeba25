//! The networks for which Neutron's agents want a proxy. Each has a configuration file, which its agent removes with the proxy.

use nsgate_config::Uuid;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Directories of configurations below an agent's state directory (`neutron/agent/metadata/driver.py`, and `ovn/metadata`).
pub(crate) const DIRECTORIES: [&str; 2] = ["ns-metadata-proxy", "ovn-metadata-proxy"];
/// Most entries of a directory.
const MOST: usize = 100_000;

/// What an operator says with `--state`.
pub(crate) const STATE: &str =
    "--state is state_path of neutron.conf, as this host sees it (of a container, its volume's place)";

/// What agents want, by their state directories.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) networks: BTreeSet<Uuid>,
    /// State directories that could not be read.
    pub(super) unread: usize,
}

/// State directories that cannot be read, and why: one sentence each. One that the command line does not name (`said`) may
/// be missing.
pub(crate) fn unread(state: &[PathBuf], said: bool) -> Vec<String> {
    let wrong = |directory: &Path, optional: bool| match fs::read_dir(directory) {
        Ok(_) => None,
        Err(error) if optional && error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{}: {error}; {STATE}", directory.display())),
    };
    let below = |state: &PathBuf| DIRECTORIES.into_iter().find_map(|name| wrong(&state.join(name), true));
    state.iter().filter_map(|state| wrong(state, !said).or_else(|| below(state))).collect()
}

/// Their UUIDs, from the names of the files. No file is opened.
pub(crate) fn networks(state: &[PathBuf]) -> BTreeSet<Uuid> {
    all(state).map(|(uuid, _)| uuid).collect()
}

/// Their configuration files.
pub(crate) fn configurations(state: &[PathBuf]) -> Vec<PathBuf> {
    all(state).map(|(_, path)| path).collect()
}

fn all(state: &[PathBuf]) -> impl Iterator<Item = (Uuid, PathBuf)> {
    let directories = state.iter().flat_map(|state| DIRECTORIES.map(|name| state.join(name)));
    directories.flat_map(|directory| networks_named_in(&directory))
}

fn networks_named_in(directory: &Path) -> Vec<(Uuid, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST);
    let uuid = |entry: &fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".conf")?.parse().ok();
    entries.filter_map(|entry| Some((uuid(&entry)?, entry.path()))).collect()
}
