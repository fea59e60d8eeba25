//! Debian packages, by dpkg-buildpackage(1) from the source tarball: `debian/` is what a distribution builds from.
// Kept: cargo-deb (3.8.0 tried) and nfpm pack a list of files that are built. Neither makes the source package that a distribution
// builds from, so that `debian/` would stay and each list stand twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pages::write;
use super::{Release, empty};
use crate::command::plain;
use crate::command::said;

/// What is built, and of what.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) release: &'a Release,
    pub(crate) tarball: &'a Path,
    /// Programs that are built already. Without them, the package build compiles.
    pub(crate) programs: Option<&'a Path>,
}

/// Builds in `work`, puts packages and source package into `into`, and returns the directory of the programs.
pub(crate) fn build(wish: Wish, work: &Path, into: &Path) -> Result<PathBuf, String> {
    let Wish { release, tarball, programs } = wish;
    let place = work.join("deb");
    empty(&place)?;
    let tree = unpack(release, tarball, &place)?;
    let orig = place.join(format!("nsgate_{}.orig.tar.gz", release.version));
    fs::copy(tarball, &orig).map_err(|e| format!("{}: {e}", orig.display()))?;
    changelog(release, &tree)?;
    let mut build = release.command("dpkg-buildpackage");
    // No signature. The tools have installed debhelper. cargo may be rustup's.
    build.args(["--unsigned-source", "--unsigned-changes", "--no-check-builddeps", "--no-pre-clean"]);
    build.arg("--build=full").current_dir(&tree);
    build.env_remove("NSGATE_PROGRAMS").env_remove("CARGO_TARGET_DIR");
    // One thread: how xz divides the work shows in the result.
    build.env("DEB_BUILD_OPTIONS", "nocheck").env("XZ_DEFAULTS", "--threads=1");
    if let Some(programs) = programs {
        build.env("NSGATE_PROGRAMS", programs);
    }
    let log = work.join("dpkg-buildpackage.log");
    logged(build, &log)?;
    for entry in fs::read_dir(&place).map_err(|e| format!("{}: {e}", place.display()))?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| ["deb", "dsc", "xz", "gz"].iter().any(|one| end == *one)) {
            let to = into.join(entry.file_name());
            fs::copy(&path, &to).map_err(|e| format!("{}: {e}", to.display()))?;
        }
    }
    Ok(programs.map_or_else(|| tree.join("debian/target/release"), Path::to_owned))
}

/// Unpacks the tarball below `place`, and returns the tree.
pub(crate) fn unpack(release: &Release, tarball: &Path, place: &Path) -> Result<PathBuf, String> {
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(tarball).arg("--directory").arg(place);
    said(tar)?;
    Ok(place.join(release.name()))
}

/// The entry of another version than that of `debian/changelog`: the next one, for the trial of an upgrade.
fn changelog(release: &Release, tree: &Path) -> Result<(), String> {
    let path = tree.join("debian/changelog");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    if first.starts_with(&format!("nsgate ({}-", release.version)) {
        return Ok(());
    }
    let entry = format!("nsgate ({}-1) unstable; urgency=medium\n{rest}", release.version);
    write(&path, entry.as_bytes())
}

/// Runs with its output in a file, whose end is shown if it fails.
pub(crate) fn logged(mut command: Command, log: &Path) -> Result<(), String> {
    let file = fs::File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let again = file.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
    command.stdout(file).stderr(again);
    let program = command.get_program().to_string_lossy().into_owned();
    if plain(command)? {
        return Ok(());
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n");
    Err(format!("{program} failed; the end of {}:\n{last}", log.display()))
}

#[cfg(test)]
mod tests {
    use nsgate_tests::program::workspace;
    use std::process::Command;

    /// What `debian/rules` would run for a target.
    fn would_run(target: &str, words: &[&str]) -> String {
        let mut make = Command::new("make");
        make.args(["--dry-run", "-f", "debian/rules", target]).args(words).current_dir(workspace());
        let done = make.env_remove("NSGATE_PROGRAMS").env_remove("MAKEFLAGS").output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    #[test]
    fn programs_that_are_built_already_are_neither_built_nor_tested() {
        for target in ["override_dh_auto_build", "override_dh_auto_test"] {
            let built = would_run(target, &["NSGATE_PROGRAMS=/usr/bin"]);
            assert!(!built.lines().any(|line| line.starts_with("dh_auto_")), "{target}: {built}");
        }
        // A distribution's crates have no lock: `--locked`, which the Makefile takes in a checkout, would end it.
        let tested = would_run("override_dh_auto_test", &[]);
        assert!(tested.contains("dh_auto_test -- CARGOFLAGS=--offline"), "{tested}");
    }
}
