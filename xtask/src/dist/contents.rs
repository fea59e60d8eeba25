//! The promises of a source package's build and of a package's contents.

use std::fs;
use std::process::Command;

use super::proof::{Trial, Verdict, complaints};
use super::{Release, deb, empty};
use crate::command::{cargo, said};

/// Crates of any versions that fulfil the manifests, without the lock. The tree is as before afterwards. The result would be
/// the same, so it is not compiled again.
pub(crate) fn from_crates_of_a_distribution(trial: &Trial) -> Result<(), Verdict> {
    let place = trial.place.join("distribution");
    empty(&place)?;
    let release = Release::read()?;
    let tree = deb::unpack(&release, &trial.first().join(format!("{}.tar.gz", release.name())), &place)?;
    let crates = place.join("registry");
    let rules = |target: &str| {
        let mut make = Command::new("make");
        make.args(["--silent", "-f", "debian/rules", target]).current_dir(&tree);
        make.env("NSGATE_CRATES", &crates).env_remove("NSGATE_PROGRAMS");
        make
    };
    let changed = ["Cargo.lock", "Cargo.toml", ".cargo/config.toml"];
    let texts = || changed.map(|name| fs::read_to_string(tree.join(name)).unwrap_or_default());
    let before = texts();
    fs::rename(tree.join("vendor"), place.join("vendor")).map_err(|e| e.to_string())?;
    let refused = rules("override_dh_auto_configure").output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    if refused.status.success() || !said.contains("there is neither vendor/") || texts() != before {
        return Err(Verdict::Failed(format!("without any crates it is not refused: {said}")));
    }
    fs::rename(place.join("vendor"), &crates).map_err(|e| e.to_string())?;
    complaints(rules("override_dh_auto_configure"))?;
    let mut resolve = cargo(&["metadata", "--offline", "--format-version", "1"]);
    resolve.current_dir(&tree).env("CARGO_HOME", place.join("home"));
    let out = resolve.output().map_err(|e| e.to_string())?;
    let resolved = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() || !resolved.contains(&*crates.to_string_lossy()) || resolved.contains("xtask/Cargo.toml")
    {
        return Err(Verdict::Failed(String::from_utf8_lossy(&out.stderr).into_owned()));
    }
    complaints(rules("override_dh_auto_clean"))?;
    if texts() != before {
        return Err(Verdict::Failed("`clean` does not bring back what was there".to_owned()));
    }
    fs::remove_dir_all(&place).map_err(|e| e.to_string())?;
    Ok(())
}

/// A package that needs another one with the notices need not have them.
pub(crate) fn notices(trial: &Trial) -> Result<(), Verdict> {
    let mut looked = 0;
    for (end, words) in [("deb", &["dpkg-deb", "--contents"][..]), ("rpm", &["rpm", "--query", "--list", "--package"])]
    {
        for package in trial.files("first", end)? {
            let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut list = Command::new(words[0]);
            list.args(&words[1..]).arg(&package);
            let files = said(list)?;
            let other = name.starts_with("nsgate-haproxy-compat");
            if name.ends_with(".src.rpm") || other || !(files.contains("bin/nsgate") || files.contains("/haproxy")) {
                continue;
            }
            looked += 1;
            if !files.lines().any(|line| line.contains("/THIRD-PARTY")) {
                return Err(Verdict::Failed(format!("{name} has programs, and no THIRD-PARTY:\n{files}")));
            }
        }
    }
    if looked == 4 { Ok(()) } else { Err(Verdict::Failed(format!("{looked} packages, and 4 have programs"))) }
}
