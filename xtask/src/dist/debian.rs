//! The clean roots that packages are tried on: made once by debootstrap(8).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nsgate_tests::program::target;

use super::empty;
use crate::command::plain;
use crate::command::said;
use crate::{prepare, tools};

/// Packages that a host of Neutron's has anyway, and tools of the tests.
const INCLUDED: &str = "systemd,systemd-sysv,dbus,iproute2,haproxy,python3,adduser,procps,sudo";

/// A kind of root.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Debian of the release that this host runs.
    Own,
    /// Debian 13.
    Thirteen,
    /// Debian's programs, with rpm(8) and the presets of Fedora and EL beside them: no new unit is enabled. The
    /// repositories of those distributions cannot be had everywhere.
    Rpm,
}

impl Kind {
    /// Every one, with the name of the variable by which the suite finds it.
    pub(crate) const ALL: [(Kind, &str); 3] =
        [(Kind::Own, "NSGATE_DEBIAN"), (Kind::Thirteen, "NSGATE_DEBIAN_13"), (Kind::Rpm, "NSGATE_RPM_HOST")];
}

/// Where it is, `target/dist/debian/RELEASE` or `…/RELEASE-rpm`; made if it is not there yet.
///
/// # Errors
/// One line: which user may make it, or what is missing.
pub(crate) fn root(kind: Kind) -> Result<PathBuf, String> {
    let (release, name) = match kind {
        Kind::Own => (codename()?, codename()?),
        Kind::Thirteen => ("trixie".to_owned(), "trixie".to_owned()),
        Kind::Rpm => (codename()?, format!("{}-rpm", codename()?)),
    };
    let root = target().join("dist/debian").join(name);
    let complete = root.with_extension("complete");
    let made = || fs::read_to_string(&complete).is_ok_and(|with| with == INCLUDED);
    if made() {
        return Ok(root);
    }
    prepare::wait();
    if made() {
        return Ok(root);
    }
    if !nix::unistd::geteuid().is_root() {
        return Err("only root can make a Debian root".to_owned());
    }
    match kind {
        Kind::Own | Kind::Thirteen => bootstrap(&release, &root)?,
        Kind::Rpm => with_rpm(&self::root(Kind::Own)?, &root)?,
    }
    inside(&root, "apt-get clean")?;
    fs::write(&complete, INCLUDED).map_err(|e| format!("{}: {e}", complete.display()))?;
    Ok(root)
}

fn bootstrap(release: &str, root: &Path) -> Result<(), String> {
    tools::DEBOOTSTRAP.ensure()?;
    println!("making a clean Debian {release} in {} (a minute or two) …", root.display());
    empty(root)?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--include={INCLUDED}"), release]).arg(root);
    if plain(debootstrap)? { Ok(()) } else { Err(format!("debootstrap could not make {}; see above", root.display())) }
}

/// A copy of another root, with rpm. (debootstrap itself would configure packages before there is a user `root`.)
fn with_rpm(own: &Path, root: &Path) -> Result<(), String> {
    println!("making a root with rpm in {} …", root.display());
    empty(root)?;
    let mut copy = Command::new("cp");
    copy.args(["-a", "--"]).arg(own.join(".")).arg(root);
    said(copy)?;
    inside(root, "apt-get -q update && apt-get -q -y install --no-install-recommends rpm")?;
    preset(root)
}

fn inside(root: &Path, script: &str) -> Result<(), String> {
    let mut chroot = Command::new("chroot");
    chroot.arg(root).args(["sh", "-c", script]).env("DEBIAN_FRONTEND", "noninteractive");
    said(chroot).map(drop)
}

/// Directories that Fedora's packages filesystem and selinux-policy own. No package in this root owns them.
const SHARED: [&str; 4] = ["fish/vendor_completions.d", "licenses", "selinux/packages/targeted", "zsh/site-functions"];

/// As fedora-release has it (systemd.preset(5)), and those directories.
fn preset(root: &Path) -> Result<(), String> {
    for name in SHARED {
        super::make(&root.join("usr/share").join(name))?;
    }
    let directory = root.join("usr/lib/systemd/system-preset");
    let file = directory.join("99-default-disable.preset");
    super::make(&directory)?;
    fs::write(&file, "disable *\n").map_err(|e| format!("{}: {e}", file.display()))
}

/// The name of the release that this host runs, `bookworm`.
///
/// # Errors
/// It is not Debian.
pub(crate) fn codename() -> Result<String, String> {
    let text = fs::read_to_string("/etc/os-release").map_err(|e| format!("/etc/os-release: {e}"))?;
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"'));
    match (value("ID="), value("VERSION_CODENAME=")) {
        (Some("debian"), Some(codename)) => Ok(codename.to_owned()),
        _ => Err("this host is not Debian, and a root is made of the release that runs".to_owned()),
    }
}
