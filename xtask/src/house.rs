//! `cargo xtask house`: the rules of this tree that no lint checks: a file begins with what it promises, and the files of a crate
//! use each other in no circle.
// Kept: clippy asks every private item for documentation, or none. What else holds here is a lint in Cargo.toml and clippy.toml.

use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::program::workspace;

/// Fails with one sentence for each file that breaks it.
pub(crate) fn run() -> Result<(), String> {
    let says = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.trim_start().starts_with("//!"));
    let broken = sources().into_iter().filter(|path| !says(path)).map(|path| {
        let name = path.strip_prefix(workspace()).unwrap_or(&path).display().to_string();
        format!("{name}: a module begins with a line that says what it promises (//! …)")
    });
    let broken: Vec<String> = broken.chain(crate::circles::broken()).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// Every Rust file of the repository.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for top in ["bench", "crates", "tests", "xtask"] {
        walk(&workspace().join(top), "rs", &mut found);
    }
    found
}

/// Every file below a directory whose name ends so, sorted.
pub(crate) fn walk(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_file_says_what_it_promises() {
        assert!(!super::sources().is_empty());
        assert_eq!(super::run(), Ok(()));
    }
}
