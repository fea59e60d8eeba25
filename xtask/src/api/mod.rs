//! `cargo xtask api`: what each library crate offers, as a file that a reviewer reads: docs/api/CRATE.rs.
//!
//! It is read from the source, not from a compiler, so that every toolchain sees the same. A test compares: whoever changes
//! an interface changes that file with it, and the difference is the question which version comes next.
//!
//! cargo-public-api and cargo-semver-checks do not take its place: both read the JSON of rustdoc, which is unstable and of another
//! form with nearly every release. cargo-public-api 0.52 reads the form of Rust 1.95 and not that of 1.85, and cargo-semver-checks
//! 0.51 wants Rust 1.93, where this test runs on every toolchain from 1.85 on, in seconds.

mod header;
mod modules;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::program::workspace;

/// The crates that others may build on.
pub(crate) const LIBRARIES: [&str; 5] =
    ["nsgate-config", "nsgate-forwarder", "nsgate-launcher", "nsgate-pool", "nsgate-sandbox"];

/// Compares; writes with `--write`; with `--since REVISION` says what has come and gone, and which version that asks for.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => {
            let differing = differing()?;
            if differing.is_empty() { Ok(()) } else { Err(differing.join("\n")) }
        }
        [write] if write == "--write" => LIBRARIES.iter().try_for_each(|name| {
            let path = file(name);
            fs::create_dir_all(workspace().join("docs/api"))
                .and_then(|()| fs::write(&path, text(name).map_err(std::io::Error::other)?))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            println!("wrote {}", path.display());
            Ok(())
        }),
        [since, revision] if since == "--since" => compare(revision),
        _ => Err("api takes nothing, --write, or --since REVISION".to_owned()),
    }
}

/// One sentence for each crate whose file is not what it offers.
fn differing() -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for name in LIBRARIES {
        let (now, written) = (text(name)?, fs::read_to_string(file(name)).unwrap_or_default());
        let gone = changed(&written, &now);
        let come = changed(&now, &written);
        if now != written {
            let first = gone.iter().map(|line| format!("- {line}")).chain(come.iter().map(|line| format!("+ {line}")));
            let lines: Vec<String> = first.take(6).collect();
            out.push(format!(
                "docs/api/{name}.rs is not what {name} offers: cargo xtask api --write\n{}",
                lines.join("\n")
            ));
        }
    }
    Ok(out)
}

fn file(name: &str) -> PathBuf {
    workspace().join(format!("docs/api/{name}.rs"))
}

fn text(name: &str) -> Result<String, String> {
    header::of(name, &modules::Tree::read(&workspace().join("crates").join(name).join("src"))?)
}

/// Lines of one text that the other does not have.
fn changed<'a>(from: &'a str, to: &str) -> Vec<&'a str> {
    let known: BTreeSet<&str> = to.lines().map(str::trim).collect();
    from.lines().map(str::trim).filter(|line| line.len() > 1 && !known.contains(line)).collect()
}

fn compare(revision: &str) -> Result<(), String> {
    let mut breaking = false;
    for name in LIBRARIES {
        let path = format!("{revision}:docs/api/{name}.rs");
        let mut git = Command::new("git");
        let out =
            git.arg("-C").arg(workspace()).args(["show", &path]).output().map_err(|error| format!("git: {error}"))?;
        if !out.status.success() {
            return Err(format!("git show {path}: {}", String::from_utf8_lossy(&out.stderr).trim()));
        }
        let (then, now) = (String::from_utf8_lossy(&out.stdout).into_owned(), text(name)?);
        let (gone, come) = (changed(&then, &now), changed(&now, &then));
        println!("{name}: {} lines gone or changed, {} new", gone.len(), come.len());
        gone.iter().for_each(|line| println!("  - {line}"));
        come.iter().for_each(|line| println!("  + {line}"));
        breaking |= !gone.is_empty();
    }
    let version = if breaking { "a major version (a minor one before 1.0)" } else { "a patch version" };
    println!("by Cargo's rules this asks for {version}, unless what went away was replaced by something wider");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_files_are_what_the_crates_offer() {
        assert_eq!(super::differing().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_went_away_is_named() {
        assert_eq!(super::changed("fn a();\nfn b();\n}", "    fn a();\n"), ["fn b();"]);
    }
}
