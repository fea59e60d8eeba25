//! An RPM package, by rpmbuild(8): a specification for each, which packs files that are there already.

use std::path::Path;
use std::process::Command;

use super::files::{Package, packaged};
use super::{Release, empty, release::said};

/// Builds `NAME-VERSION-1.ARCHITECTURE.rpm` from the tree at `root`.
pub(crate) fn build(package: Package, release: &Release, root: &Path, work: &Path, into: &Path) -> Result<(), String> {
    let place = work.join("rpm").join(package.name());
    empty(&place)?;
    let mut rpmbuild = release.command("rpmbuild");
    rpmbuild.args(["-bb", "--quiet", "--nodeps"]);
    let defines = [
        format!("_topdir {}", place.display()),
        format!("_rpmdir {}", place.join("made").display()),
        "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm".to_owned(),
        format!("nsgate_version {}", release.version),
        format!("nsgate_tree {}", root.display()),
        format!("nsgate_packaging {}", packaged("").display()),
        format!("nsgate_day {}", release.date("+%a %b %d %Y")?),
        format!("nsgate_packager {}", release.packager()),
        // Nothing of this machine, nothing of this moment.
        "_buildhost reproducible".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        "_binary_payload w9.gzdio".to_owned(),
        // The programs come out of the release build finished.
        "__os_install_post %{nil}".to_owned(),
        "debug_package %{nil}".to_owned(),
        "_build_id_links none".to_owned(),
    ];
    for define in defines {
        rpmbuild.args(["--define", &define]);
    }
    rpmbuild.arg(packaged("rpm").join(format!("{}.spec", package.name())));
    said(rpmbuild).map_err(|e| format!("{e}; apt-get install rpm"))?;
    let mut cp = Command::new("sh");
    cp.args(["-c", "cp -- \"$1\"/*.rpm \"$2\"/", "sh"]).arg(place.join("made")).arg(into);
    said(cp).map(drop)
}
