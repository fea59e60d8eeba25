//! The bill of materials: every crate in the programs, as CycloneDX 1.5 (<https://cyclonedx.org/docs/1.5/json/>), from
//! what cargo itself resolves and from the sums in Cargo.lock.
// Kept: cargo-cyclonedx (0.5.9 tried) would save some 90 of these lines. It writes beside each manifest, names our crates by the
// absolute path of the build, and counts 17 crates of macros, whose code is in no program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nsgate_tests::program::workspace;
use serde_json::{Value, json};

use super::{Release, pages::write};
use crate::command::{cargo, said};

/// A crate: name and version.
type Crate = (String, String);

/// Writes `nsgate-VERSION.cdx.json`.
pub(crate) fn write_to(release: &Release, into: &Path) -> Result<(), String> {
    let text = format!("{:#}\n", bill(release)?);
    write(&into.join(format!("{}.cdx.json", release.name())), text.as_bytes())
}

/// The document.
fn bill(release: &Release) -> Result<Value, String> {
    let (packages, edges) = resolved()?;
    let sums = sums()?;
    let shipped = shipped()?;
    let root = shipped.iter().find(|(name, _)| name == "nsgate").cloned().ok_or("cargo tree does not name nsgate")?;
    let component = |one: &Crate| {
        let mut part = json!({
            "type": if *one == root { "application" } else { "library" },
            "bom-ref": reference(one),
            "name": one.0,
            "version": one.1,
            "purl": reference(one),
        });
        let package = packages.get(one);
        if let Some(licence) = package.and_then(|package| package["license"].as_str()) {
            // Cargo still accepts `MIT/Apache-2.0`, which SPDX does not.
            part["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
        }
        if let Some(text) = package.and_then(|package| package["description"].as_str()) {
            part["description"] = json!(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        if let Some(sum) = sums.get(one) {
            part["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        part
    };
    let depends = |one: &Crate| {
        let on = edges.get(one).into_iter().flatten().filter(|other| shipped.contains(*other)).map(reference);
        json!({ "ref": reference(one), "dependsOn": on.collect::<BTreeSet<_>>() })
    };
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": release.date("+%Y-%m-%dT%H:%M:%SZ")?,
            "component": component(&root),
        },
        "components": shipped.iter().filter(|one| **one != root).map(component).collect::<Vec<_>>(),
        "dependencies": shipped.iter().map(depends).collect::<Vec<_>>(),
    }))
}

/// A package URL (<https://github.com/package-url/purl-spec>); `+` of a version is written as it must be.
fn reference((name, version): &Crate) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// The crates whose code is in the programs: no tool of the build, no test.
pub(crate) fn shipped() -> Result<BTreeSet<Crate>, String> {
    let words = ["tree", "--locked", "--offline", "--package", "nsgate", "--edges", "normal,no-proc-macro"];
    let mut tree = cargo(&words);
    tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    let lines = said(tree)?;
    let crates = lines.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
    });
    Ok(crates.collect())
}

/// The licence of each crate in the programs.
#[cfg(test)]
pub(crate) fn licences() -> Result<BTreeMap<Crate, String>, String> {
    let (packages, _) = resolved()?;
    let licence = |one: Crate| {
        let licence = packages.get(&one)?["license"].as_str()?.to_owned();
        Some((one, licence))
    };
    Ok(shipped()?.into_iter().filter_map(licence).collect())
}

/// What cargo knows of every crate, and which crates each names.
#[allow(clippy::type_complexity, reason = "two maps by the same key, used once")]
fn resolved() -> Result<(BTreeMap<Crate, Value>, BTreeMap<Crate, BTreeSet<Crate>>), String> {
    let text = said(cargo(&["metadata", "--locked", "--offline", "--format-version", "1"]))?;
    let whole: Value = serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut packages = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for package in list(&whole["packages"]) {
        let one = (word(&package["name"]), word(&package["version"]));
        ids.insert(word(&package["id"]), one.clone());
        packages.insert(one, package);
    }
    let mut edges: BTreeMap<Crate, BTreeSet<Crate>> = BTreeMap::new();
    for node in list(&whole["resolve"]["nodes"]) {
        let Some(one) = ids.get(&word(&node["id"])) else { continue };
        let on = list(&node["dependencies"]).iter().filter_map(|id| ids.get(&word(id)).cloned()).collect();
        edges.insert(one.clone(), on);
    }
    Ok((packages, edges))
}

/// The sum of each crate's archive, from Cargo.lock.
fn sums() -> Result<BTreeMap<Crate, String>, String> {
    let text = fs::read_to_string(workspace().join("Cargo.lock")).map_err(|e| format!("Cargo.lock: {e}"))?;
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let crates = text
        .split("[[package]]")
        .filter_map(|block| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?)));
    Ok(crates.collect())
}
