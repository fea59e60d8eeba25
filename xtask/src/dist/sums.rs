//! SHA256SUMS: what `sha256sum --check` reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::said;

/// The file's name.
const NAME: &str = "SHA256SUMS";

/// Writes the sums of every file in `directory`, and returns all files, that one included.
pub(crate) fn write(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).filter(|name| *name != *NAME).collect();
    names.sort();
    let mut sha256sum = Command::new("sha256sum");
    sha256sum.arg("--").args(&names).current_dir(directory);
    let sums = said(sha256sum)? + "\n";
    let path = directory.join(NAME);
    fs::write(&path, sums).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(names.iter().map(|name| directory.join(name)).chain([path]).collect())
}
