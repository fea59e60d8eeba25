//! The programs, from the tarball and nothing else: what is shipped is what a packager can build.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Release, empty, release::said};
use crate::build;
use crate::command::plain;

/// Unpacks and builds without a network, and returns the directory of the programs.
pub(crate) fn from(tarball: &Path, release: &Release, work: &Path) -> Result<PathBuf, String> {
    let place = work.join("build");
    empty(&place)?;
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(tarball).arg("--directory").arg(&place);
    said(tar)?;
    let source = place.join(release.name());
    let target = place.join("target");
    let mut command = build::release(&source, &["--offline", "--frozen"]);
    command.env("CARGO_TARGET_DIR", &target).env("SOURCE_DATE_EPOCH", release.epoch.to_string());
    command.env("RUSTFLAGS", flags(&source));
    if !plain(command)? {
        return Err("the release build failed; its errors are above".to_owned());
    }
    Ok(target.join("release"))
}

/// Flags of the caller's, and no path of the build in the programs: a panic names its place as a packager would find it.
fn flags(source: &Path) -> String {
    let own = std::env::var("RUSTFLAGS").unwrap_or_default();
    format!("{own} --remap-path-prefix={}=/usr/src/nsgate", source.display()).trim().to_owned()
}
