//! Which program is under test: nsgate's `haproxy`, or another one to compare with.
//!
//! `NSGATE_HAPROXY=/usr/sbin/haproxy` runs the suites against that program instead: what nsgate replaces, with the same
//! command line and configuration. The known weaknesses of haproxy then show as failing tests, which is the proof that the
//! tests can fail.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that answers to the name `haproxy`.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// The program under test: `NSGATE_HAPROXY`, or `target/dist/bin/haproxy`.
    pub fn under_test() -> Program {
        let path = std::env::var_os("NSGATE_HAPROXY").map_or_else(|| dist().join("haproxy"), PathBuf::from);
        Program { path }
    }

    /// A program at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Program {
        Program { path: path.into() }
    }

    /// The haproxy of the distribution, if installed.
    pub fn real_haproxy() -> Option<Program> {
        let path = Path::new("/usr/sbin/haproxy");
        path.exists().then(|| Program::at(path))
    }

    /// Where the program is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a program at that path.
    pub fn exists(&self) -> bool {
        self.path.is_file()
    }

    /// Whether this is nsgate (its version line says so).
    pub fn is_nsgate(&self) -> bool {
        self.version().to_lowercase().contains("nsgate")
    }

    /// What `-v` prints.
    pub fn version(&self) -> String {
        Command::new(&self.path)
            .arg("-v")
            .output()
            .map(|out| String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
            .unwrap_or_default()
    }

    /// A PATH on which this program is the first `haproxy`.
    pub fn search_path(&self) -> std::ffi::OsString {
        let mut path = self.path.parent().unwrap_or(Path::new("/")).as_os_str().to_owned();
        path.push(":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        path
    }

    /// The program under the name that Neutron started until Ocata, if there is one.
    pub fn namespace_proxy(&self) -> PathBuf {
        let named = std::env::var_os("NSGATE_NAMESPACE_PROXY");
        named.map_or_else(|| dist().join("neutron-ns-metadata-proxy"), PathBuf::from)
    }

    /// The operator's command beside it (`nsgate`), if there is one.
    pub fn nsgate(&self) -> PathBuf {
        std::env::var_os("NSGATE_NSGATE").map_or_else(|| dist().join("nsgate"), PathBuf::from)
    }
}

/// `target/dist/bin` of this workspace.
pub fn dist() -> PathBuf {
    target().join("dist/bin")
}

/// A file of a Debian package that `cargo xtask test e2e` has unpacked below `target/debian/RELEASE/PACKAGE` and not installed.
pub fn of_debian(package: &str, file: &str) -> Option<PathBuf> {
    let releases = std::fs::read_dir(target().join("debian")).into_iter().flatten().flatten();
    releases.map(|release| release.path().join(package).join(file)).find(|path| path.exists())
}

/// The release of Neutron whose code the suites run.
pub const NEUTRON: &str = "29.0.0";

/// The last release of Neutron with a metadata proxy in Python (Ocata).
pub const OCATA: &str = "10.0.7";

/// The release of Keystone that gives tokens for it.
pub const KEYSTONE: &str = "30.0.0";

/// The interpreter that has Keystone; `cargo xtask test e2e` makes it.
pub fn keystone_python() -> PathBuf {
    target().join("neutron/keystone/bin/python")
}

/// The interpreter that has Neutron; `cargo xtask test neutron` makes it.
pub fn neutron_python() -> PathBuf {
    target().join("neutron/venv/bin/python")
}

/// The workspace's target directory (`CARGO_TARGET_DIR` is honoured).
pub fn target() -> PathBuf {
    let workspace = workspace();
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |dir| workspace.join(dir))
}

/// The top directory of the repository.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
