//! The networks that Neutron's agents want a proxy for: each has a configuration, which its agent removes with the proxy.

use nsgate_config::Uuid;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Directories of configurations below an agent's state directory (`neutron/agent/metadata/driver.py`, and `ovn/metadata`).
pub(crate) const DIRECTORIES: [&str; 2] = ["ns-metadata-proxy", "ovn-metadata-proxy"];
/// Entries of a directory that are looked at.
const MOST: usize = 100_000;

/// Their UUIDs, by the names of the files: nothing is opened.
pub(crate) fn networks(state: &[PathBuf]) -> BTreeSet<Uuid> {
    all(state).map(|(uuid, _)| uuid).collect()
}

/// The files.
pub(crate) fn configurations(state: &[PathBuf]) -> Vec<PathBuf> {
    all(state).map(|(_, path)| path).collect()
}

fn all(state: &[PathBuf]) -> impl Iterator<Item = (Uuid, PathBuf)> {
    let directories = state.iter().flat_map(|state| DIRECTORIES.map(|name| state.join(name)));
    directories.flat_map(|directory| named(&directory))
}

fn named(directory: &Path) -> Vec<(Uuid, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST);
    let uuid = |entry: &fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".conf")?.parse().ok();
    entries.filter_map(|entry| Some((uuid(&entry)?, entry.path()))).collect()
}
