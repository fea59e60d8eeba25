//! Other people's code: what is linked into the programs, with the texts of its licences (`THIRD-PARTY`), and the authors of
//! `vendor/` (`debian/copyright`). Both are read from the vendored crates themselves.
// Kept: cargo-about (0.9.3 tried) takes one licence of an `OR`, counts the crates of macros, and does not write
// `debian/copyright`. It would save some 90 of these lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Release, bill};

/// Beginnings of the names of files that hold a licence or a notice.
const TEXTS: [&str; 5] = ["license", "copying", "unlicense", "copyright", "notice"];

/// The line between licence and exception in the text of Apache-2.0 WITH LLVM-exception. Debian has the licence.
const EXCEPTION: &str = "--- LLVM Exceptions to the Apache 2.0 License ----";

/// Where the stanzas of vendored crates begin in `debian/copyright`.
const VENDORED: &str = "# What is in vendor/: written by `cargo xtask dist` from the crates themselves.\n";

/// Licences of vendored crates beside nsgate's own, which debian/copyright has: the file of a vendored crate that has the text,
/// or where Debian has it.
const MORE: [(&str, &str); 7] = [
    ("BSD-2-Clause", "LICENSE-BSD"),
    ("BSD-3-Clause", "LICENSE-BSD-3-Clause"),
    ("ISC", "LICENSE-ISC"),
    ("Unicode-3.0", "LICENSE-UNICODE"),
    ("Unlicense", "UNLICENSE"),
    ("Apache-2.0 with LLVM-exception exception", "LICENSE-Apache-2.0_WITH_LLVM-exception"),
    ("LGPL-2.1-or-later", "/usr/share/common-licenses/LGPL-2.1"),
];

/// A vendored crate.
struct Vendored {
    name: String,
    version: String,
    /// Its directory's name in `vendor/`.
    directory: String,
    /// As SPDX writes it (<https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>).
    licence: String,
    authors: Vec<String>,
    /// Files with licences and notices, also of what the crate itself has from others: path in the crate and text.
    texts: Vec<(String, String)>,
}

/// The notices that go with the programs, in the deb, the rpm, the tarball and images.
///
/// # Errors
/// A linked crate is not vendored, or says no licence.
pub(crate) fn notices(release: &Release, vendor: &Path) -> Result<String, String> {
    let (all, linked) = (vendored(vendor)?, bill::shipped()?);
    let mut found: Vec<&Vendored> = Vec::new();
    for (name, version) in linked.iter().filter(|(name, _)| !name.starts_with("nsgate")) {
        let one = all.iter().find(|one| one.name == *name && one.version == *version);
        found.push(one.ok_or_else(|| format!("{name} {version} is linked, and is not in {}", vendor.display()))?);
    }
    let mut texts: Vec<&str> = Vec::new();
    let mut rows = String::new();
    for one in found {
        let numbers = one.texts.iter().map(|(_, text)| {
            let text = text.trim_end();
            let at = texts.iter().position(|known| *known == text).unwrap_or_else(|| {
                texts.push(text);
                texts.len() - 1
            });
            format!("[{}]", at + 1)
        });
        let numbers: BTreeSet<String> = numbers.collect();
        if numbers.is_empty() {
            return Err(format!(
                "{} {} has no file with its licence; its notice cannot be kept",
                one.name, one.version
            ));
        }
        let numbers = numbers.into_iter().collect::<Vec<_>>().join(" ");
        rows += &format!("{} {}: {}  {numbers}\n", one.name, one.version, one.licence);
    }
    let texts: String = texts.iter().enumerate().map(|(at, text)| format!("\n[{}]\n\n{text}\n", at + 1)).collect();
    Ok(format!(
        "Third-party code in the programs of nsgate {}\n\n\
         nsgate itself is under Apache-2.0 or MIT, as you like. Linked into its programs are these crates, each under the\n\
         licence behind its name; the numbers are those of the texts below. {}\n\n{rows}\n\
         The programs also hold the standard library of the Rust compiler that built them (MIT OR Apache-2.0,\n\
         https://github.com/rust-lang/rust, its COPYRIGHT) and the unwinder of the GCC that linked them (libgcc_eh,\n\
         GPL-3.0-or-later WITH GCC-exception-3.1, https://gcc.gnu.org/onlinedocs/libstdc++/manual/license.html).\n{texts}",
        release.version, "Written by `cargo xtask dist`."
    ))
}

/// `debian/copyright` with a stanza for each vendored crate behind those of nsgate's own files.
///
/// # Errors
/// A crate says no licence, or one whose text is nowhere.
pub(crate) fn copyright(own: &str, vendor: &Path) -> Result<String, String> {
    let own = own.split(VENDORED).next().unwrap_or_default();
    let all = vendored(vendor)?;
    let mut stanzas = String::new();
    let mut names = BTreeSet::new();
    for one in &all {
        let licence = of_debian(&one.licence);
        names.extend(licence.split(" or ").flat_map(|part| part.split(", and ")).map(str::to_owned));
        stanzas += &format!(
            "\nFiles: vendor/{}/*\nCopyright: {}\nLicense: {licence}\n",
            one.directory,
            one.holders().join("\n ")
        );
    }
    let mut texts = String::new();
    for name in names.iter().filter(|name| !own.contains(&format!("\nLicense: {name}\n "))) {
        texts += &format!("\nLicense: {name}\n{}", licence_text(name, &all)?);
    }
    Ok(format!("{own}{VENDORED}{stanzas}{texts}"))
}

/// The licences of all that is linked, each once, as a specification's `License:` joins them.
///
/// # Errors
/// A linked crate is not vendored.
#[cfg(test)]
pub(crate) fn linked_licences() -> Result<BTreeSet<String>, String> {
    let all = bill::licences()?;
    let parts = all.values().flat_map(|one| one.split(" AND "));
    Ok(parts.map(|one| sorted(one.trim_matches(['(', ')']))).collect())
}

/// `MIT OR Apache-2.0` and `Apache-2.0 OR MIT` are the same.
#[cfg(test)]
fn sorted(licence: &str) -> String {
    let text = licence.replace('/', " OR ");
    let mut parts: Vec<&str> = text.split(" OR ").collect();
    parts.sort_unstable();
    parts.join(" OR ")
}

impl Vendored {
    /// Lines that begin with `Copyright`, or else the authors.
    fn holders(&self) -> Vec<String> {
        let lines = self.texts.iter().flat_map(|(_, text)| text.lines()).map(str::trim);
        let said = lines.filter_map(|line| {
            let rest = line.strip_prefix("Copyright")?.trim_start();
            let rest = rest.strip_prefix("(c)").or_else(|| rest.strip_prefix("(C)")).or_else(|| rest.strip_prefix('©'));
            let rest = rest.unwrap_or(line.strip_prefix("Copyright")?).trim();
            // A year or a name, and no sentence about copyright, nor a form to be filled in.
            let first = rest.chars().next()?;
            let names = first.is_ascii_digit() || first.is_uppercase();
            (names && !rest.contains("[yyyy]") && !rest.contains("{yyyy}")).then(|| rest.to_owned())
        });
        let mut holders: Vec<String> = said.collect::<BTreeSet<_>>().into_iter().collect();
        if holders.is_empty() {
            holders.clone_from(&self.authors);
        }
        if holders.is_empty() {
            holders.push(format!("The authors of {}", self.name));
        }
        holders
    }
}

/// As the machine-readable copyright file writes it
/// (<https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>).
fn of_debian(licence: &str) -> String {
    let text =
        licence.replace('/', " OR ").replace(") AND ", ", and ").replace(" AND ", ", and ").replace(['(', ')'], "");
    let text = text.replace(" WITH LLVM-exception", " with LLVM-exception exception");
    text.replace(" OR ", " or ")
}

fn licence_text(name: &str, all: &[Vendored]) -> Result<String, String> {
    let place = MORE.iter().find(|(known, _)| *known == name).map(|(_, place)| *place);
    let place = place
        .ok_or_else(|| format!("no text is known for the licence {name} of a vendored crate; name one in MORE"))?;
    if place.starts_with('/') {
        return Ok(format!(" On Debian systems the text of this licence is in\n {place}.\n"));
    }
    let mut texts = all.iter().flat_map(|one| &one.texts);
    let text = texts.find(|(file, _)| file == place);
    let (_, text) = text.ok_or_else(|| format!("no vendored crate has {place} any more, the text of {name}"))?;
    let (licence, text) = match text.split_once(EXCEPTION) {
        Some((_, exception)) => (
            " On Debian systems the text of the Apache License, version 2.0, is in\n /usr/share/common-licenses/Apache-2.0. The exception:\n .\n",
            exception,
        ),
        None => ("", text.as_str()),
    };
    let lines =
        text.trim().lines().map(|line| if line.trim().is_empty() { " .\n".to_owned() } else { format!(" {line}\n") });
    Ok(licence.to_owned() + &lines.collect::<String>())
}

/// Every crate in `vendor/`, sorted.
fn vendored(vendor: &Path) -> Result<Vec<Vendored>, String> {
    let entries = fs::read_dir(vendor).map_err(|e| format!("{}: {e}", vendor.display()))?;
    let mut directories: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    directories.sort();
    directories.iter().map(|path| read(path)).collect()
}

fn read(directory: &Path) -> Result<Vendored, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", directory.display());
    let text = fs::read_to_string(directory.join("Cargo.toml")).map_err(|e| wrong(&e))?;
    let manifest: toml::Table = text.parse().map_err(|e: toml::de::Error| wrong(&e))?;
    let package = manifest.get("package").and_then(toml::Value::as_table).ok_or_else(|| wrong(&"no [package]"))?;
    let word = |key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let list = |key: &str| package.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let mut texts = BTreeMap::new();
    collect(directory, "", &mut texts).map_err(|e| wrong(&e))?;
    Ok(Vendored {
        name: word("name").unwrap_or_default(),
        version: word("version").unwrap_or_default(),
        directory: directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        licence: word("license").ok_or_else(|| wrong(&"says no licence"))?,
        authors: list("authors").iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        texts: texts.into_iter().collect(),
    })
}

/// The licences and notices in one directory of a crate and below it.
fn collect(directory: &Path, below: &str, texts: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{below}{name}/"), texts)?;
        } else if TEXTS.iter().any(|known| name.to_lowercase().starts_with(known)) && !name.ends_with(".rs") {
            texts.insert(format!("{below}{name}"), String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use nsgate_tests::program::workspace;

    use super::{of_debian, sorted};

    #[test]
    fn the_specification_names_the_licences_of_all_that_is_linked() {
        let spec = fs::read_to_string(workspace().join("xtask/packaging/rpm/nsgate.spec")).unwrap();
        let said = spec.lines().find_map(|line| line.strip_prefix("License:")).unwrap().trim();
        let said: BTreeSet<String> = said.split(" AND ").map(|one| sorted(one.trim_matches(['(', ')']))).collect();
        assert_eq!(said, super::linked_licences().unwrap());
    }

    #[test]
    fn a_notice_deep_in_a_crate_goes_with_the_programs() {
        let home = std::env::temp_dir().join(format!("third-party-{}", std::process::id()));
        fs::create_dir_all(home.join("third_party/fiat")).unwrap();
        fs::write(home.join("third_party/fiat/LICENSE"), "Copyright 2020 somebody\n").unwrap();
        fs::write(home.join("licence.rs"), "no text").unwrap();
        fs::write(home.join("Cargo.toml"), "[package]\nname = \"a\"\nversion = \"1.0.0\"\nlicense = \"ISC\"\n")
            .unwrap();
        let one = super::read(&home);
        fs::remove_dir_all(&home).unwrap();
        let one = one.unwrap();
        assert_eq!(one.texts, [("third_party/fiat/LICENSE".to_owned(), "Copyright 2020 somebody\n".to_owned())]);
        assert_eq!(one.holders(), ["2020 somebody"]);
        assert_eq!(of_debian("Apache-2.0 AND ISC"), "Apache-2.0, and ISC");
    }

    #[test]
    fn an_expression_becomes_debians() {
        assert_eq!(of_debian("(MIT OR Apache-2.0) AND Unicode-3.0"), "MIT or Apache-2.0, and Unicode-3.0");
        assert_eq!(of_debian("MIT/Apache-2.0"), "MIT or Apache-2.0");
        assert_eq!(
            of_debian("Apache-2.0 WITH LLVM-exception OR MIT"),
            "Apache-2.0 with LLVM-exception exception or MIT"
        );
    }
}
