//! `cargo xtask house`: the rules of this tree that no lint checks: a file begins with what it promises, a file of a crate is
//! short, the files of a crate use each other in no circle, and the crates define a type name once.
// Kept: clippy asks every private item for documentation, or none, and counts no lines of files. All other rules are lints in
// Cargo.toml and clippy.toml.

use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::program::workspace;

/// Lines of a file below `crates/` at most: it answers one question.
const LINES: usize = 350;

/// Fails with one sentence for each file that breaks a rule.
pub(crate) fn run() -> Result<(), String> {
    let broken = sources().into_iter().flat_map(|path| {
        let name = path.strip_prefix(workspace()).unwrap_or(&path).display().to_string();
        fs::read_to_string(&path).map_or_else(|error| vec![format!("{name}: {error}")], |text| broken_by(&name, &text))
    });
    let broken: Vec<String> = broken.chain(crate::circles::broken()).chain(crate::type_names::broken()).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// The rules that one file breaks.
fn broken_by(name: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if !text.trim_start().starts_with("//!") {
        broken.push(format!("{name}: a module begins with a line that says what it promises (//! …)"));
    }
    let lines = text.lines().count();
    if name.starts_with("crates/") && lines > LINES {
        broken.push(format!("{name}: {lines} lines, of {LINES}: give what answers another question a file of its own"));
    }
    broken
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

    #[test]
    fn a_long_file_of_a_crate_breaks_the_house() {
        let text = |lines: usize| format!("//! Says it.\n{}", "\n".repeat(lines - 1));
        assert!(super::broken_by("crates/a/src/lib.rs", &text(super::LINES)).is_empty());
        assert_eq!(super::broken_by("crates/a/src/lib.rs", &text(super::LINES + 1)).len(), 1);
        assert!(super::broken_by("tests/src/lib.rs", &text(super::LINES + 1)).is_empty());
        assert_eq!(super::broken_by("tests/src/lib.rs", "use std::fs;").len(), 1);
    }
}
