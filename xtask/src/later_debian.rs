//! A package of Debian that is unpacked and not installed: of another release, or one that would change this host (nscd begins
//! to answer for every program). The host's apt stays as it is.
//!
//! An apt of its own asks the mirrors that the host's apt asks, for one suite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nsgate_tests::program::target;

use crate::command::plain;
use crate::{dist, prepare};

/// Where the package's files are, `target/debian/SUITE/PACKAGE`; fetched if they are not there yet.
///
/// # Errors
/// One line: no mirror is known here, or apt could not fetch it.
pub(crate) fn unpacked(suite: &str, package: &str) -> Result<PathBuf, String> {
    together(suite, package, &[package])
}

/// Where the files of several packages are, one beside the other, `target/debian/SUITE/NAME`. A package of another architecture is
/// written as apt writes it, `libstd-rust-dev:arm64`.
///
/// # Errors
/// One line: no mirror is known here, or apt could not fetch one.
pub(crate) fn together(suite: &str, name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let apt = target().join("debian").join(suite);
    let (files, complete) = (apt.join(name), apt.join(format!(".{name}-complete")));
    if complete.exists() {
        return Ok(files);
    }
    prepare::wait();
    if complete.exists() {
        return Ok(files);
    }
    println!("fetching {name} of Debian {suite} into {} …", files.display());
    let io = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let fetched = format!("fetched/{name}");
    for directory in ["state/lists/partial", "cache/archives/partial", &fetched] {
        let directory = apt.join(directory);
        fs::create_dir_all(&directory).map_err(|e| io(&directory, e))?;
    }
    let here = fs::canonicalize(&apt).map_err(|e| io(&apt, e))?;
    let settings = here.join("apt.conf");
    let sources = here.join("sources.list");
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(here.join("status"), "").map_err(|e| io(&here, e))?;
    fs::write(&sources, format!("deb [signed-by={key}] {} {suite} main\n", mirror()?)).map_err(|e| io(&sources, e))?;
    let mut text = format!(
        "Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts \"{0}/none\";\n\
         Dir::Etc::preferencesparts \"{0}/none\";\nDir::State \"{0}/state\";\n\
         Dir::State::status \"{0}/status\";\nDir::Cache \"{0}/cache\";\nAPT::Sandbox::User \"\";\n",
        here.display()
    );
    for architecture in packages.iter().filter_map(|package| package.split_once(':')).map(|(_, other)| other) {
        text += &format!("APT::Architectures {{ \"{OWN}\"; \"{architecture}\"; }};\n");
    }
    fs::write(&settings, text).map_err(|e| io(&settings, e))?;
    fs::create_dir_all(here.join("none")).map_err(|e| io(&here, e))?;
    let fetched = here.join(fetched);
    let run = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q"]).args(arguments).env("APT_CONFIG", &settings).current_dir(&fetched);
        plain(command)
    };
    if !run(&["update"])? || !run(&[&["download"], packages].concat())? {
        return Err(format!("apt-get could not fetch {name} of Debian {suite}; see above"));
    }
    for entry in fs::read_dir(&fetched).map_err(|e| io(&fetched, e))?.flatten() {
        let mut unpack = Command::new("dpkg-deb");
        unpack.arg("--extract").arg(entry.path()).arg(&files);
        if !plain(unpack)? {
            return Err(format!("dpkg-deb could not unpack {}; see above", entry.path().display()));
        }
    }
    fs::write(&complete, "").map_err(|e| io(&complete, e))?;
    Ok(files)
}

/// This architecture, as Debian calls it.
const OWN: &str = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };

/// Packages of this host's release whose files the end-to-end suites use (`nsgate_tests::program::of_debian`).
const OF_THIS_RELEASE: [&str; 5] =
    ["nscd", "libjemalloc2", "libtcmalloc-minimal4", "prometheus", "prometheus-node-exporter"];

/// Unpacks them.
///
/// # Errors
/// The first that cannot be had, in one line.
pub(crate) fn of_this_release() -> Result<(), String> {
    let release = dist::debian::codename()?;
    OF_THIS_RELEASE.iter().try_for_each(|package| unpacked(&release, package).map(drop))?;
    ovn().map(drop)
}

/// A server of OVN's databases with the libraries that it wants (`nsgate_tests::ovn`). Installed, it would start with the host.
///
/// # Errors
/// As [`together`].
pub(crate) fn ovn() -> Result<PathBuf, String> {
    let release = dist::debian::codename()?;
    let programs = ["openvswitch-common", "ovn-central"];
    together(&release, nsgate_tests::ovn::PACKAGE, &[&programs[..], &libraries_of_ovn(&release)].concat())
}

/// A compute node of OVN's: Open vSwitch, which needs no module of the kernel here, the databases, northd and ovn-controller.
///
/// # Errors
/// As [`together`].
pub(crate) fn ovn_node() -> Result<PathBuf, String> {
    let release = dist::debian::codename()?;
    let programs = ["openvswitch-common", "openvswitch-switch", "ovn-common", "ovn-central", "ovn-host", "ethtool"];
    together(&release, "ovn-node", &[&programs[..], &libraries_of_ovn(&release), &["libmnl0"]].concat())
}

fn libraries_of_ovn(release: &str) -> [&'static str; 7] {
    let (libevent, libelf) =
        if release == "bookworm" { ("libevent-2.1-7", "libelf1") } else { ("libevent-2.1-7t64", "libelf1t64") };
    ["libxdp1", "libbpf1", "libunbound8", "libnuma1", "libcap-ng0", libevent, libelf]
}

/// The mirror of the host's own sources, as they write it (sources.list(5)).
fn mirror() -> Result<String, String> {
    let mut texts = vec![fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    for entry in fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "list" || ending == "sources") {
            texts.push(fs::read_to_string(path).unwrap_or_default());
        }
    }
    let found = texts.iter().flat_map(|text| text.lines()).find_map(of_debian);
    found.ok_or_else(|| "no mirror of Debian stands in this host's sources.list".to_owned())
}

/// The address in a line of either format, if it is a mirror of Debian's own archive.
fn of_debian(line: &str) -> Option<String> {
    let address = match line.strip_prefix("URIs:") {
        Some(rest) => rest.split_whitespace().next(),
        None if line.starts_with("deb ") => line.split_whitespace().find(|word| word.contains("://")),
        None => None,
    }?;
    let end = address.trim_end_matches('/').rsplit('/').next();
    (end == Some("debian")).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::of_debian;

    #[test]
    fn a_mirror_is_found_in_both_formats_of_sources() {
        let mirror = Some("http://mirror.example/debian".to_owned());
        assert_eq!(of_debian("URIs: http://mirror.example/debian"), mirror);
        assert_eq!(of_debian("deb [signed-by=/k] http://mirror.example/debian bookworm main"), mirror);
        for other in
            ["# deb http://mirror.example/debian x main", "URIs: http://mirror.example/debian-security", "Types: deb"]
        {
            assert_eq!(of_debian(other), None, "{other}");
        }
    }
}
