//! What a process's root directory shows.

use std::{fs, path::Path};

/// Names in the process's root directory, sorted.
pub(super) fn entries(directory: &Path) -> Option<Vec<String>> {
    let list = fs::read_dir(directory.join("root")).ok()?;
    let mut names: Vec<String> =
        list.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort_unstable();
    Some(names)
}
