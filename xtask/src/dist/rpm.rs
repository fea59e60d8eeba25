//! RPM packages, by rpmbuild(8) from the source tarball: `xtask/packaging/rpm/nsgate.spec` is what a distribution builds from.
// Kept: nfpm makes no source package either.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nsgate_tests::program::workspace;

use super::deb::{Wish, logged};
use super::{empty, make};
use crate::command::said;

/// Nothing of this machine, nothing of this moment, and all packages in one directory.
const REPRODUCIBLE: [&str; 7] = [
    "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    "_buildhost reproducible",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "_binary_payload w9.gzdio",
    "_source_payload w9.gzdio",
    "_build_id_links none",
];

/// A file of `xtask/packaging/`.
pub(crate) fn packaged(name: &str) -> PathBuf {
    workspace().join("xtask/packaging").join(name)
}

/// Builds packages and source package in `work`, of programs that are there already, and puts them into `into`.
pub(crate) fn build(wish: Wish, programs: &Path, work: &Path, into: &Path) -> Result<(), String> {
    let place = work.join("rpm");
    empty(&place)?;
    let sources = place.join("SOURCES");
    make(&sources)?;
    let copy = |from: &Path, to: &Path| fs::copy(from, to).map(drop).map_err(|e| format!("{}: {e}", from.display()));
    copy(wish.tarball, &sources.join(format!("{}.tar.gz", wish.release.name())))?;
    copy(&packaged("systemd/sysusers.d/nsgate.conf"), &sources.join("nsgate.sysusers"))?;
    let spec = place.join("nsgate.spec");
    let text = fs::read_to_string(packaged("rpm/nsgate.spec")).map_err(|e| format!("nsgate.spec: {e}"))?;
    // The version is the workspace's, or the next one, for the trial of an upgrade.
    let version = |line: &str| match line.strip_prefix("Version:") {
        Some(_) => format!("Version:        {}\n", wish.release.version),
        None => format!("{line}\n"),
    };
    fs::write(&spec, text.lines().map(version).collect::<String>()).map_err(|e| format!("{}: {e}", spec.display()))?;
    // Binary packages name the sum of a source package that is made with them, and that holds the paths of the build: each by
    // itself, and the source package in a directory that is named from here.
    let builds = [format!("_topdir {}", place.display()), format!("nsgate_programs {}", programs.display())];
    let sources = [
        "_topdir /usr/src/rpm".to_owned(),
        "_sourcedir SOURCES".to_owned(),
        format!("_srcrpmdir {}", place.join("SRPMS").display()),
    ];
    for (what, own) in [("-bb", &builds[..]), ("-bs", &sources[..])] {
        let mut rpmbuild = wish.release.command("rpmbuild");
        rpmbuild.args([what, "--nodeps"]).current_dir(&place);
        if !rpm_knows("_unitdir")? {
            rpmbuild.arg("--load").arg(packaged("rpm/macros.tests"));
        }
        for define in own.iter().map(String::as_str).chain(REPRODUCIBLE) {
            rpmbuild.args(["--define", define]);
        }
        rpmbuild.arg(&spec);
        logged(rpmbuild, &work.join("rpmbuild.log"))?;
    }
    let mut cp = Command::new("sh");
    cp.args(["-c", "cp -- \"$1\"/RPMS/*.rpm \"$1\"/SRPMS/*.rpm \"$2\"/", "sh"]).arg(&place).arg(into);
    said(cp).map(drop)
}

/// Whether this rpm has a macro; Debian's has none of Fedora's.
fn rpm_knows(name: &str) -> Result<bool, String> {
    let mut rpm = Command::new("rpm");
    rpm.args(["--eval", &format!("%{{?{name}:yes}}")]);
    Ok(said(rpm).map_err(|e| format!("{e}; apt-get install rpm"))? == "yes")
}
