//! `cargo xtask dependencies`: what each crate brings with it, into docs/dependencies.md, and that it uses all of it.

mod page;
mod unused;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use nsgate_tests::program::workspace;
use serde::Serialize;

use crate::api::LIBRARIES;
use crate::command::cargo;
use crate::terminal::table;

/// What one crate brings.
#[derive(Debug, Serialize)]
pub(crate) struct Brought {
    pub(crate) name: String,
    /// Of other people's packages, those that its manifest names.
    pub(crate) direct: usize,
    /// Those that are linked into a program, all together.
    pub(crate) linked: usize,
    /// Those that a build compiles, macros and build scripts included.
    pub(crate) built: usize,
    /// The same with every feature of the crate.
    pub(crate) all_features: usize,
}

/// A package that is linked or runs while building: its version, its licence and who names it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Package {
    pub(crate) licence: String,
    pub(crate) named_by: BTreeSet<String>,
    /// Whether some program has it inside.
    pub(crate) linked: bool,
}

/// Prints the table (as JSON with `--json`), writes the page with `--write`; fails if something is not used.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (brought, packages) = (brought()?, packages()?);
    match arguments.first().map(String::as_str) {
        None => {
            crate::json::say(&serde_json::json!({ "crates": brought, "packages": packages }));
            println!("{}", table(&page::rows(&brought)));
        }
        Some("--write") => {
            fs::write(file(), page::page(&brought, &packages)).map_err(|e| format!("{}: {e}", file().display()))?;
            println!("wrote {}", file().display());
        }
        Some(other) => return Err(format!("dependencies has no option `{other}`; it takes --write")),
    }
    let unused = unused::find()?;
    if unused.is_empty() { Ok(()) } else { Err(unused.join("\n")) }
}

fn file() -> PathBuf {
    workspace().join("docs/dependencies.md")
}

/// The library crates, and the programs.
fn crates() -> impl Iterator<Item = &'static str> {
    LIBRARIES.into_iter().chain(["nsgate"])
}

fn brought() -> Result<Vec<Brought>, String> {
    let count = |name: &str, more: &[&str]| Ok::<usize, String>(tree(name, more)?.len());
    crates()
        .map(|name| {
            Ok(Brought {
                name: name.to_owned(),
                direct: count(name, &["--edges", "normal", "--depth", "1"])?,
                linked: count(name, &["--edges", "normal,no-proc-macro"])?,
                built: count(name, &["--edges", "normal,build"])?,
                all_features: count(name, &["--edges", "normal,build", "--all-features"])?,
            })
        })
        .collect()
}

fn packages() -> Result<BTreeMap<String, Package>, String> {
    let mut found: BTreeMap<String, Package> = BTreeMap::new();
    for name in crates() {
        for (package, licence) in tree(name, &["--edges", "normal,build", "--all-features"])? {
            found.entry(package).or_default().licence = licence;
        }
        for (package, _) in tree(name, &["--edges", "normal,no-proc-macro", "--all-features"])? {
            found.entry(package).or_default().linked = true;
        }
        for (package, _) in tree(name, &["--edges", "normal,build", "--depth", "1", "--all-features"])? {
            found.entry(package).or_default().named_by.insert(name.to_owned());
        }
    }
    Ok(found)
}

/// Other people's packages below a crate, as `name version`, with their licences.
fn tree(name: &str, more: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let usual = ["tree", "--locked", "--prefix", "none", "--format", "{p}|{l}", "--package", name];
    // One platform, so that the page is the same wherever it is written.
    let platform = ["--target", "x86_64-unknown-linux-gnu"];
    let mut command = cargo(&[&usual[..], &platform, more].concat());
    let out = command.output().map_err(|error| format!("cargo tree: {error}"))?;
    if !out.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let lines = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('|'));
    let others = lines.filter(|(package, _)| !package.contains("(/"));
    let named = others.map(|(package, licence)| {
        let package = package.replace(" (proc-macro)", "").replace(" v", " ");
        (package.trim().to_owned(), licence.trim_end_matches(" (*)").replace('/', " OR "))
    });
    Ok(named.filter(|(package, _)| !package.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::{brought, file, packages, page, unused};

    #[test]
    fn the_page_says_what_cargo_says() {
        let page = page::page(&brought().unwrap(), &packages().unwrap());
        let written = std::fs::read_to_string(file()).unwrap();
        assert!(page == written, "docs/dependencies.md is not what it should be: cargo xtask dependencies --write");
    }

    #[test]
    fn no_crate_names_what_it_does_not_use() {
        assert_eq!(unused::find().unwrap(), Vec::<String>::new());
    }
}
