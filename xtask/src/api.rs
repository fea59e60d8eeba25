//! `cargo xtask api`: what each library crate offers, as a page that a reviewer reads: docs/api/CRATE.txt. The check
//! compares it. So a change of an interface shows in the commit that makes it, and raises the question of the next version.
//!
//! The library of cargo-public-api makes the page of rustdoc's JSON, which stable Rust writes as well where it is told that it may.
//! (cargo-public-api itself takes minutes to build, cargo-semver-checks longer.) Each Rust writes it a little differently: a
//! page is compared by the one that it was written with.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::program::{target, workspace};

use crate::command::{cargo, plain, said};

/// The crates that others may build on.
pub(crate) const LIBRARIES: [&str; 6] =
    ["nsgate-agent", "nsgate-config", "nsgate-forwarder", "nsgate-launcher", "nsgate-pool", "nsgate-sandbox"];

#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// Writes the pages
    #[arg(long)]
    write: bool,
    /// What has come and gone since a revision, and which version that asks for
    #[arg(long, value_name = "REVISION", conflicts_with = "write")]
    since: Option<String>,
}

/// Compares, writes, or says what has changed since a revision.
pub(crate) fn run(wish: &Wish) -> Result<(), String> {
    if let (false, None, Err(why)) = (wish.write, &wish.since, comparable()) {
        println!("not compared: {why}");
        return Ok(());
    }
    if let Some(revision) = &wish.since {
        return since(revision);
    }
    if !wish.write {
        let differing = differing()?;
        return if differing.is_empty() { Ok(()) } else { Err(differing.join("\n")) };
    }
    fs::create_dir_all(workspace().join("docs/api")).map_err(|error| format!("docs/api: {error}"))?;
    for name in LIBRARIES {
        let path = workspace().join(page(name));
        fs::write(&path, text(name)?).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Whether the pages were written with this toolchain.
///
/// # Errors
/// The toolchain that wrote them.
pub(crate) fn comparable() -> Result<(), String> {
    let (here, head) = (rustdoc()?, fs::read_to_string(workspace().join(page(LIBRARIES[0]))).unwrap_or_default());
    let head = head.lines().next().unwrap_or_default();
    if head.contains(&format!(" {here},")) { Ok(()) } else { Err(format!("this is {here}; {head}")) }
}

/// One paragraph for each crate whose page differs from its interface.
pub(crate) fn differing() -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for name in LIBRARIES {
        let (now, written) = (text(name)?, fs::read_to_string(workspace().join(page(name))).unwrap_or_default());
        if now != written {
            let gone = changed(&written, &now).into_iter().map(|line| format!("\n- {line}"));
            let come = changed(&now, &written).into_iter().map(|line| format!("\n+ {line}"));
            let lines: String = gone.chain(come).take(6).collect();
            out.push(format!("{} is not what {name} offers: cargo xtask api --write{lines}", page(name)));
        }
    }
    Ok(out)
}

fn page(name: &str) -> String {
    format!("docs/api/{name}.txt")
}

/// `rustdoc 1.95.0`.
fn rustdoc() -> Result<String, String> {
    let mut version = Command::new("rustdoc");
    version.arg("--version");
    Ok(said(version)?.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

/// The page of a crate, with every feature.
fn text(name: &str) -> Result<String, String> {
    let may = target().join("tools/rustdoc");
    let script = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";
    fs::create_dir_all(target().join("tools"))
        .and_then(|()| fs::write(&may, script))
        .and_then(|()| fs::set_permissions(&may, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", may.display()))?;
    let mut document = cargo(&["rustdoc", "--quiet", "--locked", "--lib", "--all-features", "--package", name, "--"]);
    document.args(["-Zunstable-options", "--output-format=json", "--cap-lints=allow"]).env("RUSTDOC", may);
    if !plain(document)? {
        return Err(format!("{name} cannot be documented; see above"));
    }
    let json: PathBuf = target().join("doc").join(format!("{}.json", name.replace('-', "_")));
    let api = public_api::Builder::from_rustdoc_json(&json).omit_blanket_impls(true).omit_auto_trait_impls(true);
    let api = api.build().map_err(|error| format!("{}: {error}", json.display()))?;
    Ok(format!("# Written by `cargo xtask api --write` with {}, and compared by the test command.\n{api}", rustdoc()?))
}

/// Lines of one text that the other does not have.
fn changed<'a>(from: &'a str, to: &str) -> Vec<&'a str> {
    let known: BTreeSet<&str> = to.lines().collect();
    from.lines().filter(|line| !known.contains(line)).collect()
}

fn since(revision: &str) -> Result<(), String> {
    let mut breaking = false;
    for name in LIBRARIES {
        let mut git = Command::new("git");
        git.arg("-C").arg(workspace()).args(["show", &format!("{revision}:{}", page(name))]);
        let (then, now) = (said(git)?, text(name)?);
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
