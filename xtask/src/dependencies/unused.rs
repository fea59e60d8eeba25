//! What a manifest names and no source of the crate mentions.

use std::fs;
use std::path::Path;

use nsgate_tests::program::workspace;
use toml::{Table, Value};

/// Where a kind of dependency can be used. A build script may share modules with its crate.
const KINDS: [(&str, &[&str]); 3] = [
    ("dependencies", &["src"]),
    ("dev-dependencies", &["src", "tests", "examples"]),
    ("build-dependencies", &["build.rs", "src"]),
];

/// One sentence for each.
///
/// # Errors
/// A manifest cannot be read.
pub(super) fn find() -> Result<Vec<String>, String> {
    let top: Table = manifest(&workspace().join("Cargo.toml"))?;
    let mut directories = vec![workspace().join("xtask"), workspace().join("tests"), workspace().join("tests/fuzz")];
    let crates = fs::read_dir(workspace().join("crates")).map_err(|error| format!("crates: {error}"))?;
    directories.extend(crates.flatten().map(|entry| entry.path()));
    directories.sort();
    let (mut out, mut named) = (Vec::new(), Vec::new());
    for directory in directories {
        let manifest = manifest(&directory.join("Cargo.toml"))?;
        for (kind, places) in KINDS {
            let Some(Value::Table(dependencies)) = manifest.get(kind) else { continue };
            let sources: String = places.iter().map(|place| text(&directory.join(place))).collect();
            for name in dependencies.keys() {
                named.push(name.clone());
                if !mentions(&sources, &name.replace('-', "_")) {
                    let path = directory.strip_prefix(workspace()).unwrap_or(&directory).display().to_string();
                    out.push(format!("{path}/Cargo.toml: [{kind}] names `{name}`, and nothing in {places:?} uses it"));
                }
            }
        }
    }
    let shared = top.get("workspace").and_then(|table| table.get("dependencies")).and_then(Value::as_table);
    for name in shared.into_iter().flat_map(Table::keys).filter(|name| !named.contains(name)) {
        out.push(format!("Cargo.toml: [workspace.dependencies] names `{name}`, and no crate does"));
    }
    Ok(out)
}

fn manifest(path: &Path) -> Result<Table, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("{}: {error}", path.display()))
}

/// All Rust at a path, file or directory.
fn text(path: &Path) -> String {
    if path.is_dir() {
        return fs::read_dir(path).into_iter().flatten().flatten().map(|entry| text(&entry.path())).collect();
    }
    let rust = path.extension().is_some_and(|extension| extension == "rs");
    if rust { fs::read_to_string(path).unwrap_or_default() } else { String::new() }
}

/// Whether code (not a comment) has the name as a path's first word or in a `use`.
fn mentions(sources: &str, name: &str) -> bool {
    let code = sources.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.into_iter().any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + name.len()..];
            let begins = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
            let used = after.starts_with("::")
                || (line.trim_start().starts_with("use ")
                    && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
            begins && used
        })
    })
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_name_in_a_comment_or_in_a_longer_name_is_no_use() {
        assert!(mentions("use serde::Deserialize;", "serde") && mentions("let x = libc::fork();", "libc"));
        assert!(!mentions("// serde::Deserialize", "serde") && !mentions("use serde_json::json;", "serde"));
        assert!(!mentions("let bytes = 1;", "bytes"));
    }
}
