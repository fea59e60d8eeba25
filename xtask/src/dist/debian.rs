//! The clean Debian root that packages are tried on: made once by debootstrap(8), of the release that this host runs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::program::target;

use super::{empty, release::said};
use crate::command::plain;
use crate::{prepare, tools};

/// What a host of Neutron's has anyway, and what the tests look with.
const INCLUDED: &str = "systemd,systemd-sysv,dbus,iproute2,haproxy,python3,adduser,procps,sudo";

/// Where it is, `target/dist/debian/RELEASE`.
///
/// # Errors
/// One line: who may make it, or what is missing.
pub(crate) fn root() -> Result<PathBuf, String> {
    let release = codename()?;
    let root = target().join("dist/debian").join(&release);
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
    tools::DEBOOTSTRAP.ensure()?;
    println!("making a clean Debian {release} in {} (a minute or two) …", root.display());
    empty(&root)?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--include={INCLUDED}"), &release]).arg(&root);
    if !plain(debootstrap)? {
        return Err(format!("debootstrap could not make {}; see above", root.display()));
    }
    let mut clean = Command::new("chroot");
    clean.arg(&root).args(["apt-get", "clean"]);
    said(clean)?;
    fs::write(&complete, INCLUDED).map_err(|e| format!("{}: {e}", complete.display()))?;
    Ok(root)
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
