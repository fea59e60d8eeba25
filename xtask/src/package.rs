//! `cargo xtask package`: every crate as it would be published, built from its own package and nothing else.
//!
//! The test command makes the packages and checks their contents ([`made`]). Only this command builds each of them anew,
//! which takes minutes.

use std::fs;

use nsgate_tests::program::workspace;
use toml::{Table, Value};

use crate::api::LIBRARIES;
use crate::command::{cargo, plain};

/// Packages several crates that depend on each other and are nowhere published: since cargo 1.90.
const SINCE: (u32, u32) = (1, 90);

/// Makes the packages and builds each of them.
pub(crate) fn run() -> Result<(), String> {
    able()?;
    let wrong = wrong()?;
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    if pack(&[])? { Ok(()) } else { Err("a package does not build by itself; see above".to_owned()) }
}

/// Makes the packages, and returns how many there are.
///
/// # Errors
/// What is missing in one of them, or that cargo could not make it.
pub(crate) fn made() -> Result<usize, String> {
    let wrong = wrong()?;
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    if pack(&["--no-verify", "--quiet"])? {
        Ok(names().count())
    } else {
        Err("a package cannot be made; see above".to_owned())
    }
}

/// Whether this cargo can.
///
/// # Errors
/// This cargo is too old; the message names one that is not.
pub(crate) fn able() -> Result<(), String> {
    let out = cargo(&["--version"]).output().map_err(|error| format!("cargo: {error}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut numbers = text.split(['.', ' ']).filter_map(|word| word.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (major, minor) = SINCE;
    if version >= SINCE {
        Ok(())
    } else {
        Err(format!("packaging a workspace takes cargo {major}.{minor}: {}", text.trim()))
    }
}

fn pack(more: &[&str]) -> Result<bool, String> {
    let named: Vec<&str> = names().flat_map(|name| ["--package", name]).collect();
    plain(cargo(&[&["package", "--allow-dirty", "--locked"], &named[..], more].concat()))
}

fn names() -> impl Iterator<Item = &'static str> {
    LIBRARIES.into_iter().chain(["nsgate"])
}

/// One sentence for each thing that a package or its manifest lacks.
fn wrong() -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for name in names() {
        let list = cargo(&["package", "--list", "--allow-dirty", "--quiet", "--package", name]).output();
        let list = list.map_err(|error| format!("cargo package: {error}"))?;
        let files = String::from_utf8_lossy(&list.stdout).into_owned();
        for file in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            if !files.lines().any(|line| line == file) {
                out.push(format!("{name}: its package has no {file}"));
            }
        }
        let directory = workspace().join("crates").join(name);
        if !directory.join("examples").is_dir() {
            out.push(format!("{name}: has no example"));
        }
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).map_err(|error| format!("{name}: {error}"))?;
        let manifest: Table = manifest.parse().map_err(|error| format!("{name}: {error}"))?;
        let package = manifest.get("package").and_then(Value::as_table);
        for key in [
            "description",
            "documentation",
            "homepage",
            "repository",
            "keywords",
            "categories",
            "license",
            "rust-version",
        ] {
            if !package.is_some_and(|package| package.contains_key(key)) {
                out.push(format!("{name}: its manifest has no `{key}`"));
            }
        }
        let readme = fs::read_to_string(directory.join("README.md")).unwrap_or_default();
        for feature in manifest.get("features").and_then(Value::as_table).into_iter().flat_map(Table::keys) {
            if !readme.contains(&format!("`{feature}`")) {
                out.push(format!("{name}: its README does not say what the feature `{feature}` is"));
            }
        }
    }
    Ok(out)
}
