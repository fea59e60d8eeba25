//! What is installed where: one table for both kinds of packages and for packagers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nsgate_tests::program::workspace;

use super::{Release, completion, empty, make, manual, release::said};

/// One of the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    /// The operator's program, units, manual pages, completions, profiles, documentation.
    Nsgate,
    /// The program under haproxy's name, and what makes agents find it first.
    Compat,
    /// The program in haproxy's place, for images.
    Image,
}

/// A file that is installed as it stands in `xtask/packaging/`.
const PACKAGED: [(Package, &str, &str); 28] = [
    (Package::Nsgate, "systemd/nsgate-pool.service", "usr/lib/systemd/system/"),
    (Package::Nsgate, "systemd/nsgate-pool.socket", "usr/lib/systemd/system/"),
    (Package::Nsgate, "systemd/nsgate-pool-metrics.socket", "usr/lib/systemd/system/"),
    (Package::Nsgate, "systemd/nsgate-exporter.service", "usr/lib/systemd/system/"),
    (Package::Nsgate, "systemd/nsgate@.service", "usr/lib/systemd/system/"),
    (Package::Nsgate, "systemd/sysusers.d/nsgate.conf", "usr/lib/sysusers.d/"),
    (Package::Nsgate, "systemd/tmpfiles.d/nsgate.conf", "usr/lib/tmpfiles.d/"),
    (Package::Nsgate, "etc/nsgate.toml", "etc/nsgate/"),
    (Package::Nsgate, "etc/pool.toml", "etc/nsgate/"),
    (Package::Nsgate, "etc/gate.toml.example", "usr/share/doc/nsgate/examples/"),
    (Package::Nsgate, "../../docs/examples/prometheus/nsgate.rules.yml", "usr/share/doc/nsgate/examples/"),
    (Package::Nsgate, "../../docs/examples/prometheus/prometheus.yml", "usr/share/doc/nsgate/examples/"),
    (Package::Nsgate, "apparmor/nsgate", "usr/share/nsgate/apparmor/"),
    (Package::Nsgate, "selinux/nsgate.te", "usr/share/nsgate/selinux/"),
    (Package::Nsgate, "selinux/nsgate.fc", "usr/share/nsgate/selinux/"),
    (Package::Compat, "compat/agent.conf", "usr/lib/systemd/system/neutron-l3-agent.service.d/nsgate.conf"),
    (Package::Compat, "compat/agent.conf", "usr/lib/systemd/system/neutron-dhcp-agent.service.d/nsgate.conf"),
    (Package::Compat, "compat/agent.conf", "usr/lib/systemd/system/neutron-ovn-metadata-agent.service.d/nsgate.conf"),
    (Package::Compat, "compat/agent.conf", "usr/lib/systemd/system/neutron-ovn-agent.service.d/nsgate.conf"),
    (Package::Compat, "compat/nsgate.filters", "usr/share/neutron/rootwrap/"),
    (Package::Compat, "compat/sudoers", "etc/sudoers.d/nsgate-haproxy-compat"),
    (Package::Compat, "compat/README.md", "usr/share/doc/nsgate-haproxy-compat/"),
    (Package::Image, "image/Containerfile", "usr/share/doc/nsgate-image/examples/"),
    (Package::Image, "image/README.md", "usr/share/doc/nsgate-image/"),
    (Package::Nsgate, "image/Containerfile", "usr/share/doc/nsgate/examples/"),
    (Package::Nsgate, "../../README.md", "usr/share/doc/nsgate/"),
    (Package::Nsgate, "../../CHANGELOG.md", "usr/share/doc/nsgate/"),
    (Package::Nsgate, "../../SECURITY.md", "usr/share/doc/nsgate/"),
];

/// A program, and where it goes. Real files and no links: rootwrap's kill filters and `pgrep` look at `/proc/PID/exe`.
const PROGRAMS: [(Package, &str, &str); 5] = [
    (Package::Nsgate, "nsgate", "usr/bin/"),
    (Package::Compat, "haproxy", "usr/lib/nsgate/bin/"),
    (Package::Compat, "neutron-ns-metadata-proxy", "usr/lib/nsgate/bin/"),
    (Package::Image, "haproxy", "usr/sbin/"),
    (Package::Image, "nsgate", "usr/bin/"),
];

/// Files that not everybody may read.
const PRIVATE: [(&str, u32); 1] = [("etc/sudoers.d/nsgate-haproxy-compat", 0o440)];

impl Package {
    /// All of them.
    pub(crate) const ALL: [Package; 3] = [Package::Nsgate, Package::Compat, Package::Image];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Package::Nsgate => "nsgate",
            Package::Compat => "nsgate-haproxy-compat",
            Package::Image => "nsgate-image",
        }
    }
}

/// A file of `xtask/packaging/`.
pub(crate) fn packaged(name: &str) -> PathBuf {
    workspace().join("xtask/packaging").join(name)
}

/// Puts the package's files below `root`, which is emptied first.
pub(crate) fn install(package: Package, release: &Release, programs: &Path, root: &Path) -> Result<(), String> {
    empty(root)?;
    for (_, name, to) in PROGRAMS.iter().filter(|(of, ..)| *of == package) {
        copy(&programs.join(name), &root.join(to), 0o755)?;
    }
    for (_, name, to) in PACKAGED.iter().filter(|(of, ..)| *of == package) {
        let mode = PRIVATE.iter().find(|(path, _)| path == to).map_or(0o644, |(_, mode)| *mode);
        copy(&packaged(name), &root.join(to), mode)?;
    }
    if package == Package::Nsgate {
        documentation(root)?;
        for page in manual::pages(release)? {
            compressed(&root.join("usr/share/man").join(page.directory()).join(page.file()), &page.text)?;
        }
        for (path, text) in completion::scripts() {
            write(&root.join(path), text.as_bytes())?;
        }
    }
    Ok(())
}

/// `docs/`, with its pictures and examples.
fn documentation(root: &Path) -> Result<(), String> {
    let to = root.join("usr/share/doc/nsgate");
    make(&to)?;
    let mut cp = Command::new("cp");
    cp.args(["-R", "--"]).arg(workspace().join("docs")).arg(to.join("docs"));
    said(cp)?;
    let mut chmod = Command::new("chmod");
    chmod.args(["-R", "u=rwX,go=rX"]).arg(to.join("docs"));
    said(chmod).map(drop)
}

/// Copies a file; a path that ends in `/` is a directory.
pub(crate) fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    let directory = to.as_os_str().as_encoded_bytes().ends_with(b"/");
    let to = if directory { to.join(from.file_name().unwrap_or_default()) } else { to.to_owned() };
    let bytes = fs::read(from).map_err(|e| format!("{}: {e}", from.display()))?;
    write(&to, &bytes)?;
    fs::set_permissions(&to, fs::Permissions::from_mode(mode)).map_err(|e| format!("{}: {e}", to.display()))
}

/// Writes a file that everybody may read.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    make(path.parent().unwrap_or(path))?;
    let written = fs::write(path, bytes).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o644)));
    written.map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes `path.gz`.
pub(crate) fn compressed(path: &Path, text: &str) -> Result<(), String> {
    write(path, text.as_bytes())?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--force", "--no-name", "--best", "--"]).arg(path);
    said(gzip).map(drop)
}
